// SPDX-License-Identifier: GPL-2.0

//! A text of limited length on the stack.

use core::net::Ipv6Addr;

/// A text to put into a payload.
///
/// What does not fit is left out; the longest text of each protocol fits.
pub struct Text {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Text {
    /// The longest is FTP's `|2|`, 39 bytes of IPv6 address, `|65535|`: 49 bytes.
    pub const CAPACITY: usize = 56;

    /// Returns an empty text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    /// Returns what was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends one byte.
    pub fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Appends a few bytes.
    #[inline]
    pub fn push_all<const N: usize>(&mut self, bytes: &[u8; N]) {
        let room = self.bytes.get_mut(self.len..);
        if let Some(room) = room.and_then(<[u8]>::first_chunk_mut) {
            *room = *bytes;
            self.len = self.len.wrapping_add(N);
        }
    }

    /// Appends `octets` in decimal, with `separator` between each two.
    #[inline(never)]
    pub fn push_octets(&mut self, octets: &[u8], separator: u8) {
        for octet in octets {
            let octet = u32::from(*octet);
            // Divided by 100 and 10; right for numbers that are so small.
            let hundreds = octet.wrapping_mul(41) >> 12;
            let tens = octet.wrapping_mul(205) >> 11;
            let tens_left = tens.wrapping_sub(hundreds.wrapping_mul(10));
            let ones = octet.wrapping_sub(tens.wrapping_mul(10));
            let digits = hundreds | (tens_left << 8) | (ones << 16) | 0x0030_3030;
            let skipped = u32::from(octet < 10).wrapping_add(u32::from(octet < 100));
            let text = (digits | (u32::from(separator) << 24)) >> skipped.wrapping_mul(8);
            let room = self.bytes.get_mut(self.len..);
            if let Some(room) = room.and_then(<[u8]>::first_chunk_mut) {
                *room = text.to_le_bytes();
                let skipped = usize::try_from(skipped).unwrap_or_default();
                self.len = self.len.wrapping_add(4).wrapping_sub(skipped);
            }
        }
        // The last has none behind it.
        self.len = self.len.saturating_sub(1);
    }

    /// Appends `number` in decimal.
    #[inline(never)]
    pub fn push_decimal(&mut self, number: u32) {
        // Eight digits at once; two more may stand before them.
        const MAX: u32 = 100_000_000;
        let mut skipped = None;
        if number >= MAX {
            self.push_decimal(number / MAX);
            skipped = Some(0);
        }
        // Two numbers of four digits, the first in the lower half; four of two; eight of one.
        let number = u64::from(number % MAX);
        let fours = (number / 10_000) | ((number % 10_000) << 32);
        let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x7f_0000_007f;
        let pairs = hundreds | (fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16);
        let tens = (pairs.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
        let digits = tens | (pairs.wrapping_sub(tens.wrapping_mul(10)) << 8);
        // Without the zeroes at their beginning, except for the last.
        let skipped = skipped.unwrap_or(digits.trailing_zeros().min(56) / 8);
        let text = (digits | 0x3030_3030_3030_3030) >> (skipped & 7).wrapping_mul(8);
        let room = self.bytes.get_mut(self.len..);
        if let Some(room) = room.and_then(<[u8]>::first_chunk_mut) {
            *room = text.to_le_bytes();
            let skipped = usize::try_from(skipped).unwrap_or_default();
            self.len = self.len.wrapping_add(8).wrapping_sub(skipped);
        }
    }

    /// Appends all eight groups of `address` in hexadecimal: nothing that reads an address fails on
    /// that.
    pub fn push_groups(&mut self, address: Ipv6Addr) {
        let mut separator = None;
        for group in address.segments() {
            if let Some(separator) = separator {
                self.push(separator);
            }
            separator = Some(b':');
            let bits = u16::BITS.wrapping_sub(group.leading_zeros());
            let len = usize::try_from(bits.wrapping_add(3) / 4)
                .unwrap_or_default()
                .max(1);
            let mut left = group;
            for slot in self.room(len).iter_mut().rev() {
                let [digit, _] = (left & 0xf).to_le_bytes();
                // `a` to `f` stand 39 behind the character that follows `9`.
                let gap = if digit > 9 { 39 } else { 0 };
                *slot = digit.wrapping_add(b'0').wrapping_add(gap);
                left >>= 4;
            }
        }
    }

    /// Appends `len` bytes and returns them, to be written; none if there is no room.
    #[inline]
    fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.len.wrapping_add(len);
        match self.bytes.get_mut(self.len..end) {
            Some(room) => {
                self.len = end;
                room
            }
            None => &mut [],
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}
