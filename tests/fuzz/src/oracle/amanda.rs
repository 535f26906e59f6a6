// SPDX-License-Identifier: GPL-2.0

//! Amanda, as its sources have it.

use conntrack_proto::amanda::{
    Stream,
    LINE_MAX, //
};

use super::{
    count,
    number,
    spaces,
    word,
    Expected, //
};
use crate::session::Kind;

fn is_in_word(byte: &u8) -> bool {
    !b" \r\n".contains(byte)
}

fn is_reply(line: &[u8]) -> Option<()> {
    let line = &line[..line.len().min(LINE_MAX)];
    let rest = spaces(word(line, b"Amanda")?)?;
    let rest = spaces(&rest[count(rest, is_in_word)..])?;
    let rest = word(rest, b"REP").or_else(|| word(rest, b"PREP"))?;
    // It takes the byte behind the spaces to know where they end.
    (!spaces(rest)?.is_empty()).then_some(())
}

/// What the machine that is backed up announces in a datagram.
pub fn datagram(bytes: &[u8]) -> Vec<Expected> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut all: Vec<Expected> = Vec::new();
    let header = lines.next().unwrap_or_default();
    if is_reply(header).is_none() {
        return all;
    }
    let mut at = header.len();
    let Some(line) = lines.find(|line| {
        let is_it = line.starts_with(b"CONNECT ");
        at += if is_it { 0 } else { line.len() };
        is_it
    }) else {
        return all;
    };
    // What is looked at goes so far from the place of the last port.
    let mut limit = LINE_MAX;
    let mut rest = &line[7..];
    loop {
        rest = &rest[count(rest, |byte| *byte == b' ')..];
        let (name, tail) = rest.split_at(count(rest, is_in_word));
        rest = tail;
        let stream = match name {
            b"" => return all,
            b"DATA" => Stream::Data,
            b"MESG" => Stream::Mesg,
            b"INDEX" => Stream::Index,
            b"STATE" => Stream::State,
            b"CMD" => Stream::Cmd,
            b"CTL" => Stream::Ctl,
            _ => continue,
        };
        let Some(tail) = spaces(rest) else {
            return all;
        };
        let (port, tail) = tail.split_at(count(tail, is_in_word));
        let start = line.len() - rest.len() + count(rest, |byte| *byte == b' ');
        rest = tail;
        if rest.is_empty() || start + port.len() >= limit {
            return all;
        }
        let Some((port, b"")) = number(port, 65_535) else {
            continue;
        };
        let kind = Kind::Amanda(stream);
        if port != 0 && all.iter().all(|found| found.kind != kind) {
            limit = start + LINE_MAX;
            all.push(Expected {
                kind,
                address: None,
                port: port as u16,
                start: at + start,
                len: line.len() - rest.len() - start,
            });
        }
    }
}
