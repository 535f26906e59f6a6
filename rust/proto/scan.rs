// SPDX-License-Identifier: GPL-2.0

//! Searches bytes, a word at a time: kernel code has no vector registers.
//!
//! # How a byte is found in a word
//!
//! To look for a newline, 0x0a, in the eight bytes `226 ok\r\n`, read as a little-endian word (the first
//! byte is the lowest; written here with the first byte on the left):
//!
//! ```text
//! word             32 32 36 20 6f 6b 0d 0a
//! xor 0a in each   38 38 3c 2a 65 61 07 00    the wanted byte became 0
//! minus 01 in each 37 37 3b 29 64 60 06 ff    only there the subtraction borrows
//! and not itself   07 07 03 01 00 00 00 ff    so that other bytes with the top bit do not count
//! and 80 in each   00 00 00 00 00 00 00 80    a hit is a top bit: the eighth byte
//! ```
//!
//! The borrow goes on to the next byte in memory, which may become a hit, too, if it is 0x0b. So only the
//! first hit is certain. That is the one that a search wants, see [`skip_past`].
//!
//! # How a line is found to be harmless
//!
//! Most lines are only asked whether they have any byte below a limit, such as a newline or CTCP's
//! delimiter. Then the `xor` and the `and not` are left out: `word - limit` in each byte borrows for every
//! byte below the limit. Bytes of 0x80 and more, which are not ASCII, and their like, give false alarms. So a
//! "no" is certain and a "yes" means to look again, see [`seems_free_of_less_than`].

const BYTES: usize = size_of::<usize>();
/// 0x01 in every byte.
const ONES: usize = usize::MAX / 0xff;
/// 0x80 in every byte.
const TOPS: usize = ONES << 7;

/// Returns what follows the first newline, or [`None`] if there is none.
#[inline]
pub fn skip_line(bytes: &[u8]) -> Option<&[u8]> {
    // Lines are long: most of it half as carefully, several words at a time.
    let mut rest = bytes;
    while let Some((words, tail)) = rest.split_first_chunk::<{ 4 * BYTES }>() {
        if borrows::<{ b'\n' + 1 }>(words) & TOPS != 0 {
            break;
        }
        rest = tail;
    }
    skip_past::<b'\n'>(skip_words::<{ b'\n' + 1 }>(rest))
}

/// Returns what follows the first `WANTED`, or [`None`] if there is none.
#[inline]
pub fn skip_past<const WANTED: u8>(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = equal::<WANTED>(usize::from_le_bytes(*word));
        if hits != 0 {
            return rest.get(first(hits)..)?.get(1..);
        }
        rest = tail;
    }
    let mut word = 0;
    for &byte in rest.iter().rev() {
        word = (word << 8) | usize::from(byte);
    }
    let hits = equal::<WANTED>(word);
    if hits == 0 {
        return None;
    }
    // A wanted 0 may be one of those behind the end.
    rest.get(first(hits)..)?.get(1..)
}

/// Returns the offset of the first of some `hits`.
#[inline]
fn first(hits: usize) -> usize {
    usize::try_from(hits.trailing_zeros() / 8).unwrap_or_default()
}

/// Returns as hits, the top bits of bytes, those that are `WANTED`; what it sets above the first does
/// not matter.
#[inline]
fn equal<const WANTED: u8>(word: usize) -> usize {
    // Such a byte becomes 0, from which subtracting 1 borrows. Bytes after it in memory are above
    // it in the word and may be hit by that borrow, those before are not.
    let zeroed = word ^ const { usize::from_le_bytes([WANTED; BYTES]) };
    zeroed.wrapping_sub(ONES) & !zeroed & TOPS
}

/// Returns `bytes` without words at their beginning that are letters and spaces only, and some of
/// those that are in the next.
#[inline(always)]
pub fn skip_letters(bytes: &[u8]) -> &[u8] {
    const SPACES: usize = usize::from_le_bytes([b' '; BYTES]);
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        // A space becomes 0 and letters more than 0x40; what is between gets the second bit from the
        // top, which may be carried to the next byte.
        let others = (usize::from_le_bytes(*word) ^ SPACES).wrapping_add(ONES * 0x3f) & (ONES << 6);
        if others != 0 {
            return rest.get(first(others)..).unwrap_or_default();
        }
        rest = tail;
    }
    rest
}

/// Returns `bytes` without words at their beginning that seem free of bytes less than `LIMIT`, at most
/// 128: of those there may be more.
#[inline(always)]
pub fn skip_words<const LIMIT: u8>(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<BYTES>() {
        if borrows::<LIMIT>(word) & TOPS != 0 {
            break;
        }
        rest = tail;
    }
    rest
}

/// Tells whether `bytes` look as if none were less than `LIMIT`, at most 128: true is certain, while
/// false may only mean that they are few or that not all are ASCII.
///
/// It takes half of the time that certainty would.
#[inline(always)]
pub fn seems_free_of_less_than<const LIMIT: u8>(bytes: &[u8]) -> bool {
    let mut tops = 0;
    if bytes.len() >= 4 * BYTES {
        tops |= borrows::<LIMIT>(last::<{ 4 * BYTES }>(bytes));
        let mut rest = bytes;
        while let Some((first, tail)) = rest.split_first_chunk::<{ 4 * BYTES }>() {
            tops |= borrows::<LIMIT>(first);
            rest = tail;
        }
    } else if bytes.len() >= 2 * BYTES {
        tops |= borrows::<LIMIT>(last::<{ 2 * BYTES }>(bytes));
        tops |= borrows::<LIMIT>(bytes.get(..2 * BYTES).unwrap_or_default());
    } else if bytes.len() >= BYTES {
        tops |= borrows::<LIMIT>(last::<BYTES>(bytes));
        tops |= borrows::<LIMIT>(bytes.get(..BYTES).unwrap_or_default());
    } else {
        return false;
    }
    tops & TOPS == 0
}

/// Returns the last `LEN` bytes, of as many or more.
#[inline(always)]
fn last<const LEN: usize>(bytes: &[u8]) -> &[u8] {
    let start = bytes.len().wrapping_sub(LEN);
    bytes.get(start..).unwrap_or_default()
}

/// Returns a word with the top bit of a byte if one in the same place of `words` is less than
/// `LIMIT`, among others.
#[inline(always)]
fn borrows<const LIMIT: u8>(words: &[u8]) -> usize {
    // Such a byte borrows from the next one, which gives it the top bit.
    let limits = const { usize::from_le_bytes([LIMIT; BYTES]) };
    let mut tops = 0;
    for word in words.chunks_exact(BYTES) {
        let word = word.first_chunk().copied().unwrap_or_default();
        tops |= usize::from_le_bytes(word).wrapping_sub(limits);
    }
    tops
}

/// Tells whether any of the bytes is a newline.
#[inline]
pub fn has_newline(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.contains(&b'\n');
    };
    let mut hits = newlines(last);
    let mut rest = bytes;
    // Of several lines the first is most often short.
    while let Some((words, tail)) = rest.split_first_chunk::<{ 4 * BYTES }>() {
        for word in words.chunks_exact(BYTES) {
            hits |= newlines(&word.first_chunk().copied().unwrap_or_default());
        }
        if hits & TOPS != 0 {
            return true;
        }
        rest = tail;
    }
    while let Some((word, tail)) = rest.split_first_chunk() {
        hits |= newlines(word);
        rest = tail;
    }
    hits & TOPS != 0
}

/// Returns the top bits of bytes that are newlines, among others.
#[inline]
fn newlines(word: &[u8; BYTES]) -> usize {
    let zeroed = usize::from_le_bytes(*word) ^ const { usize::from_le_bytes([b'\n'; BYTES]) };
    zeroed.wrapping_sub(ONES) & !zeroed
}

/// Tells whether any of the bytes is 0 or 1.
#[inline]
pub fn has_0_or_1(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().any(|&byte| byte < 2);
    };
    let mut hits = below_2(last);
    let mut rest = bytes;
    while let Some((words, tail)) = rest.split_first_chunk() {
        hits |= below_2(words);
        rest = tail;
    }
    hits & TOPS != 0
}

/// Returns the top bits of bytes that are less than 2, among others.
#[inline]
fn below_2(words: &[u8; 2 * BYTES]) -> usize {
    const TWOS: usize = ONES << 1;
    let mut hits = 0;
    for word in words.chunks_exact(BYTES) {
        let word = word.first_chunk().copied().unwrap_or_default();
        let word = usize::from_le_bytes(word);
        // Only such a byte begins to borrow, and of those with the top bit none counts.
        hits |= word.wrapping_sub(TWOS) & !word;
    }
    hits
}
