// SPDX-License-Identifier: GPL-2.0

//! Lines of a connection: where they begin, all of a segment, windows of a payload.

mod common;

use common::{
    injected,
    ports,
    rest,
    segment, //
};
use conntrack_proto::{
    ftp::{
        emit,
        Kind,
        Session,
        LINE_MAX, //
    },
    stream::{
        LineSession,
        Segment, //
    },
    Direction,
    Text, //
};
use Direction::{
    Original,
    Reply, //
};

const PORT: &str = "PORT 10,0,0,1,4,1\r\n";
const NONE: [u16; 0] = [];

#[test]
fn first_segment_begins_a_line() {
    assert_eq!(ports(&mut injected(), Original, 7, PORT), [1025]);
    let mut session = injected();
    assert_eq!(
        ports(&mut session, Reply, 7, "227 (1,2,3,4,5,6)\r\n"),
        [1286]
    );
    // Each direction for itself.
    assert_eq!(ports(&mut session, Original, 9, PORT), [1025]);
    // But not once more.
    assert_eq!(ports(&mut session, Original, 1000, PORT), NONE);
    assert_eq!(
        ports(&mut session, Reply, 1000, "227 (1,2,3,4,5,6)\r\n"),
        NONE
    );
}

#[test]
fn directions_do_not_mix() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Reply, 0, PORT), NONE);
    assert_eq!(
        ports(&mut session, Original, 0, "227 (1,2,3,4,5,6)\r\n"),
        NONE
    );
    let next = |line: &str| u32::try_from(line.len()).unwrap();
    assert_eq!(
        ports(&mut session, Reply, next(PORT), "229 (|||5|)\r\n"),
        [5]
    );
    assert_eq!(ports(&mut session, Original, 19, PORT), [1025]);
}

#[test]
fn empty_segments_say_nothing() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Original, 500, ""), NONE);
    assert_eq!(session.snapshot(), injected().snapshot());
    assert_eq!(ports(&mut session, Original, 7, PORT), [1025]);
    let before = session.snapshot();
    assert_eq!(ports(&mut session, Original, 7, ""), NONE);
    assert_eq!(session.snapshot(), before);
}

#[test]
fn continues_after_a_newline_only() {
    for start in [
        0,
        1,
        1000,
        0x7fff_fff0,
        0x8000_0000,
        0xffff_fff0,
        0xffff_ffff,
    ] {
        let at = |offset: u32| offset.wrapping_add(start);
        let mut session = injected();
        assert_eq!(ports(&mut session, Original, at(0), "USER me\r\n"), NONE);
        assert_eq!(ports(&mut session, Original, at(9), PORT), [1025]);
        assert_eq!(ports(&mut session, Original, at(28), "STOR "), NONE);
        // The rest of a line is none, and the next segment knows.
        assert_eq!(ports(&mut session, Original, at(33), PORT), NONE);
        assert_eq!(ports(&mut session, Original, at(52), PORT), [1025]);
        // Something is missing.
        assert_eq!(ports(&mut session, Original, at(72), PORT), NONE);
        assert_eq!(ports(&mut session, Original, at(91), PORT), [1025]);
    }
}

#[test]
fn retransmission_is_found_again() {
    for start in [0, 0xffff_ffe0] {
        let at = |offset: u32| offset.wrapping_add(start);
        let mut session = injected();
        // The first segment has no newline before it to be known by.
        let first = segment(&mut session, Original, at(0), PORT.as_bytes());
        assert_eq!(first.len(), 1);
        assert!(first[0].may_count);
        // However often.
        for _ in 0..3 {
            let again = segment(&mut session, Original, at(0), PORT.as_bytes());
            assert_eq!((again.len(), again[0].port), (1, first[0].port));
            assert!(!again[0].may_count);
        }
        assert_eq!(
            ports(&mut session, Original, at(19), "EPRT |1|1.2.3.4|5|\r\n"),
            [5]
        );
        assert_eq!(
            ports(&mut session, Original, at(19), "EPRT |1|1.2.3.4|5|\r\n"),
            [5]
        );
        assert_eq!(
            ports(&mut session, Original, at(39), "EPRT |1|1.2.3.4|6|\r\n"),
            [6]
        );
        // Only the last two line starts are kept, as in mainline.
        assert_eq!(
            ports(&mut session, Original, at(39), "EPRT |1|1.2.3.4|6|\r\n"),
            [6]
        );
        assert_eq!(
            ports(&mut session, Original, at(19), "EPRT |1|1.2.3.4|5|\r\n"),
            NONE
        );
        assert_eq!(
            ports(&mut session, Original, at(59), "EPRT |1|1.2.3.4|7|\r\n"),
            [7]
        );
    }
}

/// An old segment that comes again must not make the session forget newer line starts.
#[test]
fn older_does_not_replace_newer() {
    for start in [0, 0xffff_fff0] {
        let at = |offset: u32| offset.wrapping_add(start);
        let mut session = injected();
        for line in 0..4 {
            assert_eq!(
                ports(&mut session, Original, at(line * 6), "NOOP\r\n"),
                NONE
            );
        }
        // Known are 18 and 24.
        assert_eq!(ports(&mut session, Original, at(0), "NOOP\r\n"), NONE);
        assert_eq!(ports(&mut session, Original, at(6), "NOOP\r\n"), NONE);
        assert_eq!(ports(&mut session, Original, at(18), PORT), [1025]);
        assert_eq!(ports(&mut session, Original, at(24), PORT), [1025]);
    }
}

/// Serial numbers more than half of their space apart count as the other way round.
#[test]
fn serial_number_arithmetic() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Original, 0, "NOOP\r\n"), NONE);
    // 0x7fffff00 behind is newer than the known 0 and 6.
    assert_eq!(ports(&mut session, Original, 0x7fff_ff00, "NOOP\r\n"), NONE);
    assert_eq!(ports(&mut session, Original, 0x7fff_ff06, PORT), [1025]);
    let mut session = injected();
    assert_eq!(ports(&mut session, Original, 0, "NOOP\r\n"), NONE);
    // More than half the space is before them.
    assert_eq!(ports(&mut session, Original, 0x8000_0100, "NOOP\r\n"), NONE);
    assert_eq!(ports(&mut session, Original, 0x8000_0106, PORT), NONE);
    assert_eq!(ports(&mut session, Original, 6, PORT), [1025]);
}

#[test]
fn pick_up_forgets() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Original, 0, "NOOP\r\n"), NONE);
    assert_eq!(ports(&mut session, Reply, 0, "200 ok\r\n"), NONE);
    session.pick_up();
    assert_eq!(session.snapshot(), injected().snapshot());
    assert_eq!(ports(&mut session, Original, 123_456, PORT), [1025]);
    assert_eq!(ports(&mut session, Reply, 654_321, "229 (|||5|)\r\n"), [5]);
    assert_eq!(ports(&mut session, Original, 777, PORT), NONE);
}

#[test]
fn told_is_kept_for_the_last() {
    let mut session = injected();
    let tell = |session: &Session, seq, port: u16| {
        session.tell(Kind::Port, seq, port.try_into().ok());
    };
    let told = |session: &Session, seq| {
        session
            .told(Kind::Port, seq)
            .map(|port| port.map_or(0, |port| port.get()))
    };
    // Nothing yet, at 0 neither.
    assert_eq!(told(&session, 0), None);
    tell(&session, u32::MAX, 1025);
    assert_eq!(told(&session, u32::MAX), Some(1025));
    assert_eq!(told(&session, 0), None);
    // Of this kind only: the other direction counts for itself.
    assert_eq!(session.told(Kind::Pasv, u32::MAX), None);
    // Line tracking does not touch it.
    assert_eq!(ports(&mut session, Original, 0, PORT), [1025]);
    assert_eq!(told(&session, u32::MAX), Some(1025));
    tell(&session, 0, 65535);
    assert_eq!(told(&session, 0), Some(65535));
    assert_eq!(told(&session, u32::MAX), None);
    // Left as it is, which is something else than never seen, or only believed.
    tell(&session, 0, 0);
    assert_eq!(told(&session, 0), Some(0));
    let found = segment(&mut session, Original, 19, PORT.as_bytes());
    session.admit(&found[0], 1).unwrap();
    assert_eq!(told(&session, 1), None);
    session.pick_up();
    assert_eq!(told(&session, 0), None);
}

#[test]
fn every_line_of_a_segment() {
    let mut session = injected();
    assert_eq!(
        ports(
            &mut session,
            Reply,
            0,
            "226 Transfer complete.\r\n227 Entering Passive Mode (10,0,0,1,4,1).\r\n200 (1,2,3,4,5,6)\r\n"
        ),
        [1025]
    );
    let pipelined = "TYPE I\r\nPORT 1,2,3,4,0,1\r\nPORT 1,2,3\r\nport 1,2,3,4,0,2\nEPRT |1|1.2.3.4|3|\r\n\r\n\nRETR a\r\nPORT 1,2,3,4,0,4\r\n";
    assert_eq!(ports(&mut session, Original, 0, pipelined), [1, 2, 3, 4]);
    // A reply of several lines: its first, and its last if that has nothing.
    let mut session = injected();
    assert_eq!(
        ports(
            &mut session,
            Reply,
            0,
            "227-Here (1,2,3,4,0,1)\r\n 227 as well (1,2,3,4,0,2)\r\n229 (|||5|)\r\n227 Now (1,2,3,4,0,3)\r\n"
        ),
        [1]
    );
    let mut session = injected();
    assert_eq!(
        ports(
            &mut session,
            Reply,
            0,
            "227-Here\r\n 227 as well (1,2,3,4,0,2)\r\n227 Now (1,2,3,4,0,3)\r\n"
        ),
        [3]
    );
    // Two announcements in one line are one.
    let mut session = injected();
    assert_eq!(
        ports(
            &mut session,
            Reply,
            0,
            "227 (1,2,3,4,0,1) 227 (1,2,3,4,0,2)\r\n229 (|||3|) 229 (|||4|)"
        ),
        [1, 3]
    );
    // A carriage return does not end a line.
    let mut session = injected();
    assert_eq!(
        ports(&mut session, Original, 0, "NOOP\rPORT 1,2,3,4,0,1\r\n"),
        NONE
    );
}

/// A segment that does not begin at a known line start: what follows its first newline certainly
/// does.
#[test]
fn lines_after_an_unknown_start() {
    let mut session = injected();
    assert_eq!(ports(&mut session, Original, 0, "NOOP\r\n"), NONE);
    assert_eq!(
        ports(
            &mut session,
            Original,
            999,
            &format!("{PORT}{PORT}NOOP\r\n")
        ),
        [1025]
    );
    assert_eq!(ports(&mut session, Original, 5000, "no newline"), NONE);
}

#[test]
fn unfinished_line_is_not_announced() {
    let mut session = injected();
    for cut in 0..PORT.len() - 1 {
        session.pick_up();
        let text = format!("NOOP\r\n{}", &PORT[..cut]);
        let mut cursor = session.enter(
            Original,
            Segment {
                seq: 0,
                len: text.len(),
                ends_in_newline: false,
            },
        );
        let found = rest(&mut session, Original, text.as_bytes(), &mut cursor);
        // With the carriage return it is finished.
        assert_eq!(found.len(), usize::from(cut == PORT.len() - 1), "{text:?}");
        assert_eq!(cursor.offset(), 6, "{text:?}");
    }
}

/// Rewrites each announcement in place as a NAT helper does, with a text of another length.
#[test]
fn rewriting() {
    for port in [1, 65535] {
        let mut bytes = Vec::from(
            "PORT 10,0,0,1,4,1\r\nNOOP\r\nPORT 10,0,0,1,4,2\r\nEPRT |1|10.0.0.1|1027|\r\n",
        );
        let session = injected();
        let mut cursor = session.enter(
            Original,
            Segment {
                seq: 0,
                len: bytes.len(),
                ends_in_newline: true,
            },
        );
        let mut seen = Vec::new();
        while let Some(found) = session.next(Original, &bytes, &mut cursor) {
            seen.push(found.port.get());
            let mut text = Text::new();
            let new = emit(
                found.kind,
                "192.168.100.200".parse().unwrap(),
                port.try_into().unwrap(),
                &mut text,
            )
            .unwrap();
            bytes.splice(found.span.start()..found.span.end(), new.iter().copied());
            let growth =
                i32::try_from(new.len()).unwrap() - i32::try_from(found.span.len()).unwrap();
            cursor.grow(growth);
            assert_eq!(cursor.offset(), found.span.start() + new.len());
        }
        assert_eq!(seen, [1025, 1026, 1027]);
        assert_eq!(cursor.offset(), bytes.len());
        let high = port >> 8;
        let low = port & 0xff;
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("PORT 192,168,100,200,{high},{low}\r\nNOOP\r\nPORT 192,168,100,200,{high},{low}\r\nEPRT |1|192.168.100.200|{port}|\r\n")
        );
    }
}

#[test]
fn emits() {
    let text = |kind, address: &str, port: u16| {
        let mut text = Text::new();
        // What was in it before does not matter.
        emit(
            Kind::Epsv,
            "::".parse().unwrap(),
            65535.try_into().unwrap(),
            &mut text,
        );
        emit(
            kind,
            address.parse().unwrap(),
            port.try_into().unwrap(),
            &mut text,
        )
        .map(|text| String::from_utf8(text.to_vec()).unwrap())
    };
    assert_eq!(
        text(Kind::Port, "10.0.255.1", 1025).unwrap(),
        "10,0,255,1,4,1"
    );
    assert_eq!(
        text(Kind::Pasv, "192.168.100.200", 65535).unwrap(),
        "192,168,100,200,255,255"
    );
    assert_eq!(
        text(Kind::Eprt, "192.168.100.200", 65535).unwrap(),
        "|1|192.168.100.200|65535|"
    );
    assert_eq!(
        text(Kind::Eprt, "2001:db8::1", 10).unwrap(),
        "|2|2001:db8:0:0:0:0:0:1|10|"
    );
    let longest = text(Kind::Eprt, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fedc", 65535).unwrap();
    assert_eq!(longest, "|2|ffff:ffff:ffff:ffff:ffff:ffff:ffff:fedc|65535|");
    assert!(longest.len() <= Text::CAPACITY);
    assert_eq!(text(Kind::Epsv, "::", 6446).unwrap(), "|||6446|");
    assert_eq!(text(Kind::Epsv, "1.2.3.4", 1).unwrap(), "|||1|");
    assert_eq!(text(Kind::Port, "::1", 1), None);
    assert_eq!(text(Kind::Pasv, "::ffff:1.2.3.4", 1), None);
}

/// However long a line is, a window of [`LINE_MAX`] bytes gets behind it.
#[test]
fn windows_always_advance() {
    for line in [
        "227 ",
        "227 1,",
        "229 (",
        "229 (|||1",
        "PORT ",
        "EPRT |2|1:",
        "x",
        "2",
        "P",
    ] {
        for direction in [Original, Reply] {
            let payload = line.repeat(1000);
            let payload = payload.as_bytes();
            let session = injected();
            let mut cursor = session.enter(
                direction,
                Segment {
                    seq: 0,
                    len: payload.len(),
                    ends_in_newline: false,
                },
            );
            let mut base = 0;
            while base + LINE_MAX <= payload.len() {
                let window = &payload[base..base + LINE_MAX];
                assert_eq!(session.next(direction, window, &mut cursor), None);
                let by = cursor.offset();
                assert!(by > 0, "{line:?}");
                base += by;
                cursor.slide(by);
                assert_eq!(cursor.offset(), 0);
            }
        }
    }
}

/// Bytes that are not those of before, so that the cursor is behind their end.
#[test]
fn cursor_out_of_bounds() {
    let session = injected();
    let mut cursor = session.enter(
        Original,
        Segment {
            seq: 0,
            len: 100,
            ends_in_newline: true,
        },
    );
    assert_eq!(session.next(Original, &[b'x'; 100], &mut cursor), None);
    assert_eq!(session.next(Original, PORT.as_bytes(), &mut cursor), None);
    cursor.slide(usize::MAX);
    assert_eq!(cursor.offset(), 0);
}
