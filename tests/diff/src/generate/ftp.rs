// SPDX-License-Identifier: GPL-2.0

//! FTP.

use std::net::IpAddr;

use conntrack_proto::Direction::{
    Original,
    Reply, //
};

use conntrack_fuzz::conversation::Origin;

use super::Talk;

pub(super) fn talk(talk: &mut Talk<'_>) {
    if !talk.once_in(8) {
        talk.origin = Origin::Begun;
        talk.send(Reply, b"220 ready\r\n");
        talk.send(Original, b"NOOP\r\n");
        talk.send(Reply, b"200 ok\r\n");
    }
    for _ in 0..talk.rng.u8(1..4) {
        let before = lines(
            talk,
            &["TYPE I", "CWD /a,b", "NOOP", "SITE PORT 1,2,3,4,5,6"],
        );
        match talk.rng.u8(..16) {
            0..4 => {
                let line = format!("{before}{}", port(talk));
                talk.say(Original, line);
            }
            4..8 => {
                let line = format!("{before}{}", eprt(talk));
                talk.say(Original, line);
            }
            8..12 => {
                request(talk, "PASV\r\n");
                let (before, reply, after) = (replies(talk), pasv(talk), replies(talk));
                talk.say(Reply, format!("{before}{reply}{after}"));
            }
            12..15 => {
                request(talk, "EPSV\r\n");
                let (before, reply, after) = (replies(talk), epsv(talk), replies(talk));
                talk.say(Reply, format!("{before}{reply}{after}"));
            }
            _ => other(talk),
        }
    }
}

fn request(talk: &mut Talk<'_>, line: &str) {
    if !talk.once_in(8) {
        talk.send(Original, line.as_bytes());
    }
}

fn lines(talk: &mut Talk<'_>, all: &[&str]) -> String {
    if talk.once_in(12) {
        format!("{}\r\n", talk.one(all))
    } else {
        String::new()
    }
}

fn replies(talk: &mut Talk<'_>) -> String {
    lines(
        talk,
        &[
            "226 done",
            "220-hello (1,2)",
            "200 ok",
            " 227 x",
            "229 (|||)",
        ],
    )
}

fn end(talk: &mut Talk<'_>) -> &'static str {
    talk.mostly("\r\n", &["\n", " \r\n", "\r", "", "\r\r\n", "x\r\n"])
}

fn six(talk: &mut Talk<'_>, address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [10, 0, 0, 2],
    };
    let port = talk.port().to_be_bytes();
    let mut numbers: Vec<String> = octets
        .iter()
        .chain(&port)
        .map(|n| talk.number((*n).into()))
        .collect();
    if talk.once_in(32) {
        numbers.pop();
    }
    numbers.join(talk.mostly(",", &[",", ",", ",", ", ", "."]))
}

fn port(talk: &mut Talk<'_>) -> String {
    let word = talk.mostly(
        "PORT ",
        &["port ", "PORT  ", "PORT", "PORTS ", "PORT\r\n", "XPORT "],
    );
    let address = talk.address(Original);
    format!("{word}{}{}", six(talk, address), end(talk))
}

fn eprt(talk: &mut Talk<'_>) -> String {
    let word = talk.mostly("EPRT ", &["eprt ", "EPRT  ", "EPRT", "EPRTX ", "EPRT\n"]);
    let d = talk.mostly("|", &["!", ".", ":", "a", "1", " ", "~", ","]);
    let address = talk.address(Original);
    let family = if address.is_ipv4() { "1" } else { "2" };
    let family = talk.mostly(family, &["1", "2", "3", "", "12"]);
    let text = match address {
        IpAddr::V4(address) => {
            let octets = address.octets().map(|n| talk.number(n.into()));
            octets.join(".")
        }
        IpAddr::V6(address) => {
            let text = address.to_string();
            match talk.rng.u8(..12) {
                0 => text.to_uppercase(),
                1 => format!("{text}%eth0"),
                2 => text.replacen("::", ":0:0:0:", 1),
                3 => text.replacen("db8", "0db8", 1),
                4 => text.replacen("db8", "00db8", 1),
                5 => talk
                    .one(&[
                        "::",
                        "::1",
                        "::ffff:10.0.0.2",
                        "1::2::3",
                        ":1",
                        "1:2:3:4:5:6:7:8:9",
                    ])
                    .into(),
                _ => text,
            }
        }
    };
    let port = talk.port().into();
    let port = talk.number(port);
    let last = talk.mostly(d, &["", d, "x"]);
    format!("{word}{d}{family}{d}{text}{d}{port}{last}{}", end(talk))
}

fn pasv(talk: &mut Talk<'_>) -> String {
    let code = talk.mostly("227 ", &["227-", "227", "226 ", "227  "]);
    let text = talk.mostly(
        "Entering Passive Mode (",
        &[
            "",
            "=",
            "Passive mode 1 (",
            "Logout.",
            "(1,2,3) (",
            "\r\n(",
            "Entering Passive Mode ",
            "10,0,0,",
        ],
    );
    let address = talk.address(Reply);
    let numbers = match talk.once_in(24) {
        true => String::new(),
        false => six(talk, address),
    };
    let after = talk.mostly(").", &[")", "", ",7)", " (1,2,3,4,5,6)", "\r"]);
    format!("{code}{text}{numbers}{after}{}", end(talk))
}

fn epsv(talk: &mut Talk<'_>) -> String {
    let code = talk.mostly("229 ", &["229-", "229", "228 ", "229  "]);
    let text = talk.mostly(
        "Entering Extended Passive Mode (",
        &["(", "", "mode (1) (", "((", "Logout.", "\r\n("],
    );
    let d = talk.mostly("|", &["!", "a", "1", " ", "(", "\x7f"]);
    let port = talk.port().into();
    let port = talk.number(port);
    let between = talk.mostly("", &[d, "1", "1|10.0.0.2"]);
    let last = talk.mostly(d, &["", "x"]);
    format!("{code}{text}{d}{d}{between}{d}{port}{last}){}", end(talk))
}

fn other(talk: &mut Talk<'_>) {
    let (direction, line) = match talk.rng.u8(..6) {
        0 => (Original, "AUTH TLS\r\n"),
        1 => (Original, "EPSV ALL\r\n"),
        2 => (Reply, "227 Logout.\r\n"),
        3 => (Reply, "234 go ahead\r\n"),
        4 => (Original, "PO"),
        _ => (Reply, "500 PORT 10,0,0,2,4,5 what\r\n"),
    };
    talk.say(direction, line);
    if line == "AUTH TLS\r\n" && talk.rng.bool() {
        talk.say(Reply, "234 go ahead\r\n");
    }
    if talk.once_in(8) {
        // A line too long for any announcement, or nearly so.
        let text = "a".repeat(talk.rng.usize(220..260));
        let address = talk.address(Reply);
        request(talk, "PASV\r\n");
        let line = format!("227 {text}({}\r\n", six(talk, address));
        talk.say(Reply, line);
    }
}
