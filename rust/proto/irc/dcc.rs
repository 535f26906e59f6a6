// SPDX-License-Identifier: GPL-2.0

//! Parses a DCC in the text of a message.
//!
//! The result is determined by a prefix: once it is not [`Reject::Incomplete`] no further byte
//! changes it.

use core::{
    net::{
        IpAddr,
        Ipv4Addr, //
    },
    num::NonZeroU16,
    ops::Range, //
};

use super::{
    super::{
        ipv6,
        reader::Reader,
        scan,
        Direction,
        Reject,
        Span, //
    },
    Announcement,
    Kind,
    LINE_MAX, //
};

/// Delimits a DCC at both ends, CTCP's `^A`.
pub(super) const DELIMITER: u8 = 1;

/// Tells whether something in `bytes` begins like a DCC.
pub(super) fn is_in(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(tail) = scan::skip_past::<DELIMITER>(rest) {
        if matches!(tail.first(), Some(b'D' | b'd')) {
            return true;
        }
        rest = tail;
    }
    false
}

/// Tells whether nothing in `bytes` begins like a DCC, or a line.
#[inline]
pub(super) fn is_rest(bytes: &[u8]) -> bool {
    let mut rest = scan::skip_words::<{ b'\n' + 1 }>(bytes);
    while let [byte, tail @ ..] = rest {
        match (byte, tail) {
            (b'\n', _) | (&DELIMITER, [b'D' | b'd', ..]) => return false,
            _ => rest = tail,
        }
    }
    true
}

/// A DCC.
pub(super) struct Dcc {
    /// What it announces, if it does: it may name port 0.
    pub(super) announcement: Option<Announcement>,
    /// The offset behind the port.
    pub(super) end: usize,
}

/// Parses the DCC at offset `start`.
#[inline(never)]
pub(super) fn parse(direction: Direction, bytes: &[u8], start: usize) -> Result<Dcc, Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, start, LINE_MAX);
    let parsed = match kind(direction, &mut reader) {
        Ok(kind) => named(kind, &mut reader).map(|fields| (kind, fields)),
        Err(reject) => Err(reject),
    };
    let (kind, fields) = match parsed {
        Ok(parsed) => parsed,
        Err(Reject::Incomplete) if is_cut => return Err(Reject::Malformed),
        Err(reject) => return Err(reject),
    };
    let end = fields.place.end;
    let Some(port) = NonZeroU16::new(fields.port) else {
        return Ok(Dcc {
            announcement: None,
            end,
        });
    };
    let announcement = Announcement {
        kind,
        address: fields.address,
        port,
        instead: None,
        may_count: true,
        // Never fails: all offsets come from the reader.
        span: Span::new(bytes, fields.place).ok_or(Reject::Malformed)?,
    };
    Ok(Dcc {
        announcement: Some(announcement),
        end,
    })
}

/// What a DCC says, and where.
struct Fields {
    address: Option<IpAddr>,
    port: u16,
    place: Range<usize>,
}

/// Consumes the command of a DCC that matters in this direction.
fn kind(direction: Direction, reader: &mut Reader<'_>) -> Result<Kind, Reject> {
    reader.mark(DELIMITER)?;
    reader.word(b"dcc")?;
    reader.spaces()?;
    // Most often it is one of these.
    if let (Direction::Original, Some(&[a, b, c, d, b' '])) = (direction, reader.first_chunk()) {
        // Makes small letters capitals. No other byte becomes a letter.
        let name = u32::from_be_bytes([a, b, c, d]) & 0xdfdf_dfdf;
        if matches!(u64::from(name), SEND | CHAT | MOVE) {
            reader.pass(4);
            return Ok(Kind::Offer);
        }
    }
    let mut name = 0;
    while reader.peek()?.is_ascii_alphabetic() {
        // Of a name that is too long letters remain where there must be none.
        name = (name << 8) | u64::from(reader.peek()?.to_ascii_uppercase());
        reader.bump();
    }
    match (direction, name) {
        (Direction::Original, SEND | CHAT | MOVE | TSEND | SCHAT) => Ok(Kind::Offer),
        (Direction::Original, ACCEPT) => Ok(Kind::Accept),
        (Direction::Reply, RESUME) => Ok(Kind::Resume),
        _ => Err(Reject::NotOurs),
    }
}

const SEND: u64 = u64::from_be_bytes(*b"\0\0\0\0SEND");
const CHAT: u64 = u64::from_be_bytes(*b"\0\0\0\0CHAT");
const MOVE: u64 = u64::from_be_bytes(*b"\0\0\0\0MOVE");
const TSEND: u64 = u64::from_be_bytes(*b"\0\0\0TSEND");
const SCHAT: u64 = u64::from_be_bytes(*b"\0\0\0SCHAT");
const ACCEPT: u64 = u64::from_be_bytes(*b"\0\0ACCEPT");
const RESUME: u64 = u64::from_be_bytes(*b"\0\0RESUME");

/// Consumes the name of the file and what is behind it.
fn named(kind: Kind, reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    gap(reader)?;
    if reader.peek()? != b'"' {
        reader.skip_words::<{ b' ' + 1 }>();
        reader.skip(|byte| byte > b' ' || (byte != b' ' && in_message(byte)))?;
        return arguments(kind, reader);
    }
    reader.bump();
    loop {
        reader.skip(|byte| byte != b'"' && in_message(byte))?;
        reader.one(b'"')?;
        match arguments(kind, reader) {
            // A quote in the name is not its end.
            Err(Reject::NotOurs | Reject::Malformed) => {}
            result => return result,
        }
    }
}

/// Consumes what is behind the name of the file.
fn arguments(kind: Kind, reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    gap(reader)?;
    let start = reader.at();
    let address = if kind == Kind::Offer {
        let address = address(reader)?;
        gap(reader)?;
        Some(address)
    } else {
        None
    };
    let port = reader.number()?;
    if reader.peek()? != b' ' && in_message(reader.peek()?) {
        return Err(Reject::Malformed);
    }
    Ok(Fields {
        address,
        port,
        place: start..reader.at(),
    })
}

/// Consumes an address: IPv4 as one decimal number or with dots, or IPv6.
fn address(reader: &mut Reader<'_>) -> Result<IpAddr, Reject> {
    let start = *reader;
    match reader.long_number() {
        Err(Reject::Incomplete) => return Err(Reject::Incomplete),
        Ok(number) if reader.peek()? == b' ' => return Ok(Ipv4Addr::from_bits(number).into()),
        // The digits may begin another form.
        _ => {}
    }
    reader.skip(in_ipv6)?;
    let text = reader.consumed(&start);
    if text.contains(&b':') {
        return ipv6::parse(text).map(IpAddr::V6).ok_or(Reject::Malformed);
    }
    *reader = start;
    let octets = reader.octets::<4>(b'.')?;
    let [_, _, _, _, a, b, c, d] = octets.to_be_bytes();
    Ok(Ipv4Addr::new(a, b, c, d).into())
}

/// Consumes at least one space.
fn gap(reader: &mut Reader<'_>) -> Result<(), Reject> {
    reader.one(b' ')?;
    reader.skip(|byte| byte == b' ')
}

fn in_message(byte: u8) -> bool {
    !matches!(byte, DELIMITER | b'\r' | b'\n' | b'\0')
}

/// Whether `byte` can stand in the text of an IPv6 address.
fn in_ipv6(byte: u8) -> bool {
    matches!(byte, b'0'..=b':' | b'a'..=b'f' | b'A'..=b'F' | b'.')
}
