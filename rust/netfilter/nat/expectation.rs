// SPDX-License-Identifier: GPL-2.0

//! Expectations of translated connections.

use crate::bindings;
use core::ops::Deref;
use ip_conntrack_core::{
    netfilter::{
        self,
        slot::Tries,
        Outcome, //
    },
    proto::Direction,
};

/// An expectation that the conntrack half has made and not registered, for the NAT half to register.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    expectation: &'a netfilter::Expectation,
    /// Those that its packet has left.
    pub(crate) tries: Option<&'a Tries>,
}

impl Deref for Expectation<'_> {
    type Target = netfilter::Expectation;

    fn deref(&self) -> &netfilter::Expectation {
        self.expectation
    }
}

impl<'a> Expectation<'a> {
    pub(crate) fn new(expectation: &'a netfilter::Expectation, tries: Option<&'a Tries>) -> Self {
        Self { expectation, tries }
    }

    /// Has the expected connection, which will open in `direction` of its master, translated as
    /// its master is, and led to `port` of the side that announced it.
    ///
    /// C function: `nf_nat_follow_master`.
    #[inline]
    pub fn follow_master(&self, direction: Direction, port: u16) {
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

    /// Takes the registered expectation back unless the other side was told of it; returns
    /// `outcome`.
    pub fn keep_if_rewritten(&self, outcome: Outcome) -> Outcome {
        if !matches!(outcome, Outcome::Rewritten { .. }) {
            self.unregister();
        }
        outcome
    }

    /// Takes a registered expectation back.
    ///
    /// C function: `nf_ct_unexpect_related`.
    fn unregister(&self) {
        // SAFETY: By the type invariants the expectation is valid.
        unsafe { bindings::nf_ct_unexpect_related(self.as_ptr()) };
    }
}
