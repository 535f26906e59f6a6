// SPDX-License-Identifier: GPL-2.0

//! IRC: RFC 2812, IRCv3 message tags, and DCC as clients speak it.

use std::{
    net::IpAddr,
    str, //
};

use conntrack_proto::{
    irc::{
        Kind,
        LINE_MAX, //
    },
    Direction, //
};

use super::{
    count,
    number,
    octets,
    spaces,
    word,
    Expected,
    Fields, //
};

/// What `line` announces; it may lack its end but has nothing behind it.
pub fn line(direction: Direction, line: &[u8]) -> Vec<Expected> {
    let mut all = Vec::new();
    let mut dcc = text(line);
    while let Some(start) = dcc {
        let window = &line[start..line.len().min(start + LINE_MAX)];
        let Some(found) = self::dcc(direction, window) else {
            break;
        };
        let start = start + found.start;
        if found.port != 0 {
            all.push(Expected { start, ..found });
        }
        // Another one may begin behind the delimiter that ends this.
        let mut delimiters = (start + found.len..line.len()).filter(|at| line[*at] == 1);
        dcc = delimiters.nth(1);
    }
    all
}

/// Where in `line` the text of a message begins that begins with a delimiter.
fn text(line: &[u8]) -> Option<usize> {
    let mut start = 0;
    if line.first()? == &b'@' {
        start = count(line, |byte| !b" \n".contains(byte));
        line[start..].strip_prefix(b" ")?;
    }
    let message = &line[start..line.len().min(start + LINE_MAX)];
    let is_in_word = |byte: &u8| !b" \r\n\0".contains(byte);
    let skip_word = |text| spaces(&text[count(text, is_in_word)..]);
    let mut rest = &message[count(message, |byte| *byte == b' ')..];
    if rest.first()? == &b':' {
        rest = skip_word(rest)?;
    }
    rest = word(rest, b"PRIVMSG").or_else(|| word(rest, b"NOTICE"))?;
    rest = skip_word(spaces(rest)?)?;
    rest = rest.strip_prefix(b":\x01")?;
    Some(start + message.len() - rest.len() - 1)
}

fn is_in_dcc(byte: &u8) -> bool {
    !b"\x01\r\n\0".contains(byte)
}

/// The DCC that `text` begins with.
fn dcc(direction: Direction, text: &[u8]) -> Option<Expected> {
    let rest = spaces(word(text, b"\x01DCC")?)?;
    let (name, rest) = rest.split_at(count(rest, u8::is_ascii_alphabetic));
    let kind = match (direction, name.to_ascii_uppercase().as_slice()) {
        (Direction::Original, b"SEND" | b"CHAT" | b"MOVE" | b"TSEND" | b"SCHAT") => Kind::Offer,
        (Direction::Original, b"ACCEPT") => Kind::Accept,
        (Direction::Reply, b"RESUME") => Kind::Resume,
        _ => return None,
    };
    let file = spaces(rest)?;
    let (address, port, from, to) = if let Some(quoted) = file.strip_prefix(b"\"") {
        // Any of the quotes may be the last.
        let end = count(quoted, is_in_dcc);
        let quotes = (0..end).filter(|at| quoted[*at] == b'"');
        quotes
            .into_iter()
            .find_map(|at| arguments(kind, &quoted[at + 1..]))?
    } else {
        arguments(
            kind,
            &file[count(file, |byte| *byte != b' ' && is_in_dcc(byte))..],
        )?
    };
    Some(Expected {
        kind: crate::session::Kind::Irc(kind),
        address,
        port,
        start: text.len() - from.len(),
        len: from.len() - to.len(),
    })
}

/// What follows the name of the file.
fn arguments(kind: Kind, rest: &[u8]) -> Option<Fields<'_>> {
    let text = spaces(rest)?;
    let (address, rest) = match kind {
        Kind::Offer => {
            let (address, rest) = text.split_at(count(text, |byte| *byte != b' '));
            (Some(self::address(address)?), spaces(rest)?)
        }
        Kind::Accept | Kind::Resume => (None, text),
    };
    let (port, rest) = number(rest, 65_535)?;
    (rest.first()? == &b' ' || !is_in_dcc(rest.first()?)).then_some((
        address,
        port as u16,
        text,
        rest,
    ))
}

fn address(text: &[u8]) -> Option<IpAddr> {
    if text.contains(&b':') {
        Some(IpAddr::V6(str::from_utf8(text).ok()?.parse().ok()?))
    } else if text.contains(&b'.') {
        let (octets, rest) = octets::<4>(text, b'.')?;
        rest.is_empty().then(|| octets.into())
    } else {
        let (value, rest) = number(text, u32::MAX)?;
        rest.is_empty().then(|| IpAddr::from(value.to_be_bytes()))
    }
}
