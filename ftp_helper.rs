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
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto/mod.rs"]
mod proto;

use core::sync::atomic::Ordering;
use kernel::prelude::*;
use netfilter::{
    assign::{
        self,
        Assignment,
        AutoAssign, //
    },
    nat::{
        self,
        Outcome, //
    },
    param::{
        module_param,
        Ports, //
    },
    Conn,
    ExpectPolicy,
    Expectation,
    Helper,
    L4Proto,
    Packet,
    Registration,
    TcpSegment,
    Verdict, //
};
use proto::{
    ftp,
    Segment, //
};

module! {
    type: FtpModule,
    name: "ip_conntrack_ftp",
    authors: ["The ip_conntrack in Rust developers"],
    description: "FTP connection tracking helper, in Rust (replaces nf_conntrack_ftp)",
    license: "GPL",
    alias: ["nfct-helper-ftp"],
}

module_param!(
    ports: ports = 21,
    0o444,
    "Ports of FTP servers, up to 16; new connections to them get the helper (default: 21)"
);
module_param!(
    auto_assign: bool = true,
    0o444,
    "Attach the helper to new connections to ports; off: only where a rule says so (default: on)"
);
module_param!(
    loose: bool = false,
    0o600,
    "Also expect data connections to addresses other than the announcer's own (default: off)"
);

nat::export_slot!(ip_nat_ftp_hook, ftp::Announcement);

struct FtpModule {
    // Dropped in this order.
    _assignment: Option<Assignment<Ftp>>,
    _registration: Registration<Ftp>,
}

impl kernel::Module for FtpModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        ports.check()?;
        let registration = Registration::new(module)?;
        let assignment = if auto_assign.load(Ordering::Relaxed) {
            Some(Assignment::new(&registration)?)
        } else {
            None
        };
        Ok(Self {
            _assignment: assignment,
            _registration: registration,
        })
    }
}

struct Ftp;

impl Helper for Ftp {
    const NAME: &'static CStr = c"ftp";
    const PROTOCOL: L4Proto = L4Proto::Tcp;
    const POLICY: ExpectPolicy = ExpectPolicy {
        max_expected: 1,
        timeout: 5 * 60,
    };

    type State = ftp::Session;
    const INITIAL: ftp::Session = ftp::Session::new();

    fn help(packet: &mut Packet<'_>, conn: &Conn<'_, ftp::Session>) -> Verdict {
        // Until there has been traffic both ways nobody knows whether there is a server at all.
        if !conn.is_established() {
            return Verdict::Accept;
        }
        match packet.tcp() {
            Some(segment) => look(packet, conn, segment),
            None => Verdict::Accept,
        }
    }

    fn picked_up(state: &mut ftp::Session) {
        state.pick_up();
    }
}

impl AutoAssign for Ftp {
    fn ports() -> &'static Ports {
        &ports
    }

    fn shared() -> &'static assign::Shared {
        static SHARED: assign::Shared = assign::Shared::new();
        &SHARED
    }
}

/// Looks for announcements in each line of a segment.
fn look(packet: &mut Packet<'_>, conn: &Conn<'_, ftp::Session>, segment: TcpSegment) -> Verdict {
    let direction = conn.direction();
    let ends_in_newline = packet.last_byte() == Some(b'\n');
    let mut cursor = conn.with_state(|session| {
        session.enter(
            direction,
            Segment {
                seq: segment.seq,
                len: segment.len,
                ends_in_newline,
            },
        )
    });
    let mut buffer = [0; ftp::LINE_MAX];
    let mut offset = segment.offset;
    // By how much NAT has made the packet longer.
    let mut growth = 0i32;
    loop {
        let window = packet.window(offset, &mut buffer);
        let is_last = window.is_last;
        match conn.with_state(|session| session.next(direction, window.bytes, &mut cursor)) {
            Some(found) => match expect(packet, conn, segment, offset, growth, found) {
                Outcome::Rewritten { growth: by, .. } => {
                    // CAST: Lossless, `isize` has at least 32 bits here.
                    let len = found.span.len().saturating_add_signed(by as isize);
                    cursor.replaced(found.span, len);
                    growth = growth.wrapping_add(by);
                }
                Outcome::Unchanged => {}
                Outcome::NoMemory => return Verdict::Drop,
            },
            None if is_last || cursor.offset() == 0 => break,
            None => {
                let done = cursor.offset();
                offset = offset.saturating_add(done);
                cursor.slide(done);
            }
        }
    }
    if growth != 0 {
        conn.adjust_sequence(segment.seq, growth);
    }
    Verdict::Accept
}

/// Expects the data connection that was announced; where there is NAT, has the announcement
/// rewritten.
///
/// `base` is the offset in the packet that `found` is relative to.
fn expect(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, ftp::Session>,
    segment: TcpSegment,
    base: usize,
    growth: i32,
    found: ftp::Announcement,
) -> Outcome {
    let direction = conn.direction();
    let announcer = conn.source(direction);
    let mut foreign = None;
    if let Some(address) = found.address {
        if address != announcer {
            // A server that sends its clients elsewhere may be meant so, but it is also how holes
            // are torn into the network behind (CVE-2002-0060 and the FTP bounce attack).
            if !loose.load(Ordering::Relaxed) || address.is_ipv4() != announcer.is_ipv4() {
                return Outcome::Unchanged;
            }
            foreign = Some(address);
        }
    }
    let opener = direction.opposite();
    // Where the connection goes to as its opener sees it: NAT may lie between.
    let destination = foreign.unwrap_or(conn.destination(opener));
    let source = conn.source(opener);
    let Some(expectation) = Expectation::new(conn, source, destination, L4Proto::Tcp, found.port)
    else {
        // The data connection will fail, the session goes on.
        return Outcome::Unchanged;
    };
    if foreign.is_none() && conn.is_natted() {
        // The stream position of the announcement, as its sender counts.
        let at = base
            .saturating_add(found.span.start())
            .saturating_sub(segment.offset);
        let seq = segment
            .seq
            .wrapping_add(at as u32)
            .wrapping_sub(growth as u32);
        let wanted = conn
            .with_state(|session| session.told(seq))
            .unwrap_or(found.port);
        let outcome = ip_nat_ftp_hook.nat(packet, conn, base, found, wanted, &expectation);
        if let Some(outcome) = outcome {
            if let Outcome::Rewritten { port, .. } = outcome {
                if port != found.port {
                    conn.with_state(|session| session.tell(seq, port));
                }
            }
            return outcome;
        }
    }
    // If there is no room for it the data connection fails, the session goes on.
    let _ = expectation.register();
    Outcome::Unchanged
}
