// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for FTP.
//!
//! Finds in the control connection where a data connection will go to (`PORT`, `EPRT` and the
//! replies 227 and 229), so that the firewall knows it as RELATED.

/// The protocol core, with this protocol.
// Not all of it is for the kernel.
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto"]
mod proto {
    pub use ip_conntrack_core::proto::*;

    pub mod ftp;
}

// For the NAT half.
pub use proto::ftp::{
    emit,
    Announcement,
    Kind, //
};

use core::sync::atomic::Ordering;
use ip_conntrack_core::{
    auto_assign, counters, helper_module, module_param,
    netfilter::{
        announce::{
            Announcer,
            Decision,
            Plan,
            Refusal,
            Target, //
        },
        assign::PickUp,
        count::{
            self,
            Counters, //
        },
        is_privileged,
        stream::{
            self,
            LineCounters,
            LineHelper,
            Lines,
            Store, //
        },
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
    ftp,
    stream::LineSession, //
};

helper_module! {
    helper: Ftp,
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

/// Where the NAT half is, while it is loaded.
pub static NAT: Slot<ftp::Announcement> = Slot::new(&COUNTS);

struct Ftp;

impl Helper for Ftp {
    const NAME: &'static CStr = c"ftp";
    const PROTOCOL: L4Proto = L4Proto::Tcp;

    type State = ftp::Session;
    // It is only the value to begin with.
    #[allow(clippy::declare_interior_mutable_const)]
    const INITIAL: ftp::Session = ftp::Session::NEW;

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

    // Sessions go on where an administrator has flushed the table, which people do to let new rules act on
    // old connections. Such a session may open passive data connections only, and only by a question
    // that we hear; what it is taken in for is a command that the client says, or nothing yet.
    const PICK_UP: Option<PickUp> = Some(|packet| packet.tcp_payload_is(ftp::is_command));

    #[inline]
    fn help(packet: Packet<'_>, conn: Conn<'_, ftp::Session>) -> Verdict {
        stream::look::<Ftp>(packet, conn)
    }

    fn picked_up(state: &ftp::Session) {
        state.pick_up();
    }

    type Resources = Store<Self>;

    fn resources() -> Result<Self::Resources> {
        Store::new()
    }
}

impl Announcer for Ftp {
    type Found = ftp::Announcement;

    fn nat_half() -> &'static Slot<ftp::Announcement> {
        &NAT
    }

    fn is_announcement(found: &ftp::Announcement) -> bool {
        found.kind != Kind::Deferred
    }

    fn decide(
        conn: &Conn<'_, ftp::Session>,
        found: &ftp::Announcement,
        seq: u32,
    ) -> Result<Decision, &'static Refusal> {
        let session = conn.state();
        let is_early = match session.admit(found, seq) {
            Ok(()) => false,
            Err(ftp::Refusal::Early) => true,
            Err(ftp::Refusal::Unasked | ftp::Refusal::EpsvAll) => return Err(&UNASKED),
        };
        let to = target(conn, found)?;
        if is_privileged(found.port) && !allow_privileged.load(Ordering::Relaxed) {
            return Err(&PRIVILEGED_PORT);
        }
        if is_early {
            // It is expected when the server has greeted.
            if to != Target::Announcer {
                return Err(&UNASKED);
            }
            session.defer(found.kind, seq, found.port);
            return Ok(Decision::Rename(found.port));
        }
        if to == Target::Announcer && conn.is_natted() {
            // When it is sent again it must read the same, whatever has become of the port.
            match session.told(found.kind, seq) {
                None => {}
                Some(Some(port)) => return Ok(Decision::Rename(port)),
                Some(None) => return Ok(Decision::Leave),
            }
        }
        let opener = found.announcer().opposite();
        Ok(Decision::Expect(Plan {
            to,
            ..Plan::new(opener, L4Proto::Tcp, found.port)
        }))
    }

    fn remember(
        conn: &Conn<'_, ftp::Session>,
        found: &ftp::Announcement,
        seq: u32,
        outcome: Outcome,
    ) {
        match outcome {
            Outcome::Rewritten { port, .. } => conn.state().tell(found.kind, seq, Some(port)),
            Outcome::Unchanged | Outcome::Refused => conn.state().tell(found.kind, seq, None),
            Outcome::NoMemory => {}
        }
    }
}

static UNASKED: Refusal = Refusal::silent(&unasked);
static PRIVILEGED_PORT: Refusal = Refusal::logged(
    &privileged_port,
    c"announces a port below 1024, so what was announced will be blocked; allow_privileged=1 allows it",
);
static FOREIGN_ADDRESS: Refusal = Refusal::logged(
    &foreign_address,
    c"announces another machine's address, so what was announced will be blocked; loose=1 allows it",
);

/// Where to expect what was announced.
fn target(
    conn: &Conn<'_, ftp::Session>,
    found: &ftp::Announcement,
) -> Result<Target, &'static Refusal> {
    let direction = found.announcer();
    let own = conn.source_address(direction);
    // As the other side knows it: what a machine says that knows of the NAT before it.
    let outside = conn.destination_address(direction.opposite());
    let foreign = found.address;
    let Some(address) = foreign.filter(|address| !own.is(address) && !outside.is(address)) else {
        return Ok(match found.kind {
            // The server was told of it before it greeted.
            Kind::Deferred => Target::Untold,
            _ => Target::Announcer,
        });
    };
    // A server that sends its clients elsewhere may be meant so, but it is also how holes are torn into
    // the network behind (CVE-2002-0060 and the FTP bounce attack).
    if loose.load(Ordering::Relaxed) && address.is_ipv4() == own.is_ipv4() {
        return Ok(Target::Elsewhere(address));
    }
    if found.kind == Kind::Pasv {
        // A server behind somebody else's NAT says its address there, or 0.0.0.0. Clients know that, and
        // connect to the server.
        foreign_address.warn(
            *conn,
            c"announces another machine's address; only clients that connect to the server all the same \
              are let through; loose=1 allows the address itself",
        );
        return Ok(Target::Untold);
    }
    Err(&FOREIGN_ADDRESS)
}

impl LineHelper for Ftp {
    fn lines() -> &'static Lines {
        static LINES: Lines = Lines::new(LineCounters {
            foreign: &FOREIGN,
            encrypted: &encrypted,
            held: &held,
            kept: &kept,
            gave_up: &gave_up,
            too_many: &too_many,
        });
        &LINES
    }
}

static FOREIGN: Refusal = Refusal::logged(
    &not_ftp,
    c"does not begin as FTP does, so nothing that it announces is expected",
);
