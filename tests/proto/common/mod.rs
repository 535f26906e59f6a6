// SPDX-License-Identifier: GPL-2.0

//! What the tests have in common.

#![allow(dead_code)]

use conntrack_proto::{
    ftp::{
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

/// Where `kind` comes from.
pub fn direction(kind: Kind) -> Direction {
    match kind {
        Kind::Port | Kind::Eprt | Kind::Deferred => Direction::Original,
        Kind::Pasv | Kind::Epsv => Direction::Reply,
    }
}

/// Parses `line` and checks all that it should announce, and each truncation of it.
#[track_caller]
pub fn announces(kind: Kind, line: &str, address: Option<&str>, port: u16, text: &str) {
    let bytes = line.as_bytes();
    let found = parse(direction(kind), bytes).unwrap_or_else(|e| panic!("{line:?}: {e:?}"));
    assert_eq!(found.kind, kind, "{line:?}");
    assert_eq!(
        found.address,
        address.map(|a| a.parse().unwrap()),
        "{line:?}"
    );
    assert_eq!(found.port.get(), port, "{line:?}");
    assert_eq!(found.span.of(bytes), Some(text.as_bytes()), "{line:?}");
    assert_eq!(found.span.start(), line.find(text).unwrap(), "{line:?}");
    assert_eq!(found.span.len(), text.len(), "{line:?}");
    assert_eq!(found.span.end(), found.span.start() + text.len());

    for len in 0..bytes.len() {
        match parse(direction(kind), &bytes[..len]) {
            Err(Reject::Incomplete) => assert!(
                len <= found.span.end() || kind == Kind::Port,
                "{line:?} is whole after {len} bytes"
            ),
            other => {
                assert!(len >= found.span.end(), "{line:?} is not whole at {len}");
                assert_eq!(other, Ok(found), "{line:?} cut to {len} bytes");
            }
        }
    }

    // The other direction does not listen to it.
    let other = match direction(kind) {
        Direction::Original => Direction::Reply,
        Direction::Reply => Direction::Original,
    };
    assert_eq!(parse(other, bytes), Err(Reject::NotOurs), "{line:?}");
}

/// Parses `line`, which must be rejected as `expected`.
#[track_caller]
pub fn rejects(direction: Direction, line: &str, expected: Reject) {
    assert_eq!(parse(direction, line.as_bytes()), Err(expected), "{line:?}");
}

/// A session as after a failover, which has the benefit of the doubt: each side's first segment begins a
/// line.
pub fn injected() -> Session {
    let session = Session::new();
    session.pick_up();
    session
}

/// Returns all that `session` finds in `bytes` from `cursor` on, and checks that it does not take
/// too many steps.
pub fn rest(
    session: &mut Session,
    direction: Direction,
    bytes: &[u8],
    cursor: &mut Cursor,
) -> Vec<Announcement> {
    let mut found = Vec::new();
    let lines = bytes.split(|b| *b == b'\n').count();
    while let Some(announcement) = session.next(direction, bytes, cursor) {
        assert!(announcement.span.end() <= bytes.len());
        assert!(cursor.offset() >= announcement.span.end());
        assert!(cursor.offset() <= bytes.len());
        found.push(announcement);
        assert!(found.len() <= lines);
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
    let mut cursor = session.enter(
        direction,
        Segment {
            seq,
            len: bytes.len(),
            ends_in_newline: bytes.last() == Some(&b'\n'),
        },
    );
    rest(session, direction, bytes, &mut cursor)
}

/// Returns the ports announced in `text`, a segment at `seq`.
pub fn ports(session: &mut Session, direction: Direction, seq: u32, text: &str) -> Vec<u16> {
    segment(session, direction, seq, text.as_bytes())
        .iter()
        .map(|found| found.port.get())
        .collect()
}
