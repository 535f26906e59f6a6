// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for FTP.
//!
//! Rewrites what `ip_conntrack_ftp` found so that the other side of the NAT can connect to it.

use core::num::NonZeroU16;
use ip_conntrack_core::{
    netfilter::{
        count,
        Conn,
        Outcome,
        Packet,
        Slot, //
    },
    proto::Text, //
};
use ip_conntrack_ftp::{
    emit,
    Announcement,
    Kind, //
};
use ip_nat_core::{
    nat_helper_module,
    rewrite_tcp,
    Expectation,
    NatHelper, //
};
use kernel::prelude::*;

nat_helper_module! {
    helper: NatFtp,
    name: "ip_nat_ftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "FTP NAT helper, in Rust (replaces nf_nat_ftp)",
    license: "GPL",
}

struct NatFtp;

impl NatHelper for NatFtp {
    const NAME: &'static CStr = c"ip_nat_ftp";

    type Announcement = Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        &ip_conntrack_ftp::NAT
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
        // The data connection comes from where this packet goes to.
        let opener = conn.direction().opposite();
        expectation.follow_master(opener, found.port.get());
        let port = match found.kind {
            // Servers use the port below that of the control connection, RFC 959 section 3.2.
            Kind::Port | Kind::Eprt => {
                let source = conn.source_port(opener).saturating_sub(1);
                expectation.register_on_unused_port(wanted, source, conn, conn.direction())
            }
            Kind::Pasv | Kind::Epsv | Kind::Deferred => {
                expectation.register_on_own_port(wanted, conn)
            }
        };
        let port = match port {
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
        // The address that the receiver of this packet knows the sender by.
        let address = conn.destination(conn.direction().opposite());
        let mut text = Text::new();
        let Some(text) = emit(found.kind, address, port, &mut text) else {
            return Outcome::Refused;
        };
        rewrite_tcp(packet, conn, &COUNTS, at, found.span.len(), text, port)
    }
}
