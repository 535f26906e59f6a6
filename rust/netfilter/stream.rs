// SPDX-License-Identifier: GPL-2.0

//! Going through the lines of a TCP connection, for protocols that talk in lines.

use super::{
    nat::Outcome,
    Conn,
    Helper,
    Packet,
    TcpSegment,
    Verdict, //
};
use crate::proto::{
    Cursor,
    Direction,
    Segment,
    Span, //
};

/// Size of the stretches in which a payload is looked at that is not in one piece, in bytes.
const WINDOW: usize = 512;

/// A helper of a protocol that talks in lines over TCP.
pub(crate) trait LineHelper: Helper {
    /// Something in a line that is of interest.
    type Found: Copy;

    /// The longest stretch of a line that the core needs to see in one piece, in bytes.
    const LINE_MAX: usize;

    /// Has the core take note of a segment.
    fn enter(state: &mut Self::State, direction: Direction, segment: Segment) -> Cursor;

    /// Has the core find the next thing of interest.
    fn next(
        state: &mut Self::State,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Self::Found>;

    /// Where in the bytes it stands, and is rewritten.
    fn span(found: &Self::Found) -> Span;

    /// Acts on what was found, with no lock held.
    fn found(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, Self::State>,
        place: Place,
        found: Self::Found,
    ) -> Outcome;
}

/// Where the bytes stand in which something was found.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Offset of the first of them in the packet.
    pub(crate) base: usize,
    /// Its sequence number, as the sender counts, in host byte order.
    pub(crate) seq: u32,
}

impl Place {
    /// The sequence number of the first byte of `span`.
    pub(crate) fn seq_of(&self, span: Span) -> u32 {
        // CAST: Sequence numbers wrap.
        self.seq.wrapping_add(span.start() as u32)
    }
}

/// Looks at each line of the packet.
pub(crate) fn look<H: LineHelper>(packet: &mut Packet<'_>, conn: &Conn<'_, H::State>) -> Verdict {
    const { assert!(H::LINE_MAX <= WINDOW) };
    let Some(segment) = packet.tcp() else {
        return Verdict::Accept;
    };
    let direction = conn.direction();
    let Some(bytes) = packet.in_place(segment.offset) else {
        return look_split::<H>(packet, conn, segment);
    };
    let (cursor, found) = conn.with_state(|state| {
        let segment = Segment {
            seq: segment.seq,
            len: segment.len,
            ends_in_newline: bytes.last() == Some(&b'\n'),
        };
        let mut cursor = H::enter(state, direction, segment);
        let found = H::next(state, direction, bytes, &mut cursor);
        (cursor, found)
    });
    match found {
        // The usual case.
        None => Verdict::Accept,
        Some(_) => walk::<H>(packet, conn, segment, cursor, found),
    }
}

/// The same for a payload that is in several pieces.
#[inline(never)]
fn look_split<H: LineHelper>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    segment: TcpSegment,
) -> Verdict {
    let mut last = [0; 1];
    let end = segment.offset.saturating_add(segment.len);
    let last = packet.window(end.saturating_sub(1), &mut last).bytes;
    let ends_in_newline = last == b"\n";
    let cursor = conn.with_state(|state| {
        let segment = Segment {
            seq: segment.seq,
            len: segment.len,
            ends_in_newline,
        };
        H::enter(state, conn.direction(), segment)
    });
    walk::<H>(packet, conn, segment, cursor, None)
}

/// Goes through the lines from `cursor` on, starting with `found`, in windows if need be.
#[inline(never)]
fn walk<H: LineHelper>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    segment: TcpSegment,
    mut cursor: Cursor,
    mut found: Option<H::Found>,
) -> Verdict {
    let direction = conn.direction();
    let mut buffer = [0; WINDOW];
    let mut place = Place {
        base: segment.offset,
        seq: segment.seq,
    };
    // By how much NAT has made the packet longer, and the sequence number where it did so last.
    let mut growth = 0i32;
    let mut changed = segment.seq;
    loop {
        if let Some(found) = found {
            let seq = place.seq_of(H::span(&found));
            match H::found(packet, conn, place, found) {
                Outcome::Rewritten { growth: by, .. } => {
                    cursor.grow(by);
                    growth = growth.wrapping_add(by);
                    changed = seq;
                    // CAST: Two's complement is what wrapping arithmetic needs.
                    place.seq = place.seq.wrapping_sub(by as u32);
                }
                Outcome::Unchanged => {}
                Outcome::NoMemory => return Verdict::Drop,
            }
        }
        let window = packet.window(place.base, &mut buffer);
        let is_last = window.is_last;
        found = conn.with_state(|state| H::next(state, direction, window.bytes, &mut cursor));
        if found.is_none() {
            let done = cursor.offset();
            if is_last || done == 0 {
                break;
            }
            cursor.slide(done);
            place.base = place.base.saturating_add(done);
            // CAST: As above.
            place.seq = place.seq.wrapping_add(done as u32);
        }
    }
    if growth != 0 {
        conn.adjust_sequence(changed, growth);
    }
    Verdict::Accept
}
