// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for Amanda.
//!
//! A reply names ports only; they are rewritten where one has to be replaced.

use core::num::NonZeroU16;
use ip_conntrack_amanda::{
    emit,
    Announcement, //
};
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
use ip_nat_core::{
    nat_helper_module,
    rewrite_udp,
    Expectation,
    NatHelper, //
};
use kernel::prelude::*;

nat_helper_module! {
    helper: NatAmanda,
    name: "ip_nat_amanda",
    authors: ["The ip_conntrack in Rust developers"],
    description: "Amanda NAT helper, in Rust (replaces nf_nat_amanda)",
    license: "GPL",
}

struct NatAmanda;

impl NatHelper for NatAmanda {
    const NAME: &'static CStr = c"ip_nat_amanda";

    type Announcement = Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        &ip_conntrack_amanda::NAT
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
        expectation.follow_master(Direction::Original, found.port.get());
        // A reply that is sent again says the same.
        let wanted = expectation.port_told_before(conn).unwrap_or(wanted);
        let port = match expectation.register_on_free_port(wanted, conn) {
            Ok(port) => port,
            Err(error) => return COUNTS.refused(error, *conn),
        };
        if port == found.port {
            return Outcome::Unchanged;
        }
        let mut text = Text::new();
        let text = emit(port, &mut text);
        expectation.keep_if_rewritten(rewrite_udp(
            packet,
            conn,
            &COUNTS,
            at,
            found.span.len(),
            text,
            port,
        ))
    }
}
