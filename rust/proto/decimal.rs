// SPDX-License-Identifier: GPL-2.0

//! Decimal digits.

/// Returns what `byte` is worth as a decimal digit.
#[inline]
pub(super) fn digit(byte: u8) -> Option<u32> {
    let value = byte.wrapping_sub(b'0');
    (value <= 9).then(|| u32::from(value))
}

/// Reads a number of one to seven digits if there are eight bytes, without a loop, and returns what
/// is behind it; [`None`] for anything else.
#[inline]
pub(super) fn up_to_seven(bytes: &[u8]) -> Option<(u32, &[u8])> {
    const ONES: u64 = u64::MAX / 0xff;

    // The first byte is the lowest. Digits become 0 to 9.
    let word = u64::from_le_bytes(*bytes.first_chunk()?) ^ (ONES * 0x30);
    // The top bits of others. A byte behind the first of them may be wrong, by a carry.
    let others = (word.wrapping_add(ONES * 0x76) | word) & (ONES * 0x80);
    // Eight times the number of digits.
    let bits = others.trailing_zeros() & 0x78;
    if !(8..64).contains(&bits) {
        return None;
    }
    // As if zeroes stood before them, eight digits in all; then four numbers of two, two of four.
    let digits = word.checked_shl(64u32.wrapping_sub(bits))?;
    let pairs = (digits.wrapping_mul((10 << 8) | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul((100 << 16) | 1) >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul((10_000 << 32) | 1) >> 32;
    // CAST: Less than 10 million; less than 8.
    Some((number as u32, bytes.get(bits as usize / 8..)?))
}
