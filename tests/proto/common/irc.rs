// SPDX-License-Identifier: GPL-2.0

//! What the tests of IRC have in common.

#![allow(dead_code)]

use conntrack_proto::{
    irc::{
        parse,
        Announcement,
        Kind,
        Session, //
    },
    stream::{
        Cursor,
        LineSession,
        Segment, //
    },
    Direction, Reject,
};

/// Which way `kind` goes.
pub fn direction(kind: Kind) -> Direction {
    match kind {
        Kind::Offer | Kind::Accept => Direction::Original,
        Kind::Resume => Direction::Reply,
    }
}

/// Parses `line` and checks all that it should announce, and each truncation of it.
#[track_caller]
pub fn announces(kind: Kind, line: &[u8], address: Option<&str>, port: u16, text: &str) {
    let show = line.escape_ascii();
    let found = parse(direction(kind), line).unwrap_or_else(|e| panic!("{show}: {e:?}"));
    assert_eq!(found.kind, kind, "{show}");
    let address = address.map(|a| a.parse().unwrap());
    assert_eq!(found.address, address, "{show}");
    assert_eq!(found.port.get(), port, "{show}");
    assert_eq!(found.instead, None, "{show}");
    assert_eq!(found.span.of(line), Some(text.as_bytes()), "{show}");

    for len in 0..line.len() {
        let parsed = parse(direction(kind), &line[..len]);
        if len > found.span.end() {
            assert_eq!(parsed, Ok(found), "{show} cut to {len} bytes");
        } else {
            // The byte behind the port is needed, too.
            assert_eq!(parsed, Err(Reject::Incomplete), "{show} cut to {len} bytes");
        }
    }

    // The other direction does not listen to it.
    let other = direction(kind).opposite();
    assert_eq!(parse(other, line), Err(Reject::NotOurs), "{show}");

    // A session finds the same, wherever the line stands.
    let payload = [b"PING x\r\n", line].concat();
    let all = segment(&mut session(), direction(kind), 7, &payload);
    let first = all.first().expect("found by the session");
    assert_eq!(first.span.of(&payload), Some(text.as_bytes()), "{show}");
    assert_eq!(
        (first.kind, first.address, first.port),
        (found.kind, found.address, found.port),
        "{show}"
    );
}

/// Parses `line`, which must be rejected as `expected`, and in which a session must find nothing.
#[track_caller]
pub fn rejects(direction: Direction, line: &[u8], expected: Reject) {
    let show = line.escape_ascii();
    assert_eq!(parse(direction, line), Err(expected), "{show}");
    assert_eq!(segment(&mut session(), direction, 7, line), [], "{show}");
}

/// A session as after a failover, which has the benefit of the doubt: each side's first segment begins a
/// line.
pub fn injected() -> Session {
    let session = Session::new();
    session.pick_up();
    session
}

/// A session that listens to both directions, with a port that no test uses.
pub fn session() -> Session {
    let session = injected();
    session.tell(64_999.try_into().unwrap(), 64_998.try_into().unwrap());
    session
}

/// Returns all that `session` finds in `bytes` from `cursor` on, and checks that it does not take
/// too many steps.
pub fn rest(
    session: &Session,
    direction: Direction,
    bytes: &[u8],
    cursor: &mut Cursor,
) -> Vec<Announcement> {
    let mut found = Vec::new();
    while let Some(announcement) = session.next(direction, bytes, cursor) {
        assert!(announcement.span.end() <= bytes.len());
        assert!(cursor.offset() >= announcement.span.end());
        assert!(cursor.offset() <= bytes.len());
        found.push(announcement);
        assert!(found.len() <= bytes.len());
    }
    assert!(cursor.offset() <= bytes.len());
    found
}

/// Gives `session` a segment at `seq` and returns all announcements in it.
pub fn segment(
    session: &mut Session,
    direction: Direction,
    seq: u32,
    bytes: &[u8],
) -> Vec<Announcement> {
    let mut cursor = session.enter(direction, whole(seq, bytes));
    rest(session, direction, bytes, &mut cursor)
}

/// What is to be said of a segment with `bytes` at `seq`.
pub fn whole(seq: u32, bytes: &[u8]) -> Segment {
    Segment {
        seq,
        len: bytes.len(),
        ends_in_newline: bytes.last() == Some(&b'\n'),
    }
}

/// Returns the ports announced in `text`, a segment at `seq`.
pub fn ports(session: &mut Session, direction: Direction, seq: u32, text: &str) -> Vec<u16> {
    segment(session, direction, seq, text.as_bytes())
        .iter()
        .map(|found| found.port.get())
        .collect()
}
