// SPDX-License-Identifier: GPL-2.0

//! Addresses and ports in DCC.

#[path = "common/irc.rs"]
mod common;

use common::{
    announces,
    rejects, //
};
use conntrack_proto::{
    irc::Kind,
    Direction::{
        Original,
        Reply, //
    },
    Reject, //
};

#[track_caller]
fn dcc(dcc: &str, address: &str, port: u16, text: &str) {
    let line = format!("PRIVMSG nick :\x01DCC {dcc}\x01\r\n");
    announces(Kind::Offer, line.as_bytes(), Some(address), port, text);
}

#[track_caller]
fn malformed(dcc: &str) {
    let line = format!("PRIVMSG nick :\x01DCC {dcc}\x01\r\n");
    rejects(Original, line.as_bytes(), Reject::Malformed);
}

#[test]
fn numbers() {
    dcc("SEND f 0 65535 1", "0.0.0.0", 65535, "0 65535");
    dcc(
        "SEND f 4294967295 1 1",
        "255.255.255.255",
        1,
        "4294967295 1",
    );
    dcc(
        "SEND f 0003232235777 0005000 1",
        "192.168.1.1",
        5000,
        "0003232235777 0005000",
    );
    for address in [
        "4294967296",
        "8589934592",
        "12345678901",
        "18446744073709551616",
        "18446744076941787393",
        "340282366920938463463374607431768211457",
        "-1",
        "+1",
        "0x10",
        "1a",
        "a",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1..2.3",
        ".1.2.3",
        "1.2.3.",
        "1.2.3.65537",
        "1.2.3.a",
        "example.org",
        ":",
        ":::",
        "1:2",
        "1:2:3:4:5:6:7:8:9",
        "::10000",
        "[::1]",
        "fe80::1%eth0",
        "::1.2.3.256",
    ] {
        malformed(&format!("SEND f {address} 5000 1"));
    }
    for port in [
        "65536",
        "65558",
        "70000",
        "4294967296",
        "4294972296",
        "18446744073709556616",
        "-1",
        "+1",
        "0x10",
        "a",
        "5000a",
        "5000,",
        "",
    ] {
        malformed(&format!("SEND f 1 {port}"));
        malformed(&format!("ACCEPT f {port}"));
        let line = format!(":a!b@c PRIVMSG me :\x01DCC RESUME f {port}\x01\r\n");
        rejects(Reply, line.as_bytes(), Reject::Malformed);
    }
}

#[test]
fn addresses_as_text() {
    dcc(
        "SEND f 192.168.1.1 5000 1",
        "192.168.1.1",
        5000,
        "192.168.1.1 5000",
    );
    dcc(
        "CHAT chat 010.000.0.01 5000",
        "10.0.0.1",
        5000,
        "010.000.0.01 5000",
    );
    dcc(
        "CHAT chat FE80::ABCD 5000",
        "fe80::abcd",
        5000,
        "FE80::ABCD 5000",
    );
    dcc(
        "CHAT chat 1:2:3:4:5:6:7:8 5000",
        "1:2:3:4:5:6:7:8",
        5000,
        "1:2:3:4:5:6:7:8 5000",
    );
    dcc("CHAT chat :: 5000", "::", 5000, ":: 5000");
    dcc(
        "CHAT chat ::ffff:10.0.0.1 5000",
        "::ffff:10.0.0.1",
        5000,
        "::ffff:10.0.0.1 5000",
    );
}

/// They ask the other side to listen, and so need nothing.
#[test]
fn passive() {
    for dcc in [
        "SEND file 199 0 1234 7",
        "SEND \"my file\" 3232235777 0 1234 7",
        "SEND f ::1 000 1 7",
        "CHAT chat 16843009 0 7",
        "ACCEPT f 0 512 7",
    ] {
        let line = format!("PRIVMSG nick :\x01DCC {dcc}\x01\r\n");
        rejects(Original, line.as_bytes(), Reject::NotOurs);
    }
    let line = b":a!b@c PRIVMSG me :\x01DCC RESUME file 0 512 7\x01\r\n";
    rejects(Reply, line, Reject::NotOurs);
}

#[test]
fn resume() {
    let line = b":peer!user@host PRIVMSG me :\x01DCC RESUME file.bin 5000 512\x01\r\n";
    announces(Kind::Resume, line, None, 5000, "5000");
    let line = b"@time=x :p!u@h PRIVMSG me :\x01DCC RESUME \"my file\" 65535 0 9\x01\r\n";
    announces(Kind::Resume, line, None, 65535, "65535");
    let line = b"PRIVMSG peer :\x01DCC ACCEPT file.bin 5000 512\x01\r\n";
    announces(Kind::Accept, line, None, 5000, "5000");
    let line = b"NOTICE peer :\x01dcc accept \"\" 1\x01\r\n";
    announces(Kind::Accept, line, None, 1, "1");
}
