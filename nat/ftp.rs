// SPDX-License-Identifier: GPL-2.0

//! NAT half of the helper for FTP.
//!
//! Rewrites what `ip_conntrack_ftp` found so that the other side of the NAT can connect to it.

#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../rust/netfilter/mod.rs"]
mod netfilter;
#[allow(dead_code, unreachable_pub)]
#[path = "../rust/proto/mod.rs"]
mod proto;

use core::num::NonZeroU16;
use kernel::prelude::*;
use netfilter::{
    nat::{
        self,
        NatHelper,
        Outcome, //
    },
    Conn,
    Expectation,
    Packet, //
};
use proto::{
    ftp,
    Text, //
};

module! {
    type: NatFtpModule,
    name: "ip_nat_ftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "FTP NAT helper, in Rust (replaces nf_nat_ftp)",
    license: "GPL",
}

nat::import_slot!(ip_nat_ftp_hook, ftp::Announcement);

struct NatFtpModule {
    _registration: nat::Registration<NatFtp>,
}

impl kernel::Module for NatFtpModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: nat::Registration::new(ip_nat_ftp_hook(), module)?,
        })
    }
}

struct NatFtp;

impl NatHelper for NatFtp {
    const NAME: &'static CStr = c"ip_nat_ftp";

    type Announcement = ftp::Announcement;

    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        base: usize,
        found: ftp::Announcement,
        wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome {
        // The data connection comes from where this packet goes to, and goes to the address that
        // the receiver of this packet knows us by.
        let opener = conn.direction().opposite();
        let address = conn.destination(opener);
        expectation.follow_master(opener);
        let Some(port) = expectation.register_on_free_port(wanted) else {
            return Outcome::Unchanged;
        };
        let mut text = Text::new();
        let Some(text) = ftp::emit(found.kind, address, port, &mut text) else {
            expectation.unregister();
            return Outcome::Unchanged;
        };
        let at = base.saturating_add(found.span.start());
        match packet.rewrite_tcp(conn, at, found.span.len(), text) {
            Some(growth) => Outcome::Rewritten { growth, port },
            None => {
                expectation.unregister();
                Outcome::NoMemory
            }
        }
    }
}
