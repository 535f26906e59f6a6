// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for IRC.
//!
//! Rewrites what `ip_conntrack_irc` found so that the other client can connect to it, or knows the
//! port again.

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
    irc,
    Direction,
    Text, //
};

module! {
    type: NatModule<NatIrc>,
    name: "ip_nat_irc",
    authors: ["The ip_conntrack in Rust developers"],
    description: "IRC (DCC) NAT helper, in Rust (replaces nf_nat_irc)",
    license: "GPL",
}

struct NatIrc;

impl NatHelper for NatIrc {
    const NAME: &'static CStr = c"ip_nat_irc";

    type Announcement = irc::Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        nat::import_slot!(ip_nat_irc_hook, irc::Announcement)
    }

    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: irc::Announcement,
        wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome {
        expectation.follow_master(Direction::Reply, found.port.get());
        let port = match expectation.register_on_free_port(wanted, conn) {
            Ok(port) => port,
            Err(error) => return count::refused(error, *conn),
        };
        expectation.keep_if_rewritten(Self::rename(packet, conn, at, found, port))
    }

    fn rename(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: irc::Announcement,
        port: NonZeroU16,
    ) -> Outcome {
        // The client as the server knows it.
        let address = conn.destination(Direction::Reply);
        let mut text = Text::new();
        let text = irc::emit(found.kind, address, port, &mut text);
        packet.rewrite_tcp(conn, at, found.span.len(), text, port)
    }
}
