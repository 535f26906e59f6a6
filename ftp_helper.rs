// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for FTP.
//!
//! Finds in the control connection where a data connection will go to (`PORT`, `EPRT` and the
//! replies 227 and 229), so that the firewall knows it as RELATED.

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
    count::{
        self,
        counters,
        Counters, //
    },
    is_privileged,
    nat::{
        self,
        Outcome, //
    },
    param::module_param,
    stream::{
        self,
        LineCounters,
        LineHelper,
        Place,
        Store, //
    },
    Conn,
    ExpectPolicy,
    Expectation,
    Helper,
    HelperModule,
    L4Proto,
    Packet,
    Verdict, //
};
use proto::{
    ftp,
    LineSession, //
};

module! {
    type: HelperModule<Ftp>,
    name: "ip_conntrack_ftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "FTP connection tracking helper, in Rust (replaces nf_conntrack_ftp)",
    license: "GPL",
    alias: ["nfct-helper-ftp"],
}

auto_assign!(Ftp, ports = 21, "FTP servers");
module_param!(
    loose: bool = false,
    0o600,
    "Also expect data connections to addresses other than the announcer's own (default: off)"
);
module_param!(
    allow_privileged: bool = false,
    0o600,
    "Also expect connections to ports below 1024 (default: off)"
);
counters! {
    /// Refused: an address that is not the announcer's own, see `loose`.
    foreign_address,
    /// Refused: a port below 1024, see `allow_privileged`.
    privileged_port,
    /// Refused: an announcement without its place in the dialogue, such as a reply nobody asked for.
    unasked,
    /// Dropped: a segment with part of a line that NAT has to rewrite as a whole; it comes again.
    held,
    /// Lines that are kept now until they are whole.
    kept,
    /// Lines that were not put together, since there was no memory or their sender waited.
    gave_up,
}

nat::export_slot!(ip_nat_ftp_hook, ftp::Announcement);

struct Ftp;

impl Helper for Ftp {
    const NAME: &'static CStr = c"ftp";
    const PROTOCOL: L4Proto = L4Proto::Tcp;

    type State = ftp::Session;
    // It is only the value to begin with.
    #[allow(clippy::declare_interior_mutable_const)]
    const INITIAL: ftp::Session = ftp::Session::NEW;

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
    fn help(packet: Packet<'_>, conn: Conn<'_, ftp::Session>) -> Verdict {
        match conn.established() {
            Some(direction) => stream::look::<Ftp>(packet, conn, direction),
            // Until there has been traffic both ways nobody knows whether there is a server at all.
            None => begin(packet, conn),
        }
    }

    fn picked_up(state: &ftp::Session) {
        state.pick_up();
    }

    type Resources = Store<Self>;

    fn resources() -> Result<Self::Resources> {
        Store::new()
    }
}

/// Notes that a connection begins, and is not picked up in its middle.
#[inline(never)]
fn begin(packet: Packet<'_>, conn: Conn<'_, ftp::Session>) -> Verdict {
    if packet.is_syn() {
        conn.state().fresh();
    }
    Verdict::Accept
}

impl LineHelper for Ftp {
    /// Expects the data connection that was announced; where there is NAT, has the announcement
    /// rewritten.
    fn found(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ftp::Session>,
        place: Place,
        found: &ftp::Announcement,
    ) -> Outcome {
        count::conntrack::announced.count();
        let seq = place.seq_of(found.span);
        if conn.state().admit(found.kind, seq).is_err() {
            unasked.count();
            return Outcome::Refused;
        }
        let direction = conn.direction();
        let announcer = conn.source_address(direction);
        let foreign = found.address.filter(|address| !announcer.is(address));
        if let Some(address) = foreign {
            // A server that sends its clients elsewhere may be meant so, but it is also how holes
            // are torn into the network behind (CVE-2002-0060 and the FTP bounce attack).
            if !loose.load(Ordering::Relaxed) || address.is_ipv4() != announcer.is_ipv4() {
                foreign_address.warn(
                    *conn,
                    c"announces another machine's address, so what was announced will be blocked; \
                      loose=1 allows it",
                );
                return Outcome::Refused;
            }
        }
        if is_privileged(found.port) && !allow_privileged.load(Ordering::Relaxed) {
            privileged_port.warn(
                *conn,
                c"announces a port below 1024, so what was announced will be blocked; \
                  allow_privileged=1 allows it",
            );
            return Outcome::Refused;
        }
        // It goes to where its opener sees the announcer: NAT may lie between.
        let expectation = Expectation::along(conn, direction.opposite(), L4Proto::Tcp, found.port);
        let Some(mut expectation) = expectation else {
            // The data connection will fail, the session goes on.
            count::conntrack::no_memory.count();
            return Outcome::Refused;
        };
        if let Some(address) = foreign {
            expectation = expectation.to(address);
        }
        // Somebody else's address means nothing to our NAT.
        if foreign.is_none() && conn.is_natted() {
            let outcome = match conn.state().told(found.kind, seq) {
                None => {
                    ip_nat_ftp_hook.nat(packet, conn, place.base, found, found.port, &expectation)
                }
                // When it is sent again it must read the same, whatever has become of the port.
                Some(Some(port)) => ip_nat_ftp_hook.rename(packet, conn, place.base, found, port),
                Some(None) => return Outcome::Unchanged,
            };
            if let Some(outcome) = outcome {
                match outcome {
                    Outcome::Rewritten { port, .. } => {
                        conn.state().tell(found.kind, seq, Some(port));
                    }
                    Outcome::Unchanged | Outcome::Refused => {
                        conn.state().tell(found.kind, seq, None);
                    }
                    Outcome::NoMemory => {}
                }
                return outcome;
            }
        }
        // If there is no room for it the data connection fails, the session goes on.
        count::registered(expectation.register(), *conn)
    }

    fn line_counters() -> LineCounters {
        LineCounters {
            held: &held,
            kept: &kept,
            gave_up: &gave_up,
        }
    }

    fn is_rewritten(conn: &Conn<'_, ftp::Session>) -> bool {
        conn.is_natted() && ip_nat_ftp_hook.is_filled()
    }
}
