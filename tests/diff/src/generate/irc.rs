// SPDX-License-Identifier: GPL-2.0

//! IRC.

use std::net::IpAddr;

use conntrack_proto::Direction::{
    Original,
    Reply, //
};

use super::Talk;

pub(super) fn talk(talk: &mut Talk<'_>) {
    if !talk.once_in(8) {
        talk.send(Reply, b":s 001 n :hi\r\n");
        talk.send(Original, b"PING x\r\n");
    }
    for _ in 0..talk.rng.u8(1..4) {
        let mut text = String::new();
        if talk.once_in(10) {
            text += talk.one(&[
                "PRIVMSG #c :hi\r\n",
                "\r\n",
                " ",
                "JOIN #c\r\n",
                "PRIVMSG a :\x01ACTION x\x01\r\n",
            ]);
        }
        text += &message(talk);
        if talk.once_in(10) {
            text += &message(talk);
        }
        let direction = if talk.once_in(12) { Reply } else { Original };
        talk.say(direction, text);
    }
}

fn message(talk: &mut Talk<'_>) -> String {
    let prefix = talk.mostly("", &[":n!u@h ", "@a=b ", "@a=b :n ", " ", "\r\n", ": "]);
    let command = talk.mostly(
        "PRIVMSG ",
        &["privmsg ", "NOTICE ", "PRIVMSG  ", "PRIVMSGS ", "PRIVMSG"],
    );
    let target = talk.mostly("nick ", &["#c,n ", "", "a b ", "nick  ", ":"]);
    let mut text = format!("{prefix}{command}{target}");
    text += talk.mostly(":\x01", &[":", ":x \x01", "\x01", ": \x01", "::\x01"]);
    text += &dcc(talk);
    if talk.once_in(12) {
        text += talk.one(&["\x01\x01", "\x01 and \x01", "\x01"]);
        text += &dcc(talk);
    }
    text += talk.mostly("\x01\r\n", &["\x01\n", "\r\n", "\x01", "", "\0\r\n"]);
    text
}

fn dcc(talk: &mut Talk<'_>) -> String {
    let word = talk.mostly("DCC ", &["dcc ", "DCC  ", "DCC"]);
    let mut kind = talk.one(&["SEND ", "SEND ", "CHAT ", "MOVE ", "TSEND ", "SCHAT "]);
    if talk.once_in(8) {
        kind = talk.one(&[
            "send ", "SEND", "SENDS ", "ACCEPT ", "RESUME ", "SEND  ", "XMIT ",
        ]);
    }
    let mut name = talk
        .mostly(
            "file ",
            &[
                "f ",
                "\"a b\" ",
                "\"\" ",
                " ",
                "a\x02b ",
                "file  ",
                "a\r\nb ",
                "\"a\"b\" ",
            ],
        )
        .to_string();
    if talk.once_in(40) {
        name = format!("{} ", "n".repeat(talk.rng.usize(400..600)));
    }
    let address = match talk.address(Original) {
        IpAddr::V4(address) if !talk.once_in(10) => talk.number(address.to_bits()),
        address => address.to_string(),
    };
    let space = talk.mostly(" ", &["  ", "", "x ", "\t"]);
    let port = talk.port().into();
    let port = talk.number(port);
    let rest = talk.mostly(" 1234", &["", " ", "x", " 1 2", "\0", "-5"]);
    format!("{word}{kind}{name}{address}{space}{port}{rest}")
}
