// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for TFTP.
//!
//! The text names no address, so nothing is rewritten: the transfer is translated as the request
//! was.

use core::num::NonZeroU16;
use ip_conntrack_core::{
    netfilter::{
        count,
        Conn,
        Outcome,
        Packet,
        Slot, //
    },
    proto::Direction, //
};
use ip_nat_core::{
    nat_helper_module,
    Expectation,
    NatHelper, //
};
use kernel::prelude::*;

nat_helper_module! {
    helper: NatTftp,
    name: "ip_nat_tftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "TFTP NAT helper, in Rust (replaces nf_nat_tftp)",
    license: "GPL",
}

struct NatTftp;

impl NatHelper for NatTftp {
    const NAME: &'static CStr = c"ip_nat_tftp";

    type Announcement = ();

    fn slot() -> &'static Slot<Self::Announcement> {
        &ip_conntrack_tftp::NAT
    }

    fn counts() -> &'static count::Nat {
        &COUNTS
    }

    fn nat(
        _packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        _at: usize,
        _found: &(),
        _wanted: NonZeroU16,
        expectation: Expectation<'_>,
    ) -> Outcome {
        let port = conn.source_port(Direction::Original);
        expectation.follow_master(Direction::Reply, port);
        // The port is the one that the server knows; there is no choice. If it is taken the
        // transfer fails.
        match expectation.register() {
            Ok(()) => Outcome::Unchanged,
            Err(error) => COUNTS.refused(error, *conn),
        }
    }
}
