// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a segment, and puts together those that are split over several.

use core::{
    mem::MaybeUninit,
    ops::DerefMut, //
};

use super::{
    lines::{
        is_before,
        length, //
    },
    open_line::Hold,
    Cursor,
    Direction,
    LineSession,
    Only,
    OpenLine,
    Segment, //
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

/// What was made of something found.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Made {
    /// The payload is as it was.
    Unchanged,
    /// The payload was changed there, and is longer by so many bytes.
    Rewritten(i32),
    /// The segment is of no use any more.
    Lost,
}

/// The payload of a segment, and who acts on what is found in it.
pub trait Payload<S: LineSession> {
    /// A line that is kept until it is whole.
    type Line: DerefMut<Target = OpenLine>;

    /// What stands in the payload from offset `at` on, as it is now: all of it, or the first
    /// [`WINDOW`] bytes or more, copied to `buffer` if need be.
    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b>;

    /// Acts on what was found, of which the span stands at offset `at` of the payload as it is now,
    /// and began at sequence number `seq`.
    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Made;

    /// Whether what is found may have to be rewritten.
    fn is_rewritten(&self) -> bool;

    /// Takes the line that is kept for this direction of the connection.
    fn take(&mut self) -> Option<Self::Line>;

    /// Gets memory for a line.
    fn line(&mut self, line: OpenLine) -> Option<Self::Line>;

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

/// What became of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Walked {
    /// Whether it is to be dropped.
    pub is_dropped: bool,
    /// By how many bytes it has become longer.
    pub growth: i32,
    /// The sequence number where it was changed last, as its sender counts.
    pub changed: u32,
}

/// Goes through a segment for which [`LineSession::enter`] returned `cursor`, where a line is kept or
/// something is missing before it.
#[cold]
#[inline(never)]
pub fn again<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    cursor: Cursor,
) -> Walked {
    let walked = match resume(session, direction, segment, payload) {
        Some(walked) => walked,
        None => match cursor.gap() {
            Some(gap) => overtaken(session, direction, segment, payload, gap),
            None => {
                let walked = walk(session, direction, segment, payload, cursor, None);
                if payload.is_rewritten() && !walked.is_dropped {
                    let_go(segment, payload);
                }
                return walked;
            }
        },
    };
    finish(session, direction, &cursor, walked)
}

/// Lets go of the line that is kept as far as `segment` had it, which began before it and has passed.
fn let_go<S: LineSession, P: Payload<S>>(segment: Segment, payload: &mut P) {
    let Some(mut line) = payload.take() else {
        return;
    };
    let end = segment.seq.wrapping_add(length(segment.len));
    let has_it = !is_before(line.seq(), segment.seq) && is_before(line.seq(), end);
    if has_it && is_before(line.end(), end) {
        return;
    }
    line.let_pass(end);
    payload.keep(line);
}

/// Goes through a segment from `cursor` on, starting with `found`, after [`LineSession::enter`] and
/// the first [`LineSession::next`].
#[inline(never)]
pub fn walk<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    cursor: Cursor,
    found: Option<S::Found>,
) -> Walked {
    let walked = through(session, direction, segment, payload, cursor, found);
    finish(session, direction, &cursor, walked)
}

/// Looks at a segment at `seq` of which [`LineSession::glance`] said that it begins with a line of
/// interest, instead of [`LineSession::enter`] and all that. `found` is the place for what is found.
#[inline(always)]
pub fn only<'f, S: LineSession>(
    session: &S,
    direction: Direction,
    seq: u32,
    bytes: &[u8],
    found: &'f mut MaybeUninit<S::Found>,
) -> Only<'f, S::Found> {
    let lines = session.lines(direction);
    if session.kept().is_any() || !lines.is_next(seq, bytes.len()) {
        return Only::Closer;
    }
    let only = session.only(direction, bytes, found);
    if matches!(only, Only::Nothing) {
        lines.note_next(seq, bytes.len(), session.count_of_line(direction));
    }
    only
}

/// Acts on `found`, which is all that [`only()`] found in a segment of `len` bytes at `seq`.
#[inline(always)]
pub fn one<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    (seq, len): (u32, usize),
    payload: &mut P,
    found: &S::Found,
) -> Walked {
    let lines = session.lines(direction);
    let before = lines.known();
    lines.note_next(seq, len, session.count_of_line(direction));
    let start = S::span(found).start();
    let mut walked = Walked {
        is_dropped: false,
        growth: 0,
        changed: seq.wrapping_add(length(start)),
    };
    match payload.found(found, start, walked.changed) {
        Made::Unchanged => {}
        Made::Rewritten(by) => walked.growth = by,
        Made::Lost => {
            lines.undo(before);
            walked.is_dropped = true;
        }
    }
    walked
}

fn finish<S: LineSession>(
    session: &S,
    direction: Direction,
    cursor: &Cursor,
    walked: Walked,
) -> Walked {
    if walked.is_dropped {
        session.lines(direction).undo(cursor.before);
    }
    walked
}

fn through<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    mut cursor: Cursor,
    mut found: Option<S::Found>,
) -> Walked {
    let mut walk = Walk::new(segment);
    let is_again = cursor.is_again();
    // Where the window begins in the payload, and its sequence number.
    let mut base = 0usize;
    let mut seq = segment.seq;
    let mut buffer = [0; WINDOW];
    let len = loop {
        if let Some(found) = found {
            if walk.is_enough(payload) {
                return walk.done;
            }
            let start = S::span(&found).start();
            let at_seq = seq.wrapping_add(length(start));
            match payload.found(&found, base.saturating_add(start), at_seq) {
                Made::Unchanged => {}
                Made::Rewritten(by) => {
                    cursor.grow(by);
                    seq = seq.wrapping_add_signed(by.wrapping_neg());
                    walk.grow(at_seq, by);
                }
                Made::Lost => return walk.drop(),
            }
        }
        let window = payload.window(base, &mut buffer);
        found = session.next(direction, window.bytes, &mut cursor);
        if found.is_some() {
            continue;
        }
        let done = cursor.offset();
        if window.is_last || done == 0 {
            break window.bytes.len();
        }
        cursor.slide(done);
        base = base.saturating_add(done);
        seq = seq.wrapping_add(length(done));
    };
    if cursor.is_open(len) {
        let at_seq = |offset: usize| seq.wrapping_add(length(offset));
        let start = at_seq(cursor.offset());
        let line = OpenLine::new(start, &cursor);
        let at = base.saturating_add(cursor.offset());
        let begun = cursor.begun().map(at_seq);
        return open(walk, segment, payload, line, (at, start), begun, is_again);
    }
    walk.done
}

/// The same for a segment that has overtaken another one, see [`Cursor::gap`].
#[cold]
#[inline(never)]
fn overtaken<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    (gap, cursor): (u32, Cursor),
) -> Walked {
    let line = OpenLine::new(segment.seq.wrapping_sub(gap), &cursor);
    let begun = may_matter(session, direction, payload).then_some(segment.seq);
    open(
        Walk::new(segment),
        segment,
        payload,
        line,
        (0, segment.seq),
        begun,
        false,
    )
}

/// Whether something in a segment behind missing bytes may have to be rewritten once these are there. What
/// is of no interest passes: it would cost its sender a timeout each.
#[inline(never)]
fn may_matter<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    payload: &P,
) -> bool {
    if !payload.is_rewritten() {
        return false;
    }
    let mut buffer = [0; WINDOW];
    let window = payload.window(0, &mut buffer);
    !window.is_last || session.may_matter(direction, window.bytes)
}

/// Keeps `line`, of which there is what stands at offset `at` of the payload, sequence number `seq`.
#[cold]
fn open<S: LineSession, P: Payload<S>>(
    walk: Walk,
    segment: Segment,
    payload: &mut P,
    line: OpenLine,
    (at, seq): (usize, u32),
    begun: Option<u32>,
    is_again: bool,
) -> Walked {
    let mut line = match payload.take() {
        // The same that was held back already.
        Some(kept) if kept.seq() == line.seq() => kept,
        kept if is_again => {
            if let Some(kept) = kept {
                payload.keep(kept);
            }
            return walk.done;
        }
        _ => match payload.line(line) {
            Some(line) => line,
            None => {
                payload.give_up();
                return walk.done;
            }
        },
    };
    let mut buffer = [0; WINDOW];
    line.put(seq, payload.window(at, &mut buffer).bytes);
    let mut hold = Hold::Pass;
    if payload.is_rewritten() {
        hold = line.hold(segment.seq, segment.len, begun);
        // How often the segment was held back is not known any more.
        if hold == Hold::Drop && payload.has_lost() {
            hold = Hold::GiveUp;
        }
    }
    if hold == Hold::GiveUp {
        payload.give_up();
        return walk.done;
    }
    // It can be held back only as long as somebody counts how often.
    if payload.keep(line) && hold == Hold::Drop {
        return walk.drop();
    }
    walk.done
}

/// The same for a segment of a direction for which a line is kept; [`None`] if that has nothing to
/// do with it.
#[cold]
#[inline(never)]
fn resume<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
) -> Option<Walked> {
    let mut line = payload.take()?;
    if line.is_over(segment.seq) {
        return None;
    }
    // What is before the line was looked at when it came first, but has to be rewritten each time.
    let is_again = payload.is_rewritten() && is_before(segment.seq, line.seq());
    if is_again || !line.concerns(segment.seq, segment.len) {
        payload.keep(line);
        return None;
    }
    let before = payload.is_rewritten().then(|| line.clone());
    let mut walk = Walk::new(segment);
    let hold = put_together(session, direction, segment, payload, &mut line, &mut walk);
    match (hold, before) {
        (Ok(Goes::On), _) if line.is_hopeless(segment.seq) => payload.give_up(),
        (Ok(Goes::On), _) => {
            payload.keep(line);
        }
        (Ok(Goes::Out), Some(before)) if walk.is_to_repeat => {
            let end = line.passed_end(segment.seq.wrapping_add(length(segment.len)));
            line.finish(before, end);
            payload.keep(line);
        }
        (Ok(Goes::Out), _) => {}
        (Err(Hold::Pass), _) => {
            payload.keep(line);
        }
        (Err(Hold::GiveUp), _) => payload.give_up(),
        (Err(Hold::Drop), before) => {
            if let Some(before) = before {
                line.undo(before);
            }
            // See `open`.
            if payload.keep(line) {
                return Some(walk.drop());
            }
        }
    }
    Some(walk.done)
}

/// What becomes of a line.
enum Goes {
    /// There is more to come of it.
    On,
    /// It is of no interest any more.
    Out,
}

/// Takes what `segment` has of `line`, and of the lines behind it.
fn put_together<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    line: &mut OpenLine,
    walk: &mut Walk,
) -> Result<Goes, Hold> {
    if line.is_held(segment.seq) {
        line.note_end(segment.seq, segment.len);
        return Err(Hold::Drop);
    }
    let mut cursor = line.cursor();
    let mut buffer = [0; WINDOW];
    loop {
        if let Some((skipped, count)) = line.wants(segment.seq, segment.len) {
            let seq = segment.seq.wrapping_add(length(skipped));
            let at = skipped.saturating_add_signed(walk.growth());
            let window = payload.window(at, &mut buffer).bytes;
            line.put(seq, window.get(..count).unwrap_or(window));
        }
        let mut dealt_with = cursor;
        while let Some(found) = line.next(session, direction, &mut cursor) {
            if walk.is_enough(payload) {
                return Ok(Goes::Out);
            }
            let span = S::span(&found);
            let seq = line.seq().wrapping_add(length(span.start()));
            // Far behind the end if it began before the segment.
            let start = usize::try_from(seq.wrapping_sub(segment.seq)).unwrap_or(usize::MAX);
            let is_whole = start
                .checked_add(span.len())
                .is_some_and(|end| end <= segment.len);
            if payload.is_rewritten() && line.is_overtaken(seq) {
                payload.give_up();
                walk.is_to_repeat = true;
                dealt_with = cursor;
                continue;
            }
            if !is_whole && payload.is_rewritten() {
                let hold = line.hold(segment.seq, segment.len, Some(seq));
                if hold == Hold::Pass {
                    // It is held back behind the segment, which is all that it waited for.
                    line.advance(&mut dealt_with);
                }
                return Err(hold);
            }
            match payload.found(&found, start.saturating_add_signed(walk.growth()), seq) {
                Made::Unchanged => {}
                Made::Rewritten(by) => walk.grow(seq, by),
                Made::Lost => return Err(Hold::Drop),
            }
            dealt_with = cursor;
        }
        if !line.advance(&mut cursor) {
            break;
        }
    }
    session.lines(direction).saw(line.end());
    if !line.is_open(&cursor) {
        return Ok(Goes::Out);
    }
    if payload.is_rewritten() {
        let begun = if is_before(line.end(), segment.seq) {
            // Nobody knows yet what this is, behind what is missing.
            may_matter(session, direction, payload).then_some(segment.seq)
        } else {
            let begun = cursor.begun();
            begun.map(|begun| line.seq().wrapping_add(length(begun)))
        };
        match line.hold(segment.seq, segment.len, begun) {
            Hold::Pass => {}
            hold => return Err(hold),
        }
    }
    Ok(Goes::On)
}

/// What has become of a segment so far.
struct Walk {
    done: Walked,
    /// Whether what was done has to be done again when the segment comes again.
    is_to_repeat: bool,
    found: usize,
}

impl Walk {
    fn new(segment: Segment) -> Self {
        Self {
            done: Walked {
                is_dropped: false,
                growth: 0,
                changed: segment.seq,
            },
            is_to_repeat: false,
            found: 0,
        }
    }

    /// Counts something found, and tells whether it is one too many.
    fn is_enough<S: LineSession, P: Payload<S>>(&mut self, payload: &mut P) -> bool {
        let is_enough = self.found >= payload.most();
        if is_enough {
            payload.stop();
        }
        self.found = self.found.saturating_add(1);
        is_enough
    }

    fn growth(&self) -> isize {
        isize::try_from(self.done.growth).unwrap_or_default()
    }

    fn grow(&mut self, seq: u32, by: i32) {
        self.done.growth = self.done.growth.wrapping_add(by);
        self.done.changed = seq;
        self.is_to_repeat = true;
    }

    fn drop(mut self) -> Walked {
        self.done.is_dropped = true;
        self.done
    }
}
