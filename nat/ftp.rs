// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for FTP.
//!
//! Rewrites what `ip_conntrack_ftp` found so that the other side of the NAT can connect to it.

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
    ftp::{
        self,
        Kind, //
    },
    Text, //
};

module! {
    type: NatModule<NatFtp>,
    name: "ip_nat_ftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "FTP NAT helper, in Rust (replaces nf_nat_ftp)",
    license: "GPL",
}

struct NatFtp;

impl NatHelper for NatFtp {
    const NAME: &'static CStr = c"ip_nat_ftp";

    type Announcement = ftp::Announcement;

    fn slot() -> &'static Slot<Self::Announcement> {
        nat::import_slot!(ip_nat_ftp_hook, ftp::Announcement)
    }

    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: ftp::Announcement,
        wanted: NonZeroU16,
        expectation: &Expectation,
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
            Err(error) => return count::refused(error, *conn),
        };
        expectation.keep_if_rewritten(Self::rename(packet, conn, at, found, port))
    }

    fn rename(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: ftp::Announcement,
        port: NonZeroU16,
    ) -> Outcome {
        // The address that the receiver of this packet knows the sender by.
        let address = conn.destination(conn.direction().opposite());
        let mut text = Text::new();
        let Some(text) = ftp::emit(found.kind, address, port, &mut text) else {
            return Outcome::Refused;
        };
        packet.rewrite_tcp(conn, at, found.span.len(), text, port)
    }
}
