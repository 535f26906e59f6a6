// SPDX-License-Identifier: GPL-2.0

//! What the tests of Amanda have in common.

use conntrack_proto::amanda::{
    Announcement,
    Reply,
    Stream, //
};

/// The first line of a reply.
pub const HEADER: &str = "Amanda 3.5 REP HANDLE 000-00010001 SEQ 1700000000\n";

/// Returns all announcements in `datagram`, and checks that there are not too many.
pub fn all(datagram: &[u8]) -> Vec<Announcement> {
    let mut reply = Reply::new();
    let mut found = Vec::new();
    while let Some(announcement) = reply.next(datagram) {
        assert!(announcement.span.end() <= datagram.len());
        found.push(announcement);
        assert!(found.len() <= Stream::COUNT.try_into().unwrap());
    }
    // Nor later.
    assert_eq!(reply.next(datagram), None);
    found
}
