// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for Amanda.
//!
//! A backup server asks a machine over UDP for its backup; the reply says on which TCP ports that
//! machine waits for the server. The helper lets the firewall know these as RELATED.

#[path = "rust/bindings/mod.rs"]
mod bindings;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "rust/netfilter/mod.rs"]
mod netfilter;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "rust/proto/mod.rs"]
mod proto;

use core::sync::atomic::Ordering;
use kernel::prelude::*;
use netfilter::{
    assign::auto_assign,
    count,
    nat,
    param::{
        module_param,
        SECONDS_MAX, //
    },
    Conn,
    ExpectPolicy,
    Expectation,
    Helper,
    HelperModule,
    L4Proto,
    Outcome,
    Packet,
    Verdict, //
};
use proto::{
    amanda,
    Direction, //
};

module! {
    type: HelperModule<Amanda>,
    name: "ip_conntrack_amanda",
    authors: ["The ip_conntrack in Rust developers"],
    description: "Amanda connection tracking helper, in Rust (replaces nf_conntrack_amanda)",
    license: "GPL",
    alias: ["nfct-helper-amanda"],
}

auto_assign!(Amanda, ports = 10080, "machines that are backed up");
module_param!(
    master_timeout: u32 = 300, 1..=SECONDS_MAX,
    0o600,
    "Seconds for which a connection is kept after a reply, as the next can take long (default: 300)"
);

nat::export_slot!(ip_nat_amanda_hook, amanda::Announcement);

struct Amanda;

impl Helper for Amanda {
    const NAME: &'static CStr = c"amanda";
    const PROTOCOL: L4Proto = L4Proto::Udp;

    // Nothing needs to be remembered.
    type State = ();
    const INITIAL: () = ();

    fn policy() -> ExpectPolicy {
        ExpectPolicy {
            max_expected: amanda::Stream::COUNT,
            timeout: 180,
        }
    }

    #[inline]
    fn help(packet: Packet<'_>, conn: Conn<'_, ()>) -> Verdict {
        // Only the machine that is backed up announces anything. An ICMP error about the connection,
        // which the kernel hands to helpers, too, is no datagram and keeps nothing alive.
        if !conn.is_established() || conn.direction() == Direction::Original {
            return Verdict::Accept;
        }
        conn.refresh(master_timeout.load(Ordering::Relaxed));
        match packet.udp_payload() {
            Some(offset) => look(packet, conn, offset),
            None => Verdict::Accept,
        }
    }

    fn picked_up((): &()) {}

    type Resources = ();

    fn resources() -> Result {
        Ok(())
    }
}

/// Expects what a reply announces.
fn look(mut packet: Packet<'_>, conn: Conn<'_, ()>, mut offset: usize) -> Verdict {
    let mut reply = amanda::Reply::new();
    let mut buffer = [0; amanda::LINE_MAX];
    loop {
        let window = packet.window(offset, &mut buffer);
        let is_last = window.is_last;
        match reply.next(window.bytes) {
            Some(found) => {
                if expect(&mut packet, &conn, offset, &found) == Outcome::NoMemory {
                    return Verdict::Drop;
                }
            }
            None if is_last || reply.offset() == 0 => return Verdict::Accept,
            None => {
                let done = reply.offset();
                offset = offset.saturating_add(done);
                reply.slide(done);
            }
        }
    }
}

/// Expects one of the TCP connections: from the backup server to the machine that is backed up.
fn expect(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, ()>,
    base: usize,
    found: &amanda::Announcement,
) -> Outcome {
    count::conntrack::announced.count();
    // To the machine as the server knows it: NAT may lie between.
    let expectation = Expectation::along(conn, Direction::Original, L4Proto::Tcp, found.port);
    // If there is no memory or no room for it the backup fails; the server tries again.
    let Some(expectation) = expectation else {
        count::conntrack::no_memory.count();
        return Outcome::Refused;
    };
    if conn.is_natted() {
        if let Some(outcome) =
            ip_nat_amanda_hook.nat(packet, conn, base, found, found.port, &expectation)
        {
            return outcome;
        }
    }
    count::registered(expectation.register(), *conn)
}
