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
    /// its master is.
    ///
    /// C function: `nf_nat_follow_master`.
    pub(crate) fn follow_master(&self, direction: Direction) {
        let exp = self.as_ptr();
        // SAFETY: By the type invariants the expectation is valid; it is not registered yet, so
        // nobody else looks at it. `nf_nat_follow_master` belongs to nf_nat, which outlives
        // connections that are translated.
        unsafe {
            (*exp).saved_proto.all = (*exp).tuple.dst.u.all;
            (*exp).dir = match direction {
                Direction::Original => bindings::IP_CT_DIR_ORIGINAL,
                Direction::Reply => bindings::IP_CT_DIR_REPLY,
            };
            (*exp).expectfn = Some(bindings::nf_nat_follow_master);
        }
    }

    /// Registers the expectation on `wanted` port, or on another if that is taken.
    ///
    /// [`None`] if there is none to be had, or no memory. A port that needs privileges is replaced
    /// by one that does, others by such. Which ports are tried next depends on `wanted` only, so
    /// that a retransmitted announcement finds the same one again.
    pub(crate) fn register_on_free_port(&self, wanted: NonZeroU16) -> Option<NonZeroU16> {
        let (first, count) = if wanted.get() < FIRST_UNPRIVILEGED {
            (1, FIRST_UNPRIVILEGED - 1)
        } else {
            (FIRST_UNPRIVILEGED, u16::MAX - FIRST_UNPRIVILEGED)
        };
        let mut port = wanted;
        for attempt in 0..MAX_ATTEMPTS {
            // SAFETY: By the type invariants the expectation is valid; it is not registered yet.
            unsafe { (*self.as_ptr()).tuple.dst.u.all = port.get().to_be() };
            match self.register() {
                Ok(()) => return Some(port),
                Err(EBUSY) => {}
                Err(_) => return None,
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
