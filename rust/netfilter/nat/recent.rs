// SPDX-License-Identifier: GPL-2.0

//! The ports that were told a moment ago.
//!
//! A connection that comes to the router uses its expectation up, and is known to others only when it
//! leaves (`__nf_conntrack_confirm`). Between the two nothing in the kernel tells other processors that
//! its port is taken. So ports that were told lately are remembered here, a few of them, by hash. If one
//! is forgotten, somebody may be told a port that he cannot use, as without this; if one is taken for
//! another, he is told a port that is not the one he asked for.

use crate::{
    bindings,
    pending::{
        announcer,
        pending_of, //
    },
    Expectation, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use ip_conntrack_core::netfilter::Conn;
use kernel::time::msecs_to_jiffies;

/// For how long after it was told a port may belong to a connection that is not known yet, in
/// milliseconds: until the other side connects.
const WHILE: u32 = 5000;

/// How many are remembered, a power of two.
const COUNT: usize = 256;

/// The ports, in any order. Each word is independent of all others.
static PORTS: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

/// A port that may be told, or was: where in [`PORTS`] it is, and as which word.
///
/// From the most significant bit on: 20 bits for the port and whose it is, 12 for where it leads, 32
/// for when it was told, in jiffies.
pub(crate) struct Told {
    slot: &'static AtomicU64,
    word: u64,
}

impl Told {
    /// Whether the port was told a moment ago for something else.
    pub(crate) fn was_for_another(&self) -> bool {
        let old = self.slot.load(Relaxed);
        // CAST: The lower half.
        let age = (self.word as u32).wrapping_sub(old as u32);
        // CAST: `usize` has at least 32 bits.
        old >> 44 == self.word >> 44
            && old >> 32 != self.word >> 32
            && (age as usize) < msecs_to_jiffies(WHILE)
    }

    /// Remembers the port.
    pub(crate) fn remember(&self) {
        self.slot.store(self.word, Relaxed);
    }

    /// Forgets the port.
    fn forget(&self) {
        let old = self.slot.load(Relaxed);
        if old >> 32 == self.word >> 32 {
            // If somebody else was faster there is another port now.
            let _ = self.slot.compare_exchange(old, 0, Relaxed, Relaxed);
        }
    }
}

impl Expectation<'_> {
    /// The port of this expectation.
    pub(crate) fn told(&self) -> Told {
        // SAFETY: By the type invariants the expectation is valid, and its master is that of the packet at
        // hand.
        unsafe { told(self.as_ptr()) }
    }
}

/// Forgets the ports that are expected by `conn`: no connection has come to them.
pub(crate) fn forget_pending<S>(conn: &Conn<'_, S>) {
    for pending in pending_of(conn) {
        // SAFETY: It is valid, and `conn` is its master.
        unsafe { told(pending.as_ptr()) }.forget();
    }
}

/// The port of an expectation, if it were told now.
///
/// # Safety
///
/// `exp` and its master must be valid.
unsafe fn told(exp: *const bindings::nf_conntrack_expect) -> Told {
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
    let key = mix(
        mix_address(mix_address(net as u64, from), to),
        u64::from(at),
    );
    let target = mix(mix_address(0, inside), u64::from(port));
    let [first, ..] = &PORTS;
    Told {
        slot: PORTS.get((key >> 32) as usize % COUNT).unwrap_or(first),
        word: (key >> 44 << 44) | (target >> 52 << 32) | (now as u64 & 0xffff_ffff),
    }
}

fn mix_address(hash: u64, [a, b, c, d]: [u32; 4]) -> u64 {
    let both = |one, other| u64::from(one) << 32 | u64::from(other);
    mix(mix(hash, both(b, a)), both(d, c))
}

/// Mixes `word` into a hash, of which the upper bits are the best.
#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    // The golden ratio of 2^64.
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
