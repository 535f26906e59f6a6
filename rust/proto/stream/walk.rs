// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a segment, one after the other.

use super::{
    super::{
        Direction,
        Outcome,
        Verdict, //
    },
    join,
    lines::{
        is_before,
        length, //
    },
    Cursor,
    LineSession,
    PartialLine,
    Payload,
    Segment,
    WINDOW, //
};

/// Goes through a segment for which [`LineSession::enter`] returned `cursor`, and before which nothing is
/// missing or kept.
#[inline]
pub(super) fn segment<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    cursor: Cursor,
) -> Verdict {
    through(
        session,
        direction,
        segment,
        payload,
        cursor,
        Walk::new(segment),
    )
}

/// The same, where something may be missing before it: then `walk` knows.
#[inline]
pub(super) fn through<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    mut cursor: Cursor,
    mut walk: Walk,
) -> Verdict {
    let is_again = cursor.is_again();
    let mut at = At {
        base: 0,
        seq: segment.seq,
    };
    let len = loop {
        let found = match payload.whole() {
            // It may have been in several pieces until something was rewritten.
            Some(bytes) => {
                let bytes = bytes.get(at.base..).unwrap_or_default();
                let found = session.next(direction, bytes, &mut cursor);
                found.ok_or(bytes.len())
            }
            None => next_in_windows(session, direction, payload, &mut at, &mut cursor),
        };
        let found = match found {
            Ok(found) => found,
            Err(len) => break len,
        };
        if walk.is_enough(payload) {
            return walk.end(payload);
        }
        let start = S::span(&found).start();
        let seq = at.seq_of(start);
        if walk.is_lost(seq) && S::is_text(&found) {
            payload.give_up();
            continue;
        }
        match payload.found(&found, at.base.saturating_add(start), seq) {
            Outcome::Unchanged | Outcome::Refused => {}
            Outcome::Rewritten { growth, .. } => {
                cursor.grow(growth);
                at.seq = at.seq.wrapping_add_signed(growth.wrapping_neg());
                walk.grow(seq, growth);
            }
            Outcome::NoMemory => return Verdict::Drop,
        }
    };
    if !cursor.is_open(len) {
        return walk.end(payload);
    }
    let seq = at.seq_of(cursor.offset());
    let line = PartialLine::new(seq, &cursor);
    let place = (at.base.saturating_add(cursor.offset()), seq);
    let begun = cursor.begun().map(|begun| at.seq_of(begun));
    join::open(walk, segment, payload, line, place, begun, is_again)
}

/// Where the bytes that are looked at begin.
struct At {
    /// Their offset in the payload as it is now.
    base: usize,
    /// Their sequence number.
    seq: u32,
}

impl At {
    fn seq_of(&self, offset: usize) -> u32 {
        self.seq.wrapping_add(length(offset))
    }
}

/// The same as [`LineSession::next`] for a payload in several pieces. If there is nothing more, the length of
/// its last window.
#[cold]
#[inline(never)]
fn next_in_windows<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    payload: &P,
    at: &mut At,
    cursor: &mut Cursor,
) -> Result<S::Found, usize> {
    let mut buffer = [0; WINDOW];
    loop {
        let window = payload.window(at.base, &mut buffer);
        if let Some(found) = session.next(direction, window.bytes, cursor) {
            return Ok(found);
        }
        let done = cursor.offset();
        if window.is_last || done == 0 {
            return Err(window.bytes.len());
        }
        cursor.slide(done);
        at.base = at.base.saturating_add(done);
        at.seq = at.seq_of(done);
    }
}

/// What has become of a segment so far.
pub(super) struct Walk {
    /// By how many bytes it has become longer.
    growth: i32,
    /// The sequence number where it was changed last, as its sender counts.
    changed: u32,
    /// Whether what was done has to be done again when the segment comes again.
    pub(super) is_to_repeat: bool,
    found: usize,
    /// See [`PartialLine::lost`].
    pub(super) lost: Option<(u32, u32)>,
}

impl Walk {
    pub(super) fn new(segment: Segment) -> Self {
        Self {
            growth: 0,
            changed: segment.seq,
            is_to_repeat: false,
            found: 0,
            lost: None,
        }
    }

    /// Whether what is at sequence number `seq` was overtaken by something that has passed.
    fn is_lost(&self, seq: u32) -> bool {
        self.lost
            .is_some_and(|(from, end)| !is_before(seq, from) && is_before(seq, end))
    }

    /// Counts something found, and tells whether it is one too many.
    pub(super) fn is_enough<S: LineSession, P: Payload<S>>(&mut self, payload: &mut P) -> bool {
        let is_enough = self.found >= payload.most();
        if is_enough {
            payload.stop();
        }
        self.found = self.found.saturating_add(1);
        is_enough
    }

    pub(super) fn growth(&self) -> isize {
        isize::try_from(self.growth).unwrap_or_default()
    }

    pub(super) fn grow(&mut self, seq: u32, by: i32) {
        // The kernel corrects anew whenever it is told of a place further on.
        if by != 0 {
            self.growth = self.growth.wrapping_add(by);
            self.changed = seq;
        }
        self.is_to_repeat = true;
    }

    /// The segment goes on as it is now.
    pub(super) fn end<S: LineSession, P: Payload<S>>(self, payload: &mut P) -> Verdict {
        if self.growth != 0 {
            payload.adjust(self.changed, self.growth);
        }
        Verdict::Accept
    }
}
