// SPDX-License-Identifier: GPL-2.0

//! One direction of a connection, and a firewall that looks at its segments.

#![allow(dead_code)]

use std::num::NonZeroU16;

use conntrack_proto::{
    stream::{
        self,
        Header,
        LineSession,
        PartialLine,
        Payload,
        Window, //
    },
    Direction,
    Outcome,
    Verdict, //
};

/// The header of a segment in the middle of a connection.
#[derive(Clone, Copy)]
pub struct At(pub u32);

impl Header for At {
    fn seq(self) -> u32 {
        self.0
    }

    fn ack(self) -> u32 {
        0
    }

    fn is_syn(self) -> bool {
        false
    }
}

/// What the tests want to know of something found, and how to rewrite it.
pub trait Found: LineSession {
    fn port(found: &Self::Found) -> NonZeroU16;
    /// What a NAT helper writes in its place; [`None`] if it leaves it.
    fn replacement(&self, found: &Self::Found, seq: u32) -> Option<Vec<u8>>;
}

/// A session as after a failover.
fn injected<S: LineSession>() -> S {
    let session = S::NEW;
    session.pick_up();
    session
}

/// What becomes of a line that is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    HasRoom,
    /// It has to give way to others before the next segment comes.
    Forgets,
    IsFull,
}

/// The firewall: a session and the lines that are kept for it.
pub struct Firewall<S> {
    pub session: S,
    kept: [Option<Box<PartialLine>>; 2],
    /// Whether it rewrites.
    pub is_nat: bool,
    /// Whether it has memory.
    pub has_memory: bool,
    pub store: Store,
    pub given_up: usize,
    /// How much it looks at in one segment.
    pub most: usize,
    pub stopped: usize,
    /// Ports announced, with the sequence numbers of their spans.
    pub seen: Vec<(u32, u16)>,
    /// Size of the windows that a payload is read in.
    pub window: usize,
    /// What the kernel was told last: behind which sequence number lengths change, and by how much.
    pub adjusted: Option<(u32, i32)>,
}

impl<S: Found> Firewall<S> {
    pub fn new(is_nat: bool) -> Self {
        Self {
            session: injected(),
            kept: [None, None],
            is_nat,
            has_memory: true,
            store: Store::HasRoom,
            given_up: 0,
            most: 8,
            stopped: 0,
            seen: Vec::new(),
            window: usize::MAX,
            adjusted: None,
        }
    }

    pub fn is_keeping(&self) -> bool {
        self.kept.iter().any(Option::is_some)
    }

    pub fn ports(&self) -> Vec<u16> {
        self.seen.iter().map(|seen| seen.1).collect()
    }

    /// Sends a segment through it, and returns it as it comes out, unless it is dropped.
    pub fn pass(&mut self, direction: Direction, seq: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        let session = std::mem::replace(&mut self.session, S::NEW);
        let mut on = OnSegment {
            firewall: self,
            session: &session,
            direction,
            bytes: bytes.to_vec(),
            growth: 0,
            has_lost: false,
            is_linear: false,
        };
        let verdict = stream::segment(&session, direction, At(seq), &mut on);
        let growth = on.growth;
        let passed = on.bytes;
        self.session = session;
        if verdict == Verdict::Drop {
            assert!(self.is_nat, "dropped without need");
            return None;
        }
        let growth = isize::try_from(growth).unwrap();
        assert_eq!(bytes.len().checked_add_signed(growth), Some(passed.len()));
        Some(passed)
    }
}

struct OnSegment<'a, S> {
    firewall: &'a mut Firewall<S>,
    session: &'a S,
    direction: Direction,
    bytes: Vec<u8>,
    growth: i32,
    has_lost: bool,
    /// Whether it is in one piece, as the kernel makes it when something in it is rewritten.
    is_linear: bool,
}

impl<S> OnSegment<'_, S> {
    fn slot(&mut self) -> &mut Option<Box<PartialLine>> {
        match self.direction {
            Direction::Original => &mut self.firewall.kept[0],
            Direction::Reply => &mut self.firewall.kept[1],
        }
    }
}

impl<S: Found> Payload<S> for OnSegment<'_, S> {
    type Line = Box<PartialLine>;

    fn whole(&self) -> Option<&[u8]> {
        (self.is_linear || self.bytes.len() <= self.firewall.window).then_some(&self.bytes)
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn is_answer(&self) -> bool {
        false
    }

    fn adjust(&mut self, seq: u32, growth: i32) {
        self.growth += growth;
        self.firewall.adjusted = Some((seq, growth));
    }

    fn window<'b>(&'b self, at: usize, _: &'b mut [u8]) -> Window<'b> {
        let rest = &self.bytes[at..];
        let len = match self.whole() {
            Some(_) => rest.len(),
            None => rest.len().min(self.firewall.window),
        };
        Window {
            bytes: &rest[..len],
            is_last: len == rest.len(),
        }
    }

    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Outcome {
        self.firewall.seen.push((seq, S::port(found).get()));
        if !self.firewall.is_nat {
            return Outcome::Unchanged;
        }
        let Some(text) = self.session.replacement(found, seq) else {
            return Outcome::Unchanged;
        };
        let end = at + S::span(found).len();
        let growth = text.len() as i32 - (end - at) as i32;
        self.bytes.splice(at..end, text);
        self.is_linear = true;
        Outcome::Rewritten {
            growth,
            port: S::port(found),
        }
    }

    fn is_rewritten(&self) -> bool {
        self.firewall.is_nat
    }

    fn take(&mut self) -> Option<Self::Line> {
        let was_kept = self.session.kept().take(self.direction);
        let line = self.slot().take();
        self.has_lost |= was_kept && line.is_none();
        line
    }

    fn has_lost(&self) -> bool {
        self.has_lost
    }

    fn line(&mut self, line: PartialLine) -> Option<Self::Line> {
        self.firewall.has_memory.then(|| Box::new(line))
    }

    fn keep(&mut self, line: Self::Line) -> bool {
        match self.firewall.store {
            Store::HasRoom => *self.slot() = Some(line),
            Store::Forgets => {}
            Store::IsFull => {
                self.give_up();
                return false;
            }
        }
        self.session.kept().put(self.direction);
        true
    }

    fn give_up(&mut self) {
        self.firewall.given_up += 1;
    }

    fn most(&self) -> usize {
        self.firewall.most
    }

    fn stop(&mut self) {
        self.firewall.stopped += 1;
    }
}
