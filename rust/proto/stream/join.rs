// SPDX-License-Identifier: GPL-2.0

//! Puts together lines that are split over several segments.
//!
//! Where nothing has to be rewritten, segments pass, and what they have of a line is kept until all of it is
//! there. Where NAT may have to rewrite the line, the segment in which that begins is held back, so that
//! its sender sends it again, together with the rest of the line.

use super::{
    super::{
        Direction,
        Outcome,
        Verdict, //
    },
    lines::{
        is_before,
        length, //
    },
    partial::Hold,
    walk::{
        self,
        Walk, //
    },
    Cursor,
    LineSession,
    PartialLine,
    Payload,
    Segment,
    WINDOW, //
};

/// Goes through a segment for which [`LineSession::enter`] returned `cursor`, where a line is kept or
/// something is missing before it.
#[cold]
#[inline(never)]
pub(super) fn segment<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    cursor: Cursor,
) -> Verdict {
    if let Some(verdict) = resume(session, direction, segment, payload) {
        return verdict;
    }
    if let Some(gap) = cursor.gap() {
        return overtaken(session, direction, segment, payload, gap);
    }
    let mut walk = Walk::new(segment);
    if payload.is_rewritten() {
        walk.lost = lost(payload);
    }
    let verdict = walk::through(session, direction, segment, payload, cursor, walk);
    if payload.is_rewritten() && verdict == Verdict::Accept {
        let_go(segment, payload);
    }
    verdict
}

/// What the line that is kept knows of bytes that were overtaken.
fn lost<S: LineSession, P: Payload<S>>(payload: &mut P) -> Option<(u32, u32)> {
    let line = payload.take()?;
    let lost = line.lost();
    payload.keep(line);
    lost
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

/// The same for a segment that has overtaken another one, see [`Cursor::gap`].
#[cold]
#[inline(never)]
fn overtaken<S: LineSession, P: Payload<S>>(
    session: &S,
    direction: Direction,
    segment: Segment,
    payload: &mut P,
    (gap, cursor): (u32, Cursor),
) -> Verdict {
    let line = PartialLine::new(segment.seq.wrapping_sub(gap), &cursor);
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
pub(super) fn open<S: LineSession, P: Payload<S>>(
    walk: Walk,
    segment: Segment,
    payload: &mut P,
    line: PartialLine,
    (at, seq): (usize, u32),
    begun: Option<u32>,
    is_again: bool,
) -> Verdict {
    let mut line = match payload.take() {
        // The same that was held back already.
        Some(kept) if kept.seq() == line.seq() => kept,
        kept if is_again => {
            if let Some(kept) = kept {
                payload.keep(kept);
            }
            return walk.end(payload);
        }
        _ => match payload.line(line) {
            Some(line) => line,
            None => {
                payload.give_up();
                return walk.end(payload);
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
        return walk.end(payload);
    }
    // It can be held back only as long as somebody counts how often.
    if payload.keep(line) && hold == Hold::Drop {
        return Verdict::Drop;
    }
    walk.end(payload)
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
) -> Option<Verdict> {
    let mut line = payload.take()?;
    if line.is_over(segment.seq) {
        return None;
    }
    // What is before the line was looked at when it came first, but has to be rewritten each time. What is
    // held back comes for the first time.
    let is_again =
        payload.is_rewritten() && is_before(segment.seq, line.seq()) && !line.holds(segment.seq);
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
                return Some(Verdict::Drop);
            }
        }
    }
    Some(walk.end(payload))
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
    line: &mut PartialLine,
    walk: &mut Walk,
) -> Result<Goes, Hold> {
    if line.is_held(segment.seq) {
        let hold = line.hold_behind(segment.seq, segment.len);
        if hold == Hold::Pass {
            payload.give_up();
        }
        return Err(hold);
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
        let mut dealt_with = (cursor, session.lines(direction).count());
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
            let is_rewritten = payload.is_rewritten() && S::is_text(&found);
            // Where its beginning has passed already nothing can be done about it, nor waited for.
            if is_rewritten && (line.is_overtaken(seq) || is_before(seq, segment.seq)) {
                payload.give_up();
                walk.is_to_repeat = true;
                dealt_with = (cursor, session.lines(direction).count());
                continue;
            }
            if !is_whole && is_rewritten {
                let hold = line.hold(segment.seq, segment.len, Some(seq));
                if hold == Hold::Pass {
                    // It is held back behind the segment, which is all that it waited for. What is before it
                    // in the same stretch comes once more, too.
                    let (mut cursor, count) = dealt_with;
                    line.advance(&mut cursor);
                    session.lines(direction).set_count(count);
                }
                return Err(hold);
            }
            match payload.found(&found, start.saturating_add_signed(walk.growth()), seq) {
                Outcome::Unchanged | Outcome::Refused => {}
                Outcome::Rewritten { growth, .. } => walk.grow(seq, growth),
                Outcome::NoMemory => return Err(Hold::Drop),
            }
            dealt_with = (cursor, session.lines(direction).count());
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
