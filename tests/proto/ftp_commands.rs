// SPDX-License-Identifier: GPL-2.0

//! `PORT` and `EPRT`.

mod common;

use common::{
    announces,
    rejects, //
};
use conntrack_proto::{
    ftp::{
        Kind,
        LINE_MAX, //
    },
    Direction,
    Reject, //
};

#[track_caller]
fn port(line: &str, address: &str, port: u16, text: &str) {
    announces(Kind::Port, line, Some(address), port, text);
}

#[track_caller]
fn eprt(line: &str, address: &str, port: u16, text: &str) {
    announces(Kind::Eprt, line, Some(address), port, text);
}

#[track_caller]
fn malformed(line: &str) {
    rejects(Direction::Original, line, Reject::Malformed);
}

#[track_caller]
fn not_ours(line: &str) {
    rejects(Direction::Original, line, Reject::NotOurs);
}

#[track_caller]
fn incomplete(line: &str) {
    rejects(Direction::Original, line, Reject::Incomplete);
}

#[test]
fn port_forms() {
    port(
        "PORT 192,168,1,2,7,138\r\n",
        "192.168.1.2",
        1930,
        "192,168,1,2,7,138",
    );
    port(
        "port 192,168,1,2,7,138\r\n",
        "192.168.1.2",
        1930,
        "192,168,1,2,7,138",
    );
    port(
        "PoRt 192,168,1,2,7,138\n",
        "192.168.1.2",
        1930,
        "192,168,1,2,7,138",
    );
    port("PORT   10,0,0,1,4,0\r\n", "10.0.0.1", 1024, "10,0,0,1,4,0");
    port("PORT 10,0,0,1,4,0 \r\n", "10.0.0.1", 1024, "10,0,0,1,4,0");
    port("PORT 10,0,0,1,4,0  \n", "10.0.0.1", 1024, "10,0,0,1,4,0");
    port(
        "PORT 010,000,00,001,004,0000\r\n",
        "10.0.0.1",
        1024,
        "010,000,00,001,004,0000",
    );
    port(
        "PORT 1,2,3,4,5,6\r\nPORT 6,5,4,3,2,1\r\n",
        "1.2.3.4",
        1286,
        "1,2,3,4,5,6",
    );
}

#[test]
fn port_limits() {
    port(
        "PORT 255,255,255,255,255,255\r\n",
        "255.255.255.255",
        65535,
        "255,255,255,255,255,255",
    );
    port("PORT 0,0,0,0,0,1\r\n", "0.0.0.0", 1, "0,0,0,0,0,1");
    port("PORT 0,0,0,0,1,0\r\n", "0.0.0.0", 256, "0,0,0,0,1,0");
    for at in 0..6 {
        for number in [
            "256",
            "65536",
            "4294967296",
            "18446744073709551617",
            "-1",
            "+1",
            "",
            " 1",
            "0x1",
            "a",
        ] {
            let mut numbers = ["1"; 6];
            numbers[at] = number;
            let line = format!("PORT {}\r\n", numbers.join(","));
            // The first of them may have more spaces before it.
            if (at, number) != (0, " 1") {
                malformed(&line);
            }
        }
    }
    malformed("PORT 10,0,0,1,0,0\r\n");
}

#[test]
fn port_malformed() {
    malformed("PORT \r\n");
    malformed("PORT 1,2,3,4,5\r\n");
    malformed("PORT 1,2,3,4,5,\r\n");
    malformed("PORT 1,2,3,4,5,6,7\r\n");
    malformed("PORT 1,2,3,4,5,6,\r\n");
    malformed("PORT 1,2,3,4,5,6.\r\n");
    malformed("PORT 1,2,3,4,5,6 x\r\n");
    malformed("PORT 1,2,3,4,5,6\0\r\n");
    malformed("PORT ,1,2,3,4,5,6\r\n");
    malformed("PORT 1.2.3.4,5,6\r\n");
    malformed("PORT 1, 2,3,4,5,6\r\n");
    malformed("PORT (1,2,3,4,5,6)\r\n");
    malformed("PORT 1,2,3\r\nPORT 4,5,6\r\n");
    malformed("PORT \t1,2,3,4,5,6\r\n");
}

#[test]
fn port_incomplete() {
    for line in [
        "",
        "P",
        "PO",
        "POR",
        "PORT",
        "PORT ",
        "PORT 1",
        "PORT 1,2,3,4,5,6",
        "PORT 1,2,3,4,5,6 ",
        "PORT 25",
    ] {
        incomplete(line);
    }
}

#[test]
fn other_commands() {
    for line in [
        "USER anonymous\r\n",
        "PASV\r\n",
        "EPSV\r\n",
        "EPSV ALL\r\n",
        "PORT\r\n",
        "EPRT\r\n",
        "PORTS 1,2,3,4,5,6\r\n",
        "PORT\t1,2,3,4,5,6\r\n",
        " PORT 1,2,3,4,5,6\r\n",
        "XPORT 1,2,3,4,5,6\r\n",
        "SITE PORT 1,2,3,4,5,6\r\n",
        "LPRT 4,4,1,2,3,4,2,5,6\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,6)\r\n",
        "\r\n",
        "\n",
        "a\nPORT 1,2,3,4,5,6\r\n",
        "\u{10}ORT 1,2,3,4,5,6\r\n",
        "PO2T 1,2,3,4,5,6\r\n",
    ] {
        not_ours(line);
    }
    // Telnet's interrupt before `ABOR`.
    let abort = [0xff, 0xf4, 0xff, 0xf2, b'A', b'B', b'O', b'R', b'\r', b'\n'];
    assert_eq!(
        conntrack_proto::ftp::parse(Direction::Original, &abort),
        Err(Reject::NotOurs)
    );
}

/// A byte that is no letter must not pass for one when case is folded.
#[test]
fn verbs_are_exact() {
    for (verb, rest) in [("PORT", " 1,2,3,4,5,6\r\n"), ("EPRT", " |1|1.2.3.4|5|\r\n")] {
        for at in 0..4 {
            for byte in 0..=255_u8 {
                let mut line = format!("{verb}{rest}").into_bytes();
                let same = line[at].eq_ignore_ascii_case(&byte);
                line[at] = byte;
                let parsed = conntrack_proto::ftp::parse(Direction::Original, &line);
                assert_eq!(parsed.is_ok(), same, "{verb} with {byte:#x} at {at}");
            }
        }
    }
}

#[test]
fn eprt_ipv4() {
    eprt(
        "EPRT |1|132.235.1.2|6275|\r\n",
        "132.235.1.2",
        6275,
        "|1|132.235.1.2|6275|",
    );
    eprt(
        "eprt |1|132.235.1.2|6275|\n",
        "132.235.1.2",
        6275,
        "|1|132.235.1.2|6275|",
    );
    eprt(
        "EpRt  |1|132.235.1.2|6275| \r\n",
        "132.235.1.2",
        6275,
        "|1|132.235.1.2|6275|",
    );
    eprt(
        "EPRT |1|010.000.00.1|006275|\r\n",
        "10.0.0.1",
        6275,
        "|1|010.000.00.1|006275|",
    );
    eprt(
        "EPRT |1|255.255.255.255|65535|\r\n",
        "255.255.255.255",
        65535,
        "|1|255.255.255.255|65535|",
    );
    eprt("EPRT |1|0.0.0.0|1|\r\n", "0.0.0.0", 1, "|1|0.0.0.0|1|");
    // As mainline, what follows does not matter.
    eprt("EPRT |1|1.2.3.4|5|x\r\n", "1.2.3.4", 5, "|1|1.2.3.4|5|");
}

#[test]
fn eprt_ipv6() {
    for (text, same) in [
        ("1080::8:800:200C:417A", "1080::8:800:200c:417a"),
        ("1080:0:0:0:8:800:200C:417A", "1080::8:800:200c:417a"),
        ("fe80::1", "fe80::1"),
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("2001:db8::ff00:42:8329", "2001:db8::ff00:42:8329"),
        (
            "2001:0DB8:0000:0000:0000:FF00:0042:8329",
            "2001:db8::ff00:42:8329",
        ),
        ("::ffff:192.0.2.128", "::ffff:c000:280"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
    ] {
        eprt(
            &format!("EPRT |2|{text}|5282|\r\n"),
            same,
            5282,
            &format!("|2|{text}|5282|"),
        );
        eprt(
            &format!("eprt !2!{text}!65535!\n"),
            same,
            65535,
            &format!("!2!{text}!65535!"),
        );
    }
    for text in [
        "",
        ":",
        ":::",
        "1",
        "1.2.3.4",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "fe80::1%eth0",
        "g::",
        "[::1]",
        " ::1",
        "::1 ",
        "::256.1.1.1",
        "1::2::3",
    ] {
        malformed(&format!("EPRT |2|{text}|5282|\r\n"));
    }
}

#[test]
fn eprt_delimiters() {
    for byte in 0..=127_u8 {
        let d = char::from(byte);
        let allowed = (33..=126).contains(&byte) && !byte.is_ascii_digit();
        let v4 = format!("{d}1{d}10.1.2.3{d}4096{d}");
        if allowed {
            eprt(&format!("EPRT {v4}\r\n"), "10.1.2.3", 4096, &v4);
        } else if d != ' ' {
            malformed(&format!("EPRT {v4}\r\n"));
        }
        // It must not stand in the address, which it would end.
        let v6 = format!("{d}2{d}2001:db8::1{d}4096{d}");
        if allowed && !matches!(d, 'd' | 'b' | ':') {
            eprt(&format!("EPRT {v6}\r\n"), "2001:db8::1", 4096, &v6);
        } else if d != ' ' {
            malformed(&format!("EPRT {v6}\r\n"));
        }
    }
}

#[test]
fn eprt_malformed() {
    // Known at once.
    malformed("EPRT 1");
    malformed("EPRT |3");
    malformed("EPRT |2|x");
    for argument in [
        "",
        "|1|1.2.3.4|0|",
        "|1|1.2.3.4|65536|",
        "|1|1.2.3.4|65537|",
        "|1|1.2.3.4|4294967297|",
        "|1|1.2.3.4|18446744073709551617|",
        "|1|1.2.3.4||",
        "|1|1.2.3.4|5",
        "|1|1.2.3.4|5!",
        "|1|1.2.3.4|-5|",
        "|1|1.2.3.256|5|",
        "|1|256.2.3.4|5|",
        "|1|1.2.3|5|",
        "|1|1.2.3.4.5|5|",
        "|1|1.2..4|5|",
        "|1||5|",
        "|1|::1|5|",
        "|1|1,2,3,4|5|",
        "|0|1.2.3.4|5|",
        "|3|1.2.3.4|5|",
        "|11|1.2.3.4|5|",
        "||1.2.3.4|5|",
        "|1!1.2.3.4|5|",
        "|1|1.2.3.4!5|",
        "1.2.3.4,5",
        "|",
        "|1",
        "|1|",
        "|1|1.2.3.4",
        "|1|1.2.3.4|",
        "|2",
        "|2|",
        "|2|::1",
        "|2|::1|0|",
        "|2|::1|65536|",
    ] {
        malformed(&format!("EPRT {argument}\r\n"));
        malformed(&format!("EPRT {argument}\n"));
    }
}

#[test]
fn line_max() {
    let line = |spaces: usize| format!("PORT{}1,2,3,4,5,6\r\n", " ".repeat(spaces));
    let fits = LINE_MAX - "PORT1,2,3,4,5,6\r".len();
    port(&line(fits), "1.2.3.4", 1286, "1,2,3,4,5,6");
    malformed(&line(fits + 1));
    malformed(&format!("PORT{}", " ".repeat(100_000)));
    incomplete(&format!("PORT{}", " ".repeat(LINE_MAX - 5)));
    malformed(&format!("PORT{}", " ".repeat(LINE_MAX - 4)));
}
