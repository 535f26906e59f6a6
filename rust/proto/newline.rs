// SPDX-License-Identifier: GPL-2.0

//! Finds the end of a line.

const BYTES: usize = size_of::<usize>();
/// 0x01 in every byte.
const ONES: usize = usize::MAX / 0xff;
/// 0x80 in every byte.
const TOPS: usize = ONES << 7;
/// A newline in every byte.
const NEWLINES: usize = ONES * 0x0a;

/// Returns what follows the first newline, or [`None`] if there is none.
// Kernel code has no vector registers, so a word at a time is the fastest there is.
#[inline]
pub(super) fn skip_line(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        if let Some(at) = find(*word) {
            return rest.get(at..)?.get(1..);
        }
        if tail.is_empty() {
            return None;
        }
        // The last word overlaps the one before.
        rest = rest.get(tail.len().min(BYTES)..)?;
    }
    let at = rest.iter().position(|&byte| byte == b'\n')?;
    rest.get(at..)?.get(1..)
}

/// Returns the offset of the first newline in a word.
fn find(word: [u8; BYTES]) -> Option<usize> {
    // A newline becomes 0, from which subtracting 1 borrows. Bytes after it in memory are above
    // it in the word and may be hit by that borrow, those before are not.
    let zeroed = usize::from_le_bytes(word) ^ NEWLINES;
    let hits = zeroed.wrapping_sub(ONES) & !zeroed & TOPS;
    if hits == 0 {
        return None;
    }
    usize::try_from(hits.trailing_zeros() / 8).ok()
}
