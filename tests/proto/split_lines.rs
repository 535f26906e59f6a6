// SPDX-License-Identifier: GPL-2.0

//! Announcements that come in several segments, in whatever pieces and order, and with NAT, where
//! the line has to be in one piece to be rewritten.

#[path = "common/stream.rs"]
mod stream;

use std::num::NonZeroU16;

use conntrack_proto::{
    ftp::{
        self,
        emit, //
    },
    irc,
    Direction::{
        self,
        Original,
        Reply, //
    },
    Text, //
};
use proptest::{
    prelude::*,
    sample::Index, //
};
use stream::{
    Firewall,
    Found,
    Store, //
};

impl Found for ftp::Session {
    fn port(found: &ftp::Announcement) -> NonZeroU16 {
        found.port
    }

    fn replacement(&self, found: &ftp::Announcement, _seq: u32) -> Option<Vec<u8>> {
        let mut text = Text::new();
        let text = emit(
            found.kind,
            "192.168.100.200".parse().unwrap(),
            found.port,
            &mut text,
        );
        Some(text.unwrap().to_vec())
    }
}

impl Found for irc::Session {
    fn port(found: &irc::Announcement) -> NonZeroU16 {
        found.port
    }

    fn replacement(&self, found: &irc::Announcement, _seq: u32) -> Option<Vec<u8>> {
        let mut text = Text::new();
        Some(
            irc::emit(
                found.kind,
                "192.168.100.200".parse().unwrap(),
                found.port,
                &mut text,
            )
            .to_vec(),
        )
    }
}

/// Sends `pieces` one after the other, each at its place.
fn send<S: Found>(firewall: &mut Firewall<S>, direction: Direction, pieces: &[&str]) {
    let mut seq = 1000;
    for piece in pieces {
        let passed = firewall.pass(direction, seq, piece.as_bytes());
        assert_eq!(passed.as_deref(), Some(piece.as_bytes()));
        seq += u32::try_from(piece.len()).unwrap();
    }
}

const LINES: [(Direction, &str, u16); 4] = [
    (Original, "PORT 10,0,0,1,4,1\r\n", 1025),
    (Original, "eprt |2|2001:db8::1|65535|\r\n", 65535),
    (Reply, "227 Entering Passive Mode (10,0,0,1,4,1).\r\n", 1025),
    (Reply, "229 Extended (|||6446|)\r\n", 6446),
];

#[test]
fn in_two_pieces() {
    for (direction, line, port) in LINES {
        for cut in 1..line.len() {
            let (a, b) = line.split_at(cut);
            let mut firewall = Firewall::<ftp::Session>::new(false);
            send(&mut firewall, direction, &["200 x\r\n", a, b, "200 y\r\n"]);
            assert_eq!(firewall.ports(), [port], "{a:?} {b:?}");
            assert!(!firewall.is_keeping(), "{a:?} {b:?}");
        }
    }
}

#[test]
fn byte_by_byte() {
    for (direction, line, port) in LINES {
        let text = format!("250 x\r\n{line}{line}999 y\r\n");
        let pieces: Vec<&str> = (0..text.len()).map(|at| &text[at..=at]).collect();
        let mut firewall = Firewall::<ftp::Session>::new(false);
        send(&mut firewall, direction, &pieces);
        assert_eq!(firewall.ports(), [port, port], "{text:?}");
        assert!(!firewall.is_keeping());
    }
}

/// Behind another line in the same segment, and with another one behind it.
#[test]
fn between_other_lines() {
    let mut firewall = Firewall::<ftp::Session>::new(false);
    let pieces = [
        "TYPE I\r\nPORT 1,2,3,",
        "4,5,6\r\nPORT 1,2,3,4,7,8\r\nPO",
        "RT 1,2,3,4,0,9\r\nNOOP\r\n",
    ];
    send(&mut firewall, Original, &pieces);
    assert_eq!(firewall.ports(), [0x506, 0x708, 9]);
    assert!(!firewall.is_keeping());
}

/// What turns out to be something else is let go, and what is behind it is looked at.
#[test]
fn something_else() {
    for line in [
        "PORT 1,2,3,4,5,x",
        "POR",
        "PORTAL",
        "P",
        "EPRT |3|",
        "PORT ",
    ] {
        for cut in 1..line.len() {
            let (a, b) = line.split_at(cut);
            let mut firewall = Firewall::<ftp::Session>::new(false);
            send(&mut firewall, Original, &[a, b, "\r\nPORT 1,2,3,4,5,6\r\n"]);
            assert_eq!(firewall.ports(), [0x506], "{a:?} {b:?}");
            assert!(!firewall.is_keeping(), "{a:?} {b:?}");
        }
    }
}

/// The second piece comes before the first, or in the middle of the line.
#[test]
fn overtaken() {
    for (direction, line, port) in LINES {
        for first in 1..line.len() - 1 {
            for second in first + 1..line.len() {
                let (a, b, c) = (&line[..first], &line[first..second], &line[second..]);
                for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                    let mut firewall = Firewall::<ftp::Session>::new(false);
                    let mut at = |at: usize, text: &str| {
                        firewall.pass(direction, u32::try_from(at).unwrap(), text.as_bytes());
                    };
                    at(0, "200 x\r\n");
                    let pieces = [(7, a), (7 + first, b), (7 + second, c)];
                    for index in order {
                        at(pieces[index].0, pieces[index].1);
                    }
                    at(7 + line.len(), "200 y\r\n");
                    assert_eq!(firewall.ports(), [port], "{a:?} {b:?} {c:?} {order:?}");
                    assert!(!firewall.is_keeping(), "{a:?} {b:?} {c:?} {order:?}");
                }
            }
        }
    }
}

/// A long text without the end of a line, and what is behind it.
#[test]
fn long_line() {
    let mut firewall = Firewall::<ftp::Session>::new(false);
    let long = vec![b'x'; 70000];
    let mut seq = 0;
    for piece in long
        .chunks(1000)
        .chain([b"\r\n".as_slice(), b"PORT 1,2,3,4,5,6\r\n"])
    {
        assert!(firewall.pass(Original, seq, piece).is_some());
        assert!(!firewall.is_keeping());
        seq += u32::try_from(piece.len()).unwrap();
    }
    assert_eq!(firewall.ports(), [0x506]);
}

/// Something that is missing and does not come, so that it will have been something else.
#[test]
fn missing_for_good() {
    let mut firewall = Firewall::<ftp::Session>::new(false);
    firewall.pass(Original, 0, b"NOOP\r\n");
    for at in 0..16 {
        firewall.pass(Original, 10 + at * 6, b"NOOP\r\n");
        assert!(firewall.is_keeping());
    }
    firewall.pass(Original, 106, b"NOOP\r\n");
    firewall.pass(Original, 112, b"NOOP\r\n");
    assert!(!firewall.is_keeping());
    firewall.pass(Original, 118, b"PORT 1,2,3,4,5,6\r\n");
    assert_eq!(firewall.ports(), [0x506]);
}

/// Without memory the line is missed, and nothing else happens.
#[test]
fn no_memory() {
    for is_nat in [false, true] {
        let mut firewall = Firewall::<ftp::Session>::new(is_nat);
        firewall.has_memory = false;
        send(&mut firewall, Original, &["PORT 1,2,3,", "4,5,6\r\n"]);
        assert_eq!(firewall.ports(), []);
        assert!(firewall.given_up >= 1);
    }
}

/// A sender that waits for an acknowledgement of each segment gets one, whatever becomes of the lines
/// that are kept: others may fill the store all the time.
#[test]
fn nowhere_to_keep_a_line() {
    for store in [Store::Forgets, Store::IsFull, Store::HasRoom] {
        for (direction, line, _) in LINES {
            for cut in 1..line.len() {
                let mut firewall = Firewall::<ftp::Session>::new(true);
                firewall.store = store;
                let (a, b) = line.split_at(cut);
                let mut seq = 1000;
                for piece in [a, b, "999 x\r\n"] {
                    let passed =
                        (0..5).find_map(|_| firewall.pass(direction, seq, piece.as_bytes()));
                    assert!(passed.is_some(), "{store:?}: {piece:?} of {line:?}");
                    seq += u32::try_from(piece.len()).unwrap();
                }
            }
        }
    }
}

/// However many announcements there are in a segment, so many are looked at, and the rest passes.
#[test]
fn too_many_at_once() {
    for is_nat in [false, true] {
        for (direction, line, port) in LINES {
            let mut firewall = Firewall::<ftp::Session>::new(is_nat);
            let text = line.repeat(3000);
            let passed = firewall.pass(direction, 1000, text.as_bytes()).unwrap();
            assert_eq!(firewall.ports(), [port; 8]);
            assert_eq!(firewall.stopped, 1);
            assert!(passed.ends_with(line.repeat(2992).as_bytes()));
            // As many as that are all looked at.
            let mut firewall = Firewall::<ftp::Session>::new(is_nat);
            firewall.pass(direction, 1000, line.repeat(8).as_bytes());
            assert_eq!((firewall.seen.len(), firewall.stopped), (8, 0));
        }
    }
}

/// A sender as TCP is: what is not acknowledged is sent again, in one piece.
fn nat<S: Found>(firewall: &mut Firewall<S>, direction: Direction, pieces: &[&[u8]]) -> Vec<u8> {
    let whole = pieces.concat();
    let seq = |at: usize| 5000u32.wrapping_add(u32::try_from(at).unwrap());
    // What has been received, and how much of that has been sent.
    let (mut received, mut acked, mut sent) = (Vec::new(), 0, 0);
    for piece in pieces {
        let passed = firewall.pass(direction, seq(sent), piece);
        if let (Some(passed), true) = (passed, acked == sent) {
            received.extend(passed);
            acked += piece.len();
        }
        sent += piece.len();
    }
    // Each retransmission has it all, as far as a segment goes.
    for _ in 0..20 {
        if acked == whole.len() {
            break;
        }
        if let Some(passed) = firewall.pass(direction, seq(acked), &whole[acked..]) {
            received.extend(passed);
            acked = whole.len();
        }
    }
    assert_eq!(
        acked,
        whole.len(),
        "stalled: {:?}",
        whole.escape_ascii().to_string()
    );
    received
}

#[test]
fn rewritten_in_two_pieces() {
    let line = "PORT 10,0,0,1,4,1\r\n";
    for cut in 1..line.len() {
        let (a, b) = line.split_at(cut);
        let mut firewall = Firewall::<ftp::Session>::new(true);
        let pieces = ["NOOP\r\n", a, b, "NOOP\r\n"].map(str::as_bytes);
        let received = nat(&mut firewall, Original, &pieces);
        assert_eq!(
            received,
            b"NOOP\r\nPORT 192,168,100,200,4,1\r\nNOOP\r\n",
            "{}",
            received.escape_ascii()
        );
        assert_eq!(firewall.given_up, 0);
        // It may have to be sent again, until the next one comes.
        assert!(firewall.pass(Original, 5031, b"NOOP\r\n").is_some());
        assert!(!firewall.is_keeping());
    }
}

#[test]
fn rewritten_byte_by_byte() {
    for (direction, line, new) in [
        (
            Original,
            "PORT 10,0,0,1,4,1\r\n",
            "PORT 192,168,100,200,4,1\r\n",
        ),
        (
            Original,
            "EPRT |1|10.0.0.1|7|\r\n",
            "EPRT |1|192.168.100.200|7|\r\n",
        ),
        (
            Reply,
            "227 Mode 1 (10,0,0,1,4,1).\r\n",
            "227 Mode 1 (192,168,100,200,4,1).\r\n",
        ),
        (Reply, "229 (a) (|||6|)\r\n", "229 (a) (|||6|)\r\n"),
    ] {
        let text = format!("NOOP\r\n{line}{line}NOOP\r\n");
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let mut firewall = Firewall::<ftp::Session>::new(true);
        let received = nat(&mut firewall, direction, &pieces);
        let received = String::from_utf8(received).unwrap();
        assert_eq!(received, format!("NOOP\r\n{new}{new}NOOP\r\n"));
    }
}

/// What is before the address passes at once: its sender may wait for that before it goes on.
#[test]
fn only_what_is_rewritten_is_held_back() {
    let mut firewall = Firewall::<ftp::Session>::new(true);
    assert!(firewall.pass(Original, 0, b"PO").is_some());
    assert!(firewall.pass(Original, 2, b"RT ").is_some());
    assert!(firewall.pass(Original, 5, b"1").is_none());
    assert!(firewall.pass(Original, 6, b",2,3,4,5,6\r\n").is_none());
    assert!(firewall.pass(Original, 18, b"NOOP\r\n").is_none());
    let passed = firewall
        .pass(Original, 5, b"1,2,3,4,5,6\r\nNOOP\r\n")
        .unwrap();
    assert_eq!(passed, b"192,168,100,200,5,6\r\nNOOP\r\n");
}

/// A sender that waits for an acknowledgement before it sends the rest gets it in the end.
#[test]
fn gives_up() {
    let mut firewall = Firewall::<ftp::Session>::new(true);
    let mut times = 0;
    while firewall.pass(Original, 0, b"PORT 1,2,").is_none() {
        times += 1;
        assert!(times < 10);
    }
    assert!(times >= 2);
    assert_eq!(firewall.given_up, 1);
    assert!(!firewall.is_keeping());
    assert!(firewall.pass(Original, 9, b"3,4,5,6\r\n").is_some());
    assert_eq!(firewall.ports(), []);
    let passed = firewall
        .pass(Original, 18, b"PORT 1,2,3,4,5,6\r\n")
        .unwrap();
    assert_eq!(passed, b"PORT 192,168,100,200,5,6\r\n");
}

/// With NAT, and one piece that overtakes those before it.
#[test]
fn rewritten_out_of_order() {
    let line = b"PORT 10,0,0,1,4,1\r\n";
    for first in 1..line.len() - 1 {
        for second in first + 1..line.len() {
            let pieces = [(0, first), (first, second), (second, line.len())];
            for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let mut firewall = Firewall::<ftp::Session>::new(true);
                assert!(firewall.pass(Original, 100, b"NOOP\r\n").is_some());
                let seq = |at: usize| 106 + u32::try_from(at).unwrap();
                // What has arrived, by its place.
                let mut arrived = vec![None; 3];
                for index in order {
                    let (from, to) = pieces[index];
                    arrived[index] = firewall.pass(Original, seq(from), &line[from..to]);
                }
                // What is missing comes again with all behind it.
                let missing = arrived.iter().position(Option::is_none).unwrap_or(3);
                let mut text: Vec<u8> = arrived[..missing]
                    .iter()
                    .flatten()
                    .flatten()
                    .copied()
                    .collect();
                if missing < 3 {
                    let from = pieces[missing].0;
                    // What has arrived nevertheless must be what arrives now.
                    let last = arrived[2].clone().unwrap_or_default();
                    assert!(
                        b"PORT 192,168,100,200,4,1\r\n".ends_with(&last),
                        "{pieces:?} {order:?}"
                    );
                    text.extend(firewall.pass(Original, seq(from), &line[from..]).unwrap());
                }
                let text = text.escape_ascii().to_string();
                assert_eq!(
                    text, "PORT 192,168,100,200,4,1\\r\\n",
                    "{pieces:?} {order:?}"
                );
            }
        }
    }
}

/// Lines that have overtaken one that was lost, and of which none has to be rewritten.
#[test]
fn what_is_of_no_interest_is_not_held_back() {
    passes_behind_a_gap::<ftp::Session>(
        Original,
        "NOOP\r\n",
        &[
            "TYPE I\r\n",
            "RETR file1.txt\r\nNOOP\r\n",
            "PASV\r\n",
            "stairs\r\n",
        ],
    );
    passes_behind_a_gap::<ftp::Session>(
        Reply,
        "200 Ok.\r\n",
        &[
            "226 Done.\r\n",
            "220-x\r\n220-y\r\n",
            "end\r\n250 Ok.\r\n",
            "331 Pass\r\n331-",
        ],
    );
    passes_behind_a_gap::<irc::Session>(
        Original,
        "PRIVMSG b :one\r\n",
        &[
            "PRIVMSG b :two 1 2 3\r\n",
            "JOIN #c\r\nPART #c\r\n",
            "x\r\nPRIVMSG b",
            "\n",
        ],
    );
}

fn passes_behind_a_gap<S: Found>(direction: Direction, lost: &str, overtaking: &[&str]) {
    for text in overtaking {
        let mut firewall = Firewall::<S>::new(true);
        assert!(firewall.pass(direction, 93, lost.as_bytes()).is_some());
        let gap = 93 + u32::try_from(lost.len()).unwrap();
        let mut seq = gap + u32::try_from(lost.len()).unwrap();
        for _ in 0..3 {
            let passed = firewall.pass(direction, seq, text.as_bytes());
            assert_eq!(passed.as_deref(), Some(text.as_bytes()), "{text:?}");
            seq += u32::try_from(text.len()).unwrap();
        }
        let passed = firewall.pass(direction, gap, lost.as_bytes());
        assert_eq!(passed.as_deref(), Some(lost.as_bytes()), "{text:?}");
        assert_eq!(firewall.given_up, 0);
    }
}

/// Those of which one may have to be rewritten, and what follows that.
#[test]
fn what_may_be_rewritten_is_held_back() {
    is_held_behind_a_gap::<ftp::Session>(
        Original,
        "NOOP\r\n",
        &[
            "PORT 1,2,3,4,5,6\r\n",
            "NOOP\r\nPO",
            "RT 1,2,3,4,5,6\r\n",
            ",6\r\n",
            "\r\n",
            "NOOP",
        ],
    );
    is_held_behind_a_gap::<ftp::Session>(
        Reply,
        "200 Ok.\r\n",
        &[
            "227 (1,2,3,4,5,6)\r\n",
            "220 x\r\n229 (|||1|)\r\n",
            "9 (|||1|)\r\n",
            ",6)\r\n",
            "22",
        ],
    );
    is_held_behind_a_gap::<irc::Session>(
        Original,
        "PRIVMSG b :one\r\n",
        &[
            "PRIVMSG b :\x01DCC SEND f 1 2 3\x01\r\n",
            "JOIN #c\r\nPRIVMSG b :\x01DCC SE",
            "END f 1 2 3\x01\r\n",
            "file 167",
        ],
    );
}

fn is_held_behind_a_gap<S: Found>(direction: Direction, lost: &str, overtaking: &[&str]) {
    for text in overtaking {
        let mut firewall = Firewall::<S>::new(true);
        assert!(firewall.pass(direction, 93, lost.as_bytes()).is_some());
        let gap = 93 + u32::try_from(lost.len()).unwrap();
        let behind = gap + u32::try_from(lost.len()).unwrap();
        assert_eq!(
            firewall.pass(direction, behind, text.as_bytes()),
            None,
            "{text:?}"
        );
        let further = behind + u32::try_from(text.len()).unwrap();
        assert_eq!(firewall.pass(direction, further, b"\r\n"), None, "{text:?}");
        // It comes again behind what was lost.
        let whole = format!("{lost}{text}\r\n");
        assert!(
            firewall.pass(direction, gap, whole.as_bytes()).is_some(),
            "{text:?}"
        );
        assert_eq!(firewall.given_up, 0);
    }
}

/// An announcement was lost, and what has overtaken it is at its place on the other side already: nothing
/// may become longer before that.
#[test]
fn announcement_that_was_overtaken() {
    let line = "PRIVMSG b :\x01DCC SEND f 167772161 5000 1\x01\r\n";
    let (text, len) = ("PRIVMSG b :hi\r\n", u32::try_from(line.len()).unwrap());
    let mut firewall = Firewall::<irc::Session>::new(true);
    assert!(firewall.pass(Original, 85, text.as_bytes()).is_some());
    assert!(firewall
        .pass(Original, 100 + len, text.as_bytes())
        .is_some());
    for times in 1..3 {
        let passed = firewall.pass(Original, 100, line.as_bytes());
        assert_eq!(passed.as_deref(), Some(line.as_bytes()));
        assert_eq!((firewall.given_up, firewall.ports()), (times, vec![]));
    }
    // The next one is as always.
    let passed = firewall.pass(Original, 115 + len, line.as_bytes()).unwrap();
    assert_eq!(passed, line.replace("167772161", "3232261320").as_bytes());
    assert_eq!(firewall.ports(), [5000]);
}

/// IRC: tags, message and DCC are parts of their own.
#[test]
fn irc_in_pieces() {
    let line = "@time=12:00 :n!u@h PRIVMSG a :\x01DCC SEND \"a b\" 167772161 5000 1\x01\r\n";
    for size in 1..line.len() {
        let text = format!("NICK a\r\n{line}{line}NICK b\r\n");
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let mut firewall = Firewall::<irc::Session>::new(false);
        let mut seq = 7;
        for piece in &pieces {
            assert!(firewall.pass(Original, seq, piece).is_some());
            seq += u32::try_from(piece.len()).unwrap();
        }
        assert_eq!(firewall.ports(), [5000, 5000], "{size}");
        let mut firewall = Firewall::<irc::Session>::new(true);
        let received = nat(&mut firewall, Original, &pieces);
        let wanted = text.replace("167772161", "3232261320");
        assert_eq!(
            received,
            wanted.as_bytes(),
            "{size}: {}",
            received.escape_ascii()
        );
    }
}

/// A sender with selective acknowledgements: what is missing is sent again piece by piece, in order.
fn loses<S: Found>(
    firewall: &mut Firewall<S>,
    text: &str,
    pieces: &[(usize, usize)],
    lost: &[bool],
) {
    let mut arrived = vec![false; pieces.len()];
    let mut furthest = 0;
    for round in 0..60 {
        for (index, (from, to)) in pieces.iter().enumerate() {
            if arrived[index] || round == 0 && index > 0 && lost[index % lost.len()] {
                continue;
            }
            let seq = 1000 + u32::try_from(*from).unwrap();
            let Some(passed) = firewall.pass(Original, seq, &text.as_bytes()[*from..*to]) else {
                continue;
            };
            assert!(
                passed.len() == to - from || furthest <= *from,
                "{:?} was overtaken, of {text:?} in {pieces:?}",
                &text[*from..*to]
            );
            furthest = furthest.max(*to);
            arrived[index] = true;
        }
        if arrived.iter().all(|piece| *piece) {
            return;
        }
    }
    panic!("stalled: {text:?} in {pieces:?}, {arrived:?}");
}

fn a_stream() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("PORT 10,0,0,1,4,1\r\n"),
        Just("EPRT |1|10.0.0.1|1027|\r\n"),
        Just("EPSV ALL\r\n"),
        Just("NOOP\r\n"),
        Just("P\r\n"),
        Just("\r\n"),
        Just("PORT 1,2\r\n"),
        Just("SITE this is a rather long line with a number 10,0,0,1,4,1 in it\r\n"),
    ];
    prop::collection::vec(line, 1..8).prop_map(|lines| lines.concat())
}

proptest! {
    /// What is found does not depend on how the stream was cut, in which order near segments came,
    /// and how often.
    #[test]
    fn cuts_do_not_matter(
        text in a_stream(),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
        swaps in prop::collection::vec(any::<bool>(), 12),
        again in prop::collection::vec(any::<bool>(), 13),
        window in 512..600usize,
        start in prop_oneof![any::<u32>(), u32::MAX - 60..=u32::MAX],
    ) {
        let mut whole = Firewall::<ftp::Session>::new(false);
        whole.pass(Original, start, text.as_bytes());
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces: Vec<(usize, usize)> = cuts.windows(2).map(|cut| (cut[0], cut[1])).collect();
        // Only next to each other, and not the first: nobody knows where that begins.
        for at in 1..pieces.len().saturating_sub(1) {
            if swaps[at] && !swaps[at - 1] {
                pieces.swap(at, at + 1);
            }
        }
        let mut firewall = Firewall::<ftp::Session>::new(false);
        firewall.window = window;
        for (index, (from, to)) in pieces.iter().enumerate() {
            let seq = start.wrapping_add(u32::try_from(*from).unwrap());
            for _ in 0..1 + usize::from(again[index]) {
                firewall.pass(Original, seq, text[*from..*to].as_bytes());
            }
        }
        let mut seen = firewall.seen.clone();
        seen.sort_unstable_by_key(|seen| seen.0.wrapping_sub(start));
        seen.dedup();
        prop_assert_eq!(seen, whole.seen, "{:?}", pieces.iter().map(|(from, to)| &text[*from..*to]).collect::<Vec<_>>());
    }

    /// With NAT, where segments are lost before the firewall and sent again: what has become longer has not
    /// been overtaken, and the session goes on.
    #[test]
    fn losses_with_nat(
        lines in prop::collection::vec(0..4usize, 1..9),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        lost in prop::collection::vec(any::<bool>(), 16),
        is_irc in any::<bool>(),
    ) {
        let all = if is_irc {
            [
                "PRIVMSG b :\x01DCC SEND f 167772161 5000 1\x01\r\n",
                "PRIVMSG b :hello 1\r\n",
                "PRIVMSG b :\x01ACTION x\x01\r\n",
                "JOIN #c\r\n",
            ]
        } else {
            ["PORT 10,0,0,1,4,1\r\n", "NOOP\r\n", "RETR f1\r\n", "EPRT |1|10.0.0.1|7|\r\n"]
        };
        // The first passes, so that it is known where a line begins.
        let text: String = std::iter::once(1).chain(lines).map(|at| all[at]).collect();
        let first = all[1].len();
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(text.len()).max(first)).collect();
        cuts.extend([0, first, text.len()]);
        // Most segments are lines.
        cuts.extend(text.match_indices('\n').map(|at| at.0 + 1).filter(|at| at % 7 != 0));
        cuts.sort_unstable();
        cuts.dedup();
        let pieces: Vec<(usize, usize)> = cuts.windows(2).map(|cut| (cut[0], cut[1])).collect();
        if is_irc {
            loses(&mut Firewall::<irc::Session>::new(true), &text, &pieces, &lost);
        } else {
            loses(&mut Firewall::<ftp::Session>::new(true), &text, &pieces, &lost);
        }
    }

    /// The same with NAT: what arrives is what would have arrived in one piece.
    #[test]
    fn cuts_do_not_matter_with_nat(
        text in a_stream(),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
        let mut firewall = Firewall::<ftp::Session>::new(true);
        let received = nat(&mut firewall, Original, &pieces);
        let wanted = text
            .replace("PORT 10,0,0,1,4,1", "PORT 192,168,100,200,4,1")
            .replace("|10.0.0.1|", "|192.168.100.200|");
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.escape_ascii().to_string()).collect();
        prop_assert_eq!(String::from_utf8(received).unwrap(), wanted, "{:?}", pieces);
    }
}
