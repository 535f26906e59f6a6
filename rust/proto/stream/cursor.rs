// SPDX-License-Identifier: GPL-2.0

//! Goes from line to line in bytes.

use super::super::{
    scan,
    Reject, //
};

/// Where in the bytes to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Cursor {
    /// The offset of the first byte not dealt with yet.
    pub offset: usize,
    /// Where in a line that is.
    pub place: Place,
    /// Where what would have to be rewritten begins in a line that is not whole.
    pub begun: Option<usize>,
    /// How many bytes before the segment have not been seen.
    pub gap: u16,
    /// Where in a line the first of these is.
    pub gap_place: Place,
    /// Whether all of the segment has been seen before.
    pub is_again: bool,
    /// How many of the bytes at its beginning have been seen before.
    pub old: usize,
    /// The byte before the bytes given, where these are not the first of their segment.
    pub before_bytes: Option<u8>,
    /// Whether bytes are missing before the segment, and more than may still be waited for.
    pub is_behind_loss: bool,
    /// Whether the line before this one, in the same segment, ended in a newline alone.
    pub is_behind_bare_newline: bool,
    /// What was known before the segment.
    pub before: u64,
}

impl Default for Cursor {
    /// At the beginning of a line.
    fn default() -> Self {
        Self::new(0, Place::Start)
    }
}

/// Where in a line a cursor stands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Place {
    /// At its beginning.
    Start,
    /// In a part of it that its protocol gave a number.
    Part(u8),
    /// Somewhere in it, and the rest is of no interest.
    Rest,
}

impl Cursor {
    /// Returns a cursor at `offset`, which is at `place`.
    #[inline]
    pub const fn new(offset: usize, place: Place) -> Self {
        Self {
            offset,
            place,
            begun: None,
            gap: 0,
            gap_place: Place::Rest,
            is_again: false,
            old: 0,
            before_bytes: None,
            is_behind_loss: false,
            is_behind_bare_newline: false,
            before: 0,
        }
    }

    /// Returns the offset of the first byte not dealt with yet, in the bytes last given.
    ///
    /// After the end of a window this is where the next one has to begin.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Whether it stands in a line that is still of interest, with more bytes to come.
    ///
    /// To be asked at the end of `len` bytes: a line that has not begun is not.
    #[inline]
    pub const fn is_open(&self, len: usize) -> bool {
        match self.place {
            Place::Start => self.offset < len,
            Place::Part(_) => true,
            Place::Rest => false,
        }
    }

    /// Returns the offset of what would have to be rewritten in the line at the end that is not
    /// whole, if that has begun.
    #[inline]
    pub const fn begun(&self) -> Option<usize> {
        self.begun
    }

    /// Notes where what would have to be rewritten begins in the line at the cursor.
    #[inline]
    pub fn begin(&mut self, begun: Option<usize>) {
        self.begun = begun;
    }

    /// Returns how many bytes are missing before the segment, and a cursor at the first of them, if
    /// these are only few: this segment has overtaken another one.
    #[inline]
    pub fn gap(&self) -> Option<(u32, Self)> {
        (self.gap != 0).then(|| (u32::from(self.gap), Self::new(0, self.gap_place)))
    }

    /// What [`Lines`](super::Lines) knew before the segment, to undo it.
    #[inline]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Whether all of the segment has been seen before: what follows its last line has been, too.
    #[inline]
    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// Notes that the next bytes given begin `by` bytes behind the beginning of the last ones.
    pub fn slide(&mut self, by: usize) {
        self.offset = self.offset.saturating_sub(by);
        self.old = self.old.saturating_sub(by);
        self.begun = self.begun.map(|begun| begun.saturating_sub(by));
    }

    /// Notes that what is before the cursor has become longer by `by` bytes.
    pub fn grow(&mut self, by: i32) {
        let by = isize::try_from(by).unwrap_or_default();
        self.offset = self.offset.saturating_add_signed(by);
        self.old = self.old.saturating_add_signed(by);
    }

    /// Goes to the beginning of the first line for which `classify` gives something, and returns
    /// that.
    ///
    /// Else goes to where the next bytes have to begin: to a line that is [`Reject::Incomplete`] or
    /// to the end.
    #[inline]
    pub fn find_line<T>(
        &mut self,
        bytes: &[u8],
        classify: impl Fn(&[u8]) -> Result<T, Reject>,
    ) -> Option<T> {
        let mut rest = bytes.get(self.offset..)?;
        let found = loop {
            if self.place == Place::Start {
                match classify(rest) {
                    Ok(found) => break Some(found),
                    Err(Reject::Incomplete) => break None,
                    Err(Reject::NotOurs | Reject::Malformed) => {}
                }
            }
            rest = self.skip_line(None, rest);
            if rest.is_empty() {
                break None;
            }
        };
        self.offset = bytes.len().saturating_sub(rest.len());
        found
    }

    /// Goes to `offset`, which is at `place`. What is known of the segment stays.
    #[inline]
    pub fn go(&mut self, offset: usize, place: Place) {
        self.offset = offset;
        self.place = place;
        self.begun = None;
    }

    /// Goes to `offset`, inside of a line that was dealt with.
    #[inline]
    pub fn enter_line(&mut self, offset: usize) {
        self.offset = offset;
        self.place = Place::Rest;
    }

    /// Returns the byte before the cursor, which is in `bytes`, if it is known.
    #[inline]
    pub fn byte_before(&self, bytes: &[u8]) -> Option<u8> {
        match self.offset.checked_sub(1) {
            Some(before) => bytes.get(before).copied(),
            None => self.before_bytes,
        }
    }

    /// Notes that `bytes` have been dealt with, to their end.
    #[inline]
    pub fn finish(&mut self, bytes: &[u8]) {
        self.before_bytes = bytes.last().copied().or(self.before_bytes);
    }

    /// Whether the line at the cursor has not been seen before.
    #[inline]
    pub const fn is_at_new_line(&self) -> bool {
        self.offset >= self.old
    }

    /// Notes whether `rest`, which begins in a line, has another one, and returns that. `before` is the byte
    /// before `rest`, where it is at hand.
    #[inline]
    pub fn skip_line<'a>(&mut self, before: Option<u8>, rest: &'a [u8]) -> &'a [u8] {
        let tail = scan::skip_line(rest);
        let line = rest.get(..rest.len().saturating_sub(tail.map_or(0, <[u8]>::len)));
        self.is_behind_bare_newline = match line.unwrap_or_default() {
            [.., b'\r', b'\n'] => false,
            [b'\n'] => before.map_or(self.place == Place::Start, |byte| byte != b'\r'),
            _ => true,
        };
        self.place = match tail {
            Some(_) => Place::Start,
            None => Place::Rest,
        };
        tail.unwrap_or_default()
    }
}
