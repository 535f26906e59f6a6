// SPDX-License-Identifier: GPL-2.0

//! The ports that were told a moment ago.
//!
//! A connection that comes to the router uses its expectation up, and is known to others only when it
//! leaves (`__nf_conntrack_confirm`). Between the two nothing in the kernel tells other processors that
//! its port is taken. So ports that were told lately are remembered here, a few of them, by hash. If one
//! is forgotten, somebody may be told a port that he cannot use, as without this; if one is taken for
//! another, he is told a port that is not the one he asked for.

use super::{
    pending::{
        announcer,
        pending_of, //
    },
    Conn,
    Expectation, //
};
use crate::bindings;
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::time::msecs_to_jiffies;

/// For how long after it was told a port may belong to a connection that is not known yet, in
/// milliseconds: until the other side connects.
const WHILE: u32 = 5000;

/// How many are remembered, a power of two.
const COUNT: usize = 256;

/// The ports, in any order. Each word is independent of all others.
static PORTS: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

/// A port that was told, as a word in [`PORTS`].
///
/// From the most significant bit on: 20 bits for the port and whose it is, 12 for where it leads, 32
/// for when it was told in jiffies.
#[derive(Clone, Copy)]
struct Told(u64);

impl Told {
    fn is_same_port(self, other: Told) -> bool {
        self.0 >> 44 == other.0 >> 44
    }

    fn leads_where(self, other: Told) -> bool {
        self.0 >> 32 == other.0 >> 32
    }

    /// How long before `other` it was told.
    fn age_at(self, other: Told) -> u32 {
        // CAST: The lower half.
        (other.0 as u32).wrapping_sub(self.0 as u32)
    }
}

impl Expectation {
    /// Whether the port of this expectation was told a moment ago for something else.
    pub(super) fn was_told_lately(&self) -> bool {
        // SAFETY: By the type invariants the expectation is valid, and its master is that of the packet at
        // hand.
        let (slot, new) = unsafe { told(self.as_ptr()) };
        let old = Told(slot.load(Relaxed));
        old.is_same_port(new)
            && !old.leads_where(new)
            // CAST: `usize` has at least 32 bits.
            && (old.age_at(new) as usize) < msecs_to_jiffies(WHILE)
    }

    /// Remembers the port of this expectation.
    pub(super) fn remember_port(&self) {
        // SAFETY: As in `was_told_lately`.
        let (slot, new) = unsafe { told(self.as_ptr()) };
        slot.store(new.0, Relaxed);
    }
}

/// Forgets the ports that are expected by `conn`: no connection has come to them.
pub(super) fn forget_pending<S>(conn: &Conn<'_, S>) {
    for pending in pending_of(conn) {
        // SAFETY: It is valid, and `conn` is its master.
        let (slot, new) = unsafe { told(pending.as_ptr()) };
        let old = slot.load(Relaxed);
        if Told(old).leads_where(new) {
            // If somebody else was faster there is another port now.
            let _ = slot.compare_exchange(old, 0, Relaxed, Relaxed);
        }
    }
}

/// The port of an expectation as if it were told now, and its place in [`PORTS`].
///
/// # Safety
///
/// `exp` and its master must be valid.
unsafe fn told(exp: *const bindings::nf_conntrack_expect) -> (&'static AtomicU64, Told) {
    // SAFETY: By the requirements of this function. The unions are made of plain integers. The kernel's
    // clock may be read at any time.
    let (net, from, to, at, inside, port, now) = unsafe {
        let tuple = &(*exp).tuple;
        (
            bindings::nf_ct_net((*exp).master),
            tuple.src.u3.all,
            tuple.dst.u3.all,
            tuple.dst.u.all,
            announcer(exp).all,
            (*exp).saved_proto.all,
            (&raw const kernel::bindings::jiffies).read_volatile(),
        )
    };
    // CAST: Of all these some bits are enough.
    let key = mix(hash(hash(net as u64, from), to), u32::from(at));
    let target = mix(hash(0, inside), u32::from(port));
    let word = (key >> 44 << 44) | (target >> 52 << 32) | (now as u64 & 0xffff_ffff);
    let [first, ..] = &PORTS;
    let slot = PORTS.get((key >> 32) as usize % COUNT).unwrap_or(first);
    (slot, Told(word))
}

fn hash(hash: u64, words: [u32; 4]) -> u64 {
    words.iter().fold(hash, |hash, word| mix(hash, *word))
}

/// Mixes `word` into a hash, of which the upper bits are the best.
fn mix(hash: u64, word: u32) -> u64 {
    // The golden ratio of 2^64.
    (hash.rotate_left(23) ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
