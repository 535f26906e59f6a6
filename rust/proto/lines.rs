// SPDX-License-Identifier: GPL-2.0

//! Knows where lines begin in one direction of a TCP connection.

use super::{
    scan,
    Reject, //
};

/// A TCP segment with payload, of which the bytes are looked at separately.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Segment {
    /// Sequence number of the first payload byte in host byte order, as its sender counts (before
    /// any adjustment for what NAT rewrote).
    pub seq: u32,
    /// Length of the payload in bytes.
    pub len: usize,
    /// Whether the last byte of the payload is a newline.
    pub ends_in_newline: bool,
}

/// Where in the bytes to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Cursor {
    pub(super) offset: usize,
    pub(super) place: Place,
}

/// Where in a line a cursor stands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub(super) enum Place {
    /// At its beginning.
    Start,
    /// In a part of it that its protocol gave a number.
    Part(u8),
    /// Somewhere in it, and the rest is of no interest.
    Rest,
}

impl Cursor {
    /// Returns a cursor at `offset`, which is at `place`.
    pub(super) const fn new(offset: usize, place: Place) -> Self {
        Self { offset, place }
    }

    /// Returns the offset of the first byte not dealt with yet, in the bytes last given.
    ///
    /// After the end of a window this is where the next one has to begin.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Notes that the next bytes given begin `by` bytes behind the beginning of the last ones.
    pub fn slide(&mut self, by: usize) {
        self.offset = self.offset.saturating_sub(by);
    }

    /// Notes that what is before the cursor has become longer by `by` bytes.
    pub fn grow(&mut self, by: i32) {
        let by = isize::try_from(by).unwrap_or_default();
        self.offset = self.offset.saturating_add_signed(by);
    }

    /// Goes to the beginning of the first line for which `classify` gives something, and returns
    /// that.
    ///
    /// Else goes to where the next bytes have to begin: to a line that is [`Reject::Incomplete`] or
    /// to the end.
    #[inline]
    pub(super) fn find_line<T>(
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
            rest = self.skip_line(rest);
            if rest.is_empty() {
                break None;
            }
        };
        self.offset = bytes.len().saturating_sub(rest.len());
        found
    }

    /// Goes to `offset`, inside of a line that was dealt with.
    pub(super) fn enter_line(&mut self, offset: usize) {
        self.offset = offset;
        self.place = Place::Rest;
    }

    /// Notes whether `rest`, which begins in a line, has another one, and returns that.
    #[inline]
    pub(super) fn skip_line<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let tail = scan::skip_line(rest);
        self.place = match tail {
            Some(_) => Place::Start,
            None => Place::Rest,
        };
        tail.unwrap_or_default()
    }
}

/// Remembers the last two line starts of one direction by their sequence numbers.
///
/// Two, as mainline: where the segment seen last began, so that its retransmission is known again,
/// and where the next one will begin. Two equal ones, as all zeroes, are the initial state: nothing
/// seen yet. No bit pattern is invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(C)]
pub(super) struct Lines {
    starts: [u32; 2],
}

impl Lines {
    /// Nothing seen yet.
    pub(super) const fn new() -> Self {
        Self { starts: [0; 2] }
    }

    /// Takes note of `segment` and returns a cursor at its beginning.
    pub(super) fn enter(&mut self, segment: Segment) -> Cursor {
        let place = if self.is_start(segment) {
            Place::Start
        } else {
            Place::Rest
        };
        Cursor::new(0, place)
    }

    fn is_start(&mut self, segment: Segment) -> bool {
        let len = match u32::try_from(segment.len) {
            // An empty segment says nothing of lines: do not give it the benefit of the doubt.
            Ok(0) | Err(_) => return false,
            Ok(len) => len,
        };
        let [a, b] = self.starts;
        if a == b {
            // The first segment after the handshake begins a line, one after a failover most
            // probably. The byte before it will not come any more.
            self.starts = [segment.seq, segment.seq.wrapping_sub(1)];
        }
        let [a, b] = self.starts;
        if segment.ends_in_newline {
            self.remember(segment.seq.wrapping_add(len));
        }
        segment.seq == a || segment.seq == b
    }

    /// Replaces the older one by `start`, but only by a newer one.
    fn remember(&mut self, start: u32) {
        let [a, b] = &mut self.starts;
        if start == *a || start == *b {
            return;
        }
        let older = if is_before(*a, *b) { a } else { b };
        if is_before(*older, start) {
            *older = start;
        }
    }
}

/// Compares sequence numbers by serial number arithmetic, RFC 1982, as the kernel's `before()`.
const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > u32::MAX >> 1
}
