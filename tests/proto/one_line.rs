// SPDX-License-Identifier: GPL-2.0

//! The short way of most segments: a first glance, and a single line that is taken at once. What it
//! says must be what the long way says.

use conntrack_proto::{
    ftp, irc,
    stream::{
        Glance,
        LineSession,
        Segment, //
    },
    Direction::{
        self,
        Original,
        Reply, //
    },
};
use proptest::prelude::*;

/// What becomes of a segment on the short way.
#[derive(Debug, PartialEq)]
enum Short<F> {
    Plain,
    Nothing,
    Found(F),
    Closer,
}

/// A session of which one line of `direction` has been seen, and where the next begins.
fn begun<S: LineSession>(direction: Direction) -> (S, u32) {
    let session = S::NEW;
    session.pick_up();
    session.enter(
        direction,
        Segment {
            seq: 1000,
            len: 6,
            ends_in_newline: true,
        },
    );
    (session, 1006)
}

fn short<S: LineSession>(
    session: &S,
    direction: Direction,
    seq: u32,
    bytes: &[u8],
) -> Short<S::Found> {
    match session.glance(direction, bytes, || seq) {
        Glance::Plain => Short::Plain,
        Glance::Closer => Short::Closer,
        // As `stream::segment` does it.
        Glance::Line => {
            let lines = session.lines(direction);
            let known = lines.next(seq, bytes.len());
            let Some(known) = known.filter(|_| !session.kept().is_any()) else {
                return Short::Closer;
            };
            let Ok(found) = session.only(direction, bytes) else {
                return Short::Closer;
            };
            lines.note_next(known, seq, bytes.len(), session.count_of_line(direction));
            found.map_or(Short::Nothing, Short::Found)
        }
    }
}

/// What the long way finds first.
fn long<S: LineSession>(direction: Direction, bytes: &[u8]) -> Option<S::Found> {
    let (session, seq) = begun::<S>(direction);
    let mut cursor = session.enter(
        direction,
        Segment {
            seq,
            len: bytes.len(),
            ends_in_newline: bytes.ends_with(b"\n"),
        },
    );
    session.next(direction, bytes, &mut cursor)
}

#[track_caller]
fn taken_at_once<S: LineSession>(direction: Direction, line: &str)
where
    S::Found: std::fmt::Debug + PartialEq,
{
    let (session, seq) = begun::<S>(direction);
    let found = short(&session, direction, seq, line.as_bytes());
    let expected = long::<S>(direction, line.as_bytes()).expect("the long way finds it");
    assert_eq!(found, Short::Found(expected), "{line:?}");

    // Not where something was lost before, nor in the middle of a line.
    let (session, seq) = begun::<S>(direction);
    let behind = short(&session, direction, seq + 1, line.as_bytes());
    assert_eq!(behind, Short::Closer, "{line:?}");
    let again = short(&session, direction, seq - 6, line.as_bytes());
    assert_eq!(again, Short::Closer, "{line:?}");
    // Nor where there is more than a line, or less.
    let two = format!("{line}{line}");
    let more = short(&session, direction, seq, two.as_bytes());
    assert_eq!(more, Short::Closer, "{two:?}");
    let part = &line[..line.len() - 1];
    let less = short(&session, direction, seq, part.as_bytes());
    assert_eq!(less, Short::Closer, "{part:?}");
}

#[test]
fn ftp_announcements() {
    taken_at_once::<ftp::Session>(Original, "PORT 192,0,2,10,195,80\r\n");
    taken_at_once::<ftp::Session>(Original, "port  1,2,3,4,5,6  \n");
    taken_at_once::<ftp::Session>(Original, "EPRT |1|192.0.2.10|50000|\r\n");
    taken_at_once::<ftp::Session>(Original, "EPRT |2|2001:db8::1|50000|\r\n");
    taken_at_once::<ftp::Session>(Reply, "227 Entering Passive Mode (1,22,133,255,0,9).\r\n");
    taken_at_once::<ftp::Session>(Reply, "227 12 a 3,4 (000192,0,2,1,195,80) and more\r\n");
    taken_at_once::<ftp::Session>(
        Reply,
        "229 Entering Extended Passive Mode (|||50000|) for whoever wants to come\r\n",
    );
}

#[test]
fn irc_offers() {
    taken_at_once::<irc::Session>(
        Original,
        "PRIVMSG a :\x01DCC SEND f 3221225994 5000 9\x01\r\n",
    );
    taken_at_once::<irc::Session>(
        Original,
        ":me notice friend :\x01dcc chat chat 192.0.2.10 50000\x01\r\n",
    );
    taken_at_once::<irc::Session>(
        Original,
        "PRIVMSG friend :\x01DCC SEND \"a long name.txt\" 2001:db8::1 50000 1048576\x01\r\n",
    );
}

/// Checks that what the short way says of an IRC client's line, if anything, the long way says, too.
#[track_caller]
fn does_not_contradict(line: &str) {
    let (session, seq) = begun::<irc::Session>(Original);
    let found = short(&session, Original, seq, line.as_bytes());
    let expected = long::<irc::Session>(Original, line.as_bytes());
    match found {
        Short::Found(found) => assert_eq!(Some(found), expected, "{line:?}"),
        Short::Nothing | Short::Plain => assert_eq!(None, expected, "{line:?}"),
        Short::Closer => {}
    }
}

/// One of `pieces`, nearly always the first.
fn mostly(pieces: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => Just(pieces[0]), 1 => prop::sample::select(pieces)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What is a little different from the usual offer.
    #[test]
    fn what_is_nearly_the_usual_offer(
        command in mostly(&["PRIVMSG ", "PRIVMSG  ", "privmsg ", "NOTICE ", " PRIVMSG ", "PRIVMSGS ", "PRIVMSG"]),
        target in prop_oneof![10 => "[#a-z]{1,20}", 1 => "[!-~ :\x00\x02\u{e9}]{0,12}"],
        text in mostly(&[" :\x01", "  :\x01", " \x01", ":\x01", " :", " :\x01\x01"]),
        dcc in mostly(&["DCC SEND ", "DCC SEND  ", "dcc send ", "DCC CHAT ", "DCC  SEND ", "DCC SENDS ", "DCC SEND"]),
        name in prop_oneof![10 => "[a-z.]{1,20}", 1 => "[!-~ \"\x00\x02\u{e9}]{0,12}", 1 => "x{440,520}"],
        gap in mostly(&[" ", "  ", "", "\t", "\x01"]),
        address in prop_oneof![
            10 => (0..=u32::MAX).prop_map(|address| address.to_string()),
            1 => "[0-9]{0,12}",
            1 => Just("192.0.2.10".to_string()),
        ],
        space in mostly(&[" ", "  ", "", "\x01"]),
        port in prop_oneof![10 => (0..70000u32).prop_map(|port| port.to_string()), 1 => "[0-9]{0,10}"],
        end in mostly(&[" 1048576\x01\r\n", "\x01\r\n", "\r\n", "\n", ".\x01\r\n", " 9\x01\x01DCC SEND g 1 2\r\n", "\0\n"]),
    ) {
        does_not_contradict(&[command, &target, text, dcc, &name, gap, &address, space, &port, end].concat());
    }
}

/// The usual offer, ended by a newline wherever that may be.
#[test]
fn an_offer_that_ends_early() {
    let line = "PRIVMSG a :\x01DCC SEND f 3221225994 5000 9\x01\r\n";
    for len in 0..line.len() {
        for end in ["\n", "\x01\n"] {
            does_not_contradict(&[&line[..len], end].concat());
        }
    }
}

#[test]
fn questions_are_noted_at_once() {
    for (question, reply) in [
        ("PASV\r\n", "227 ok (192,0,2,1,195,80)\r\n"),
        ("EPSV\r\n", "229 ok (|||50000|)\r\n"),
    ] {
        let (session, seq) = begun::<ftp::Session>(Original);
        for asked in 0..2 {
            let seq = seq + asked * 6;
            let found = short(&session, Original, seq, question.as_bytes());
            assert_eq!(found, Short::Nothing, "{question:?}");
        }
        let found = long::<ftp::Session>(Reply, reply.as_bytes()).unwrap();
        // Each question once.
        assert_eq!(session.admit(&found, 1), Ok(()));
        assert_eq!(session.admit(&found, 2), Ok(()));
        assert!(session.admit(&found, 3).is_err());
    }
}

#[test]
fn lines_of_no_interest() {
    let long_line = format!("226 {}\r\n", "x".repeat(200));
    for (direction, line) in [
        (Original, "RETR some-file.tar.gz\r\n"),
        (Original, "CWD short\r\n"),
        (Reply, "226 Transfer complete.\r\n"),
        (Reply, long_line.as_str()),
    ] {
        let (session, seq) = begun::<ftp::Session>(direction);
        let found = short(&session, direction, seq, line.as_bytes());
        assert_eq!(found, Short::Plain, "{line:?}");
        // It goes on behind it.
        let seq = seq + u32::try_from(line.len()).unwrap();
        let found = short(&session, direction, seq, line.as_bytes());
        assert_eq!(found, Short::Plain, "{line:?}");
    }
    // What may be more than one line is not taken for usual, wherever the second begins.
    for len in 0..80 {
        let lines = format!("226-{}\nPORT 1\r\n", "x".repeat(len));
        let (session, seq) = begun::<ftp::Session>(Reply);
        let found = short(&session, Reply, seq, lines.as_bytes());
        assert_eq!(found, Short::Closer, "{lines:?}");
    }
    // Nor a message with a delimiter anywhere.
    for len in 0..80 {
        let line = format!(
            "PRIVMSG a :{}\x01{}\r\n",
            "x".repeat(len),
            "x".repeat(80 - len)
        );
        let (session, seq) = begun::<irc::Session>(Original);
        let found = short(&session, Original, seq, line.as_bytes());
        assert_ne!(found, Short::Plain, "{line:?}");
    }
}
