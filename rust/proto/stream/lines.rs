// SPDX-License-Identifier: GPL-2.0

//! Knows where lines begin in one direction of a TCP connection.

use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};

use super::{
    Cursor,
    Place,
    Segment, //
};

/// How much a segment may have overtaken, in bytes.
const GAP_MAX: u32 = 512;

/// Remembers the last two line starts of one direction by their sequence numbers, and counts lines.
///
/// Two, as mainline: where the segment seen last began, so that its retransmission is known again,
/// and where the next one will begin. No bit pattern is invalid.
///
/// All zero, no line start is known: this begins in the middle of a connection. The first newline tells
/// where a line begins.
#[repr(transparent)]
pub struct Lines(AtomicU64);

#[cfg(not(MODULE))]
impl Clone for Lines {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Relaxed)))
    }
}

/// A number of lines, which wraps.
///
/// The two directions' numbers of lines say which command a reply is the answer to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Count(u8);

impl Count {
    const BITS: u32 = 5;
    const MASK: u8 = (1 << Self::BITS) - 1;

    /// Of the number only the last bits count.
    pub const fn new(number: u8) -> Self {
        Self(number & Self::MASK)
    }

    /// Its bits.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The number behind it.
    pub const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }

    /// The number before it.
    pub const fn before(self) -> Self {
        Self::new(self.0.wrapping_sub(1))
    }

    /// How far it is ahead of `other`, less than 0 if it is behind.
    pub const fn ahead_of(self, other: Self) -> i8 {
        const UNUSED: u32 = u8::BITS - Count::BITS;
        let ahead = self.0.wrapping_sub(other.0).wrapping_shl(UNUSED);
        // The sign is the uppermost bit of those that count.
        i8::from_ne_bytes([ahead]).wrapping_shr(UNUSED)
    }
}

/// What [`Lines`] has in one word: from the lowest bit on, in 32, 11, 16 and 5 bits.
#[derive(Clone, Copy)]
struct Starts {
    /// The newest start.
    newest: u32,
    /// One more than how many bytes there have been of the line at the newest start, at most; 0 if
    /// no start is known. Then a `back` says that the first segment begins a line.
    seen: u16,
    /// How far before it the older one is, 0 if there is none.
    back: u16,
    /// How many lines there have been.
    count: Count,
}

/// So much of a line is counted at most, and less than a segment may have overtaken.
const SEEN_MAX: u16 = (1 << SEEN_BITS) - 1;
const SEEN_BITS: u32 = 11;
const SEEN_SHIFT: u32 = 32;
const BACK_SHIFT: u32 = SEEN_SHIFT + SEEN_BITS;
const COUNT_SHIFT: u32 = BACK_SHIFT + u16::BITS;
const _: () = assert!(COUNT_SHIFT + Count::BITS == u64::BITS);

impl Starts {
    #[inline(always)]
    const fn unpack(word: u64) -> Self {
        let [a, b, c, d, e, f, ..] = word.to_le_bytes();
        let [g, h, ..] = (word >> BACK_SHIFT).to_le_bytes();
        let [count, ..] = (word >> COUNT_SHIFT).to_le_bytes();
        Self {
            newest: u32::from_le_bytes([a, b, c, d]),
            seen: u16::from_le_bytes([e, f]) & SEEN_MAX,
            back: u16::from_le_bytes([g, h]),
            count: Count::new(count),
        }
    }

    #[inline]
    const fn pack(self) -> u64 {
        let [a, b, c, d] = self.newest.to_le_bytes();
        let [e, f] = self.seen.to_le_bytes();
        let [g, h] = self.back.to_le_bytes();
        let back = u64::from_le_bytes([g, h, 0, 0, 0, 0, 0, 0]);
        let count = u64::from_le_bytes([self.count.get(), 0, 0, 0, 0, 0, 0, 0]);
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) | (back << BACK_SHIFT) | (count << COUNT_SHIFT)
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// Forgets all, and takes the next segment to begin a line.
    pub fn clear_to_start(&self) {
        let starts = Starts {
            newest: 0,
            back: 1,
            seen: 0,
            count: Count::new(0),
        };
        self.0.store(starts.pack(), Relaxed);
    }

    /// Forgets all but that the first line begins at sequence number `start`.
    pub fn begin(&self, start: u32) {
        let starts = Starts {
            newest: start,
            back: 0,
            seen: 1,
            count: Count::new(0),
        };
        self.0.store(starts.pack(), Relaxed);
    }

    /// How many lines were counted.
    #[inline]
    pub fn count(&self) -> Count {
        Starts::unpack(self.0.load(Relaxed)).count
    }

    /// Says how many lines there have been.
    #[inline]
    pub fn set_count(&self, count: Count) {
        let starts = Starts::unpack(self.0.load(Relaxed));
        self.0.store(Starts { count, ..starts }.pack(), Relaxed);
    }

    /// Counts a line, and returns its number.
    pub fn count_line(&self) -> Count {
        let count = self.count().next();
        self.set_count(count);
        count
    }

    /// Returns all that is kept, to compare it.
    #[cfg(not(MODULE))]
    pub fn snapshot(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Takes note of `segment` and returns a cursor at its beginning.
    #[inline]
    pub fn enter(&self, segment: Segment) -> Cursor {
        let before = self.0.load(Relaxed);
        if segment.ends_in_newline && self.go_on(segment.seq, segment.len, 0) {
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
    /// which is the usual case, and counts `lines`. False, and nothing noted, if it does not.
    #[inline(always)]
    pub fn go_on(&self, seq: u32, len: usize, lines: u8) -> bool {
        match self.next(seq, len) {
            Some(known) => {
                self.note_next(known, seq, len, lines);
                true
            }
            None => false,
        }
    }

    /// Returns what is known if a segment of `len` bytes at `seq` goes on where the last one ended, in a
    /// newline.
    #[inline(always)]
    pub fn next(&self, seq: u32, len: usize) -> Option<u64> {
        let known = self.0.load(Relaxed);
        // `newest` and `seen` at once, without taking it to pieces.
        const OTHERS: u32 = u64::BITS - BACK_SHIFT;
        let is_next = (known ^ u64::from(seq)) << OTHERS == 1 << SEEN_SHIFT << OTHERS;
        (is_next && len <= usize::from(u16::MAX)).then_some(known)
    }

    /// Notes such a segment, which ends in a newline, too, and counts `lines`.
    #[inline(always)]
    pub fn note_next(&self, known: u64, seq: u32, len: usize, lines: u8) {
        // As `Starts::pack` does it. What the count carries is lost.
        let count = u64::from(lines).wrapping_shl(COUNT_SHIFT);
        let count = (known >> COUNT_SHIFT << COUNT_SHIFT).wrapping_add(count);
        let len = length(len);
        let back = u64::from(len).wrapping_shl(BACK_SHIFT);
        let newest = u64::from(seq.wrapping_add(len));
        self.0
            .store(back | count | (1 << SEEN_SHIFT) | newest, Relaxed);
    }

    /// What is known, for [`Self::undo`].
    #[inline]
    pub fn known(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Forgets a segment, since it is dropped: it will come again. `before` is what was known before.
    pub fn undo(&self, before: u64) {
        self.0.store(before, Relaxed);
    }

    /// Notes that all has been seen before the sequence number `end`, which had been missing.
    pub fn saw(&self, end: u32) {
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
            if self.back == 0 {
                return self.enter_unknown(seq, len, ends_in_newline);
            }
            self = Self {
                newest: seq,
                back: 0,
                seen: 1,
                ..self
            };
        }
        let end = seq.wrapping_add(len);
        let older = self.newest.wrapping_sub(u32::from(self.back));
        let seen_end = self.seen_end();
        let mut cursor = Cursor::new(0, Place::Rest);
        // Of a very long line not all is counted.
        let is_counted = self.seen != SEEN_MAX;
        if is_counted && is_before(seq, seen_end) {
            let old = seen_end.wrapping_sub(seq).min(len);
            cursor.old = usize::try_from(old).unwrap_or(usize::MAX);
        }
        // A packet without a new byte is one that repeats, even if it is the byte before the first.
        cursor.is_again = is_counted && !is_before(seen_end, end);
        let ahead = seq.wrapping_sub(seen_end);
        if seq == self.newest || seq == older {
            cursor.place = Place::Start;
        } else if is_counted && ahead < GAP_MAX {
            cursor.gap = u16::try_from(ahead).unwrap_or(0);
            if self.seen == 1 {
                cursor.gap_place = Place::Start;
            }
        } else {
            cursor.is_behind_loss = is_before(seen_end, seq);
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
                ..self
            };
        } else if cursor.gap == 0 && !cursor.is_again {
            self.see(end);
        }
        (self, cursor)
    }

    /// The same where no line start is known yet.
    fn enter_unknown(self, seq: u32, len: u32, ends_in_newline: bool) -> (Self, Cursor) {
        let mut new = self;
        if ends_in_newline {
            new.newest = seq.wrapping_add(len);
            new.seen = 1;
        }
        (new, Cursor::new(0, Place::Rest))
    }

    /// The sequence number before which all has been seen.
    fn seen_end(self) -> u32 {
        let seen = u32::from(self.seen.saturating_sub(1));
        self.newest.wrapping_add(seen)
    }

    /// The reverse of [`Self::seen_end`].
    fn see(&mut self, end: u32) {
        let seen = end.wrapping_sub(self.newest).saturating_add(1);
        self.seen = u16::try_from(seen).unwrap_or(SEEN_MAX).min(SEEN_MAX);
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
