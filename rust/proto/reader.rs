// SPDX-License-Identifier: GPL-2.0

//! Reads the pieces of a line in order.

use super::{
    decimal,
    scan,
    Reject, //
};

/// A position in bytes.
///
/// A byte that does not fit is not consumed. Every method gives [`Reject::Incomplete`] where the
/// bytes end, so that what is built of them is determined by the bytes it has consumed and the one
/// behind them.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// What is to be read.
    rest: &'a [u8],
    /// Offset of the end.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from offset `start` on, as if `max` bytes there were all.
    ///
    /// Also returns whether there are so many.
    #[inline]
    pub fn new(bytes: &'a [u8], start: usize, max: usize) -> (Self, bool) {
        let rest = bytes.get(start..).unwrap_or_default();
        let window = rest.get(..max);
        let rest = window.unwrap_or(rest);
        let reader = Self {
            rest,
            end: start.wrapping_add(rest.len()),
        };
        (reader, window.is_some())
    }

    /// Returns the offset of the next byte.
    #[inline]
    pub const fn at(&self) -> usize {
        // Never wraps: `rest` is the last of so many bytes.
        self.end.wrapping_sub(self.rest.len())
    }

    /// Returns the next byte without consuming it.
    #[inline]
    pub fn peek(&self) -> Result<u8, Reject> {
        self.rest.first().copied().ok_or(Reject::Incomplete)
    }

    /// Consumes the byte that was peeked at.
    #[inline]
    pub fn bump(&mut self) {
        if let [_, tail @ ..] = self.rest {
            self.rest = tail;
        }
    }

    /// Consumes `count` bytes, or all that there are.
    #[inline]
    pub fn pass(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Returns the next bytes, if there are so many.
    #[inline]
    pub fn first_chunk<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.rest.first_chunk()
    }

    /// Consumes bytes up to and including the first `WANTED`.
    #[inline]
    pub fn behind<const WANTED: u8>(&mut self) -> Result<(), Reject> {
        self.rest = scan::skip_past::<WANTED>(self.rest).ok_or(Reject::Incomplete)?;
        Ok(())
    }

    /// Consumes bytes as long as they are `wanted`.
    #[inline]
    pub fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> Result<(), Reject> {
        // Not a byte at a time from `self`, which would be written each time.
        let mut here = *self;
        let result = loop {
            match here.peek() {
                Ok(byte) if wanted(byte) => here.bump(),
                other => break other,
            }
        };
        *self = here;
        result.map(|_| ())
    }

    /// Consumes bytes of at least `LIMIT`, at most 128, but not all of them.
    #[inline(always)]
    pub fn skip_words<const LIMIT: u8>(&mut self) {
        self.rest = scan::skip_words::<LIMIT>(self.rest);
    }

    /// Consumes bytes up to the first that is a newline or `wanted`, and returns whether it is the
    /// latter.
    ///
    /// No letter and no space may be wanted.
    #[inline(always)]
    pub fn find(&mut self, wanted: impl Fn(u8) -> bool) -> Result<bool, Reject> {
        loop {
            self.rest = scan::skip_letters(self.rest);
            match self.peek()? {
                b'\n' => return Ok(false),
                byte if wanted(byte) => return Ok(true),
                _ => self.bump(),
            }
            // What is wanted most often follows a parenthesis.
            if self.peek().is_ok_and(&wanted) {
                return Ok(true);
            }
        }
    }

    /// Consumes one byte, which must be `wanted`.
    #[inline]
    pub fn one(&mut self, wanted: u8) -> Result<(), Reject> {
        if self.peek()? != wanted {
            return Err(Reject::Malformed);
        }
        self.bump();
        Ok(())
    }

    /// Consumes `word`, at most eight small letters, in whatever case.
    ///
    /// Else this is something else, [`Reject::NotOurs`].
    #[inline]
    pub fn word<const N: usize>(&mut self, word: &[u8; N]) -> Result<(), Reject> {
        // Makes capitals small. No other byte becomes a letter.
        const LOWER: u64 = u64::from_le_bytes([0x20; 8]);
        let (mut letters, mut ours) = ([0; 8], [0; 8]);
        for ((to, ours), from) in letters.iter_mut().zip(&mut ours).zip(word) {
            (*to, *ours) = (*from, u8::MAX);
        }
        let (letters, ours) = (u64::from_le_bytes(letters), u64::from_le_bytes(ours));
        match self.rest.first_chunk() {
            Some(chunk) if (u64::from_le_bytes(*chunk) | LOWER) & ours == letters => {}
            _ => same(self.rest, word)?,
        }
        self.pass(N);
        Ok(())
    }

    /// The same for a word of any length, letter by letter.
    #[inline]
    pub fn long_word(&mut self, word: &[u8]) -> Result<(), Reject> {
        same(self.rest, word)?;
        self.pass(word.len());
        Ok(())
    }

    /// Consumes one byte, which must be `wanted`; else this is something else,
    /// [`Reject::NotOurs`].
    #[inline]
    pub fn mark(&mut self, wanted: u8) -> Result<(), Reject> {
        self.one(wanted).map_err(|reject| match reject {
            Reject::Malformed => Reject::NotOurs,
            other => other,
        })
    }

    /// Consumes at least one space.
    ///
    /// Without it the word before was another one, [`Reject::NotOurs`].
    #[inline]
    pub fn spaces(&mut self) -> Result<(), Reject> {
        if self.peek()? != b' ' {
            return Err(Reject::NotOurs);
        }
        self.skip(|byte| byte == b' ')
    }

    /// Consumes a decimal number of at least one digit and all digits it has.
    ///
    /// More than 65535 is malformed; leading zeroes are not.
    #[inline]
    pub fn number(&mut self) -> Result<u16, Reject> {
        u16::try_from(self.long_number()?).map_err(|_| Reject::Malformed)
    }

    /// The same up to the limit of `u32`.
    #[inline]
    pub fn long_number(&mut self) -> Result<u32, Reject> {
        match decimal::eight(self.rest) {
            Some((number, len @ 1..8)) => {
                self.pass(len);
                Ok(number)
            }
            Some((number, 8)) => {
                self.pass(8);
                self.more_of(u64::from(number))
            }
            Some(_) => Err(Reject::Malformed),
            None => {
                let mut rest = self.rest;
                let number = last_number(&mut rest);
                self.rest = rest;
                number
            }
        }
    }

    /// Consumes the rest of the digits of a number, of which the first are `number`.
    #[inline]
    fn more_of(&mut self, number: u64) -> Result<u32, Reject> {
        let mut number = number;
        while let Some(digit) = decimal::digit(self.peek()?) {
            // Checked with every digit, so it does not wrap.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            if number > u64::from(u32::MAX) {
                return Err(Reject::Malformed);
            }
            self.bump();
        }
        u32::try_from(number).map_err(|_| Reject::Malformed)
    }

    /// Consumes `COUNT` numbers of 0 to 255, at most 8, with a `separator` between each two, and
    /// returns them as the bytes of a word, the first on top.
    #[inline(always)]
    pub fn octets<const COUNT: u32>(&mut self, separator: u8) -> Result<u64, Reject> {
        let mut rest = self.rest;
        let (mut all, mut left) = (0, COUNT);
        let result = loop {
            let octet = match short_octet(rest) {
                Some((octet, tail)) => {
                    rest = tail;
                    octet
                }
                None => {
                    let mut left = rest;
                    let octet = long_octet(&mut left);
                    rest = left;
                    match octet {
                        Ok(octet) => octet,
                        Err(reject) => break Err(reject),
                    }
                }
            };
            all = (all << 8) | u64::from(octet);
            left = left.wrapping_sub(1);
            if left == 0 {
                break Ok(all);
            }
            match rest {
                [byte, tail @ ..] if *byte == separator => rest = tail,
                _ => break Err(Reject::Malformed),
            }
        };
        self.rest = rest;
        result
    }

    /// Returns the bytes from where `before` was to the next byte.
    #[inline]
    pub fn consumed(&self, before: &Self) -> &'a [u8] {
        let len = before.rest.len().wrapping_sub(self.rest.len());
        before.rest.get(..len).unwrap_or_default()
    }
}

/// See [`Reader::long_number`]; for one among the last bytes.
#[inline(never)]
fn last_number(rest: &mut &[u8]) -> Result<u32, Reject> {
    let [first, tail @ ..] = *rest else {
        return Err(Reject::Incomplete);
    };
    let Some(mut number) = decimal::digit(*first) else {
        return Err(Reject::Malformed);
    };
    *rest = tail;
    // They are less than eight.
    while let Some(digit) = decimal::digit(*rest.first().ok_or(Reject::Incomplete)?) {
        number = number.wrapping_mul(10).wrapping_add(digit);
        *rest = rest.get(1..).unwrap_or_default();
    }
    Ok(number)
}

/// Returns the number of 0 to 255 that `bytes` begin with, and what is behind it, if it has at most
/// three digits and there are enough bytes to see that.
#[inline(always)]
fn short_octet(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let &[a, b, c, d] = bytes.first_chunk()?;
    let mut octet = decimal::digit(a)?;
    let Some(b) = decimal::digit(b) else {
        return Some((octet, bytes.get(1..)?));
    };
    octet = octet.wrapping_mul(10).wrapping_add(b);
    let Some(c) = decimal::digit(c) else {
        return Some((octet, bytes.get(2..)?));
    };
    octet = octet.wrapping_mul(10).wrapping_add(c);
    if decimal::digit(d).is_some() || octet > 255 {
        return None;
    }
    Some((octet, bytes.get(3..)?))
}

/// Consumes the number of 0 to 255 that `rest` begins with, in any case.
#[cold]
#[inline(never)]
fn long_octet(rest: &mut &[u8]) -> Result<u32, Reject> {
    let mut octet = None;
    loop {
        let [byte, tail @ ..] = *rest else {
            return Err(Reject::Incomplete);
        };
        let Some(digit) = decimal::digit(*byte) else {
            return octet.ok_or(Reject::Malformed);
        };
        let value = octet.unwrap_or(0u32).wrapping_mul(10).wrapping_add(digit);
        if value > 255 {
            return Err(Reject::Malformed);
        }
        octet = Some(value);
        *rest = tail;
    }
}

/// Compares the beginning of `bytes` with `word`, letter by letter.
#[cold]
#[inline(never)]
fn same(bytes: &[u8], word: &[u8]) -> Result<(), Reject> {
    let mut rest = bytes;
    for letter in word {
        let [byte, tail @ ..] = rest else {
            return Err(Reject::Incomplete);
        };
        if byte.to_ascii_lowercase() != *letter {
            return Err(Reject::NotOurs);
        }
        rest = tail;
    }
    Ok(())
}
