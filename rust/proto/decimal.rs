// SPDX-License-Identifier: GPL-2.0

//! Decimal digits.
//!
//! # How eight digits become a number
//!
//! Three multiplications do the work of eight. `5021 end` has four digits; its bytes, the first on the
//! left:
//!
//! ```text
//! word               35 30 32 31 20 65 6e 64
//! xor 30 in each     05 00 02 01 10 55 5e 54    digits are 0 to 9 now, all else is more
//! plus 76, top bits  .. .. .. .. 80 80 80 80    9 + 0x76 is 0x7f, so the first other byte is the fifth
//! move up by four    00 00 00 00 05 00 02 01    as if zeroes stood before: 00005021
//! pairs, in decimal  00    00    50    21       each byte times ten plus the next one
//! fours              0000        5021           each pair times a hundred plus the next one
//! eight              5021                       the first four times ten thousand plus the others
//! ```
//!
//! One multiplication by `(10 << 8) | 1` makes all four pairs at once: it adds each byte's tenfold to its
//! neighbour.

/// Returns what `byte` is worth as a decimal digit.
#[inline]
pub fn digit(byte: u8) -> Option<u32> {
    let value = byte.wrapping_sub(b'0');
    (value <= 9).then(|| u32::from(value))
}

/// Reads up to eight digits at once if there are eight bytes; returns the number that they make, and
/// how many they are.
#[inline]
pub fn eight(bytes: &[u8]) -> Option<(u32, usize)> {
    const ONES: u64 = u64::MAX / 0xff;

    // The first byte is the lowest. Digits become 0 to 9.
    let word = u64::from_le_bytes(*bytes.first_chunk()?) ^ (ONES * 0x30);
    // The top bits of others. A byte behind the first of them may be wrong, by a carry.
    let others = (word.wrapping_add(ONES * 0x76) | word) & (ONES * 0x80);
    // Eight times the number of digits.
    let bits = others.trailing_zeros() & 0x78;
    // As if zeroes stood before them, eight digits in all; then four numbers of two, two of four.
    let digits = word
        .checked_shl(64u32.wrapping_sub(bits))
        .unwrap_or_default();
    let pairs = (digits.wrapping_mul((10 << 8) | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul((100 << 16) | 1) >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul((10_000 << 32) | 1) >> 32;
    Some((number.try_into().ok()?, (bits / 8).try_into().ok()?))
}
