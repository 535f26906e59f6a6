// SPDX-License-Identifier: GPL-2.0

//! Where a conntrack half finds its NAT half, which is a module of its own, and may be missing.
//!
//! The conntrack half has a [`Slot`], a static that its NAT half takes from its crate. While the NAT half
//! is loaded the slot holds a pointer to its functions. All modules of one build have the hash of their
//! sources in the names of what they export, so the kernel refuses one of another build, which could
//! take a Rust type for something else.

use super::{
    count,
    Conn,
    Expectation,
    Outcome,
    Packet, //
};
use crate::proto::Direction;
use core::{
    cell::Cell,
    num::NonZeroU16,
    ptr,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};

/// What a NAT half can do with a packet.
pub struct NatFns<A> {
    /// Rewrites what was found, and registers the expectation accordingly.
    pub nat: fn(packet: &mut Packet<'_>, conn: Conn<'_, ()>, task: &Task<'_, A>) -> Outcome,

    /// Puts `port` in the place of the one that `found` names, where nothing is expected.
    pub rename: fn(
        packet: &mut Packet<'_>,
        conn: Conn<'_, ()>,
        at: usize,
        found: &A,
        port: NonZeroU16,
    ) -> Outcome,

    /// Registers the expectation of a connection to exactly that `port`, which will open in direction
    /// `opener` of its master.
    pub expect_at: fn(
        conn: Conn<'_, ()>,
        opener: Direction,
        port: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome,
}

/// What a NAT half is to do about an announcement.
pub struct Task<'a, A> {
    /// What was found.
    pub found: &'a A,
    /// The offset in the packet where that begins.
    pub at: usize,
    /// The port for the other side to be told, if it can be had.
    pub wanted: NonZeroU16,
    /// What to register.
    pub expectation: &'a Expectation,
    /// What its packet has left of them; [`None`] where no other port can be told.
    pub tries: Option<&'a Tries>,
}

/// How many other ports a NAT half may still try for the announcements of a packet, beside the one that
/// each asks for.
///
/// Mainline has as many for the one announcement that it looks at. Whether so many neighbours want the
/// same port is not up to the packet, so more announcements get no more. Each try takes the lock of all
/// expectations, and goes through those of the master: as many as its helper's policy allows, which is 8 at
/// most unless an administrator says otherwise, and 255 then.
pub struct Tries(Cell<u16>);

const MOST_TRIES: u16 = 128;

impl Tries {
    /// For a packet of which nothing was looked at yet.
    #[inline]
    pub const fn new() -> Self {
        Self(Cell::new(MOST_TRIES))
    }

    /// Takes one, if there is one left.
    pub fn take(&self) -> bool {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether more than half of them are gone.
    pub fn are_few(&self) -> bool {
        self.0.get() < MOST_TRIES / 2
    }
}

impl Default for Tries {
    fn default() -> Self {
        Self::new()
    }
}

/// See the module's documentation.
///
/// # Invariants
///
/// The pointer is null or valid, and stays so for an RCU grace period after it was taken out.
pub struct Slot<A: 'static> {
    half: AtomicPtr<NatFns<A>>,
    counts: &'static count::Conntrack,
}

impl<A> Slot<A> {
    /// An empty slot of a conntrack half that counts in `counts`.
    pub const fn new(counts: &'static count::Conntrack) -> Self {
        // INVARIANT: Null.
        Self {
            half: AtomicPtr::new(ptr::null_mut()),
            counts,
        }
    }

    /// Puts in the NAT half.
    ///
    /// # Safety
    ///
    /// It must be taken out again by [`Self::empty`], and stay valid for a grace period after that.
    pub unsafe fn fill(&self, half: &'static NatFns<A>) {
        // INVARIANT: By the requirements of this function.
        self.half
            .store(ptr::from_ref(half).cast_mut(), Ordering::Release);
    }

    /// Takes it out.
    pub fn empty(&self) {
        self.half.store(ptr::null_mut(), Ordering::Release);
    }

    /// Whether the NAT half is there.
    pub fn is_filled(&self) -> bool {
        !self.half.load(Ordering::Relaxed).is_null()
    }

    /// Has the NAT half do its task; [`None`] if there is none.
    ///
    /// See [`NatFns::nat`].
    pub fn nat<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        task: &Task<'_, A>,
    ) -> Option<Outcome> {
        let conn = conn.without_state();
        let half = self.half_for(&conn);
        self.expected(conn, half.map(|half| (half.nat)(packet, conn, task)))
    }

    /// Has the NAT half put `port` in the place of the one in `found`; [`None`] if there is none.
    ///
    /// See [`NatFns::rename`].
    pub fn rename<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        at: usize,
        found: &A,
        port: NonZeroU16,
    ) -> Option<Outcome> {
        let conn = conn.without_state();
        let half = self.half_for(&conn)?;
        Some((half.rename)(packet, conn, at, found, port))
    }

    /// Has the NAT half expect a connection to exactly that `port`, which will open in direction `opener`
    /// of its master: nobody can be told another one. [`None`] if there is no NAT half.
    pub fn expect_at<S>(
        &self,
        conn: &Conn<'_, S>,
        opener: Direction,
        port: NonZeroU16,
        expectation: &Expectation,
    ) -> Option<Outcome> {
        let conn = conn.without_state();
        let half = self.half_for(&conn);
        self.expected(
            conn,
            half.map(|half| (half.expect_at)(conn, opener, port, expectation)),
        )
    }

    /// The NAT half, for as long as the RCU read side lock is held of which a [`Conn`] is evidence.
    #[inline]
    fn half_for<'a>(&self, _conn: &Conn<'a, ()>) -> Option<&'a NatFns<A>> {
        // SAFETY: By the type invariants it is null, or valid for so long.
        unsafe { self.half.load(Ordering::Acquire).as_ref() }
    }

    /// Counts what became of an expectation, if there is a NAT half.
    #[inline]
    fn expected(&self, conn: Conn<'_, ()>, outcome: Option<Outcome>) -> Option<Outcome> {
        match outcome {
            None => self.counts.nat_is_missing(conn),
            Some(Outcome::Rewritten { .. } | Outcome::Unchanged) => self.counts.expected.count(),
            Some(Outcome::Refused | Outcome::NoMemory) => {}
        }
        outcome
    }
}
