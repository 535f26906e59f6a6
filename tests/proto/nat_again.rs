// SPDX-License-Identifier: GPL-2.0

//! With NAT: what is sent again after it was lost, held back or dropped. The fuzzer with NAT in the loop
//! found each of these.

#[path = "common/stream.rs"]
mod stream;

use std::num::NonZeroU16;

use conntrack_proto::{
    ftp::{
        self,
        Kind, //
    },
    irc,
    stream::LineSession,
    Direction::{
        Original,
        Reply, //
    },
    Text, //
};
use stream::{
    Firewall,
    Found, //
};

impl Found for ftp::Session {
    fn port(found: &ftp::Announcement) -> NonZeroU16 {
        found.port
    }

    fn replacement(&self, found: &ftp::Announcement, seq: u32) -> Option<Vec<u8>> {
        let admitted = self.admit(found, seq);
        if admitted == Err(ftp::Refusal::Early) {
            self.defer(found.kind, seq, found.port);
        } else if admitted.is_err() || found.kind == Kind::Deferred {
            return None;
        }
        let address = "203.0.113.1".parse().unwrap();
        let mut text = Text::new();
        ftp::emit(found.kind, address, found.port, &mut text).map(<[u8]>::to_vec)
    }
}

impl Found for irc::Session {
    fn port(found: &irc::Announcement) -> NonZeroU16 {
        found.port
    }

    fn replacement(&self, found: &irc::Announcement, _: u32) -> Option<Vec<u8>> {
        let address = "203.0.113.1".parse().unwrap();
        let mut text = Text::new();
        Some(irc::emit(found.kind, address, found.port, &mut text).to_vec())
    }
}

const PORT: &[u8] = b"PORT 10,0,0,1,4,1\r\n";
const NEW_PORT: &[u8] = b"PORT 203,0,113,1,4,1\r\n";
const OFFER: &str = "PRIVMSG b :\x01DCC SEND f 167772161 5000 1\x01\r\n";

fn new_offer() -> String {
    OFFER.replace("167772161", "3405803777")
}

/// A session that was seen from its handshake on, before the server greets.
fn fresh() -> Firewall<ftp::Session> {
    let firewall = Firewall::<ftp::Session>::new(true);
    firewall.session.begin(1000, 5000);
    firewall
}

/// What a client says before the greeting is rewritten each time that it comes.
#[test]
fn early_announcement() {
    let mut firewall = fresh();
    for _ in 0..3 {
        let passed = firewall.pass(Original, 1000, PORT);
        assert_eq!(passed.as_deref(), Some(NEW_PORT));
    }
    assert!(firewall.pass(Reply, 5000, b"220 ready\r\n").is_some());
    let passed = firewall.pass(Original, 1000, PORT);
    assert_eq!(passed.as_deref(), Some(NEW_PORT));
}

/// What was announced early counts with the greeting, also one that comes in pieces, of which no byte has to
/// be rewritten.
#[test]
fn greeting_in_pieces() {
    let greeting = b"220 ready\r\n";
    for cut in 1..greeting.len() {
        let mut firewall = fresh();
        firewall.pass(Original, 1000, PORT);
        let (a, b) = greeting.split_at(cut);
        assert_eq!(firewall.pass(Reply, 5000, a).as_deref(), Some(a));
        let seq = 5000 + cut as u32;
        assert_eq!(firewall.pass(Reply, seq, b).as_deref(), Some(b), "{cut}");
        // Said, and then counted.
        assert_eq!(firewall.ports(), [1025, 1025], "{cut}");
    }
}

/// A segment that was held back comes for the first time, also where the line has been read further.
#[test]
fn held_before_the_line() {
    let text = format!("NOTICE b{}", &OFFER[9..]);
    let at = |from: usize| 1000 + from as u32;
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 994, b"JOIN\r\n").is_some());
    // The second of three overtakes the first.
    assert!(firewall
        .pass(Original, at(7), &text.as_bytes()[7..15])
        .is_none());
    assert!(firewall
        .pass(Original, at(0), &text.as_bytes()[..7])
        .is_some());
    assert!(firewall
        .pass(Original, at(15), &text.as_bytes()[15..])
        .is_none());
    let passed = firewall
        .pass(Original, at(7), &text.as_bytes()[7..])
        .unwrap();
    let wanted = text.replace("167772161", "3405803777");
    assert_eq!(passed, &wanted.as_bytes()[7..]);
}

/// What is behind something that is held back passes in the end where its sender knows that to have arrived.
#[test]
fn behind_what_is_held_back_and_has_arrived() {
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 994, b"JOIN\r\n").is_some());
    // It overtakes, is held back, and arrives by another way.
    assert!(firewall.pass(Original, 1003, OFFER.as_bytes()).is_none());
    let behind = 1003 + OFFER.len() as u32;
    // What comes behind that arrives by another way, too, after it came twice.
    for _ in 0..2 {
        assert!(firewall.pass(Original, behind, b"JOIN #b\r\n").is_none());
    }
    let behind = behind + 9;
    let mut times = 0;
    while firewall.pass(Original, behind, b"JOIN #c\r\n").is_none() {
        times += 1;
        assert!(times < 10, "it is dropped for ever");
    }
    assert!((2..10).contains(&times), "{times}");
    assert_eq!(firewall.given_up, 1);
    // What it was held back for cannot become longer any more.
    let all = ["xy\n", OFFER].concat();
    let passed = firewall.pass(Original, 1000, all.as_bytes());
    assert_eq!(passed.as_deref(), Some(all.as_bytes()));
}

/// A segment that was lost comes again as one with the one before it, and was overtaken.
#[test]
fn lost_and_joined() {
    let (before, behind) = ("JOIN #a\r\n", "JOIN #b\r\n");
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 1000, before.as_bytes()).is_some());
    let seq = 1000 + (before.len() + OFFER.len()) as u32;
    assert!(firewall.pass(Original, seq, behind.as_bytes()).is_some());
    let joined = [before, OFFER, behind].concat();
    let passed = firewall.pass(Original, 1000, joined.as_bytes());
    assert_eq!(passed.as_deref(), Some(joined.as_bytes()));
    assert_eq!(firewall.given_up, 1);
}

/// The control: what has been rewritten is so each time, whatever has passed behind it.
#[test]
fn rewritten_and_joined() {
    let (before, behind) = ("JOIN #a\r\n", "JOIN #b\r\n");
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 1000, before.as_bytes()).is_some());
    let seq = 1000 + before.len() as u32;
    assert!(firewall.pass(Original, seq, OFFER.as_bytes()).is_some());
    let joined = [OFFER, behind].concat();
    let passed = firewall.pass(Original, seq, joined.as_bytes()).unwrap();
    assert_eq!(passed, [&new_offer(), behind].concat().as_bytes());
}

/// The kernel is told of the last place where the length changed, and not of one behind it: it would correct
/// once more.
#[test]
fn same_length_behind() {
    let same = OFFER.replace("167772161", "3405803770");
    let both = [OFFER, &same].concat();
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 1000, both.as_bytes()).is_some());
    let span = OFFER.find("1677").unwrap() as u32;
    assert_eq!(firewall.adjusted, Some((1000 + span, 1)));
}

/// A question before an announcement that overtook it is asked once.
#[test]
fn question_before_what_is_held_back() {
    let mut firewall = fresh();
    firewall.pass(Reply, 5000, b"220 ready\r\n");
    assert!(firewall.pass(Original, 1006, PORT).is_none());
    assert!(firewall.pass(Original, 1000, b"PASV\r\n").is_some());
    let passed = firewall.pass(Original, 1006, PORT);
    assert_eq!(passed.as_deref(), Some(NEW_PORT));
    let replies = b"227 ok (10,0,0,1,4,2)\r\n200 ok\r\n227 ok (10,0,0,1,4,3)\r\n";
    let passed = firewall.pass(Reply, 5011, replies).unwrap();
    let wanted = "227 ok (203,0,113,1,4,2)\r\n200 ok\r\n227 ok (10,0,0,1,4,3)\r\n";
    assert_eq!(String::from_utf8(passed).unwrap(), wanted);
}

/// A payload in several pieces is in one piece once something in it was rewritten; what is behind that is
/// found all the same.
#[test]
fn what_is_in_pieces_becomes_one_piece() {
    let filler = b"NOOP\r\n".repeat(300);
    let said = [&filler, PORT, &filler, PORT].concat();
    let mut firewall = Firewall::<ftp::Session>::new(true);
    firewall.window = 512;
    let passed = firewall.pass(Original, 1, &said);
    assert_eq!(
        passed,
        Some([&filler, NEW_PORT, &filler, NEW_PORT].concat())
    );
    assert_eq!(firewall.seen.len(), 2);
}
