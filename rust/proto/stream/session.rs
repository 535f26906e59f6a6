// SPDX-License-Identifier: GPL-2.0

//! What a protocol that talks in lines offers to who goes through its segments.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

use super::{
    super::{
        Direction,
        Reject,
        Span, //
    },
    Cursor,
    Lines, //
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

/// What a first look at a segment says.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Glance {
    /// It goes on where the last one ended, ends in a newline, and has nothing of interest. That was
    /// noted; there is nothing else to do.
    Plain,
    /// It ends in a newline, and begins with a line that is probably of interest, which may be all
    /// there is to it.
    Line,
    /// It has to be looked at closely.
    Closer,
}

/// Why nothing of a connection is read any more.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum News {
    /// It is encrypted.
    Encrypted,
    /// It is another protocol's.
    Foreign,
}

impl News {
    /// Takes the bit `news` out of `flags`, if it is there; the bit `encrypted` then says which they are.
    #[inline]
    pub fn take(flags: &AtomicU32, news: u32, encrypted: u32) -> Option<Self> {
        if flags.load(Relaxed) & news == 0 {
            return None;
        }
        let flags = flags.fetch_and(!news, Relaxed);
        let what = if flags & encrypted != 0 {
            Self::Encrypted
        } else {
            Self::Foreign
        };
        (flags & news != 0).then_some(what)
    }
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

    /// Forgets all, for a connection that has just been opened, in which the first line of each direction
    /// begins at these sequence numbers.
    ///
    /// One of which the handshake was not seen, and which is as [`Self::NEW`], was picked up in its middle.
    fn begin(&self, original: u32, reply: u32);

    /// Notes that the client asks for a new connection: [`Self::begin`] may follow, so the answer must not be
    /// ignored.
    fn may_begin(&self) {}

    /// Forgets all, as for a connection that ctnetlink injected after a failover.
    ///
    /// The next segment of each direction is taken to begin a line, and what is not known is believed.
    fn pick_up(&self);

    /// Whether nothing that is said in `direction` is of interest at present.
    fn ignores(&self, _direction: Direction) -> bool {
        false
    }

    /// Takes a first look at a segment of which `bytes` is the payload, and `seq` tells the sequence
    /// number when it is time to know it.
    fn glance(&self, direction: Direction, bytes: &[u8], seq: impl FnOnce() -> u32) -> Glance;

    /// Tells after [`Glance::Closer`] whether a segment is [`Glance::Plain`] after all.
    fn is_plain(&self, direction: Direction, seq: u32, bytes: &[u8]) -> bool;

    /// Returns what is of interest in a segment of which [`Self::glance`] said that it is
    /// [`Glance::Line`], and which begins a line.
    ///
    /// # Errors
    ///
    /// Any [`Reject`] if it may have more than one line, or has to be looked at closely for another reason.
    fn only(&self, direction: Direction, bytes: &[u8]) -> Result<Option<Self::Found>, Reject>;

    /// Takes note of a segment and returns a cursor at its beginning for [`Self::next`].
    ///
    /// To be called once for each segment with payload, retransmitted ones too. A segment begins a
    /// line if it begins where an earlier one ended in a newline, or where [`Self::begin`] says. In a
    /// direction of no interest the cursor is at the end.
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

    /// How many lines one of `direction` counts for, see [`Lines`].
    fn count_of_line(&self, _direction: Direction) -> u8 {
        1
    }

    /// Whether there may be something in `bytes` that has to be rewritten: the payload of a segment behind
    /// bytes that are missing, so that nobody knows where in a line it begins.
    fn may_matter(&self, direction: Direction, bytes: &[u8]) -> bool;

    /// Tells once that nothing is read any more from here on, and why.
    fn take_news(&self) -> Option<News>;

    /// Where in the bytes it stands, and is rewritten.
    fn span(found: &Self::Found) -> Span;

    /// Whether that can be rewritten: what it says stands there.
    fn is_text(_found: &Self::Found) -> bool {
        true
    }

    /// Which lines are kept that are not whole yet.
    fn kept(&self) -> Kept<'_>;
}

/// For which directions of a connection a line is kept because it is not whole yet: two bits of a word
/// that has others, too.
pub struct Kept<'a> {
    word: &'a AtomicU32,
    shift: u32,
}

impl<'a> Kept<'a> {
    /// They are in `word`, from bit number `shift` on.
    #[inline]
    pub const fn new(word: &'a AtomicU32, shift: u32) -> Self {
        Self { word, shift }
    }

    /// Whether there is one.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.word.load(Relaxed) & 3u32.wrapping_shl(self.shift) != 0
    }

    /// Notes that one is kept for `direction`.
    pub fn put(&self, direction: Direction) {
        self.word.fetch_or(self.bit(direction), Relaxed);
    }

    /// Notes that none is kept for `direction`, and tells whether one was.
    pub fn take(&self, direction: Direction) -> bool {
        let bit = self.bit(direction);
        self.word.fetch_and(!bit, Relaxed) & bit != 0
    }

    const fn bit(&self, direction: Direction) -> u32 {
        let bit: u32 = match direction {
            Direction::Original => 1,
            Direction::Reply => 2,
        };
        bit.wrapping_shl(self.shift)
    }
}
