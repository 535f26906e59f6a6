// SPDX-License-Identifier: GPL-2.0

//! Going through the lines of a TCP connection, for protocols that talk in lines.

use super::{
    announce::{
        announce,
        Announcer,
        Refusal, //
    },
    count::Counter,
    packet::TcpHeader,
    slot::Tries,
    store::{
        self,
        KeptLine,
        Taken, //
    },
    Conn,
    Packet,
    Verdict, //
};
use crate::proto::{
    stream::{
        self,
        Glance,
        LineSession,
        News,
        PartialLine,
        Payload,
        Window,
        WINDOW, //
    },
    Outcome, //
};
use core::sync::atomic::AtomicU32;

pub use super::store::Store;

/// A helper of a protocol that talks in lines over TCP.
pub trait LineHelper: Announcer<State: LineSession<Found = <Self as Announcer>::Found>> {
    /// What is kept and counted of lines: a static of the helper's.
    fn lines() -> &'static Lines;
}

/// See [`LineHelper::lines`].
pub struct Lines {
    /// What is counted of them.
    pub counters: LineCounters,
    /// The number under which namespaces have their table, see [`store`].
    pub(super) store: AtomicU32,
}

/// What is counted of lines.
pub struct LineCounters {
    /// Connections that turn out to be another protocol's.
    pub foreign: &'static Refusal,
    /// Connections that are encrypted from some point on.
    pub encrypted: &'static Counter,
    /// Segments that are held back until they come in one piece.
    pub held: &'static Counter,
    /// Lines that are kept at the moment.
    pub kept: &'static Counter,
    /// Lines that were not put together.
    pub gave_up: &'static Counter,
    /// Segments of which the rest was not looked at, since they announce too much.
    pub too_many: &'static Counter,
}

impl Lines {
    /// For a static.
    pub const fn new(counters: LineCounters) -> Self {
        Self {
            counters,
            store: AtomicU32::new(0),
        }
    }
}

/// So many announcements of one segment are looked at, or more if more may be expected at a time.
const MOST: u32 = 8;

/// Looks at each line of the packet: most are plain, all others go through the core's door.
///
/// Packet and connection go on by value, and from the last call of each function: so the way of most
/// packets needs no memory of its own.
#[inline]
pub fn look<H: LineHelper>(packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    let Some(direction) = conn.own_direction() else {
        return Verdict::Accept;
    };
    if conn.state().ignores(direction) {
        return Verdict::Accept;
    }
    let Some((header, bytes)) = packet.tcp_in_buffer() else {
        return look_outside::<H>(packet, conn);
    };
    match stream::glance(conn.state(), direction, header, Some(bytes)) {
        Glance::Plain => Verdict::Accept,
        glance => after_glance::<H>(packet, conn, glance),
    }
}

/// Goes on after a first glance. (It finds the header once more: to keep it in a register meanwhile
/// would cost all other packets as much.)
#[inline(never)]
fn after_glance<H: LineHelper>(
    mut packet: Packet<'_>,
    conn: Conn<'_, H::State>,
    glance: Glance,
) -> Verdict {
    const { assert!(<H::State as LineSession>::LINE_MAX <= WINDOW) };
    let Some(header) = packet.tcp_header() else {
        return Verdict::Accept;
    };
    let header = TcpHeader(&header);
    let offset = packet.tcp_payload(header);
    let mut on = OnPacket::<H>::new(&mut packet, &conn, offset);
    let verdict = stream::after_glance(glance, conn.state(), conn.direction(), header, &mut on);
    if verdict == Verdict::Drop {
        H::lines().counters.held.count();
    }
    match conn.state().take_news() {
        None => {}
        Some(News::Encrypted) => H::lines().counters.encrypted.count(),
        Some(News::Foreign) => H::lines().counters.foreign.note(conn),
    }
    verdict
}

/// The same for a packet that does not lie in its own buffer.
#[inline(never)]
fn look_outside<H: LineHelper>(packet: Packet<'_>, conn: Conn<'_, H::State>) -> Verdict {
    let Some(header) = packet.tcp_header() else {
        return Verdict::Accept;
    };
    let header = TcpHeader(&header);
    let bytes = packet.in_place(packet.tcp_payload(header));
    match stream::glance(conn.state(), conn.direction(), header, bytes) {
        Glance::Plain => Verdict::Accept,
        glance => after_glance::<H>(packet, conn, glance),
    }
}

/// The payload of the packet at hand.
struct OnPacket<'a, 'p, 'c, H: LineHelper> {
    packet: &'a mut Packet<'p>,
    conn: &'a Conn<'c, H::State>,
    /// Where in the packet the payload begins.
    offset: usize,
    /// Whether a line was kept that had to give way to another one.
    has_lost: bool,
    tries: Tries,
}

impl<'a, 'p, 'c, H: LineHelper> OnPacket<'a, 'p, 'c, H> {
    fn new(packet: &'a mut Packet<'p>, conn: &'a Conn<'c, H::State>, offset: usize) -> Self {
        Self {
            packet,
            conn,
            offset,
            has_lost: false,
            tries: Tries::new(),
        }
    }
}

impl<H: LineHelper> Payload<H::State> for OnPacket<'_, '_, '_, H> {
    type Line = KeptLine;

    #[inline]
    fn whole(&self) -> Option<&[u8]> {
        self.packet.in_place(self.offset)
    }

    fn size(&self) -> usize {
        self.packet.len().saturating_sub(self.offset)
    }

    fn is_answer(&self) -> bool {
        self.conn.is_in_handshake()
    }

    fn adjust(&mut self, seq: u32, growth: i32) {
        self.conn.adjust_sequence(seq, growth);
    }

    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b> {
        self.packet.window(self.offset.saturating_add(at), buffer)
    }

    fn found(&mut self, found: &<H::State as LineSession>::Found, at: usize, seq: u32) -> Outcome {
        announce::<H>(
            self.packet,
            self.conn,
            found,
            self.offset.saturating_add(at),
            seq,
            Some(&self.tries),
        )
    }

    fn is_rewritten(&self) -> bool {
        self.conn.is_natted() && H::nat_half().is_filled()
    }

    fn take(&mut self) -> Option<Self::Line> {
        let direction = self.conn.direction();
        if !self.conn.state().kept().take(direction) {
            return None;
        }
        match store::take::<H>(self.conn.without_state(), direction) {
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

    fn line(&mut self, line: PartialLine) -> Option<Self::Line> {
        store::new(self.conn.without_state(), self.conn.direction(), line)
    }

    fn keep(&mut self, line: Self::Line) -> bool {
        let is_kept = store::put::<H>(self.conn.without_state(), line);
        if is_kept {
            self.conn.state().kept().put(self.conn.direction());
        } else {
            self.give_up();
        }
        is_kept
    }

    fn give_up(&mut self) {
        H::lines().counters.gave_up.count();
    }

    fn most(&self) -> usize {
        // CAST: 255 at most.
        H::policy().max_expected.max(MOST) as usize
    }

    fn stop(&mut self) {
        H::lines().counters.too_many.count();
    }
}
