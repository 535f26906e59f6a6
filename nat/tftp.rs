// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for TFTP.
//!
//! The text names no address, so nothing is rewritten: the transfer is translated as the request
//! was.

#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../rust/netfilter/mod.rs"]
mod netfilter;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../rust/proto/mod.rs"]
mod proto;

use core::num::NonZeroU16;
use kernel::prelude::*;
use netfilter::{
    count,
    nat::{
        self,
        NatHelper,
        Slot, //
    },
    Conn,
    Expectation,
    NatModule,
    Outcome,
    Packet, //
};
use proto::Direction;

module! {
    type: NatModule<NatTftp>,
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
        nat::import_slot!(ip_nat_tftp_hook, ())
    }

    fn nat(
        _packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        _at: usize,
        _found: (),
        _wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome {
        let port = conn.source_port(Direction::Original);
        expectation.follow_master(Direction::Reply, port);
        // The port is the one that the server knows; there is no choice. If it is taken the
        // transfer fails.
        match expectation.register() {
            Ok(()) => Outcome::Unchanged,
            Err(error) => count::refused(error, *conn),
        }
    }
}
