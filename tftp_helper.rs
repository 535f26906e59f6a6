// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for TFTP.
//!
//! A request goes to the server's well-known port, and the transfer comes back from another one.
//! The helper lets the firewall know that as RELATED.

/// The protocol core, with this protocol.
// Not all of it is for the kernel.
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto"]
mod proto {
    pub use ip_conntrack_core::proto::*;

    pub mod tftp;
}

use core::num::NonZeroU16;
use ip_conntrack_core::{
    auto_assign, counters, helper_module,
    netfilter::{
        announce::{
            announce,
            Announcer,
            Decision,
            Plan,
            Refusal, //
        },
        count::{
            self,
            Counters, //
        },
        Conn,
        ExpectPolicy,
        Helper,
        L4Proto,
        Packet,
        Slot,
        Verdict, //
    },
};
use kernel::prelude::*;
use proto::{
    tftp,
    Direction,
    Reject, //
};

helper_module! {
    helper: Tftp,
    name: "ip_conntrack_tftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "TFTP connection tracking helper, in Rust (replaces nf_conntrack_tftp)",
    license: "GPL",
    alias: ["nfct-helper-tftp"],
}

auto_assign!(Tftp, ports = 69, "TFTP servers");
counters! {
    /// Requests without a file's name and a known mode of transfer; nothing is expected.
    malformed,
}

// NAT needs to know nothing of the request.
/// Where the NAT half is, while it is loaded.
pub static NAT: Slot<()> = Slot::new(&COUNTS);

struct Tftp;

impl Helper for Tftp {
    const NAME: &'static CStr = c"tftp";
    const PROTOCOL: L4Proto = L4Proto::Udp;

    // Nothing needs to be remembered.
    type State = ();
    const INITIAL: () = ();

    fn counts() -> &'static count::Conntrack {
        &COUNTS
    }

    fn counters() -> Counters {
        COUNTERS
    }

    fn policy() -> ExpectPolicy {
        ExpectPolicy {
            max_expected: 1,
            timeout: 5 * 60,
        }
    }

    #[inline]
    fn help(packet: Packet<'_>, conn: Conn<'_, ()>) -> Verdict {
        // Only the client's request opens anything. An ICMP error about the connection, which the kernel
        // hands to helpers, too, is no datagram.
        if !conn.is_from_opener() {
            return Verdict::Accept;
        }
        let Some(offset) = packet.udp_payload() else {
            return Verdict::Accept;
        };
        // The data of a transfer is what there is most of: what it is decides first.
        match packet.in_buffer(offset) {
            Some(bytes) if !tftp::is_request(bytes) => {}
            Some(_) => look(packet, conn, offset),
            None => look_outside(packet, conn, offset),
        }
        Verdict::Accept
    }

    fn picked_up((): &()) {}

    type Resources = ();

    fn resources() -> Result {
        Ok(())
    }
}

/// The same for a packet that does not lie in its own buffer.
#[inline(never)]
fn look_outside(packet: Packet<'_>, conn: Conn<'_, ()>, offset: usize) {
    match packet.in_place(offset) {
        Some(bytes) if !tftp::is_request(bytes) => {}
        _ => look(packet, conn, offset),
    }
}

/// Looks at what has the opcode of a request, or is in several pieces.
#[inline(never)]
fn look(mut packet: Packet<'_>, conn: Conn<'_, ()>, offset: usize) {
    let request = match packet.in_place(offset) {
        Some(bytes) => tftp::file_and_mode(bytes),
        None => split_request(&packet, offset),
    };
    match request {
        Ok(()) => {
            announce::<Tftp>(&mut packet, &conn, &(), offset, 0, None);
        }
        Err(Reject::NotOurs) => {}
        Err(Reject::Incomplete | Reject::Malformed) => malformed.count(),
    }
}

/// Parses a request that is in several pieces.
#[cold]
#[inline(never)]
fn split_request(packet: &Packet<'_>, offset: usize) -> Result<(), Reject> {
    let mut buffer = [0; tftp::REQUEST_MAX];
    tftp::request(packet.window(offset, &mut buffer).bytes)
}

impl Announcer for Tftp {
    // A request, which names no port.
    type Found = ();

    fn nat_half() -> &'static Slot<()> {
        &NAT
    }

    /// Expects the transfer: from the server, from any port, to where the request came from.
    fn decide(conn: &Conn<'_, ()>, (): &(), _seq: u32) -> Result<Decision, &'static Refusal> {
        // To the client as the server knows it: NAT may lie between.
        let port = NonZeroU16::new(conn.destination_port(Direction::Reply));
        Ok(port.map_or(Decision::Leave, |port| {
            Decision::Expect(Plan::new(Direction::Reply, L4Proto::Udp, port))
        }))
    }
}
