// SPDX-License-Identifier: GPL-2.0

//! FTP: RFC 959, RFC 1123 section 4.1.2.6, RFC 2428.

use std::{
    net::IpAddr,
    str, //
};

use conntrack_proto::{
    ftp::{
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
pub fn line(direction: Direction, line: &[u8]) -> Option<Expected> {
    let line = &line[..line.len().min(LINE_MAX)];
    let (kind, (address, port, from, to)) = match direction {
        Direction::Original => {
            if let Some(rest) = word(line, b"PORT") {
                (Kind::Port, port(rest)?)
            } else {
                (Kind::Eprt, eprt(word(line, b"EPRT")?)?)
            }
        }
        Direction::Reply => {
            // The last line of a reply, or the first one of several.
            let rest = line.get(4..)?;
            match &line[..4] {
                b"227 " | b"227-" => (Kind::Pasv, pasv(rest)?),
                b"229 " | b"229-" => (Kind::Epsv, epsv(rest)?),
                _ => return None,
            }
        }
    };
    (port != 0).then(|| Expected {
        kind: crate::session::Kind::Ftp(kind),
        address,
        port,
        start: line.len() - from.len(),
        len: from.len() - to.len(),
    })
}

/// `h1,h2,h3,h4,p1,p2`.
fn six(text: &[u8]) -> Option<Fields<'_>> {
    let ([a, b, c, d, high, low], rest) = octets(text, b',')?;
    let port = u16::from(high) * 256 + u16::from(low);
    Some((Some([a, b, c, d].into()), port, text, rest))
}

fn port(rest: &[u8]) -> Option<Fields<'_>> {
    let found = six(spaces(rest)?)?;
    let end = &found.3[count(found.3, |byte| *byte == b' ')..];
    matches!(end.first()?, b'\r' | b'\n').then_some(found)
}

fn eprt(rest: &[u8]) -> Option<Fields<'_>> {
    let text = spaces(rest)?;
    let delimiter = delimiter(text)?;
    let (family, rest) = text[1..].split_first()?;
    let rest = rest.strip_prefix(&[delimiter])?;
    let (address, rest): (IpAddr, _) = match family {
        b'1' => {
            let (octets, rest) = octets::<4>(rest, b'.')?;
            (octets.into(), rest)
        }
        b'2' => {
            let (address, rest) = rest.split_at(count(rest, |byte| *byte != delimiter));
            let address = str::from_utf8(address).ok()?;
            (IpAddr::V6(address.parse().ok()?), rest)
        }
        _ => return None,
    };
    let (port, rest) = number(rest.strip_prefix(&[delimiter])?, 65_535)?;
    Some((
        Some(address),
        port as u16,
        text,
        rest.strip_prefix(&[delimiter])?,
    ))
}

/// A character of the range that RFC 2428 gives, but none that could be part of a number.
fn delimiter(text: &[u8]) -> Option<u8> {
    let byte = *text.first()?;
    (matches!(byte, 33..=126) && !byte.is_ascii_digit()).then_some(byte)
}

/// The first numbers of that form, wherever they stand.
fn pasv(rest: &[u8]) -> Option<Fields<'_>> {
    let goes_on = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
    let mut rest = rest;
    while let Some(first) = rest.first() {
        let run = count(rest, goes_on);
        if first.is_ascii_digit() {
            let end = &rest[run..];
            if let Some(found) = six(rest).filter(|found| found.3.len() == end.len()) {
                return (!end.is_empty()).then_some(found);
            }
            rest = end;
        } else {
            rest = &rest[1..];
        }
    }
    None
}

/// The first brackets with that in them.
fn epsv(rest: &[u8]) -> Option<Fields<'_>> {
    let brackets = (0..rest.len()).filter(|at| rest[*at] == b'(');
    brackets.into_iter().find_map(|at| {
        let text = &rest[at + 1..];
        let delimiter = delimiter(text)?;
        let (port, rest) = number(text.strip_prefix(&[delimiter; 3])?, 65_535)?;
        Some((None, port as u16, text, rest.strip_prefix(&[delimiter])?))
    })
}
