// SPDX-License-Identifier: GPL-2.0

//! Searches bytes.
//!
//! Kernel code has no vector registers, so a word at a time is the fastest there is.

const BYTES: usize = size_of::<usize>();
/// 0x01 in every byte.
const ONES: usize = usize::MAX / 0xff;
/// 0x80 in every byte.
const TOPS: usize = ONES << 7;

/// Returns what follows the first newline, or [`None`] if there is none.
#[inline]
pub(super) fn skip_line(bytes: &[u8]) -> Option<&[u8]> {
    skip_past::<b'\n'>(bytes)
}

/// Returns what follows the first `WANTED`, or [`None`] if there is none.
#[inline]
pub(super) fn skip_past<const WANTED: u8>(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        if let Some(at) = find(*word, const { usize::from_le_bytes([WANTED; BYTES]) }) {
            return rest.get(at..)?.get(1..);
        }
        if tail.is_empty() {
            return None;
        }
        // The last word overlaps the one before.
        rest = rest.get(tail.len().min(BYTES)..)?;
    }
    let at = rest.iter().position(|&byte| byte == WANTED)?;
    rest.get(at..)?.get(1..)
}

/// Returns the offset of the first byte in `word` that is as in `wanted`, which has it everywhere.
#[inline]
fn find(word: [u8; BYTES], wanted: usize) -> Option<usize> {
    // Such a byte becomes 0, from which subtracting 1 borrows. Bytes after it in memory are above
    // it in the word and may be hit by that borrow, those before are not.
    let zeroed = usize::from_le_bytes(word) ^ wanted;
    let hits = zeroed.wrapping_sub(ONES) & !zeroed & TOPS;
    if hits == 0 {
        return None;
    }
    usize::try_from(hits.trailing_zeros() / 8).ok()
}

/// Tells whether any of the bytes is 0 or 1.
#[inline]
pub(super) fn has_0_or_1(bytes: &[u8]) -> bool {
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
