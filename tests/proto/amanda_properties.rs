// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for all replies of Amanda, with a second parser written with regular
//! expressions.

#[path = "common/amanda.rs"]
mod common;

use std::num::NonZeroU16;

use common::{
    all,
    HEADER, //
};
use conntrack_proto::{
    amanda::{
        emit,
        Reply,
        Stream,
        LINE_MAX, //
    },
    Text, //
};
use proptest::{
    prelude::*,
    sample::{
        select,
        Index, //
    },
};
use regex::bytes::Regex;

fn oracle(datagram: &[u8]) -> Vec<(Vec<u8>, u16, usize, usize)> {
    let regex = |text: &str| Regex::new(text).unwrap();
    if !regex(r"(?-u)^(?i:Amanda) +[^ \r\n]+ +(?i:P?REP) ").is_match(datagram) {
        return Vec::new();
    }
    let Some(line) = regex(r"(?-u)\nCONNECT ([^\r\n]*)").captures(datagram) else {
        return Vec::new();
    };
    let line = line.get(1).unwrap();
    // What ends at the end of the datagram is not whole.
    let is_whole = line.end() < datagram.len();
    let words: Vec<_> = regex(r"(?-u)[^ ]+").find_iter(line.as_bytes()).collect();
    let mut all: Vec<(Vec<u8>, u16, usize, usize)> = Vec::new();
    let mut at = 0;
    while let [name, port] = words.get(at..at + 2).unwrap_or_default() {
        at += 1;
        let is_name = [
            b"DATA".as_slice(),
            b"MESG",
            b"INDEX",
            b"STATE",
            b"CMD",
            b"CTL",
        ];
        if !is_name.contains(&name.as_bytes()) {
            continue;
        }
        at += 1;
        if !is_whole && port.end() == line.len() {
            continue;
        }
        let digits = port.as_bytes();
        let text = std::str::from_utf8(digits).unwrap_or("x");
        let is_number = digits.iter().all(u8::is_ascii_digit);
        let number = NonZeroU16::new(text.parse().unwrap_or(0)).filter(|_| is_number);
        let is_new = all.iter().all(|found| found.0 != name.as_bytes());
        if let Some(number) = number.filter(|_| is_new) {
            let start = line.start() + port.start();
            all.push((
                name.as_bytes().to_vec(),
                number.get(),
                start,
                start + port.len(),
            ));
        }
    }
    all
}

fn a_datagram() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        8 => Just(HEADER),
        1 => select(vec!["Amanda 2.4 PREP \n", "amanda  3 REP  x\n", "Amanda 3.5 REQ x\n", "x\n"]),
    ];
    let line = select(vec![
        "OK\n",
        "OPTIONS a=b;\n",
        "\n",
        "CONNECTED\n",
        " CONNECT DATA 5\n",
    ]);
    let port = prop_oneof![
        8 => (0..70_000u32).prop_map(|n| n.to_string()),
        1 => select(vec!["-1", "0", "00022", "65536", "", "7x", "MESG"]).prop_map(str::to_string),
    ];
    let name = select(vec![
        "DATA", "MESG", "INDEX", "STATE", "CMD", "CTL", "FOO", "data",
    ]);
    let pair = (
        name,
        select(vec![" ", " ", "  "]),
        port,
        select(vec![" ", " ", "  "]),
    );
    let pair = pair.prop_map(|(name, a, port, b)| format!("{name}{a}{port}{b}"));
    let pairs = prop::collection::vec(pair, 0..12).prop_map(|pairs| pairs.concat());
    let connect = (pairs, select(vec!["\n", "\n", "\r\n", ""])).prop_map(|(p, end)| {
        format!(
            "CONNECT {}{end}",
            p.trim_end_matches(|c| c == ' ' && p.len() % 2 == 0)
        )
    });
    let lines = prop::collection::vec(line, 0..4).prop_map(|lines| lines.concat());
    let datagram = (header, lines.clone(), connect, lines)
        .prop_map(|(header, a, connect, b)| format!("{header}{a}{connect}{b}").into_bytes());
    let change = prop::option::weighted(0.2, (any::<Index>(), any::<u8>()));
    (datagram, change).prop_map(|(mut datagram, change)| {
        if let Some((at, byte)) = change {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        datagram
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is announced that is not there, and nothing is missed.
    #[test]
    fn agrees_with_oracle(datagram in a_datagram()) {
        let name = |stream: Stream| format!("{stream:?}").to_uppercase().into_bytes();
        let found = all(&datagram).into_iter();
        let found = found.map(|f| (name(f.stream), f.port.get(), f.span.start(), f.span.end()));
        prop_assert_eq!(found.collect::<Vec<_>>(), oracle(&datagram));
    }

    /// With all ports rewritten a datagram announces the new ones, and else nothing is changed.
    #[test]
    fn rewritten(datagram in a_datagram(), ports in prop::collection::vec(any::<NonZeroU16>(), 6)) {
        let before = all(&datagram);
        let mut bytes = datagram.clone();
        let mut reply = Reply::new();
        let mut new = ports.iter();
        while let Some(found) = reply.next(&bytes) {
            let mut text = Text::new();
            let text = emit(*new.next().unwrap(), &mut text);
            prop_assert!(text.len() <= 5);
            bytes.splice(found.span.start()..found.span.end(), text.iter().copied());
        }
        let after = all(&bytes);
        prop_assert_eq!(after.len(), before.len());
        let mut wanted = datagram.clone();
        for (old, (new, port)) in before.iter().zip(after.iter().zip(&ports)).rev() {
            prop_assert_eq!((new.stream, new.port), (old.stream, *port));
            let text = port.to_string().into_bytes();
            wanted.splice(old.span.start()..old.span.end(), text);
        }
        prop_assert_eq!(bytes, wanted);
    }

    /// A datagram in windows announces what it does in one piece.
    #[test]
    fn windows(
        lines in prop::collection::vec(select(vec!["OK /some/path\n", "OK\n", "CONNECTED x\n", "\n"]), 0..100),
        connect in a_datagram(),
        sizes in prop::collection::vec(LINE_MAX..LINE_MAX + 100, 1..8),
    ) {
        let lines = lines.concat();
        let at = connect.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
        let datagram = [&connect[..at], lines.as_bytes(), &connect[at..]].concat();
        let (mut reply, mut base, mut found) = (Reply::new(), 0, Vec::new());
        for size in sizes.iter().cycle() {
            let end = datagram.len().min(base + size);
            let window = &datagram[base..end];
            while let Some(one) = reply.next(window) {
                found.push((one.stream, one.port, base + one.span.start()));
            }
            let by = reply.offset();
            prop_assert!(by <= window.len());
            if end == datagram.len() || by == 0 {
                break;
            }
            reply.slide(by);
            base += by;
        }
        let whole: Vec<_> = all(&datagram).iter().map(|f| (f.stream, f.port, f.span.start())).collect();
        prop_assert_eq!(found, whole);
    }
}

/// The properties above see enough of what they are about.
#[test]
fn generator_reaches_announcements() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 7];
    for _ in 0..4000 {
        let datagram = a_datagram().new_tree(&mut runner).unwrap().current();
        counts[oracle(&datagram).len()] += 1;
    }
    assert!(counts.iter().all(|n| *n >= 20), "{counts:?}");
}
