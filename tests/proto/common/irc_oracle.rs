// SPDX-License-Identifier: GPL-2.0

//! A second parser of DCC, written with regular expressions, and lines for both.

use std::{
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    },
    num::NonZeroU16,
    sync::LazyLock, //
};

use conntrack_proto::{
    irc::{
        Announcement,
        Kind,
        LINE_MAX, //
    },
    Direction, //
};
use proptest::{
    prelude::*,
    sample::{
        select,
        Index, //
    },
};
use regex::bytes::Regex;

/// Kind, address, port, start and end of an announcement; the port may be 0.
pub type Expected = (Kind, Option<IpAddr>, u16, usize, usize);

fn number<T: TryFrom<u128>>(text: &str) -> Option<T> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    let value = match digits.len() {
        0 => 0,
        1..=30 => digits.parse::<u128>().ok()?,
        _ => return None,
    };
    is_number.then(|| value.try_into().ok())?
}

fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else if text.contains('.') {
        let octets: Option<Vec<u8>> = text.split('.').map(number).collect();
        let octets: [u8; 4] = octets?.try_into().ok()?;
        Some(octets.into())
    } else {
        Some(IpAddr::V4(number::<u32>(text)?.into()))
    }
}

/// What stands in `line` behind the name that ends at `at`.
fn oracle_arguments(kind: Kind, line: &[u8], at: usize) -> Option<Expected> {
    static OFFER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?-u)^ +(([0-9A-Fa-f:.]+) +([0-9]+))[ \x01\r\n\x00]").unwrap()
    });
    static OTHER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?-u)^ +((([0-9]+)))[ \x01\r\n\x00]").unwrap());
    let is_offer = kind == Kind::Offer;
    let regex = if is_offer { &OFFER } else { &OTHER };
    let found = regex.captures(&line[at..])?;
    let text = |n| std::str::from_utf8(found.get(n).unwrap().as_bytes()).unwrap();
    let address = if is_offer {
        Some(address(text(2))?)
    } else {
        None
    };
    let all = found.get(1)?;
    let port = number(text(3))?;
    Some((kind, address, port, at + all.start(), at + all.end()))
}

/// The DCC in `line` at offset `at`.
fn oracle_dcc(direction: Direction, line: &[u8], at: usize) -> Option<Expected> {
    static DCC: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?-u)^\x01(?i:DCC) +([A-Za-z]+) +(?:(")|[^" \x01\r\n\x00][^ \x01\r\n\x00]*)"#)
            .unwrap()
    });
    let found = DCC.captures(&line[at..])?;
    let command = found[1].to_ascii_lowercase();
    let kind = match (direction, command.as_slice()) {
        (Direction::Original, b"send" | b"chat" | b"move" | b"tsend" | b"schat") => Kind::Offer,
        (Direction::Original, b"accept") => Kind::Accept,
        (Direction::Reply, b"resume") => Kind::Resume,
        _ => return None,
    };
    let end = at + found.get(0)?.end();
    if found.get(2).is_none() {
        return oracle_arguments(kind, line, end);
    }
    let is_name = |b: &u8| !matches!(b, b'\x01' | b'\r' | b'\n' | b'\0');
    let quotes = (end..line.len()).filter(|i| line[*i] == b'"');
    quotes
        .take_while(|i| line[end..*i].iter().all(is_name))
        .find_map(|i| oracle_arguments(kind, line, i + 1))
}

/// What `line` announces; it may lack its end but has nothing behind it.
pub fn oracle(direction: Direction, line: &[u8]) -> Vec<Expected> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?-u)^(?:(@[^ \n]*) )? *(?::[^ \r\n\x00]* +)?(?i:PRIVMSG|NOTICE) +[^ \r\n\x00]+ +:\x01",
        )
        .unwrap()
    });
    let mut all = Vec::new();
    let mut at = HEAD.captures(line).and_then(|found| {
        let message = found.get(1).map_or(0, |tags| tags.end());
        let text = found.get(0)?.end() - 1;
        (text < message + LINE_MAX).then_some(text)
    });
    let dcc = |at| oracle_dcc(direction, line, at).filter(|found| found.4 < at + LINE_MAX);
    while let Some(found) = at.and_then(dcc) {
        all.push(found);
        // Behind the delimiter that ends it.
        let next = |from: usize| Some(from + line[from..].iter().position(|b| *b == 1)?);
        at = next(found.4).and_then(|end| next(end + 1));
    }
    all
}

/// What all lines of `payload` announce, of which the first counts only if it `begins_a_line`.
pub fn oracle_all(direction: Direction, payload: &[u8], begins_a_line: bool) -> Vec<Expected> {
    let mut start = 0;
    let mut all = Vec::new();
    for line in payload.split_inclusive(|b| *b == b'\n') {
        if start > 0 || begins_a_line {
            let found = oracle(direction, line).into_iter();
            all.extend(found.map(|(k, a, p, s, e)| (k, a, p, s + start, e + start)));
        }
        start += line.len();
    }
    all.retain(|found| found.2 != 0);
    all
}

pub fn expected(found: &[Announcement], base: usize) -> Vec<Expected> {
    let one = |f: &Announcement| {
        let (start, end) = (base + f.span.start(), base + f.span.end());
        (f.kind, f.address, f.port.get(), start, end)
    };
    found.iter().map(one).collect()
}

pub fn a_port() -> impl Strategy<Value = NonZeroU16> {
    prop_oneof![
        any::<NonZeroU16>(),
        select(vec![1, 9, 10, 1023, 1024, 9999, 10000, 65535]).prop_map(|p| p.try_into().unwrap())
    ]
}

pub fn an_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::V4),
        any::<Ipv6Addr>().prop_map(IpAddr::V6),
    ]
}

pub fn a_kind() -> impl Strategy<Value = Kind> {
    select(vec![Kind::Offer, Kind::Accept, Kind::Resume])
}

pub fn a_direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Original, Direction::Reply])
}

fn a_number() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => (0..=70_000_u32).prop_map(|n| n.to_string()),
        4 => any::<u32>().prop_map(|n| n.to_string()),
        1 => select(vec!["0", "0", "", "00", "007", "65535", "65536", "4294967295", "4294967296", "-1", "5a"])
            .prop_map(str::to_string),
    ]
}

fn a_dcc() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => "[a-z0-9.]{1,8}",
        6 => "\"[a-z0-9 \"]{0,8}\"",
        1 => "[a-z\" \u{e9}\u{1}]{0,8}",
    ];
    let address = || {
        prop_oneof![
            8 => any::<u32>().prop_map(|n| n.to_string()),
            8 => an_address().prop_map(|a| a.to_string()),
            2 => a_number(),
            1 => "[0-9a-f:.]{0,12}",
        ]
    };
    let space = || prop_oneof![12 => Just(" "), 2 => Just("  "), 1 => Just("")];
    let offer = select(vec!["SEND", "send", "CHAT", "MOVE", "TSEND", "SCHAT"]);
    let other = select(vec![
        "ACCEPT", "RESUME", "ACCEPT", "RESUME", "accept", "resume",
    ]);
    let wrong = select(vec![
        "REJECT", "SENDS", "SEN", "", "ACCEPTXX", "SEND", "ACCEPT",
    ]);
    let arguments = prop_oneof![
        6 => (offer, address().prop_map(Some)),
        3 => (other, Just(None)),
        1 => (wrong, prop::option::of(address())),
    ];
    let rest =
        prop_oneof![12 => select(vec![" 1234", " 1 2", "", " "]), 1 => select(vec!["x", "\0"])];
    (arguments, name, a_number(), rest, space(), space()).prop_map(
        |((command, address), name, port, rest, a, b)| {
            let address = address.map_or_else(String::new, |address| format!("{b}{address}"));
            format!("DCC {command}{a}{name}{address} {port}{rest}")
        },
    )
}

/// A line that has announcements, nearly, or none.
pub fn a_line() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop_oneof![
        20 => Just(String::new()),
        10 => select(vec!["@a=b ", "@x;y=:1  ", "@ "]).prop_map(str::to_string),
        2 => "@[a-z]{600,700} ",
        1 => select(vec!["@a", "@@"]).prop_map(str::to_string),
    ];
    let prefix = prop_oneof![12 => select(vec!["", ":n!u@h ", ":n  ", " "]), 1 => Just(":")];
    let command = prop_oneof![
        12 => select(vec!["PRIVMSG", "NOTICE", "privmsg"]),
        1 => select(vec!["JOIN", "PRIVMSG x"]),
    ];
    let text = prop_oneof![
        12 => select(vec![" a :\x01", " a,#b   :\x01"]).prop_map(str::to_string),
        1 => "[ :a\u{1}]{0,6}",
    ];
    let between = prop_oneof![
        6 => select(vec!["\x01\x01", "\x01 x \x01"]),
        1 => select(vec!["\x01", " ", "\x01\x01\x01"]),
    ];
    let dccs = prop::collection::vec((a_dcc(), between), 1..4);
    let end = select(vec![
        "\x01\r\n", "\x01\r\n", "\x01\n", "\r\n", "\n", "\x01", "",
    ]);
    let message = (tags, prefix, command, text, dccs, end).prop_map(
        |(tags, prefix, command, text, d, end)| {
            let last = d.len() - 1;
            let one = |(i, (dcc, between)): (usize, &(String, &str))| {
                format!("{dcc}{}", if i == last { "" } else { between })
            };
            let dccs: String = d.iter().enumerate().map(one).collect();
            format!("{tags}{prefix}{command}{text}{dccs}{end}").into_bytes()
        },
    );
    let noise = "[PRIVMSGNOTICE:@ \u{1}\r\n]{0,30}".prop_map(String::into_bytes);
    let other = select(vec!["PING x\r\n", "PRIVMSG #c :hi\r\n", "\r\n"]);
    let other = other.prop_map(|line| line.as_bytes().to_vec());
    let line = prop_oneof![10 => message, 1 => noise, 1 => other];
    // Most are left as they are, some get a byte changed, left out or doubled.
    (line, 0..16, any::<Index>(), any::<u8>()).prop_map(|(mut line, change, at, byte)| {
        if !line.is_empty() {
            let at = at.index(line.len());
            match change {
                0 => line[at] = byte,
                1 => drop(line.remove(at)),
                2 => line.insert(at, line[at]),
                3 => line[at] ^= 0x20,
                _ => {}
            }
        }
        line
    })
}
