// SPDX-License-Identifier: GPL-2.0

//! IRC.

use std::sync::LazyLock;

use conntrack_proto::irc::LINE_MAX;
use regex::bytes::Regex;

use super::{
    number,
    Begins,
    Case, //
};
use crate::{
    class::Class,
    mainline::Opened, //
};

/// The only form of a DCC that mainline knows, up to the address.
static MAINLINES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s-u)^\x01DCC (SEND|CHAT|MOVE|TSEND|SCHAT) [^ ]* $").unwrap());

/// RFC 2812 and CTCP.
static WELL_FORMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)^ *(?i:PRIVMSG) +[^ \r\n\x00]+ +:\x01DCC +(SEND|CHAT|MOVE|TSEND|SCHAT) +",
        r#"([^ "\x01\r\n\x00][^ \x01\r\n\x00]*|"[^\x01\r\n\x00]*") +$"#
    ))
    .unwrap()
});

fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\r' | b'\n');
    &bytes[bytes.iter().take_while(|b| is_space(b)).count()..]
}

fn starts_with(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Tells whether mainline, which looks at the first text of the packet, finds an address behind
/// `before`.
fn is_mainlines(before: &[u8]) -> bool {
    let before = trim(before);
    let text = before.windows(2).skip(8).position(|two| two == b" :");
    starts_with(before, b"PRIVMSG ")
        && text.is_some_and(|at| MAINLINES.is_match(&before[8 + at + 2..]))
}

pub(super) fn only_ours(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let before = case.before(opened);
    if is_mainlines(before) {
        // It knows what is before the address.
        let text = case.text(opened);
        return if text.contains(&b'.') {
            Some(Class::Literal)
        } else if !case.after(opened).contains(&b'\n') {
            Some(Class::NoNewline)
        } else {
            None
        };
    }
    let before = trim(before);
    if before.contains(&b'\n') {
        Some(Class::LaterLine)
    } else if before.iter().filter(|b| **b == 1).count() > 1 {
        Some(Class::LaterDcc)
    } else if before.starts_with(b":")
        || before.starts_with(b"@")
        || starts_with(before, b"NOTICE ")
    {
        Some(Class::Message)
    } else if !starts_with(before, b"PRIVMSG ") {
        None
    } else if before.contains(&b'"') {
        Some(Class::Quoted)
    } else {
        Some(Class::Spelling)
    }
}

pub(super) fn only_mainline(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let before = case.before(opened);
    // Without the empty lines before it.
    let blank = before.len() - trim(before).len();
    let line = before[..blank]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let is_behind_bare_newline =
        (0..line).any(|at| before[at] == b'\n' && (at == 0 || before[at - 1] != b'\r'));
    if is_behind_bare_newline {
        return Some(Class::BareNewline);
    }
    let before = &before[line..];
    let text = case.text(opened);
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let port = text.rsplit(|b| *b == b' ').next()?;
    if number(text)? > u32::MAX.into() || number(port)? > u16::MAX.into() {
        Some(Class::Truncated)
    } else if before.contains(&b'\n') || text.contains(&b'\n') {
        Some(Class::OtherLine)
    } else if !WELL_FORMED.is_match(before) || text.get(digits) != Some(&b' ') {
        Some(Class::Grammar)
    } else if !case
        .after(opened)
        .first()
        .is_some_and(|b| b"\x01 \r\n\0".contains(b))
    {
        Some(Class::GoesOn)
    } else if before.len() + text.len() >= LINE_MAX {
        Some(Class::Overlong)
    } else if case.begins == Begins::Middle && line == 0 {
        Some(Class::MiddleOfLine)
    } else {
        None
    }
}
