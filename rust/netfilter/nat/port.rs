// SPDX-License-Identifier: GPL-2.0

//! Expectations of translated connections, and the ports they are on.

use super::Expectation;
use crate::{
    bindings,
    proto::Direction, //
};
use core::num::NonZeroU16;
use kernel::prelude::*;

/// How often a port is looked for before giving up.
const MAX_ATTEMPTS: u16 = 128;

/// The first port that needs no privilege.
const FIRST_UNPRIVILEGED: u16 = 1024;

impl Expectation {
    /// Has the expected connection, which will open in `direction` of its master, translated as
    /// its master is, and led to `port` of the side that announced it.
    ///
    /// C function: `nf_nat_follow_master`.
    pub(crate) fn follow_master(&self, direction: Direction, port: u16) {
        let exp = self.as_ptr();
        // SAFETY: By the type invariants the expectation is valid; it is not registered yet, so
        // nobody else looks at it. `nf_nat_follow_master` belongs to nf_nat, which outlives
        // connections that are translated.
        unsafe {
            (*exp).saved_proto.all = port.to_be();
            (*exp).dir = match direction {
                Direction::Original => bindings::IP_CT_DIR_ORIGINAL,
                Direction::Reply => bindings::IP_CT_DIR_REPLY,
            };
            (*exp).expectfn = Some(bindings::nf_nat_follow_master);
        }
    }

    /// Registers the expectation on `wanted` port, or on another if that is taken by another
    /// expectation.
    ///
    /// [`None`] if there is none to be had, or no memory. A port that needs privileges is replaced
    /// by one that does, others by such.
    pub(crate) fn register_on_free_port(&self, wanted: NonZeroU16) -> Option<NonZeroU16> {
        self.register_where(wanted, |_| true)
    }

    /// The same, but also avoids ports to which a connection from port `source` is there already,
    /// if there are others: who opens its connections from one port cannot open the same twice.
    ///
    /// C function: `nf_conntrack_tuple_taken`.
    pub(crate) fn register_on_unused_port(
        &self,
        wanted: NonZeroU16,
        source: u16,
    ) -> Option<NonZeroU16> {
        self.register_where(wanted, |attempt| {
            // SAFETY: By the type invariants the expectation is valid; it is not registered yet,
            // so its master, whose packet is at hand, is valid, too.
            let (mut tuple, master) = unsafe { ((*self.as_ptr()).tuple, (*self.as_ptr()).master) };
            tuple.src.u.all = source.to_be();
            // SAFETY: As above.
            attempt >= MAX_ATTEMPTS / 2
                || unsafe { bindings::nf_conntrack_tuple_taken(&tuple, master) } == 0
        })
    }

    /// Registers the expectation on the first port that will do; `is_good` may say of an attempt,
    /// by its number, that it will not.
    fn register_where(
        &self,
        wanted: NonZeroU16,
        is_good: impl Fn(u16) -> bool,
    ) -> Option<NonZeroU16> {
        let (first, count) = if wanted.get() < FIRST_UNPRIVILEGED {
            (1, FIRST_UNPRIVILEGED - 1)
        } else {
            (FIRST_UNPRIVILEGED, u16::MAX - FIRST_UNPRIVILEGED + 1)
        };
        let mut port = wanted;
        for attempt in 0..MAX_ATTEMPTS {
            // SAFETY: By the type invariants the expectation is valid; it is not registered yet.
            unsafe { (*self.as_ptr()).tuple.dst.u.all = port.get().to_be() };
            if is_good(attempt) {
                match self.register() {
                    Ok(()) => return Some(port),
                    Err(EBUSY) => {}
                    Err(_) => return None,
                }
            }
            // Steps that grow, so that neighbours who want the same port part ways soon.
            let offset = port
                .get()
                .wrapping_sub(first)
                .wrapping_add(attempt.wrapping_mul(attempt))
                .wrapping_add(1);
            port = NonZeroU16::new(offset.checked_rem(count)?.wrapping_add(first))?;
        }
        None
    }

    /// Takes a registered expectation back.
    ///
    /// C function: `nf_ct_unexpect_related`.
    pub(crate) fn unregister(&self) {
        // SAFETY: By the type invariants the expectation is valid.
        unsafe { bindings::nf_ct_unexpect_related(self.as_ptr()) };
    }
}
