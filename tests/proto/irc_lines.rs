// SPDX-License-Identifier: GPL-2.0

//! Lines of IRC with DCC in them.

#[path = "common/irc.rs"]
mod common;

use common::{
    announces,
    rejects, //
};
use conntrack_proto::{
    irc::{
        Kind,
        LINE_MAX, //
    },
    Direction::{
        self,
        Original,
        Reply, //
    },
    Reject, //
};

#[track_caller]
fn offer(line: &str, address: &str, port: u16, text: &str) {
    announces(Kind::Offer, line.as_bytes(), Some(address), port, text);
}

/// The same for a DCC in a message of a usual client.
#[track_caller]
fn dcc(dcc: &str, address: &str, port: u16, text: &str) {
    let line = format!("PRIVMSG nick :\x01DCC {dcc}\x01\r\n");
    offer(&line, address, port, text);
}

#[track_caller]
fn not_ours(direction: Direction, line: &str) {
    rejects(direction, line.as_bytes(), Reject::NotOurs);
}

#[track_caller]
fn malformed(dcc: &str) {
    let line = format!("PRIVMSG nick :\x01DCC {dcc}\x01\r\n");
    rejects(Original, line.as_bytes(), Reject::Malformed);
}

/// As clients write them.
#[test]
fn offers_of_clients() {
    // mIRC.
    dcc(
        "SEND file.txt 3232235777 1024 5000",
        "192.168.1.1",
        1024,
        "3232235777 1024",
    );
    dcc(
        "CHAT chat 3232235777 59 ",
        "192.168.1.1",
        59,
        "3232235777 59",
    );
    // HexChat.
    dcc(
        "SEND \"my file.txt\" 3232235777 5000 1234",
        "192.168.1.1",
        5000,
        "3232235777 5000",
    );
    // irssi, over IPv4 and IPv6.
    dcc(
        "CHAT CHAT 167772161 40001",
        "10.0.0.1",
        40001,
        "167772161 40001",
    );
    dcc(
        "SEND f 2001:db8::1 5000 1234",
        "2001:db8::1",
        5000,
        "2001:db8::1 5000",
    );
    // WeeChat quotes any name.
    dcc(
        "SEND \"file\" 3232235777 5000 1234",
        "192.168.1.1",
        5000,
        "3232235777 5000",
    );
    // iroffer, an XDCC bot, and its answer to a passive request.
    dcc(
        "SEND [Grp]_Pack-01.tar 3405803776 4000 734003200",
        "203.0.113.0",
        4000,
        "3405803776 4000",
    );
    dcc(
        "SEND pack.tar 3405803776 4000 734003200 42",
        "203.0.113.0",
        4000,
        "3405803776 4000",
    );
    // Others that mainline knows.
    dcc("MOVE f 1 2 3", "0.0.0.1", 2, "1 2");
    dcc("TSEND f 1 2 3", "0.0.0.1", 2, "1 2");
    dcc("SCHAT chat 1 2", "0.0.0.1", 2, "1 2");
}

#[test]
fn messages() {
    let ok = |head: &str| {
        let line = format!("{head}\x01DCC SEND f 3232235777 5000 1\x01\r\n");
        offer(&line, "192.168.1.1", 5000, "3232235777 5000");
    };
    ok("PRIVMSG nick :");
    ok("privmsg nick :");
    ok("PrivMsg #channel,nick :");
    ok("NOTICE nick :");
    ok("notice [odd]`{nick}|^ :");
    ok(":me!user@host.example.org PRIVMSG nick :");
    ok(":me NOTICE nick :");
    ok("  PRIVMSG   nick   :");
    ok("@time=2026-01-01T00:00:00.000Z PRIVMSG nick :");
    ok("@+draft/reply=123;label=a\\sb :me!u@h PRIVMSG nick :");
    ok(&format!("@a={}  :me!u@h  NOTICE nick :", "x".repeat(5000)));
    ok("@ PRIVMSG nick :");

    let no = |head: &str| {
        not_ours(
            Original,
            &format!("{head}\x01DCC SEND f 3232235777 5000 1\x01\r\n"),
        );
    };
    no("");
    no(":");
    no("JOIN nick :");
    no("PRIVMS nick :");
    no("PRIVMSGS nick :");
    no("PRIVMSG :");
    no("PRIVMSG nick ");
    no("PRIVMSG nick text:");
    no("PRIVMSG one two :");
    // Who gets a client or bot to echo something does not get it to the beginning of the text.
    no("PRIVMSG nick :text");
    no("PRIVMSG nick : ");
    no("PRIVMSG nick :\x01PING ");
    no("NOTICE nick :\x01PING \x01");
    no("NOTICE nick :\x01PING\x01\x01");
    no("NOTICE nick :\x01ERRMSG ");
    no("@a=b @c=d PRIVMSG nick :");
    no("@a=b\r\n PRIVMSG nick ");
    no(":me\r PRIVMSG nick :");
    no("PRIVMSG ni\rck :");
    no("PRIVMSG ni\0ck :");
    no("USER a b c :PRIVMSG nick :");
}

#[test]
fn case_and_spaces() {
    for line in [
        "PRIVMSG nick :\x01dcc send f 167772161 5000 1\x01\r\n",
        "PRIVMSG nick :\x01Dcc   Send   f   167772161 5000 1\x01\r\n",
        "PRIVMSG nick :\x01DCC SEND f 167772161 5000\x01\n",
        "PRIVMSG nick :\x01DCC SEND f 167772161 5000\r\n",
        "PRIVMSG nick :\x01DCC SEND f 167772161 5000\n",
    ] {
        offer(line, "10.0.0.1", 5000, "167772161 5000");
    }
    dcc(
        "SEND f 167772161   5000 1",
        "10.0.0.1",
        5000,
        "167772161   5000",
    );
}

#[test]
fn names() {
    let ok = |name: &str| {
        dcc(
            &format!("SEND {name} 167772161 5000 1"),
            "10.0.0.1",
            5000,
            "167772161 5000",
        )
    };
    ok("f");
    ok("1");
    ok("167772162");
    ok("a\"b\"");
    ok("..\\..\\x");
    ok("\u{e9}t\u{e9}.\u{43f}\u{1f4be}");
    ok("\"\"");
    ok("\" \"");
    ok("\"a b  c\"");
    ok("\"5000 1.txt\"");
    // A quote in the name.
    ok("\"a \"b\" c\"");
    ok("\"a\" 1 b\"");
    ok("\"a\" 99999999999 5 b\"");
    ok("\"a\" 1 65536 b\"");
    ok("\"a\"\" \"");
    // No text at all.
    let line = b"PRIVMSG nick :\x01DCC SEND \xff\xfe\x80\x02 1 2 3\x01\r\n";
    announces(Kind::Offer, line, Some("0.0.0.1"), 2, "1 2");
    let line = b"PRIVMSG nick :\x01DCC SEND \"\xff \xfe\x80\" 1 2 3\x01\r\n";
    announces(Kind::Offer, line, Some("0.0.0.1"), 2, "1 2");

    malformed("SEND");
    malformed("SEND1 f 1 2 3");
    malformed("SEND\"f\" 1 2 3");
    malformed("SEND ");
    malformed("SEND f");
    malformed("SEND  167772161 5000");
    malformed("SEND \"f 167772161 5000 1");
    malformed("SEND \"f\"167772161 5000 1");
    malformed("SEND my file.txt 167772161 5000 1");
    malformed("SEND f\x01 167772161 5000 1");
    malformed("SEND \"f\x01\" 167772161 5000 1");
    malformed("SEND f\0 167772161 5000 1");
    malformed("SEND f\r 167772161 5000 1");
    malformed("SEND \"f\n\" 167772161 5000 1");
}

#[test]
fn other_dcc() {
    for command in [
        "REJECT SEND f",
        "XMIT f 1 2 3",
        "SENDS f 1 2 3",
        "SEN f 1 2 3",
        "ASEND f 1 2 3",
        "ABCDEFGHSEND f 1 2 3",
        "ACCEPTX f 5000 1",
        "4SEND f 1 2 3",
        "",
    ] {
        for direction in [Original, Reply] {
            not_ours(
                direction,
                &format!("PRIVMSG nick :\x01DCC {command}\x01\r\n"),
            );
        }
    }
    not_ours(Original, "PRIVMSG nick :\x01XDCC SEND 1\x01\r\n");
    not_ours(Original, "PRIVMSG nick :\x01DC SEND f 1 2 3\x01\r\n");
    not_ours(Original, "PRIVMSG nick :DCC SEND f 1 2 3\r\n");
    not_ours(Original, "PRIVMSG nick :\x01DCCSEND f 1 2 3\x01\r\n");
}

#[test]
fn too_long() {
    let line = |head: usize, name: usize| {
        format!(
            "PRIVMSG {} :\x01DCC SEND {} 1 2 3\x01\r\n",
            "n".repeat(head),
            "f".repeat(name)
        )
    };
    // The text, with the byte that tells it, ends within the limit.
    offer(&line(LINE_MAX - 11, 1), "0.0.0.1", 2, "1 2");
    rejects(
        Original,
        line(LINE_MAX - 10, 1).as_bytes(),
        Reject::Malformed,
    );
    // And so does the DCC.
    offer(&line(1, LINE_MAX - 15), "0.0.0.1", 2, "1 2");
    rejects(
        Original,
        line(1, LINE_MAX - 14).as_bytes(),
        Reject::Malformed,
    );
}

/// Each cut of a line that is none of ours, too: once it is known, it stays so.
#[test]
fn other_lines() {
    for line in [
        "NICK me\r\n",
        "USER me 0 * :real name\r\n",
        "JOIN #channel\r\n",
        "PRIVMSG #channel :hello \u{fc} \x02bold\x02 \x0304red\r\n",
        "PRIVMSG #channel :\x01ACTION waves\x01\r\n",
        "PRIVMSG nick :\x01VERSION\x01\r\n",
        "NOTICE nick :\x01VERSION a client\x01\r\n",
        "PONG :server.example.org\r\n",
        ":server 001 me :Welcome\r\n",
        "\r\n",
        "\n",
    ] {
        let mut known = false;
        for len in 0..=line.len() {
            match conntrack_proto::irc::parse(Original, &line.as_bytes()[..len]) {
                Err(Reject::Incomplete) => assert!(!known, "{line:?} at {len}"),
                Err(Reject::NotOurs) => known = true,
                other => panic!("{line:?} at {len}: {other:?}"),
            }
        }
        assert!(known, "{line:?}");
    }
}
