// SPDX-License-Identifier: GPL-2.0

//! What is done with an announcement, for all protocols: [`announce()`].
//!
//! A protocol decides what to expect ([`Announcer::decide`]). The rest is here, once: to count, to tell the
//! log why something is refused, to have the NAT half rewrite the packet, to register the expectation, and
//! to have remembered what the other side was told.

use super::{
    count::Counter,
    slot::{
        Slot,
        Task,
        Tries, //
    },
    Conn,
    Expectation,
    Helper,
    L4Proto,
    Outcome,
    Packet, //
};
use crate::proto::Direction;
use core::{
    net::IpAddr,
    num::NonZeroU16, //
};
use kernel::prelude::*;

/// A helper, and what it makes of announcements.
pub trait Announcer: Helper {
    /// What is found in a packet.
    type Found: Copy + 'static;

    /// Where its NAT half is.
    fn nat_half() -> &'static Slot<Self::Found>;

    /// Decides what to expect. `seq` is the sequence number where `found` begins, 0 in a datagram.
    fn decide(
        conn: &Conn<'_, Self::State>,
        found: &Self::Found,
        seq: u32,
    ) -> Result<Decision, &'static Refusal>;

    /// Whether `found` is an announcement, and not something that belongs to an earlier one.
    fn is_announcement(_found: &Self::Found) -> bool {
        true
    }

    /// Remembers what the NAT half made of `found`.
    fn remember(_conn: &Conn<'_, Self::State>, _found: &Self::Found, _seq: u32, _outcome: Outcome) {
    }
}

/// What to do about something found.
pub enum Decision {
    /// Expect a connection.
    Expect(Plan),
    /// Nothing is expected; a NAT half has the packet name this port.
    Rename(NonZeroU16),
    /// Nothing is expected, and the packet stays as it is.
    Leave,
}

/// A connection to expect.
pub struct Plan {
    /// The direction of its master in which it is opened.
    pub opener: Direction,
    /// Its protocol.
    pub protocol: L4Proto,
    /// Where its announcer waits for it.
    pub port: NonZeroU16,
    /// What the other side is told if that port can be had there.
    pub wanted: NonZeroU16,
    /// Whether it may come from anybody, and not only from the other side.
    pub is_for_anybody: bool,
    /// Where it goes to.
    pub to: Target,
}

impl Plan {
    /// From the side that sends in direction `opener`, from any port, to `port` of the other side.
    #[inline]
    pub fn new(opener: Direction, protocol: L4Proto, port: NonZeroU16) -> Self {
        Self {
            opener,
            protocol,
            port,
            wanted: port,
            is_for_anybody: false,
            to: Target::Announcer,
        }
    }

    /// [`None`] if there is no memory.
    #[inline]
    fn expectation<S>(&self, conn: &Conn<'_, S>) -> Option<Expectation> {
        // It goes to where its opener sees the announcer: NAT may lie between.
        let mut expectation = Expectation::along(conn, self.opener, self.protocol, self.port)?;
        if self.is_for_anybody {
            expectation = expectation.for_anybody();
        }
        if let Target::Elsewhere(address) = self.to {
            expectation = expectation.to(address);
        }
        Some(expectation)
    }
}

/// Where an expected connection goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the announcer, at the port that a NAT half tells the other side.
    Announcer,
    /// To the announcer, at the port announced: nobody is told another one.
    Untold,
    /// To another machine, which means nothing to our NAT.
    Elsewhere(IpAddr),
}

/// Why nothing is expected.
pub struct Refusal {
    counter: &'static Counter,
    what: Option<&'static CStr>,
}

impl Refusal {
    /// One that is counted.
    pub const fn silent(counter: &'static Counter) -> Self {
        Self {
            counter,
            what: None,
        }
    }

    /// One that is counted, and of which the log says `what`.
    pub const fn logged(counter: &'static Counter, what: &'static CStr) -> Self {
        Self {
            counter,
            what: Some(what),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn note<S>(&self, conn: Conn<'_, S>) {
        match self.what {
            Some(what) => self.counter.warn(conn, what),
            None => self.counter.count(),
        }
    }
}

/// Does what is to be done about `found`, which begins at offset `at` of the packet, which has `tries` left.
#[inline]
pub fn announce<H: Announcer>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    found: &H::Found,
    at: usize,
    seq: u32,
    tries: Option<&Tries>,
) -> Outcome {
    if H::is_announcement(found) {
        H::counts().announced.count();
    }
    let plan = match H::decide(conn, found, seq) {
        Ok(Decision::Expect(plan)) => plan,
        Ok(Decision::Rename(port)) => return rename::<H>(packet, conn, found, at, seq, port),
        Ok(Decision::Leave) => return Outcome::Unchanged,
        Err(refusal) => {
            refusal.note(*conn);
            return Outcome::Refused;
        }
    };
    let Some(expectation) = plan.expectation(conn) else {
        // What was announced will fail; its master goes on.
        H::counts().no_memory.count();
        return Outcome::Refused;
    };
    if conn.is_natted() {
        let half = H::nat_half();
        let outcome = match plan.to {
            Target::Announcer => {
                let task = Task {
                    found,
                    at,
                    wanted: plan.wanted,
                    expectation: &expectation,
                    tries,
                };
                half.nat(packet, conn, &task)
                    .inspect(|&outcome| H::remember(conn, found, seq, outcome))
            }
            Target::Untold => half.expect_at(conn, plan.opener, plan.port, &expectation),
            Target::Elsewhere(_) => None,
        };
        if let Some(outcome) = outcome {
            return outcome;
        }
    }
    H::counts().registered(expectation.register(), *conn)
}

/// See [`Decision::Rename`].
#[cold]
#[inline(never)]
fn rename<H: Announcer>(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, H::State>,
    found: &H::Found,
    at: usize,
    seq: u32,
    port: NonZeroU16,
) -> Outcome {
    if !conn.is_natted() {
        return Outcome::Unchanged;
    }
    match H::nat_half().rename(packet, conn, at, found, port) {
        Some(outcome) => {
            H::remember(conn, found, seq, outcome);
            outcome
        }
        None => Outcome::Unchanged,
    }
}
