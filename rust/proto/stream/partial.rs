// SPDX-License-Identifier: GPL-2.0

//! Part of a line, until the rest of it comes.
//!
//! # An example
//!
//! `PORT 192,0,2,10,195,80\r\n` begins at sequence number 100 and comes as three segments:
//!
//! ```text
//! 100 PORT 192,0      kept; len 10, the first missing byte is at 110
//! 118 5,80\r\n        has overtaken the next one: kept, too, len stays 10
//! 110 ,2,10,19        now len is 24, and the line is whole: it is read, and an announcement found at 105
//! ```
//!
//! Without NAT all three pass. With NAT the text from 105 on may become longer, and the receiver must not get
//! parts of it before. The first segment is held back (dropped) as the announcement has begun in it, and the
//! others behind it. TCP's sender repeats what was not acknowledged, most often all of it in one segment
//! from 100 on, in which the line is whole and can be rewritten. If the same part comes again and again
//! (`PATIENCE`), its sender waits for an acknowledgement before it sends more. Then the line passes as it
//! is.

use super::{
    super::Direction,
    lines::{
        is_before,
        length, //
    },
    Cursor,
    LineSession,
    Place, //
};

/// How much of a line is kept, in bytes: what the protocol with the longest lines needs to see.
const CAPACITY: usize = 512;

/// A line that may be of interest and is not whole yet, or part of one.
///
/// It takes segments in any order, as far as they belong to the stretch that it keeps. Of bytes
/// that come more than once the first count.
#[derive(Clone)]
pub struct PartialLine {
    /// Sequence number of the first byte.
    seq: u32,
    /// Where in its line that is.
    place: Place,
    /// See [`Cursor::is_behind_bare_newline`].
    is_behind_bare_newline: bool,
    /// How many bytes there are up to the first that is missing.
    len: usize,
    bytes: [u8; CAPACITY],
    /// A bit for each byte that is there.
    there: [u64; CAPACITY / 64],
    /// Sequence number behind the last byte seen.
    end: u32,
    /// From which byte on all is held back until it comes in one piece with the rest.
    held: Option<u32>,
    /// How often what is held back has come again without more.
    stalls: u8,
    /// How often something behind that has come again, and that itself has not.
    behind: u8,
    /// Where the last segment of that began.
    behind_seq: u32,
    /// How many segments came while something was missing before them.
    ahead: u8,
    /// Sequence number behind the last byte that was let pass with something missing before it.
    passed: Option<u32>,
    /// Where the segment ended with which it was rewritten; that may have to be sent again.
    done: Option<u32>,
}

/// What becomes of segments that are held back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Hold {
    /// Nothing is.
    Pass,
    /// The segment is to be dropped. Its sender will send it again, together with what follows.
    Drop,
    /// The sender does not send more without having this acknowledged: the line is to go as it is.
    GiveUp,
}

/// How many segments may come while something is missing: it is sent again after three.
const AHEAD_MAX: u8 = 16;

/// How often the same is held back.
const PATIENCE: u8 = 3;

impl PartialLine {
    /// Begins at sequence number `seq`, at the place in a line where `cursor` stands.
    pub fn new(seq: u32, cursor: &Cursor) -> Self {
        Self {
            seq,
            place: cursor.place,
            is_behind_bare_newline: cursor.is_behind_bare_newline,
            len: 0,
            bytes: [0; CAPACITY],
            there: [0; CAPACITY / 64],
            end: seq,
            held: None,
            stalls: 0,
            behind: 0,
            behind_seq: seq,
            ahead: 0,
            passed: None,
            done: None,
        }
    }

    /// Sequence number of the first byte kept.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Sequence number of the first byte that is missing.
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(length(self.len))
    }

    /// Whether a segment of `len` bytes at `seq` has something to do with it: it brings bytes, or
    /// all that follows is held back.
    pub fn concerns(&self, seq: u32, len: usize) -> bool {
        self.wants(seq, len).is_some() || self.holds(seq)
    }

    /// Whether what is at sequence number `seq` is held back.
    pub fn holds(&self, seq: u32) -> bool {
        self.held.is_some_and(|held| !is_before(seq, held))
    }

    /// Whether nothing more of it will come when there is a segment at `seq`.
    pub fn is_over(&self, seq: u32) -> bool {
        const WINDOW: u32 = 1 << 16;
        let end = self.done.unwrap_or(self.seq.wrapping_add(WINDOW));
        !is_before(seq, end)
    }

    /// Goes back to what was there `before` a segment that is dropped: it will come again.
    pub fn undo(&mut self, before: Self) {
        *self = Self {
            end: self.end,
            held: self.held,
            stalls: self.stalls,
            behind: self.behind,
            behind_seq: self.behind_seq,
            ..before
        };
    }

    /// The same for a segment in which something was rewritten, and which ends at `end`: it may come
    /// again.
    pub fn finish(&mut self, before: Self, end: u32) {
        *self = Self {
            held: None,
            stalls: 0,
            done: Some(end),
            ..before
        };
    }

    /// Whether something behind sequence number `seq` was let pass before what is there: then nothing there
    /// can become longer or shorter, as the other side has those bytes at their places already.
    pub fn is_overtaken(&self, seq: u32) -> bool {
        self.passed.is_some_and(|passed| is_before(seq, passed))
    }

    /// Notes that all has passed before sequence number `end`, what was held back, too.
    pub fn let_pass(&mut self, end: u32) {
        if self.held.is_some_and(|held| is_before(held, end)) {
            self.held = None;
            self.passed = Some(self.passed_end(end));
        }
    }

    /// Which bytes are missing before others that have passed: the sequence numbers of the first, and of the
    /// first behind them. Nothing in them can become longer or shorter when they come.
    pub fn lost(&self) -> Option<(u32, u32)> {
        self.passed.map(|passed| (self.end(), passed))
    }

    /// Sequence number behind all that was let pass, or `end` if that is behind it.
    pub fn passed_end(&self, end: u32) -> u32 {
        self.passed
            .filter(|passed| is_before(end, *passed))
            .unwrap_or(end)
    }

    /// Which bytes of a segment of `len` bytes at `seq` to [`Self::put`] next: the offset of the
    /// first and how many.
    pub fn wants(&self, seq: u32, len: usize) -> Option<(usize, usize)> {
        let (skipped, room) = if is_before(seq, self.seq) {
            (usize::try_from(self.seq.wrapping_sub(seq)).ok()?, CAPACITY)
        } else {
            let ahead = usize::try_from(seq.wrapping_sub(self.seq)).ok()?;
            (0, CAPACITY.checked_sub(ahead)?)
        };
        let count = len.checked_sub(skipped)?.min(room);
        (count != 0).then_some((skipped, count))
    }

    /// Puts `bytes`, which begin at `seq`, where they belong.
    pub fn put(&mut self, seq: u32, bytes: &[u8]) {
        let at = usize::try_from(seq.wrapping_sub(self.seq)).unwrap_or(CAPACITY);
        for (index, byte) in (at..CAPACITY).zip(bytes) {
            let (Some(slot), Some(word)) =
                (self.bytes.get_mut(index), self.there.get_mut(index / 64))
            else {
                return;
            };
            if *word & bit(index) == 0 {
                *word |= bit(index);
                *slot = *byte;
            }
        }
        self.measure();
        self.note_end(seq, bytes.len());
    }

    /// Whether a segment at `seq` is behind what is held back, and so is, too.
    pub fn is_held(&self, seq: u32) -> bool {
        self.held.is_some_and(|held| is_before(held, seq))
    }

    /// Tells what to do with a segment of `len` bytes at `seq`, behind what is held back. A sender that sends
    /// it again, but not that, knows that to have arrived: it has passed some other way.
    pub fn hold_behind(&mut self, seq: u32, len: usize) -> Hold {
        let end = seq.wrapping_add(length(len));
        if is_before(self.end, end) {
            self.note_end(seq, len);
            return Hold::Drop;
        }
        // It may come in many pieces, in order: its sender begins anew where it goes back.
        if !is_before(self.behind_seq, seq) {
            self.behind = self.behind.saturating_add(1);
        }
        self.behind_seq = seq;
        if self.behind <= PATIENCE {
            return Hold::Drop;
        }
        self.let_pass(end);
        Hold::Pass
    }

    /// Notes that there has been a segment of `len` bytes at `seq`: its sender sends more.
    pub fn note_end(&mut self, seq: u32, len: usize) {
        let end = seq.wrapping_add(length(len));
        if is_before(self.end, end) {
            self.end = end;
            self.stalls = 0;
        }
    }

    /// Counts the bytes up to the first that is missing.
    fn measure(&mut self) {
        self.len = 0;
        for word in self.there {
            let ones = word.trailing_ones();
            self.len = self.len.saturating_add(usize::try_from(ones).unwrap_or(0));
            if ones < u64::BITS {
                break;
            }
        }
    }

    /// Returns a cursor for [`Self::next`].
    pub fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::new(0, self.place);
        cursor.is_behind_bare_newline = self.is_behind_bare_newline;
        if self.done.is_some() {
            // It comes again as a whole.
            cursor.old = usize::MAX;
        }
        cursor
    }

    /// Returns the next thing of interest in the bytes that are there, see [`LineSession::next`].
    /// Spans are relative to [`Self::seq`].
    pub fn next<S: LineSession>(
        &self,
        session: &S,
        direction: Direction,
        cursor: &mut Cursor,
    ) -> Option<S::Found> {
        session.next(direction, self.bytes.get(..self.len)?, cursor)
    }

    /// Lets go of what is before `cursor`, and gives room for more. Tells whether that was
    /// anything.
    pub fn advance(&mut self, cursor: &mut Cursor) -> bool {
        let by = cursor.offset().min(self.len);
        if by == 0 {
            return false;
        }
        // Byte by byte: this happens once for a line that was split.
        for index in 0..CAPACITY {
            let from = index.saturating_add(by);
            let byte = self.bytes.get(from).copied();
            let word = self.there.get(from / 64).copied().unwrap_or(0);
            if let (Some(slot), Some(byte)) = (self.bytes.get_mut(index), byte) {
                *slot = byte;
            }
            if let Some(slot) = self.there.get_mut(index / 64) {
                *slot = if word & bit(from) != 0 {
                    *slot | bit(index)
                } else {
                    *slot & !bit(index)
                };
            }
        }
        self.seq = self.seq.wrapping_add(length(by));
        self.place = cursor.place;
        self.is_behind_bare_newline = cursor.is_behind_bare_newline;
        self.measure();
        cursor.slide(by);
        true
    }

    /// Whether a segment at `seq` is one too many that came while something was missing before it.
    pub fn is_hopeless(&mut self, seq: u32) -> bool {
        if is_before(self.end(), seq) {
            self.ahead = self.ahead.saturating_add(1);
        }
        self.ahead > AHEAD_MAX
    }

    /// Whether what is at `cursor`, behind all that [`Self::next`] found, is worth keeping.
    pub fn is_open(&self, cursor: &Cursor) -> bool {
        cursor.is_open(self.len) || self.there.iter().any(|word| *word != 0) && self.len == 0
    }

    /// Tells what to do with a segment of `len` bytes at `seq`, of which what would have to be
    /// rewritten is not whole; that begins at `begun`, if it has begun.
    pub fn hold(&mut self, seq: u32, len: usize, begun: Option<u32>) -> Hold {
        let is_overtaken = begun.is_some_and(|begun| self.is_overtaken(begun));
        let hold = self.hold_from(seq, len, begun.filter(|_| !is_overtaken));
        if hold == Hold::Pass && (is_overtaken || is_before(self.end(), seq)) {
            self.passed = Some(self.passed_end(seq.wrapping_add(length(len))));
        }
        hold
    }

    fn hold_from(&mut self, seq: u32, len: usize, begun: Option<u32>) -> Hold {
        // The earlier of both: what was held back may have overtaken this.
        let held = match (self.held, begun) {
            (Some(held), Some(begun)) if is_before(begun, held) => begun,
            (Some(held), _) => held,
            (None, Some(begun)) => begun,
            (None, None) => return Hold::Pass,
        };
        self.held = Some(held);
        if !is_before(held, seq) {
            self.behind = 0;
        }
        if !is_before(held, seq.wrapping_add(length(len))) {
            return Hold::Pass;
        }
        if !is_before(held, seq) {
            self.stalls = self.stalls.saturating_add(1);
            if self.stalls > PATIENCE {
                return Hold::GiveUp;
            }
        }
        Hold::Drop
    }
}

/// The bit of the byte at `index`, in its word.
fn bit(index: usize) -> u64 {
    1u64.wrapping_shl(length(index % 64))
}
