// SPDX-License-Identifier: GPL-2.0

//! One direction of a connection, and a firewall that looks at its segments.

#![allow(dead_code)]

use std::{
    mem::MaybeUninit,
    num::NonZeroU16, //
};

use conntrack_proto::{
    walk::{
        self,
        Made,
        Payload,
        Walked,
        Window, //
    },
    Direction,
    Glance,
    LineSession,
    Only,
    OpenLine,
    Segment, //
};

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
    kept: [Option<Box<OpenLine>>; 2],
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
        let segment = Segment {
            seq,
            len: bytes.len(),
            ends_in_newline: bytes.last() == Some(&b'\n'),
        };
        let session = std::mem::replace(&mut self.session, S::NEW);
        let mut on = OnSegment {
            firewall: self,
            session: &session,
            direction,
            bytes: bytes.to_vec(),
            has_lost: false,
        };
        // As the module's stream.rs does it.
        let mut found = MaybeUninit::uninit();
        let glance = if session.ignores(direction) {
            Glance::Usual
        } else {
            session.glance(direction, bytes, || seq)
        };
        let quickly = match glance {
            Glance::Usual => Some(UNCHANGED),
            Glance::Line => match walk::only(&session, direction, seq, bytes, &mut found) {
                Only::Found(found) => {
                    let place = (seq, bytes.len());
                    Some(walk::one(&session, direction, place, &mut on, found))
                }
                Only::Nothing => Some(UNCHANGED),
                Only::Closer => None,
            },
            Glance::Closer => None,
        };
        let walked = match quickly {
            Some(walked) => walked,
            None if session.is_usual(direction, seq, bytes) => UNCHANGED,
            None => {
                let cursor = session.enter(direction, segment);
                walk::again(&session, direction, segment, &mut on, cursor)
            }
        };
        let passed = on.bytes;
        self.session = session;
        if walked.is_dropped {
            assert!(self.is_nat, "dropped without need");
            return None;
        }
        let growth = isize::try_from(walked.growth).unwrap();
        assert_eq!(bytes.len().checked_add_signed(growth), Some(passed.len()));
        Some(passed)
    }
}

const UNCHANGED: Walked = Walked {
    is_dropped: false,
    growth: 0,
    changed: 0,
};

struct OnSegment<'a, S> {
    firewall: &'a mut Firewall<S>,
    session: &'a S,
    direction: Direction,
    bytes: Vec<u8>,
    has_lost: bool,
}

impl<S> OnSegment<'_, S> {
    fn slot(&mut self) -> &mut Option<Box<OpenLine>> {
        match self.direction {
            Direction::Original => &mut self.firewall.kept[0],
            Direction::Reply => &mut self.firewall.kept[1],
        }
    }
}

impl<S: Found> Payload<S> for OnSegment<'_, S> {
    type Line = Box<OpenLine>;

    fn window<'b>(&'b self, at: usize, _: &'b mut [u8]) -> Window<'b> {
        let rest = &self.bytes[at..];
        let len = rest.len().min(self.firewall.window);
        Window {
            bytes: &rest[..len],
            is_last: len == rest.len(),
        }
    }

    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Made {
        self.firewall.seen.push((seq, S::port(found).get()));
        if !self.firewall.is_nat {
            return Made::Unchanged;
        }
        let Some(text) = self.session.replacement(found, seq) else {
            return Made::Unchanged;
        };
        let end = at + S::span(found).len();
        let growth = text.len() as i32 - (end - at) as i32;
        self.bytes.splice(at..end, text);
        Made::Rewritten(growth)
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

    fn line(&mut self, line: OpenLine) -> Option<Self::Line> {
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
