// SPDX-License-Identifier: GPL-2.0

//! Knows where lines begin in one direction of a TCP connection.

use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};

use super::{
    cursor::Place,
    Cursor,
    Segment, //
};

/// How much a segment may have overtaken, in bytes.
const GAP_MAX: u32 = 512;

/// Remembers the last two line starts of one direction by their sequence numbers.
///
/// Two, as mainline: where the segment seen last began, so that its retransmission is known again,
/// and where the next one will begin. No bit pattern is invalid.
#[repr(transparent)]
pub struct Lines(AtomicU64);

#[cfg(not(MODULE))]
impl Clone for Lines {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Relaxed)))
    }
}

/// What [`Lines`] has in one word.
#[derive(Clone, Copy)]
struct Starts {
    /// The newest start.
    newest: u32,
    /// How far before it the older one is, 0 if there is none.
    back: u16,
    /// One more than how many bytes there have been of the line at the newest start, at most; 0 if
    /// there has been no segment at all.
    seen: u16,
}

impl Starts {
    #[inline(always)]
    const fn unpack(word: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        Self {
            newest: u32::from_le_bytes([a, b, c, d]),
            back: u16::from_le_bytes([e, f]),
            seen: u16::from_le_bytes([g, h]),
        }
    }

    #[inline]
    const fn pack(self) -> u64 {
        let [a, b, c, d] = self.newest.to_le_bytes();
        let [e, f] = self.back.to_le_bytes();
        let [g, h] = self.seen.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Lines {
    /// Nothing seen yet.
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// Returns all that is kept, to compare it.
    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Takes note of `segment` and returns a cursor at its beginning.
    #[inline]
    pub(super) fn enter(&self, segment: Segment) -> Cursor {
        let before = self.0.load(Relaxed);
        if segment.ends_in_newline && self.go_on(segment.seq, segment.len) {
            return Cursor {
                before,
                ..Cursor::new(0, Place::Start)
            };
        }
        let old = Starts::unpack(before);
        let len = length(segment.len);
        if len == 0 {
            // It says nothing of lines: do not give it the benefit of the doubt.
            return Cursor::new(0, Place::Rest);
        }
        let (new, cursor) = old.enter(segment.seq, len, segment.ends_in_newline);
        self.0.store(new.pack(), Relaxed);
        Cursor { before, ..cursor }
    }

    /// Takes note of a segment at `seq` that ends in a newline and goes on where the last one ended,
    /// which is the usual case. False, and nothing noted, if it does not.
    #[inline(always)]
    pub(super) fn go_on(&self, seq: u32, len: usize) -> bool {
        let is_next = self.is_next(seq, len);
        if is_next {
            self.note_next(seq, len);
        }
        is_next
    }

    /// Whether a segment of `len` bytes at `seq` goes on where the last one ended, in a newline.
    #[inline(always)]
    pub(super) fn is_next(&self, seq: u32, len: usize) -> bool {
        let word = self.0.load(Relaxed);
        // That is `seen`.
        Starts::unpack(word).newest == seq && word >> 48 == 1 && len <= usize::from(u16::MAX)
    }

    /// Notes such a segment, which ends in a newline, too.
    #[inline(always)]
    pub(super) fn note_next(&self, seq: u32, len: usize) {
        let len = length(len);
        // As `Starts::pack` does it, without taking it to pieces.
        let new = u64::from(seq.wrapping_add(len)) | (u64::from(len) << 32) | (1 << 48);
        self.0.store(new, Relaxed);
    }

    /// What is known, for [`Self::undo`].
    #[inline]
    pub(super) fn known(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Forgets a segment, since it is dropped: it will come again. `before` is what was known before.
    pub(super) fn undo(&self, before: u64) {
        self.0.store(before, Relaxed);
    }

    /// Notes that all has been seen before the sequence number `end`, which had been missing.
    pub(super) fn saw(&self, end: u32) {
        let mut starts = Starts::unpack(self.0.load(Relaxed));
        if is_before(starts.seen_end(), end) {
            starts.see(end);
            self.0.store(starts.pack(), Relaxed);
        }
    }
}

impl Starts {
    #[inline(never)]
    fn enter(mut self, seq: u32, len: u32, ends_in_newline: bool) -> (Self, Cursor) {
        if self.seen == 0 {
            // The first segment after the handshake begins a line, one after a failover most
            // probably.
            self = Self {
                newest: seq,
                back: 0,
                seen: 1,
            };
        }
        let end = seq.wrapping_add(len);
        let older = self.newest.wrapping_sub(u32::from(self.back));
        let seen_end = self.seen_end();
        let mut cursor = Cursor::new(0, Place::Rest);
        // Of a very long line not all is counted.
        let is_counted = self.seen != u16::MAX;
        cursor.is_again = is_counted && !is_before(seen_end, end);
        let ahead = seq.wrapping_sub(seen_end);
        if seq == self.newest || seq == older {
            cursor.place = Place::Start;
        } else if is_counted && ahead < GAP_MAX {
            cursor.gap = u16::try_from(ahead).unwrap_or(0);
            if self.seen == 1 {
                cursor.gap_place = Place::Start;
            }
        }
        if !is_before(self.newest, end) {
            if ends_in_newline && end != self.newest && is_before(older, end) {
                // It is between the two.
                self.back = u16::try_from(self.newest.wrapping_sub(end)).unwrap_or(0);
            }
        } else if ends_in_newline {
            let back = end.wrapping_sub(self.newest);
            self = Self {
                newest: end,
                back: u16::try_from(back).unwrap_or(0),
                seen: 1,
            };
        } else if cursor.gap == 0 && !cursor.is_again {
            self.see(end);
        }
        (self, cursor)
    }

    /// The sequence number before which all has been seen.
    fn seen_end(self) -> u32 {
        let seen = u32::from(self.seen.saturating_sub(1));
        self.newest.wrapping_add(seen)
    }

    /// The reverse of [`Self::seen_end`].
    fn see(&mut self, end: u32) {
        let seen = end.wrapping_sub(self.newest).saturating_add(1);
        self.seen = u16::try_from(seen).unwrap_or(u16::MAX);
    }
}

/// A length as part of a sequence number. A packet is never so long that it does not fit.
#[inline]
pub(super) fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Compares sequence numbers by serial number arithmetic, RFC 1982, as the kernel's `before()`.
pub(super) const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > u32::MAX >> 1
}
