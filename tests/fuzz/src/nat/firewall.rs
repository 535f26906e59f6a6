// SPDX-License-Identifier: GPL-2.0

//! A firewall with NAT, as rust/netfilter/stream.rs looks at a connection.

use std::num::NonZeroU16;

use conntrack_proto::{
    stream::{
        self,
        PartialLine,
        Payload,
        Window, //
    },
    Direction,
    Outcome,
    Verdict, //
};

use super::{
    accident::Trouble,
    half::{
        Decision,
        Half,
        Nat,
        Wrong, //
    },
};
use crate::{
    conversation::index,
    session::{
        window,
        At,
        Found, //
    },
};

/// How many announcements of one segment are looked at.
const MOST: usize = 8;

/// What is the same for a whole session.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// Packets are not in one piece in memory.
    pub(super) is_in_windows: bool,
    /// Lines that are kept always have to give way to those of others.
    pub(super) forgets: bool,
}

/// It.
pub(super) struct Firewall<S> {
    pub(super) session: S,
    pub(super) nat: Nat,
    kept: [Option<Box<PartialLine>>; 2],
    /// What the client announced before the server greeted.
    early: Option<Found>,
    pub(super) how: How,
    /// What it could not do.
    pub(super) given_up: usize,
    /// Announcements were left out.
    pub(super) has_stopped: bool,
    /// There was trouble that may cost an announcement.
    pub(super) had_trouble: bool,
}

/// What came out of it.
pub(super) struct Passed {
    /// The payload; [`None`] if it was dropped.
    pub(super) bytes: Option<Vec<u8>>,
    /// What was found in it.
    pub(super) found: Vec<Found>,
    /// What of it was replaced, by which text, and the port that is told.
    pub(super) replaced: Vec<(Found, Vec<u8>, u16)>,
    /// What the kernel is told of its growth: behind which sequence number, and how much.
    pub(super) told: Option<(u32, i32)>,
}

impl<S: Half> Firewall<S> {
    pub(super) fn new(session: S, nat: Nat, how: How) -> Self {
        Self {
            session,
            nat,
            kept: [None, None],
            early: None,
            how,
            given_up: 0,
            has_stopped: false,
            had_trouble: false,
        }
    }

    /// A segment comes, and `trouble` before it.
    pub(super) fn pass(
        &mut self,
        direction: Direction,
        seq: u32,
        bytes: &[u8],
        trouble: Trouble,
    ) -> Passed {
        self.had_trouble |=
            self.how.forgets || !matches!(trouble, Trouble::None | Trouble::PortsChange(_));
        if trouble == Trouble::LineIsLost || self.how.forgets {
            self.kept[index(direction)] = None;
        }
        let session = std::mem::replace(&mut self.session, S::NEW);
        let mut on = OnSegment {
            firewall: self,
            session: &session,
            direction,
            bytes: bytes.to_vec(),
            is_linear: false,
            has_lost: false,
            trouble,
            passed: Passed {
                bytes: None,
                found: Vec::new(),
                replaced: Vec::new(),
                told: None,
            },
        };
        let verdict = stream::segment(&session, direction, At(seq), &mut on);
        let OnSegment {
            bytes: out,
            mut passed,
            ..
        } = on;
        self.session = session;
        let is_dropped = match self.nat.wrong {
            Wrong::DropsNothing if verdict == Verdict::Drop => {
                passed.bytes = Some(bytes.to_vec());
                passed.replaced.clear();
                true
            }
            Wrong::DropsWhatIsRewritten => verdict == Verdict::Drop || !passed.replaced.is_empty(),
            _ => verdict == Verdict::Drop,
        };
        if is_dropped {
            passed.told = None;
            return passed;
        }
        let by = passed.told.map_or(0, |told| told.1);
        assert_eq!(bytes.len() as isize + by as isize, out.len() as isize);
        passed.told = match self.nat.wrong {
            Wrong::MiscountsGrowth => passed.told.map(|(seq, by)| (seq, by + 1)),
            Wrong::TellsNoGrowth => None,
            _ => passed.told,
        };
        passed.bytes = Some(out);
        passed
    }
}

struct OnSegment<'a, S> {
    firewall: &'a mut Firewall<S>,
    session: &'a S,
    direction: Direction,
    bytes: Vec<u8>,
    /// Whether it is in one piece, as the kernel makes it when something in it is rewritten.
    is_linear: bool,
    has_lost: bool,
    trouble: Trouble,
    passed: Passed,
}

impl<S: Half> Payload<S> for OnSegment<'_, S> {
    type Line = Box<PartialLine>;

    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b> {
        window(self.whole(), &self.bytes, at, buffer)
    }

    fn whole(&self) -> Option<&[u8]> {
        (self.is_linear || !self.firewall.how.is_in_windows).then_some(&self.bytes)
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn is_answer(&self) -> bool {
        false
    }

    fn adjust(&mut self, seq: u32, growth: i32) {
        assert_eq!(self.passed.told, None, "once is enough");
        self.passed.told = Some((seq, growth));
    }

    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Outcome {
        let firewall = &mut *self.firewall;
        let what = self.session.describe(found, seq, &mut firewall.early);
        self.passed.found.push(what);
        let decision = self.session.decide(found, seq, &what, &mut firewall.nat);
        let wrong = firewall.nat.wrong;
        let (text, is_new) = match decision {
            Decision::Leave => return Outcome::Unchanged,
            Decision::Refuse => {
                firewall.had_trouble = true;
                return Outcome::Unchanged;
            }
            Decision::Replace(text, is_new) => (text, is_new),
        };
        if !is_new && wrong == Wrong::RewritesOnce {
            return Outcome::Unchanged;
        }
        if self.trouble == Trouble::NoMemoryForPacket {
            if is_new {
                firewall.nat.ports.give_back();
            }
            return match wrong {
                Wrong::PassesWithoutMemory => Outcome::Unchanged,
                _ => Outcome::NoMemory,
            };
        }
        let end = at + S::span(found).len();
        assert!(end <= self.bytes.len(), "rewrites what is not there");
        let growth = text.len() as i32 - (end - at) as i32;
        let port = firewall.nat.port;
        self.passed.replaced.push((what, text.clone(), port));
        let by = usize::from(wrong == Wrong::RewritesBehind && end < self.bytes.len());
        self.bytes.splice(at + by..end + by, text);
        self.is_linear = true;
        self.session.done(found, seq, &what, port);
        Outcome::Rewritten {
            growth,
            port: NonZeroU16::new(port).expect("a port"),
        }
    }

    fn is_rewritten(&self) -> bool {
        self.firewall.nat.wrong != Wrong::HoldsNothing
    }

    fn take(&mut self) -> Option<Self::Line> {
        let was_kept = self.session.kept().take(self.direction);
        let line = self.firewall.kept[index(self.direction)].take();
        self.has_lost |= was_kept && line.is_none();
        line.filter(|_| was_kept)
    }

    fn has_lost(&self) -> bool {
        self.has_lost && self.firewall.nat.wrong != Wrong::HidesLoss
    }

    fn line(&mut self, line: PartialLine) -> Option<Self::Line> {
        (self.trouble != Trouble::NoMemoryForLine).then(|| Box::new(line))
    }

    fn keep(&mut self, line: Self::Line) -> bool {
        if self.trouble == Trouble::StoreIsFull {
            self.give_up();
            return false;
        }
        self.session.kept().put(self.direction);
        self.firewall.kept[index(self.direction)] = Some(line);
        true
    }

    fn give_up(&mut self) {
        self.firewall.given_up += 1;
    }

    fn most(&self) -> usize {
        MOST
    }

    fn stop(&mut self) {
        self.firewall.has_stopped = true;
    }
}
