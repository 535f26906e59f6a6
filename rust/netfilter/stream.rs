// SPDX-License-Identifier: GPL-2.0

//! Going through the lines of a TCP connection, for protocols that talk in lines.

use super::{
    count::Counter,
    nat::Outcome,
    packet::TcpHeader,
    store::{
        self,
        KeptLine,
        Taken, //
    },
    Conn,
    Helper,
    Packet,
    Verdict, //
};
use crate::proto::{
    walk::{
        self,
        Made,
        Payload,
        Walked,
        Window, //
    },
    Cursor,
    Direction,
    Glance,
    LineSession,
    Only,
    OpenLine,
    Segment,
    Span, //
};
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::prelude::*;

pub(crate) use super::store::Store;

/// A helper of a protocol that talks in lines over TCP.
pub(crate) trait LineHelper: Helper<State: LineSession> {
    /// Acts on what was found.
    fn found(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, Self::State>,
        place: Place,
        found: &<Self::State as LineSession>::Found,
    ) -> Outcome;

    /// What is counted of split lines.
    fn line_counters() -> LineCounters;

    /// Whether what is found in a packet of this connection may have to be rewritten.
    fn is_rewritten(conn: &Conn<'_, Self::State>) -> bool;

    /// Called after a closer look at a packet, which may have changed what is thought of the connection.
    fn looked(_conn: &Conn<'_, Self::State>) {}
}

/// See [`LineHelper::line_counters`].
pub(crate) struct LineCounters {
    /// Segments that are held back until they come in one piece.
    pub(crate) held: &'static Counter,
    /// Lines that are kept at the moment.
    pub(crate) kept: &'static Counter,
    /// Lines that were not put together.
    pub(crate) gave_up: &'static Counter,
    /// Segments of which the rest was not looked at, since they announce too much.
    pub(crate) too_many: &'static Counter,
}

/// So many announcements of one segment are looked at, or more if more may be expected at a time.
const MOST: u32 = 8;

/// Where the bytes stand in which something was found.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Offset of the first of them in the packet, which may be before its beginning.
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
///
/// Packet and connection go on by value, and from the last call of each function: so the way of most
/// packets needs no memory of its own.
#[inline]
pub(crate) fn look<H: LineHelper>(
    packet: Packet<'_>,
    conn: Conn<'_, H::State>,
    direction: Direction,
) -> Verdict {
    if conn.state().ignores(direction) {
        return Verdict::Accept;
    }
    let Some((header, bytes)) = packet.tcp_in_buffer() else {
        return look_outside::<H>(packet, conn);
    };
    if bytes.is_empty() {
        // Not for a closer look: there are many of them.
        if header.is_syn() {
            begin(conn, header);
        }
        return Verdict::Accept;
    }
    let glance = conn.state().glance(direction, bytes, || header.seq());
    // SAFETY: We found it in the buffer.
    unsafe { after_glance::<H>(glance, packet, conn, None) }
}

/// Notes that a connection begins, where the accepting side says so: its SYN has both sequence numbers.
///
/// Also where the entry is an old one, since both machines have begun anew. An attacker's SYN alone does
/// nothing, and conntrack knows whether an answer is one.
#[cold]
#[inline(never)]
fn begin<S: LineSession>(conn: Conn<'_, S>, header: TcpHeader<'_>) {
    match conn.direction() {
        Direction::Original => conn.state().may_begin(),
        Direction::Reply if conn.is_in_handshake() => {
            conn.state()
                .begin(header.ack(), header.seq().wrapping_add(1));
        }
        Direction::Reply => {}
    }
}

/// Goes on after a first glance.
///
/// # Safety
///
/// As for [`look_at_line()`].
#[inline(always)]
unsafe fn after_glance<H: LineHelper>(
    glance: Glance,
    packet: Packet<'_>,
    conn: Conn<'_, H::State>,
    payload: Option<NonNull<u8>>,
) -> Verdict {
    match glance {
        Glance::Usual => Verdict::Accept,
        // SAFETY: By the requirements of this function.
        Glance::Line => unsafe { look_at_line::<H>(packet, conn, payload) },
        Glance::Closer => look_closer::<H>(packet, conn),
    }
}

/// The same for a packet that does not lie in its own buffer.
#[inline(never)]
fn look_outside<H: LineHelper>(packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    let Some((header, bytes)) = packet.tcp_in_place() else {
        return look_split::<H>(packet, conn);
    };
    let glance = conn
        .state()
        .glance(conn.direction(), bytes, || header.seq());
    let payload = NonNull::from(bytes).cast();
    // SAFETY: That is where we found it.
    unsafe { after_glance::<H>(glance, packet, conn, Some(payload)) }
}

/// The same for a segment that begins with a line of interest. (To find header and payload again would
/// cost as much as the glance.)
///
/// # Safety
///
/// The payload of `packet` must have been found at `payload`, or in the buffer if that is [`None`], and
/// nobody must have changed the packet since.
#[inline(never)]
unsafe fn look_at_line<H: LineHelper>(
    mut packet: Packet<'_>,
    conn: Conn<'_, H::State>,
    payload: Option<NonNull<u8>>,
) -> Verdict {
    let (session, direction) = (conn.state(), conn.direction());
    // SAFETY: By the requirements of this function. What may change the packet comes after the last
    // use of both.
    let (header, bytes) = unsafe { packet.tcp_again(payload) };
    let (offset, seq, len) = (packet.tcp_payload(header), header.seq(), bytes.len());
    let mut found = MaybeUninit::uninit();
    match walk::only(session, direction, seq, bytes, &mut found) {
        Only::Nothing => Verdict::Accept,
        Only::Found(found) => {
            let mut on = OnPacket::<H>::new(&mut packet, &conn, offset);
            let walked = walk::one(session, direction, (seq, len), &mut on, found);
            finish::<H>(&conn, walked)
        }
        Only::Closer => look_closer::<H>(packet, conn),
    }
}

/// The same for a segment that is not like most.
#[inline(never)]
fn look_closer<H: LineHelper>(packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    let verdict = look_closely::<H>(packet, conn);
    H::looked(&conn);
    verdict
}

fn look_closely<H: LineHelper>(mut packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    const { assert!(<H::State as LineSession>::LINE_MAX <= walk::WINDOW) };
    let Some((header, bytes)) = packet.tcp_in_place() else {
        return Verdict::Accept;
    };
    let (offset, seq) = (packet.tcp_payload(header), header.seq());
    let session = conn.state();
    let direction = conn.direction();
    if header.is_syn() {
        // What stands in it (TCP Fast Open) is not looked at.
        begin(conn, header);
        return Verdict::Accept;
    }
    if bytes.is_empty() || session.is_usual(direction, seq, bytes) {
        return Verdict::Accept;
    }
    let segment = Segment {
        seq,
        len: bytes.len(),
        ends_in_newline: bytes.last() == Some(&b'\n'),
    };
    let mut cursor = session.enter(direction, segment);
    if session.kept().is_any() || cursor.gap().is_some() {
        return look_again::<H>(&mut packet, &conn, offset, segment, cursor);
    }
    match session.next(direction, bytes, &mut cursor) {
        None if !cursor.is_open(segment.len) => Verdict::Accept,
        found => look_on::<H>(&mut packet, &conn, offset, segment, cursor, found),
    }
}

/// The same for a payload that is in several pieces.
#[cold]
#[inline(never)]
fn look_split<H: LineHelper>(mut packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    let Some(tcp) = packet.tcp().filter(|_| !packet.is_syn()) else {
        return Verdict::Accept;
    };
    let mut last = [0; 1];
    let end = tcp.offset.saturating_add(tcp.len);
    let last = packet.window(end.saturating_sub(1), &mut last).bytes;
    let segment = Segment {
        seq: tcp.seq,
        len: tcp.len,
        ends_in_newline: last == b"\n",
    };
    let cursor = conn.state().enter(conn.direction(), segment);
    let verdict = look_again::<H>(&mut packet, &conn, tcp.offset, segment, cursor);
    H::looked(&conn);
    verdict
}

/// The same where something was kept, or may have to be.
#[cold]
#[inline(never)]
fn look_again<H: LineHelper>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    offset: usize,
    segment: Segment,
    cursor: Cursor,
) -> Verdict {
    let direction = conn.direction();
    let mut on = OnPacket::<H>::new(packet, conn, offset);
    let walked = walk::again(conn.state(), direction, segment, &mut on, cursor);
    finish::<H>(conn, walked)
}

/// Goes through the lines from `cursor` on, starting with `found`.
#[inline(never)]
fn look_on<H: LineHelper>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    offset: usize,
    segment: Segment,
    cursor: Cursor,
    found: Option<<H::State as LineSession>::Found>,
) -> Verdict {
    let mut on = OnPacket::<H>::new(packet, conn, offset);
    let direction = conn.direction();
    let walked = walk::walk(conn.state(), direction, segment, &mut on, cursor, found);
    finish::<H>(conn, walked)
}

fn finish<H: LineHelper>(conn: &Conn<'_, H::State>, walked: Walked) -> Verdict {
    if walked.is_dropped {
        H::line_counters().held.count();
        return Verdict::Drop;
    }
    if walked.growth != 0 {
        conn.adjust_sequence(walked.changed, walked.growth);
    }
    Verdict::Accept
}

/// The payload of the packet at hand.
struct OnPacket<'a, 'p, 'c, H: LineHelper> {
    packet: &'a mut Packet<'p>,
    conn: &'a Conn<'c, H::State>,
    /// Where in the packet the payload begins.
    offset: usize,
    /// Whether a line was kept that had to give way to another one.
    has_lost: bool,
}

impl<'a, 'p, 'c, H: LineHelper> OnPacket<'a, 'p, 'c, H> {
    fn new(packet: &'a mut Packet<'p>, conn: &'a Conn<'c, H::State>, offset: usize) -> Self {
        Self {
            packet,
            conn,
            offset,
            has_lost: false,
        }
    }
}

impl<H: LineHelper> Payload<H::State> for OnPacket<'_, '_, '_, H> {
    type Line = KeptLine;

    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b> {
        self.packet.window(self.offset.saturating_add(at), buffer)
    }

    fn found(&mut self, found: &<H::State as LineSession>::Found, at: usize, seq: u32) -> Made {
        let start = H::State::span(found).start();
        let place = Place {
            base: self.offset.wrapping_add(at).wrapping_sub(start),
            // CAST: Sequence numbers wrap.
            seq: seq.wrapping_sub(start as u32),
        };
        match H::found(self.packet, self.conn, place, found) {
            Outcome::Rewritten { growth, .. } => Made::Rewritten(growth),
            Outcome::Unchanged | Outcome::Refused => Made::Unchanged,
            Outcome::NoMemory => Made::Lost,
        }
    }

    fn is_rewritten(&self) -> bool {
        H::is_rewritten(self.conn)
    }

    fn take(&mut self) -> Option<Self::Line> {
        let direction = self.conn.direction();
        if !self.conn.state().kept().take(direction) {
            return None;
        }
        match store::take::<H>(self.conn, direction) {
            Taken::Line(line) => Some(line),
            Taken::Lost => {
                self.has_lost = true;
                None
            }
        }
    }

    fn has_lost(&self) -> bool {
        self.has_lost
    }

    fn line(&mut self, line: OpenLine) -> Option<Self::Line> {
        store::new(self.conn, self.conn.direction(), line)
    }

    fn keep(&mut self, line: Self::Line) -> bool {
        let is_kept = store::put::<H>(self.conn, line);
        if is_kept {
            self.conn.state().kept().put(self.conn.direction());
        } else {
            self.give_up();
        }
        is_kept
    }

    fn give_up(&mut self) {
        H::line_counters().gave_up.count();
    }

    fn most(&self) -> usize {
        // CAST: 255 at most.
        H::policy().max_expected.max(MOST) as usize
    }

    fn stop(&mut self) {
        H::line_counters().too_many.count();
    }
}
