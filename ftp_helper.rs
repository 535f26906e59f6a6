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

use core::{
    net::IpAddr,
    sync::atomic::Ordering, //
};
use kernel::prelude::*;
use netfilter::{
    assign::{
        auto_assign,
        PickUp, //
    },
    count::{
        self,
        counters,
        Counters, //
    },
    is_privileged,
    nat,
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
    Outcome,
    Packet,
    Verdict, //
};
use proto::{
    ftp::{
        self,
        Kind,
        Refusal, //
    },
    stream::LineSession, //
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
    /// An address that is not the announcer's own, see `loose`: a client's is refused, a server's
    /// replaced by its own.
    foreign_address,
    /// Refused: a port below 1024, see `allow_privileged`.
    privileged_port,
    /// Refused: an announcement without its place in the dialogue, such as a reply nobody asked for.
    unasked,
    /// Control connections that do not begin as FTP does: nothing in them counts.
    not_ftp,
    /// Control connections that are encrypted from some point on, so that nothing more can be read.
    encrypted,
    /// Dropped: a segment with part of a line that NAT has to rewrite as a whole; it comes again.
    held,
    /// Lines that are kept now until they are whole.
    kept,
    /// Lines that were not put together, since there was no memory or their sender waited.
    gave_up,
    /// Segments with so many announcements that the last ones were not looked at.
    too_many,
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

    // Sessions go on where an administrator has flushed the table, which people do to let new rules act on
    // old connections. Such a session may open passive data connections only, and only by a question
    // that we hear; what it is taken in for is a command that the client says, or nothing yet.
    const PICK_UP: Option<PickUp> = Some(|packet| packet.tcp_payload_is(ftp::is_command));

    #[inline]
    fn help(packet: Packet<'_>, conn: Conn<'_, ftp::Session>) -> Verdict {
        match conn.own_direction() {
            Some(direction) => stream::look::<Ftp>(packet, conn, direction),
            None => Verdict::Accept,
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

impl LineHelper for Ftp {
    /// Expects the data connection that was announced; where there is NAT, has the announcement
    /// rewritten.
    fn found(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ftp::Session>,
        place: Place,
        found: &ftp::Announcement,
    ) -> Outcome {
        let session = conn.state();
        let seq = place.seq_of(found.span);
        if found.kind != Kind::Deferred {
            count::conntrack::announced.count();
        }
        let is_early = match session.admit(found, seq) {
            Ok(()) => false,
            Err(Refusal::Early) => true,
            Err(Refusal::Unasked | Refusal::EpsvAll) => {
                unasked.count();
                return Outcome::Refused;
            }
        };
        let target = match target(conn, found) {
            Some(target) if !is_early || target == Target::Own => target,
            _ => return Outcome::Refused,
        };
        if is_privileged(found.port) && !allow_privileged.load(Ordering::Relaxed) {
            privileged_port.warn(
                *conn,
                c"announces a port below 1024, so what was announced will be blocked; \
                  allow_privileged=1 allows it",
            );
            return Outcome::Refused;
        }
        if is_early {
            return defer(packet, conn, place, found);
        }
        // It goes to where its opener sees the announcer: NAT may lie between.
        let opener = found.announcer().opposite();
        let expectation = Expectation::along(conn, opener, L4Proto::Tcp, found.port);
        let Some(mut expectation) = expectation else {
            // The data connection will fail, the session goes on.
            count::conntrack::no_memory.count();
            return Outcome::Refused;
        };
        let mut outcome = None;
        match target {
            Target::Own if conn.is_natted() => {
                outcome = match session.told(found.kind, seq) {
                    None => ip_nat_ftp_hook.nat(
                        packet,
                        conn,
                        place.base,
                        found,
                        found.port,
                        &expectation,
                    ),
                    // When it is sent again it must read the same, whatever has become of the port.
                    Some(Some(port)) => {
                        ip_nat_ftp_hook.rename(packet, conn, place.base, found, port)
                    }
                    Some(None) => return Outcome::Unchanged,
                };
                match outcome {
                    Some(Outcome::Rewritten { port, .. }) => {
                        session.tell(found.kind, seq, Some(port));
                    }
                    Some(Outcome::Unchanged | Outcome::Refused) => {
                        session.tell(found.kind, seq, None);
                    }
                    Some(Outcome::NoMemory) | None => {}
                }
            }
            // Nobody is told another port.
            Target::Own | Target::AsItIs if conn.is_natted() => {
                outcome = ip_nat_ftp_hook.expect_at(packet, conn, opener, found.port, &expectation);
            }
            Target::Own | Target::AsItIs => {}
            // Somebody else's address means nothing to our NAT.
            Target::Elsewhere(address) => expectation = expectation.to(address),
        }
        // If there is no room for it the data connection fails, the session goes on.
        outcome.unwrap_or_else(|| count::registered(expectation.register(), *conn))
    }

    fn line_counters() -> LineCounters {
        LineCounters {
            held: &held,
            kept: &kept,
            gave_up: &gave_up,
            too_many: &too_many,
        }
    }

    fn is_rewritten(conn: &Conn<'_, ftp::Session>) -> bool {
        conn.is_natted() && ip_nat_ftp_hook.is_filled()
    }

    fn looked(conn: &Conn<'_, ftp::Session>) {
        match conn.state().take_news() {
            None => {}
            Some(true) => encrypted.count(),
            Some(false) => not_ftp.warn(
                *conn,
                c"does not begin as FTP does, so nothing that it announces is expected",
            ),
        }
    }
}

/// Where an announced connection goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To the announcer.
    Own,
    /// To the announcer, whatever the announcement says.
    AsItIs,
    /// To another machine.
    Elsewhere(IpAddr),
}

/// Where to expect what was announced; [`None`], and the reason counted, if nowhere.
fn target(conn: &Conn<'_, ftp::Session>, found: &ftp::Announcement) -> Option<Target> {
    let direction = found.announcer();
    let own = conn.source_address(direction);
    // As the other side knows it: what a machine says that knows of the NAT before it.
    let outside = conn.destination_address(direction.opposite());
    let foreign = found.address;
    let Some(address) = foreign.filter(|address| !own.is(address) && !outside.is(address)) else {
        return Some(match found.kind {
            Kind::Deferred => Target::AsItIs,
            _ => Target::Own,
        });
    };
    // A server that sends its clients elsewhere may be meant so, but it is also how holes are torn into
    // the network behind (CVE-2002-0060 and the FTP bounce attack).
    if loose.load(Ordering::Relaxed) && address.is_ipv4() == own.is_ipv4() {
        return Some(Target::Elsewhere(address));
    }
    if found.kind == Kind::Pasv {
        // A server behind somebody else's NAT says its address there, or 0.0.0.0. Clients know that, and
        // connect to the server.
        foreign_address.warn(
            *conn,
            c"announces another machine's address; only clients that connect to the server all the same \
              are let through; loose=1 allows the address itself",
        );
        return Some(Target::AsItIs);
    }
    foreign_address.warn(
        *conn,
        c"announces another machine's address, so what was announced will be blocked; loose=1 allows it",
    );
    None
}

/// Has what the client announces before the server has greeted expected when it has; where there is NAT,
/// rewrites it now.
fn defer(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, ftp::Session>,
    place: Place,
    found: &ftp::Announcement,
) -> Outcome {
    let mut outcome = Outcome::Unchanged;
    if conn.is_natted() {
        let renamed = ip_nat_ftp_hook.rename(packet, conn, place.base, found, found.port);
        outcome = renamed.unwrap_or(Outcome::Unchanged);
    }
    if matches!(outcome, Outcome::Unchanged | Outcome::Rewritten { .. }) {
        let seq = place.seq_of(found.span);
        conn.state().defer(found.kind, seq, found.port);
    }
    outcome
}
