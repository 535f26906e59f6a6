// SPDX-License-Identifier: GPL-2.0

//! Lines of an IRC connection, and the ports that NAT changed.

#[path = "common/irc.rs"]
mod common;

use common::{
    injected,
    ports,
    rest,
    segment,
    session,
    whole, //
};
use conntrack_proto::{
    irc::{
        emit,
        Kind,
        Session,
        LINE_MAX, //
    },
    stream::{
        LineSession, //
    },
    Direction::{
        Original,
        Reply, //
    },
    Text, //
};
use std::num::NonZeroU16;

const SEND: &str = "PRIVMSG nick :\x01DCC SEND f 167772161 5000 1\x01\r\n";
const RESUME: &str = ":nick!u@h PRIVMSG me :\x01DCC RESUME f 5000 512\x01\r\n";
const NONE: [u16; 0] = [];

fn len(text: &str) -> u32 {
    text.len().try_into().unwrap()
}

fn port(port: u16) -> NonZeroU16 {
    port.try_into().unwrap()
}

#[test]
fn state_is_small_and_initially_zero() {
    assert!(size_of::<Session>() <= 32);
    assert_eq!(Session::new().snapshot(), [0; 4]);
}

/// First seen, continued, lost, found again: by sequence numbers, as in FTP.
#[test]
fn segments_begin_lines() {
    for start in [0, 1, 0x7fff_ff00, 0xffff_ffd0, 0xffff_ffff] {
        let at = |offset: u32| offset.wrapping_add(start);
        let mut session = injected();
        assert_eq!(ports(&mut session, Original, at(0), SEND), [5000]);
        // Again.
        assert_eq!(ports(&mut session, Original, at(0), SEND), [5000]);
        let next = len(SEND);
        assert_eq!(ports(&mut session, Original, at(next), "PRIVMSG a :"), NONE);
        let inside = next + len("PRIVMSG a :");
        assert_eq!(ports(&mut session, Original, at(inside), SEND), NONE);
        let next = inside + len(SEND);
        assert_eq!(ports(&mut session, Original, at(next), SEND), [5000]);
        // Something is missing.
        assert_eq!(ports(&mut session, Original, at(next + 500), SEND), NONE);
        let next = next + 500 + len(SEND);
        assert_eq!(ports(&mut session, Original, at(next), SEND), [5000]);
        session.pick_up();
        assert_eq!(session.snapshot(), injected().snapshot());
        assert_eq!(ports(&mut session, Original, at(next + 99), SEND), [5000]);
    }
}

/// What the first segment says is kept even if it begins at 0 or ends inside a line.
#[test]
fn first_segment_at_zero() {
    for start in [0, 1, u32::MAX] {
        let mut session = injected();
        assert_eq!(ports(&mut session, Original, start, "PRIVMSG a :"), NONE);
        assert_ne!(session.snapshot(), injected().snapshot());
        let next = start.wrapping_add(11);
        assert_eq!(ports(&mut session, Original, next, SEND), NONE);
    }
}

/// From the server only what is about a changed port is of interest.
#[test]
fn replies_matter_only_after_nat() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Reply, 0, RESUME), NONE);
    assert_eq!(session.snapshot(), injected().snapshot());
    session.tell(port(4000), port(5000));
    assert_eq!(ports(&mut session, Reply, 1000, RESUME), [5000]);
    assert_eq!(ports(&mut session, Reply, 2000, RESUME), NONE);
    // The port is free again, so the next offer is not changed.
    session.tell(port(4000), port(4000));
    assert_eq!(ports(&mut session, Reply, 2000 + len(RESUME), RESUME), NONE);
    // What lines there were meanwhile nobody knows.
    session.tell(port(4000), port(5000));
    assert_eq!(ports(&mut session, Reply, 9000, RESUME), [5000]);
    session.tell(port(4001), port(5001));
    assert_eq!(ports(&mut session, Reply, 19000, RESUME), NONE);
}

#[test]
fn every_line_of_a_segment() {
    let text = format!(
        "NICK a\r\n{SEND}PRIVMSG #c :hello\r\nPRIVMSG b :\x01ACTION is\x01\r\n\r\n\nNOTICE b :\x01DCC \
         CHAT chat 1 2\x01\nPRIVMSG b :\x01DCC SEND f 1 0 3\x01\r\n@t=1 :me PRIVMSG b :\x01DCC SEND \
         \"x y\" ::1 3 4\x01\r\nPRIVMSG b :\x01DCC SEND f 1 65558 3\x01\r\nPRIVMSG b :\x01DCC ACCEPT f \
         4 5\x01\r\n"
    );
    assert_eq!(
        ports(&mut session(), Original, 0, &text),
        [5000, 2, 3, 4],
        "{text:?}"
    );
    assert_eq!(ports(&mut session(), Reply, 0, &text), NONE);
    let text = format!(":s PING\r\n{RESUME}{SEND}{RESUME}");
    assert_eq!(ports(&mut session(), Reply, 0, &text), [5000, 5000]);
    assert_eq!(ports(&mut session(), Original, 0, &text), [5000]);
    // A carriage return does not end a line.
    let text = format!("NICK a\r{SEND}");
    assert_eq!(ports(&mut session(), Original, 0, &text), NONE);
}

#[test]
fn several_in_a_line() {
    let line = |text: &str| {
        let line = format!("PRIVMSG nick :{text}\r\n");
        ports(&mut session(), Original, 0, &line)
    };
    let one = |port: u16| format!("\x01DCC SEND f 1 {port} 1\x01");
    let (a, b, c) = (one(1), one(2), one(3));
    assert_eq!(line(&format!("{a}{b}{c}")), [1, 2, 3]);
    assert_eq!(line(&format!("{a} and {b} and {c}.")), [1, 2, 3]);
    let passive = one(0);
    assert_eq!(line(&format!("{passive}{a}{passive}{b}")), [1, 2]);
    assert_eq!(
        line("\x01DCC ACCEPT f 1 2\x01\x01DCC CHAT chat 3 4\x01"),
        [1, 4]
    );
    // Only DCC may stand before: what an attacker has somebody echo does not count.
    for before in [
        "\x01PING 1\x01",
        "\x01PING \x01",
        "\x01ERRMSG \x01",
        "\x01DCC REJECT SEND \x01",
        "\x01DCC SEND f 1 65536 1\x01",
        "\x01DCC RESUME f 1 1\x01",
        "\x01\x01",
        "\x01",
        "text ",
    ] {
        assert_eq!(line(&format!("{before}{a}")), NONE, "{before:?}");
        assert_eq!(line(&format!("{b}{before}{a}")).len(), {
            // Text between two is only text.
            1 + usize::from(before == "text ")
        });
    }
    // One delimiter ends the first and does not begin another.
    assert_eq!(line("\x01DCC SEND f 1 2 3\x01DCC SEND f 1 4 5\x01"), [2]);
    assert_eq!(line("\x01DCC SEND f 1 2\x01\x01DCC SEND f 1 4"), [2, 4]);
}

/// Rewrites each announcement in place as a NAT helper does, with a text of another length.
#[test]
fn rewriting() {
    for (address, new) in [
        ("1.2.3.4", 1),
        ("255.255.255.255", 65535),
        ("2001:db8::1", 1024),
    ] {
        let mut bytes = Vec::from(
            "PRIVMSG a :\x01DCC SEND \"a b\" 167772161 5000 1\x01\x01DCC CHAT chat 10.0.0.1   \
             22222\x01\r\nPRIVMSG a :\x01DCC ACCEPT f 5001 1\x01\r\n",
        );
        let session = session();
        let entered = session.clone();
        let mut cursor = entered.enter(Original, whole(0, &bytes));
        let mut seen = Vec::new();
        while let Some(found) = session.next(Original, &bytes, &mut cursor) {
            seen.push(found.port.get());
            let mut text = Text::new();
            let text = emit(found.kind, address.parse().unwrap(), port(new), &mut text);
            bytes.splice(found.span.start()..found.span.end(), text.iter().copied());
            let by = text.len() as isize - found.span.len() as isize;
            cursor.grow(by.try_into().unwrap());
        }
        assert_eq!(seen, [5000, 22222, 5001]);
        assert_eq!(cursor.offset(), bytes.len());
        let number = match address.parse().unwrap() {
            std::net::IpAddr::V4(v4) => u32::from(v4).to_string(),
            std::net::IpAddr::V6(_) => "2001:db8:0:0:0:0:0:1".to_string(),
        };
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!(
                "PRIVMSG a :\x01DCC SEND \"a b\" {number} {new} 1\x01\x01DCC CHAT chat {number} \
                 {new}\x01\r\nPRIVMSG a :\x01DCC ACCEPT f {new} 1\x01\r\n"
            )
        );
    }
}

#[test]
fn emits() {
    let text = |kind, address: &str, number| {
        let mut text = Text::new();
        // What was in it before does not matter.
        emit(Kind::Offer, "::".parse().unwrap(), port(65535), &mut text);
        let text = emit(kind, address.parse().unwrap(), port(number), &mut text);
        String::from_utf8(text.to_vec()).unwrap()
    };
    assert_eq!(text(Kind::Offer, "192.168.1.1", 1), "3232235777 1");
    assert_eq!(text(Kind::Offer, "0.0.0.0", 65535), "0 65535");
    assert_eq!(
        text(Kind::Offer, "255.255.255.255", 65535),
        "4294967295 65535"
    );
    assert_eq!(text(Kind::Offer, "::1", 5000), "0:0:0:0:0:0:0:1 5000");
    let longest = text(
        Kind::Offer,
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fedc",
        65535,
    );
    assert_eq!(longest, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fedc 65535");
    assert!(longest.len() < Text::CAPACITY);
    for kind in [Kind::Accept, Kind::Resume] {
        assert_eq!(text(kind, "1.2.3.4", 5000), "5000");
        assert_eq!(text(kind, "::1", 1), "1");
    }
}

/// Offer, retransmission, resumption and acceptance of a file whose port NAT changed.
#[test]
fn resume_under_nat() {
    let mut session = injected();
    let found = segment(&mut session, Original, 0, SEND.as_bytes());
    assert_eq!(found[0].instead, None);
    session.tell(port(5000), port(1024));
    // The same has to be said again.
    let found = segment(&mut session, Original, 0, SEND.as_bytes());
    assert_eq!(found[0].instead, Some(port(1024)));
    // The peer knows the new port.
    let resume = RESUME.replace("5000", "1024");
    let found = segment(&mut session, Reply, 0, resume.as_bytes());
    assert_eq!(found[0].kind, Kind::Resume);
    assert_eq!(found[0].instead, Some(port(5000)));
    let accept = b"PRIVMSG nick :\x01DCC ACCEPT f 5000 512\x01\r\n";
    let found = segment(&mut session, Original, len(SEND), accept);
    assert_eq!(found[0].kind, Kind::Accept);
    assert_eq!(found[0].instead, Some(port(1024)));
    // Not each for the other.
    let found = segment(&mut session, Reply, len(RESUME), RESUME.as_bytes());
    assert_eq!(found[0].instead, None);
}

/// Something that may become an announcement stays; the rest of the payload is dealt with.
#[test]
fn unfinished_message_is_left() {
    let session = session();
    for cut in 0..=SEND.len() {
        let text = format!("NICK a\r\n{}", &SEND[..cut]);
        let entered = session.clone();
        let mut cursor = entered.enter(Original, whole(0, text.as_bytes()));
        let found = rest(&session, Original, text.as_bytes(), &mut cursor);
        let until_port = SEND.find("5000").unwrap() + 4;
        assert_eq!(found.len(), usize::from(cut > until_port), "{text:?}");
        if cut <= until_port {
            // At the message or, once that is known, at the DCC.
            let text = if cut > SEND.find('\x01').unwrap() {
                14
            } else {
                0
            };
            assert_eq!(cursor.offset(), 8 + text);
        } else {
            assert_eq!(cursor.offset(), text.len());
        }
    }
}

/// However long a line is, a window of [`LINE_MAX`] bytes gets behind it.
#[test]
fn windows_always_advance() {
    for line in [
        "PRIVMSG ",
        "PRIVMSG :",
        "@",
        ":",
        " ",
        "@a=b ",
        "\x01",
        "PRIVMSG a :\x01DCC SEND \"",
        "PRIVMSG a :\x01DCC SEND f 1 2\x01",
        "\"",
        "P",
        "N",
    ] {
        for direction in [Original, Reply] {
            let payload = line.repeat(1000);
            let payload = payload.as_bytes();
            let session = session();
            let entered = session.clone();
            let mut cursor = entered.enter(direction, whole(0, payload));
            let mut base = 0;
            while base + LINE_MAX <= payload.len() {
                let window = &payload[base..base + LINE_MAX];
                rest(&session, direction, window, &mut cursor);
                let by = cursor.offset();
                assert!(by > 0, "{line:?}");
                base += by;
                cursor.slide(by);
            }
        }
    }
}

/// What is known of a segment is known wherever in it the cursor stands.
#[test]
fn cursor_knows_its_segment() {
    let session = injected();
    let bytes = b"PRIVMSG a :\x01DCC SEND f 1 ";
    for is_again in [false, true] {
        let mut cursor = session.enter(Original, whole(7, bytes));
        assert_eq!(cursor.is_again(), is_again);
        assert_eq!(session.next(Original, bytes, &mut cursor), None);
        assert!(cursor.offset() > 0);
        assert_eq!(cursor.is_again(), is_again);
    }
}
