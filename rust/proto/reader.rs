// SPDX-License-Identifier: GPL-2.0

//! Reads the pieces of a line in order.

use super::Reject;

/// A position in bytes.
///
/// A byte that does not fit is not consumed. Every method gives [`Reject::Incomplete`] where the
/// bytes end, so that what is built of them is determined by the bytes it has consumed and the one
/// behind them.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from offset `at`.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Returns the offset of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Goes to offset `at`.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// Returns the next byte without consuming it.
    pub(super) fn peek(&self) -> Result<u8, Reject> {
        self.bytes.get(self.at).copied().ok_or(Reject::Incomplete)
    }

    /// Consumes the byte that was peeked at.
    pub(super) fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Consumes bytes as long as they are `wanted`.
    pub(super) fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> Result<(), Reject> {
        while wanted(self.peek()?) {
            self.bump();
        }
        Ok(())
    }

    /// Consumes one byte, which must be `wanted`.
    pub(super) fn one(&mut self, wanted: u8) -> Result<(), Reject> {
        if self.peek()? != wanted {
            return Err(Reject::Malformed);
        }
        self.bump();
        Ok(())
    }

    /// Consumes `word`, which is in small letters, in whatever case.
    ///
    /// Else this is something else, [`Reject::NotOurs`].
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), Reject> {
        for &letter in word {
            if self.peek()?.to_ascii_lowercase() != letter {
                return Err(Reject::NotOurs);
            }
            self.bump();
        }
        Ok(())
    }

    /// Consumes at least one space.
    ///
    /// Without it the word before was another one, [`Reject::NotOurs`].
    pub(super) fn spaces(&mut self) -> Result<(), Reject> {
        if self.peek()? != b' ' {
            return Err(Reject::NotOurs);
        }
        self.skip(|byte| byte == b' ')
    }

    /// Consumes a decimal number of at least one digit and all digits it has.
    ///
    /// More than 65535 is malformed; leading zeroes are not.
    #[inline(never)]
    pub(super) fn number(&mut self) -> Result<u16, Reject> {
        self.decimal()
    }

    /// The same up to the limit of `u32`.
    #[inline(never)]
    pub(super) fn long_number(&mut self) -> Result<u32, Reject> {
        self.decimal()
    }

    #[inline]
    fn decimal<T: TryFrom<u64>>(&mut self) -> Result<T, Reject> {
        let mut value = digit(self.peek()?).ok_or(Reject::Malformed)?;
        loop {
            // Checked with every digit, so it never comes near to the limit of `u64`.
            let number = T::try_from(value).map_err(|_| Reject::Malformed)?;
            self.bump();
            let Some(next) = digit(self.peek()?) else {
                return Ok(number);
            };
            value = value.saturating_mul(10).saturating_add(next);
        }
    }

    /// Consumes as many numbers of 0 to 255 as `octets` has, with a `separator` between each two.
    #[inline(never)]
    pub(super) fn octets(&mut self, separator: u8, octets: &mut [u8]) -> Result<(), Reject> {
        let mut between = false;
        for octet in octets {
            if between {
                self.one(separator)?;
            }
            *octet = u8::try_from(self.number()?).map_err(|_| Reject::Malformed)?;
            between = true;
        }
        Ok(())
    }

    /// Returns the bytes from offset `start` to the next byte.
    pub(super) fn consumed(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }
}

fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value <= 9).then(|| u64::from(value))
}
