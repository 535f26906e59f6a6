// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for IRC.
//!
//! Rewrites what `ip_conntrack_irc` found so that the other client can connect to it, or knows the
//! port again.

use core::num::NonZeroU16;
use ip_conntrack_core::{
    netfilter::{
        count,
        Conn,
        Outcome,
        Packet,
        Slot, //
    },
    proto::{
        Direction,
        Text, //
    }, //
};
use ip_conntrack_irc::{
    emit,
    Announcement, //
};
use ip_nat_core::{
    nat_helper_module,
    rewrite_tcp,
    Expectation,
    NatHelper, //
};
use kernel::prelude::*;

nat_helper_module! {
    helper: NatIrc,
    name: "ip_nat_irc",
    authors: ["The ip_conntrack in Rust developers"],
    description: "IRC (DCC) NAT helper, in Rust (replaces nf_nat_irc)",
    license: "GPL",
}

struct NatIrc;

impl NatHelper for NatIrc {
    const NAME: &'static CStr = c"ip_nat_irc";

    type Announcement = Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        &ip_conntrack_irc::NAT
    }

    fn counts() -> &'static count::Nat {
        &COUNTS
    }

    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: &Announcement,
        wanted: NonZeroU16,
        expectation: Expectation<'_>,
    ) -> Outcome {
        expectation.follow_master(Direction::Reply, found.port.get());
        let port = match expectation.register_on_free_port(wanted, conn) {
            Ok(port) => port,
            Err(error) => return COUNTS.refused(error, *conn),
        };
        expectation.keep_if_rewritten(Self::rename(packet, conn, at, found, port))
    }

    fn rename(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: &Announcement,
        port: NonZeroU16,
    ) -> Outcome {
        // The client as the server knows it.
        let address = conn.destination(Direction::Reply);
        let mut text = Text::new();
        let text = emit(found.kind, address, port, &mut text);
        rewrite_tcp(packet, conn, &COUNTS, at, found.span.len(), text, port)
    }
}
