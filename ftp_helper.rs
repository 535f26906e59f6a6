// SPDX-License-Identifier: GPL-2.0

//! Conntrack helper for FTP.
//!
//! Finds in the control connection where a data connection will go to (`PORT`, `EPRT` and the
//! replies 227 and 229), so that the firewall knows it as RELATED.

#[path = "rust/bindings/mod.rs"]
mod bindings;
#[path = "rust/netfilter/mod.rs"]
mod netfilter;
#[allow(dead_code, unreachable_pub)]
#[path = "rust/proto/mod.rs"]
mod proto;

use core::sync::atomic::Ordering;
use kernel::prelude::*;
use netfilter::{
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

netfilter::param::bool_param!(
    loose,
    0o600,
    false,
    "Also expect data connections to addresses other than the announcer's own (default: off)"
);

struct FtpModule {
    _registration: Registration<Ftp>,
}

impl kernel::Module for FtpModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: Registration::new(module)?,
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
        if conn.is_established() {
            if let Some(segment) = packet.tcp() {
                look(packet, conn, segment);
            }
        }
        Verdict::Accept
    }

    fn picked_up(state: &mut ftp::Session) {
        state.pick_up();
    }
}

/// Looks for announcements in each line of a segment.
fn look(packet: &Packet<'_>, conn: &Conn<'_, ftp::Session>, segment: TcpSegment) {
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
    loop {
        let window = packet.window(offset, &mut buffer);
        match conn.with_state(|session| session.next(direction, window.bytes, &mut cursor)) {
            Some(found) => expect(conn, found),
            None if window.is_last || cursor.offset() == 0 => return,
            None => {
                let done = cursor.offset();
                offset = offset.saturating_add(done);
                cursor.slide(done);
            }
        }
    }
}

/// Expects the data connection that was announced.
fn expect(conn: &Conn<'_, ftp::Session>, found: ftp::Announcement) {
    let direction = conn.direction();
    let announcer = conn.source(direction);
    // Where the connection goes to as its opener sees it: NAT may lie between.
    let mut destination = conn.destination(direction.opposite());
    if let Some(address) = found.address {
        if address != announcer {
            // A server that sends its clients elsewhere may be meant so, but it is also how holes
            // are torn into the network behind (CVE-2002-0060 and the FTP bounce attack).
            if !loose.load(Ordering::Relaxed) || address.is_ipv4() != announcer.is_ipv4() {
                return;
            }
            destination = address;
        }
    }
    let source = conn.source(direction.opposite());
    // If there is no memory or no room for it the data connection fails, the session goes on.
    if let Some(expectation) = Expectation::new(conn, source, destination, L4Proto::Tcp, found.port)
    {
        let _ = expectation.register();
    }
}
