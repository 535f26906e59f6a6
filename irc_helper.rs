// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for IRC.
//!
//! Clients of an IRC server offer each other connections through it (DCC). The helper finds the
//! offers of the client behind the firewall and lets the firewall know what follows as RELATED.

/// The protocol core, with this protocol.
// Not all of it is for the kernel.
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto"]
mod proto {
    pub use ip_conntrack_core::proto::*;

    pub mod irc;
}

// For the NAT half.
pub use proto::irc::{
    emit,
    Announcement, //
};

use core::sync::atomic::Ordering;
use ip_conntrack_core::{
    auto_assign, counters, helper_module, module_param,
    netfilter::{
        announce::{
            Announcer,
            Decision,
            Plan,
            Refusal, //
        },
        count::{
            self,
            Counters, //
        },
        is_privileged,
        param::SECONDS_MAX,
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
    irc,
    stream::LineSession,
    Direction, //
};

helper_module! {
    helper: Irc,
    name: "ip_conntrack_irc",
    authors: ["The ip_conntrack in Rust developers"],
    description: "IRC (DCC) connection tracking helper, in Rust (replaces nf_conntrack_irc)",
    license: "GPL",
    alias: ["nfct-helper-irc"],
}

auto_assign!(Irc, ports = 6667, "IRC servers");
module_param!(
    max_dcc_channels: u32 = 8, 1..=255,
    0o400,
    "How many offers of one client may be open at a time, 1 to 255 (default: 8)"
);
module_param!(
    dcc_timeout: u32 = 300, 1..=SECONDS_MAX,
    0o400,
    "Seconds for which an offer stays open (default: 300)"
);
module_param!(
    allow_privileged: bool = false,
    0o600,
    "Also expect connections to ports below 1024 (default: off)"
);
counters! {
    /// Refused: an address that is not the client's own.
    foreign_address,
    /// Refused: a port below 1024, see `allow_privileged`.
    privileged_port,
    /// Refused: an offer of a client that was not seen to register, or behind a line break that is not the
    /// client's own.
    unasked,
    /// Connections that do not begin as IRC does: nothing in them counts.
    not_irc,
    /// Connections that are encrypted from some point on, so that nothing more can be read.
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
pub static NAT: Slot<irc::Announcement> = Slot::new(&COUNTS);

struct Irc;

impl Helper for Irc {
    const NAME: &'static CStr = c"irc";
    const PROTOCOL: L4Proto = L4Proto::Tcp;

    type State = irc::Session;
    // It is only the value to begin with.
    #[allow(clippy::declare_interior_mutable_const)]
    const INITIAL: irc::Session = irc::Session::NEW;

    fn counts() -> &'static count::Conntrack {
        &COUNTS
    }

    fn counters() -> Counters {
        COUNTERS
    }

    fn policy() -> ExpectPolicy {
        ExpectPolicy {
            max_expected: max_dcc_channels.load(Ordering::Relaxed),
            timeout: dcc_timeout.load(Ordering::Relaxed),
        }
    }

    #[inline]
    fn help(packet: Packet<'_>, conn: Conn<'_, irc::Session>) -> Verdict {
        stream::look::<Irc>(packet, conn)
    }

    fn picked_up(state: &irc::Session) {
        state.pick_up();
    }

    type Resources = Store<Self>;

    fn resources() -> Result<Self::Resources> {
        Store::new()
    }
}

impl Announcer for Irc {
    type Found = irc::Announcement;

    fn nat_half() -> &'static Slot<irc::Announcement> {
        &NAT
    }

    fn is_announcement(found: &irc::Announcement) -> bool {
        found.address.is_some()
    }

    fn decide(
        conn: &Conn<'_, irc::Session>,
        found: &irc::Announcement,
        _seq: u32,
    ) -> Result<Decision, &'static Refusal> {
        let Some(address) = found.address else {
            // It names a port again that NAT may have changed in the offer.
            return Ok(found.instead.map_or(Decision::Leave, Decision::Rename));
        };
        if !found.may_count {
            return Err(&UNASKED);
        }
        // The client as the server knows it: NAT may lie between.
        let outside = conn.destination_address(Direction::Reply);
        // Somebody else's address would tear a hole for somebody else. The one outside is what a
        // client says that knows of the NAT.
        if !conn.source_address(Direction::Original).is(&address) && !outside.is(&address) {
            return Err(&FOREIGN_ADDRESS);
        }
        if is_privileged(found.port) && !allow_privileged.load(Ordering::Relaxed) {
            return Err(&PRIVILEGED_PORT);
        }
        Ok(Decision::Expect(Plan {
            wanted: found.instead.unwrap_or(found.port),
            // From whom the connection will come only the two clients know.
            is_for_anybody: true,
            ..Plan::new(Direction::Reply, L4Proto::Tcp, found.port)
        }))
    }

    fn remember(
        conn: &Conn<'_, irc::Session>,
        found: &irc::Announcement,
        _seq: u32,
        outcome: Outcome,
    ) {
        if let Outcome::Rewritten { port, .. } = outcome {
            conn.state().tell(found.port, port);
        }
    }
}

static UNASKED: Refusal = Refusal::silent(&unasked);
static FOREIGN_ADDRESS: Refusal = Refusal::logged(
    &foreign_address,
    c"offers another machine's address, so what was offered will be blocked",
);
static PRIVILEGED_PORT: Refusal = Refusal::logged(
    &privileged_port,
    c"offers a port below 1024, so what was offered will be blocked; allow_privileged=1 allows it",
);

impl LineHelper for Irc {
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
    &not_irc,
    c"does not begin as IRC does, so nothing that is offered in it is expected",
);
