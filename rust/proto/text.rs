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
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends one byte.
    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Appends `number` in decimal.
    // Once is enough of it: speed is not what matters here.
    #[inline(never)]
    pub(super) fn push_decimal(&mut self, number: u32) {
        let mut digits = [0; 10];
        let mut left = number;
        for digit in digits.iter_mut().rev() {
            *digit = u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        self.push_digits(&digits);
    }

    /// Appends `number` in hexadecimal.
    fn push_hex(&mut self, number: u16) {
        let mut digits = [0; 4];
        let mut left = number;
        for digit in digits.iter_mut().rev() {
            *digit = u8::try_from(left & 0xf).unwrap_or_default();
            left >>= 4;
        }
        self.push_digits(&digits);
    }

    /// Appends all eight groups of `address`: nothing that reads an address fails on that.
    pub(super) fn push_groups(&mut self, address: Ipv6Addr) {
        let mut between = false;
        for group in address.segments() {
            if between {
                self.push(b':');
            }
            self.push_hex(group);
            between = true;
        }
    }

    /// Appends `digits`, each less than 16, without leading zeroes.
    #[inline(never)]
    fn push_digits(&mut self, digits: &[u8]) {
        let mut significant = digits;
        while let [0, tail @ ..] = significant {
            if tail.is_empty() {
                break;
            }
            significant = tail;
        }
        for &digit in significant {
            let character = b"0123456789abcdef".get(usize::from(digit));
            self.push(character.copied().unwrap_or(b'0'));
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}
