// SPDX-License-Identifier: GPL-2.0

//! The one door for TCP: which way a segment takes is decided here, for the kernel module, the host
//! tests and the fuzzer alike.
//!
//! ```text
//! segment()
//!   glance()        plain, in order: noted, and it goes on. Most segments come no further.
//!   after_glance()
//!     begin()       a SYN, or its answer
//!     one_line()    all of it is one line of interest
//!     closer()      what else there is
//!       walk        several lines, one after the other
//!       join        part of a line is kept, or something is missing before this segment
//! ```
//!
//! A protocol is a [`LineSession`]; the packet, and who acts on what is found in it, a [`Payload`].

mod cursor;
mod join;
mod lines;
mod partial;
mod session;
mod walk;

use core::ops::DerefMut;

use super::{
    Direction,
    Outcome,
    Verdict, //
};

pub use self::{
    cursor::{
        Cursor,
        Place, //
    },
    lines::{
        Count,
        Lines, //
    },
    partial::PartialLine,
    session::{
        Glance,
        Kept,
        LineSession,
        News,
        Segment, //
    },
};

/// Size of the stretches in which a payload is looked at that is not in one piece, in bytes.
pub const WINDOW: usize = 512;

/// A stretch of a payload in one piece.
pub struct Window<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether they reach to the end of the payload.
    pub is_last: bool,
}

/// What a TCP header says. It is read when it is asked for.
pub trait Header: Copy {
    /// The sequence number of the first payload byte in host byte order, as its sender counts (before
    /// any adjustment for what NAT rewrote).
    fn seq(self) -> u32;

    /// The acknowledgement number in host byte order.
    fn ack(self) -> u32;

    /// Whether it has part in opening a connection.
    fn is_syn(self) -> bool;
}

/// A segment, and who acts on what is found in it.
pub trait Payload<S: LineSession> {
    /// A line that is kept until it is whole.
    type Line: DerefMut<Target = PartialLine>;

    /// The payload as it is now, if it is in one piece.
    fn whole(&self) -> Option<&[u8]>;

    /// How many bytes the payload has now.
    fn size(&self) -> usize;

    /// What stands in the payload from offset `at` on, as it is now: all of it, or the first
    /// [`WINDOW`] bytes or more, copied to `buffer` if need be.
    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b>;

    /// Whether conntrack takes the segment, the accepting side's SYN, for the answer to the other's.
    fn is_answer(&self) -> bool;

    /// Acts on what was found, of which the span stands at offset `at` of the payload as it is now,
    /// and began at sequence number `seq`.
    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Outcome;

    /// Notes that the payload became longer by `growth` bytes, and was changed last at sequence number
    /// `seq`, as its sender counts.
    fn adjust(&mut self, seq: u32, growth: i32);

    /// Whether what is found may have to be rewritten.
    fn is_rewritten(&self) -> bool;

    /// Takes the line that is kept for this direction of the connection.
    fn take(&mut self) -> Option<Self::Line>;

    /// Gets memory for a line.
    fn line(&mut self, line: PartialLine) -> Option<Self::Line>;

    /// Whether a line was kept for this direction, and could not be any longer.
    fn has_lost(&self) -> bool;

    /// Keeps `line` until the next segment of this direction. If it cannot be kept that is noted as in
    /// [`Self::give_up`], and false.
    fn keep(&mut self, line: Self::Line) -> bool;

    /// Notes that a line cannot be rewritten, or kept for it.
    fn give_up(&mut self);

    /// How many times in one segment something may be found: each costs more than the rest together.
    fn most(&self) -> usize;

    /// Notes that there may be more than that, which is not looked at.
    fn stop(&mut self);
}

/// Goes through a segment with this header. All that the kernel module does, in one call.
#[inline]
pub fn segment<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    header: impl Header,
    payload: &mut P,
) -> Verdict {
    if session.ignores(direction) {
        return Verdict::Accept;
    }
    let glance = glance(session, direction, header, payload.whole());
    after_glance(glance, session, direction, header, payload)
}

/// Takes a first look at a segment of which `bytes` is the payload; [`None`] if it is not in one piece.
///
/// To be called if not [`LineSession::ignores`].
#[inline(always)]
pub fn glance<S: LineSession>(
    session: &S,
    direction: Direction,
    header: impl Header,
    bytes: Option<&[u8]>,
) -> Glance {
    match bytes {
        // There are many of them.
        Some([]) if !header.is_syn() => Glance::Plain,
        Some([]) | None => Glance::Closer,
        Some(bytes) => session.glance(direction, bytes, || header.seq()),
    }
}

/// Goes on after [`glance()`].
#[inline]
pub fn after_glance<S: LineSession, P: Payload<S>>(
    glance: Glance,
    session: &S,
    direction: Direction,
    header: impl Header,
    payload: &mut P,
) -> Verdict {
    match glance {
        Glance::Plain => Verdict::Accept,
        // What stands in it (TCP Fast Open) is not looked at.
        _ if header.is_syn() => {
            begin(session, direction, header, payload);
            Verdict::Accept
        }
        Glance::Line => one_line(session, direction, header.seq(), payload),
        Glance::Closer => closer(session, direction, header.seq(), payload),
    }
}

/// Notes that a connection begins, where the accepting side says so: its SYN has both sequence numbers.
///
/// Also where the entry is an old one, since both machines have begun anew. An attacker's SYN alone does
/// nothing.
#[cold]
#[inline(never)]
fn begin<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    header: impl Header,
    payload: &P,
) {
    match direction {
        Direction::Original => session.may_begin(),
        Direction::Reply if payload.is_answer() => {
            session.begin(header.ack(), header.seq().wrapping_add(1));
        }
        Direction::Reply => {}
    }
}

/// Goes through a segment that begins with a line of interest, and probably has no other.
#[inline]
fn one_line<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    seq: u32,
    payload: &mut P,
) -> Verdict {
    let lines = session.lines(direction);
    let Some(bytes) = payload.whole() else {
        return closer(session, direction, seq, payload);
    };
    let len = bytes.len();
    let Some(before) = lines.next(seq, len).filter(|_| !session.kept().is_any()) else {
        return closer(session, direction, seq, payload);
    };
    let Ok(found) = session.only(direction, bytes) else {
        return closer(session, direction, seq, payload);
    };
    lines.note_next(before, seq, len, session.count_of_line(direction));
    let Some(found) = found else {
        return Verdict::Accept;
    };
    let start = S::span(&found).start();
    let seq = seq.wrapping_add(lines::length(start));
    match payload.found(&found, start, seq) {
        Outcome::Unchanged | Outcome::Refused => {}
        Outcome::Rewritten { growth, .. } => {
            if growth != 0 {
                payload.adjust(seq, growth);
            }
        }
        Outcome::NoMemory => {
            lines.undo(before);
            return Verdict::Drop;
        }
    }
    Verdict::Accept
}

/// Goes through a segment that is not like most.
#[inline(never)]
fn closer<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    seq: u32,
    payload: &mut P,
) -> Verdict {
    let (len, ends_in_newline) = match payload.whole() {
        Some(bytes) if session.is_plain(direction, seq, bytes) => return Verdict::Accept,
        Some(bytes) => (bytes.len(), bytes.last() == Some(&b'\n')),
        None => end(payload),
    };
    if len == 0 {
        return Verdict::Accept;
    }
    let segment = Segment {
        seq,
        len,
        ends_in_newline,
    };
    let cursor = session.enter(direction, segment);
    let before = cursor.before();
    let verdict = if session.kept().is_any() || cursor.gap().is_some() {
        join::segment(session, direction, segment, payload, cursor)
    } else {
        walk::segment(session, direction, segment, payload, cursor)
    };
    if verdict == Verdict::Drop {
        session.lines(direction).undo(before);
    }
    verdict
}

/// How many bytes a payload in several pieces has, and whether the last is a newline.
#[cold]
fn end<S: LineSession, P: Payload<S>>(payload: &P) -> (usize, bool) {
    let len = payload.size();
    let mut last = [0; 1];
    let window = payload.window(len.saturating_sub(1), &mut last);
    (len, window.bytes == b"\n")
}
