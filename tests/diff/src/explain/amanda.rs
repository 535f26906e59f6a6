// SPDX-License-Identifier: GPL-2.0

//! Amanda.

use std::sync::LazyLock;

use conntrack_proto::amanda::LINE_MAX;
use regex::bytes::Regex;

use super::{
    number,
    Case, //
};
use crate::{
    class::Class,
    mainline::Opened, //
};

const NAMES: [&[u8]; 4] = [b"DATA", b"MESG", b"INDEX", b"STATE"];

/// Streams that mainline does not know.
const OURS: [&[u8]; 2] = [b"CMD", b"CTL"];

static REPLY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i-u)^amanda +[^ \r\n]+ +P?REP ").unwrap());

/// A stream as mainline finds it; its port follows.
static STREAM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)(DATA|MESG|INDEX|STATE) ").unwrap());

/// The line around what was opened: where it starts, what is in it before that, and all of it.
fn line<'a>(case: &'a Case<'_>, opened: &Opened) -> (usize, &'a [u8], &'a [u8]) {
    let before = &case.payload[..opened.start];
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let rest = &case.payload[start..];
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    (start, &before[start..], &rest[..end])
}

/// Tells whether `before` ends where there is the port of a stream, in a line of names and ports.
fn is_place_of_port(before: &[u8]) -> bool {
    let words = before
        .split(|b| *b == b' ')
        .filter(|word| !word.is_empty())
        .skip(1);
    let mut is_port = false;
    for word in words {
        // What follows the name of a stream is its port, whatever it is.
        is_port = !is_port && (NAMES.contains(&word) || OURS.contains(&word));
    }
    before.ends_with(b" ") && is_port
}

/// Finds the place of `text` in `bytes`.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

pub(super) fn only_ours(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let (start, before, line) = line(case, opened);
    let is_same = |other: &&Opened| other.start == opened.start;
    let name = before.trim_ascii_end().rsplit(|b| *b == b' ').next()?;
    if OURS.contains(&name) {
        Some(Class::AmandaCmd)
    } else if case.mainline.opened.iter().any(|other| is_same(&other)) {
        // It takes five digits only.
        Some(Class::Truncated)
    } else if before.ends_with(b"  ") {
        Some(Class::Spelling)
    } else if find(case.payload, b"CONNECT ")? < start {
        Some(Class::NotItsLine)
    } else if !case.after(opened).contains(&b'\n') {
        Some(Class::NoNewline)
    } else if STREAM.find_iter(line).any(|name| {
        // Of the digits it takes five.
        let digits = line[name.end()..].iter().take(5);
        let digits: Vec<u8> = digits.copied().collect();
        number(&digits).is_none_or(|port| port % 65_536 == 0)
    }) {
        Some(Class::AfterBadPort)
    } else {
        // Mainline takes its name out of another word, or one that stands for a port.
        let name = [name, b" "].concat();
        let first = find(line, &name)? + name.len();
        (!is_place_of_port(&line[..first])
            || number(&line[first..]).is_none_or(|port| port > u16::MAX.into())
            || !line[first..]
                .split(|b| *b == b' ')
                .next()?
                .trim_ascii_end()
                .iter()
                .all(u8::is_ascii_digit))
        .then_some(Class::Grammar)
    }
}

pub(super) fn only_mainline(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let (_, before, _) = line(case, opened);
    let window = &case.payload[..case.payload.len().min(LINE_MAX)];
    let after = case.after(opened);
    let digits = [case.text(opened), after].concat();
    if !REPLY.is_match(window) {
        Some(Class::NotAReply)
    } else if !before.starts_with(b"CONNECT ") {
        Some(Class::NotItsLine)
    } else if number(&digits)? > u16::MAX.into() || after.first()?.is_ascii_digit() {
        Some(Class::Truncated)
    } else if before.contains(&b'\r') {
        Some(Class::OtherLine)
    } else if !is_place_of_port(before) {
        Some(Class::Grammar)
    } else if !matches!(after.first()?, b' ' | b'\r' | b'\n') {
        Some(Class::GoesOn)
    } else if before.len() >= LINE_MAX {
        Some(Class::Overlong)
    } else {
        None
    }
}
