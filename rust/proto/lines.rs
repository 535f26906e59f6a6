// SPDX-License-Identifier: GPL-2.0

//! Knows where lines begin in one direction of a TCP connection.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{
        Relaxed,
        SeqCst, //
    },
};

use super::{
    scan,
    Direction,
    Reject,
    Span, //
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

/// What is kept for a connection of a protocol that talks in lines.
///
/// It is a set of atomics, so that packets of one connection need no lock. Where two are looked at
/// at the same time, one may miss what the other just found out; the state is valid all the same.
///
/// All zeroes is the initial state, and no bit pattern is invalid.
pub trait LineSession: Sync + 'static {
    /// Something in a line that is of interest.
    type Found: Copy;

    /// The longest stretch of a line that [`Self::next`] needs to see in one piece, in bytes.
    const LINE_MAX: usize;

    /// The state of a new connection.
    const NEW: Self;

    /// Forgets all, as for a connection that ctnetlink injected after a failover.
    ///
    /// The next segment of each direction is taken to begin a line.
    fn pick_up(&self);

    /// Whether nothing that is said in `direction` is of interest at present.
    fn ignores(&self, _direction: Direction) -> bool {
        false
    }

    /// Whether a segment at `seq`, of which `bytes` is the payload, is one like most: it goes on
    /// where the last one ended, ends in a newline, and has nothing of interest. If so takes note of
    /// it; there is nothing else to do then.
    fn is_usual(&self, direction: Direction, seq: u32, bytes: &[u8]) -> bool;

    /// Takes note of a segment and returns a cursor at its beginning for [`Self::next`].
    ///
    /// To be called once for each segment with payload, retransmitted ones too. A segment begins a
    /// line if it begins where an earlier one ended in a newline, or if it is the very first. For
    /// the first this is not certain, but looking at the rest of a line as a line does no harm,
    /// while missing a line does. In a direction of no interest the cursor is at the end.
    fn enter(&self, direction: Direction, segment: Segment) -> Cursor;

    /// What is known of the lines of `direction`.
    fn lines(&self, direction: Direction) -> &Lines;

    /// Returns the next thing of interest from `cursor` on, with the cursor behind it; [`None`] if
    /// there is none.
    ///
    /// `bytes` is the payload or a window of it. Where it ends, a line which may be of interest but
    /// is not whole yet is left, with the cursor at its beginning. A window that is not the last of
    /// its payload must have at least [`Self::LINE_MAX`] bytes; then the cursor always advances,
    /// and the next window begins at [`Cursor::offset`] (see [`Cursor::slide`]).
    ///
    /// It takes time linear in the length of `bytes` behind the cursor.
    fn next(&self, direction: Direction, bytes: &[u8], cursor: &mut Cursor) -> Option<Self::Found>;

    /// Whether nothing more is to be found in `bytes` behind what was found at `cursor`, without
    /// looking closely: if not, [`Self::next`] tells.
    fn is_last(cursor: &Cursor, bytes: &[u8]) -> bool;

    /// Where in the bytes it stands, and is rewritten.
    fn span(found: &Self::Found) -> Span;

    /// Which lines are kept that are not whole yet.
    fn kept(&self) -> &Kept;
}

/// Where in the bytes to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Cursor {
    pub(super) offset: usize,
    pub(super) place: Place,
    /// Where what would have to be rewritten begins in a line that is not whole.
    begun: Option<usize>,
    /// How many bytes before the segment have not been seen.
    gap: u16,
    /// Where in a line the first of these is.
    gap_place: Place,
    /// Whether all of the segment has been seen before.
    is_again: bool,
    /// What was known before the segment.
    before: u64,
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
    #[inline]
    pub(super) const fn new(offset: usize, place: Place) -> Self {
        Self {
            offset,
            place,
            begun: None,
            gap: 0,
            gap_place: Place::Rest,
            is_again: false,
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
    pub(super) fn begin(&mut self, begun: Option<usize>) {
        self.begun = begun;
    }

    /// Returns how many bytes are missing before the segment, and a cursor at the first of them, if
    /// these are only few: this segment has overtaken another one.
    #[inline]
    pub fn gap(&self) -> Option<(u32, Self)> {
        (self.gap != 0).then(|| (u32::from(self.gap), Self::new(0, self.gap_place)))
    }

    /// Whether all of the segment has been seen before: what follows its last line has been, too.
    #[inline]
    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// Notes that the next bytes given begin `by` bytes behind the beginning of the last ones.
    pub fn slide(&mut self, by: usize) {
        self.offset = self.offset.saturating_sub(by);
        self.begun = self.begun.map(|begun| begun.saturating_sub(by));
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

    /// Goes to `offset`, which is at `place`. What is known of the segment stays.
    #[inline]
    pub(super) fn go(&mut self, offset: usize, place: Place) {
        self.offset = offset;
        self.place = place;
        self.begun = None;
    }

    /// Goes to `offset`, inside of a line that was dealt with.
    #[inline]
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
        let Ok(back) = u16::try_from(len) else {
            return false;
        };
        let old = Starts::unpack(self.0.load(Relaxed));
        if old.newest != seq || old.seen != 1 {
            return false;
        }
        // As `Starts::pack` does it, without taking it to pieces.
        let newest = seq.wrapping_add(u32::from(back));
        let new = u64::from(newest) | (u64::from(back) << 32) | (1 << 48);
        self.0.store(new, Relaxed);
        true
    }

    /// Forgets the segment that `cursor` was returned for, since it is dropped: it will come again.
    pub(super) fn undo(&self, cursor: &Cursor) {
        self.0.store(cursor.before, Relaxed);
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

/// Which lines of a connection are kept because they are not whole yet: a number for each
/// direction, with which who keeps them finds them; 0 for none.
#[repr(transparent)]
pub struct Kept(AtomicU32);

impl Kept {
    /// None.
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether there is one.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Takes the number of `direction`, and leaves `number` in its place.
    pub fn replace(&self, direction: Direction, number: u16) -> u16 {
        let shift = match direction {
            Direction::Original => 0,
            Direction::Reply => 16,
        };
        let number = u32::from(number).wrapping_shl(shift);
        let others = !u32::from(u16::MAX).wrapping_shl(shift);
        // It may be looked for by who ends the connection, see there: so in one order with all.
        let replaced = self
            .0
            .fetch_update(SeqCst, SeqCst, |old| Some(old & others | number));
        let old = replaced.unwrap_or_default().wrapping_shr(shift);
        u16::try_from(old & u32::from(u16::MAX)).unwrap_or_default()
    }
}
