// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for Amanda.
//!
//! A backup server asks a machine over UDP for its backup; the reply says on which TCP ports that
//! machine waits for the server. The helper lets the firewall know these as RELATED.

/// The protocol core, with this protocol.
// Not all of it is for the kernel.
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto"]
mod proto {
    pub use ip_conntrack_core::proto::*;

    pub mod amanda;
}

// For the NAT half.
pub use proto::amanda::{
    emit,
    Announcement, //
};

use core::sync::atomic::Ordering;
use ip_conntrack_core::{
    auto_assign, helper_module, module_param,
    netfilter::{
        announce::{
            announce,
            Announcer,
            Decision,
            Plan,
            Refusal, //
        },
        count,
        param::SECONDS_MAX,
        slot::Tries,
        Conn,
        ExpectPolicy,
        Helper,
        L4Proto,
        Outcome,
        Packet,
        Slot,
        Verdict, //
    },
};
use kernel::prelude::*;
use proto::{
    amanda,
    Direction, //
};

helper_module! {
    helper: Amanda,
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

/// Where the NAT half is, while it is loaded.
pub static NAT: Slot<amanda::Announcement> = Slot::new(&COUNTS);

struct Amanda;

impl Helper for Amanda {
    const NAME: &'static CStr = c"amanda";
    const PROTOCOL: L4Proto = L4Proto::Udp;

    // Nothing needs to be remembered.
    type State = ();
    const INITIAL: () = ();

    fn counts() -> &'static count::Conntrack {
        &COUNTS
    }

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
    let tries = Tries::new();
    let mut buffer = [0; amanda::LINE_MAX];
    loop {
        let window = packet.window(offset, &mut buffer);
        let is_last = window.is_last;
        match reply.next(window.bytes) {
            Some(found) => {
                let at = offset.saturating_add(found.span.start());
                let outcome = announce::<Amanda>(&mut packet, &conn, &found, at, 0, Some(&tries));
                if outcome == Outcome::NoMemory {
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

impl Announcer for Amanda {
    type Found = amanda::Announcement;

    fn nat_half() -> &'static Slot<amanda::Announcement> {
        &NAT
    }

    /// Expects one of the TCP connections: from the backup server to the machine that is backed up.
    fn decide(
        _conn: &Conn<'_, ()>,
        found: &amanda::Announcement,
        _seq: u32,
    ) -> Result<Decision, &'static Refusal> {
        let plan = Plan::new(Direction::Original, L4Proto::Tcp, found.port);
        Ok(Decision::Expect(plan))
    }
}
