// SPDX-License-Identifier: GPL-2.0

//! Knows where lines begin in one direction of a TCP connection.

use super::{
    newline,
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
    offset: usize,
    at_line_start: bool,
}

impl Cursor {
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
            if self.at_line_start {
                match classify(rest) {
                    Ok(found) => break Some(found),
                    Err(Reject::Incomplete) => break None,
                    Err(Reject::NotOurs | Reject::Malformed) => {}
                }
            }
            let tail = newline::skip_line(rest);
            self.at_line_start = tail.is_some();
            rest = tail.unwrap_or_default();
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
        self.at_line_start = false;
    }
}

/// Remembers the last two line starts of one direction by their sequence numbers.
///
/// Two, as mainline: where the segment seen last began, so that its retransmission is known again,
/// and where the next one will begin. All zeroes is the initial state, and no bit pattern is
/// invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(C)]
pub(super) struct Lines {
    starts: [u32; 2],
    /// Not 0 once `starts` holds something.
    known: u32,
}

impl Lines {
    /// Nothing seen yet.
    pub(super) const fn new() -> Self {
        Self {
            starts: [0; 2],
            known: 0,
        }
    }

    /// Takes note of `segment` and returns a cursor at its beginning.
    pub(super) fn enter(&mut self, segment: Segment) -> Cursor {
        Cursor {
            offset: 0,
            at_line_start: self.is_start(segment),
        }
    }

    fn is_start(&mut self, segment: Segment) -> bool {
        let len = match u32::try_from(segment.len) {
            // An empty segment says nothing of lines: do not give it the benefit of the doubt.
            Ok(0) | Err(_) => return false,
            Ok(len) => len,
        };
        if self.known == 0 {
            // The first segment after the handshake begins a line, one after a failover most
            // probably.
            self.known = 1;
            self.starts = [segment.seq; 2];
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
