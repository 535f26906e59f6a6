// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for Amanda.
//!
//! A reply names ports only; they are rewritten where one has to be replaced.

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
use proto::{
    amanda,
    Direction,
    Text, //
};

module! {
    type: NatModule<NatAmanda>,
    name: "ip_nat_amanda",
    authors: ["The ip_conntrack in Rust developers"],
    description: "Amanda NAT helper, in Rust (replaces nf_nat_amanda)",
    license: "GPL",
}

struct NatAmanda;

impl NatHelper for NatAmanda {
    const NAME: &'static CStr = c"ip_nat_amanda";

    type Announcement = amanda::Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        nat::import_slot!(ip_nat_amanda_hook, amanda::Announcement)
    }

    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: amanda::Announcement,
        wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome {
        expectation.follow_master(Direction::Original, found.port.get());
        // A reply that is sent again says the same.
        let wanted = expectation.port_told_before(conn).unwrap_or(wanted);
        let port = match expectation.register_on_free_port(wanted, conn) {
            Ok(port) => port,
            Err(error) => return count::refused(error, *conn),
        };
        if port == found.port {
            return Outcome::Unchanged;
        }
        let mut text = Text::new();
        let text = amanda::emit(port, &mut text);
        expectation.keep_if_rewritten(packet.rewrite_udp(conn, at, found.span.len(), text, port))
    }
}
