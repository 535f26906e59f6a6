// SPDX-License-Identifier: GPL-2.0

//! Parses one line.
//!
//! The result is determined by a prefix: once it is not [`Reject::Incomplete`] no further byte
//! changes it.

use core::{
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    },
    num::NonZeroU16,
    ops::Range, //
};

use super::{
    super::{
        ipv6,
        reader::Reader,
        Direction,
        Reject,
        Span, //
    },
    Announcement,
    Kind, //
};

/// How many bytes of a line are looked at; an announcement that ends behind them is malformed.
///
/// Those of real software end before 100.
pub const LINE_MAX: usize = 256;

/// Parses the line at the beginning of `line`, which may be cut short or go on with other lines.
///
/// # Errors
///
/// See [`Reject`].
pub fn parse(direction: Direction, line: &[u8]) -> Result<Announcement, Reject> {
    let kind = kind(direction, line)?;
    arguments(kind, line, 0, &mut None)
}

// As one word each, so that a line costs two compares.
const PORT: u32 = u32::from_le_bytes(*b"port");
const EPRT: u32 = u32::from_le_bytes(*b"eprt");
const PASV: u32 = u32::from_le_bytes(*b"227 ");
const EPSV: u32 = u32::from_le_bytes(*b"229 ");
/// Makes capitals small. Other bytes may change, but none becomes a letter.
const LOWER: u32 = u32::from_le_bytes([0x20; 4]);

/// Tells whether a line of the server that begins with `word` may announce something.
#[inline(always)]
pub(super) const fn seems_passive(word: u32) -> bool {
    matches!(word, PASV | EPSV)
}

/// Tells by the first bytes of `line` what it may announce.
#[inline]
pub(super) fn kind(direction: Direction, line: &[u8]) -> Result<Kind, Reject> {
    let Some(word) = line.first_chunk() else {
        // Whatever it is going to be, it is a line only with its end.
        return Err(if line.contains(&b'\n') {
            Reject::NotOurs
        } else {
            Reject::Incomplete
        });
    };
    let word = u32::from_le_bytes(*word);
    match direction {
        Direction::Original => match word | LOWER {
            PORT => Ok(Kind::Port),
            EPRT => Ok(Kind::Eprt),
            _ => Err(Reject::NotOurs),
        },
        Direction::Reply => match word {
            PASV => Ok(Kind::Pasv),
            EPSV => Ok(Kind::Epsv),
            // `227-` begins a reply of several lines, the last of which begins with `227 `.
            _ => Err(Reject::NotOurs),
        },
    }
}

/// Parses the line of `kind` at offset `start`, of which the first four bytes are known.
///
/// `begun` becomes the offset of what [`super::emit()`] writes anew, as far as the line has come to it.
///
/// # Errors
///
/// See [`Reject`].
pub(super) fn arguments(
    kind: Kind,
    bytes: &[u8],
    start: usize,
    begun: &mut Option<usize>,
) -> Result<Announcement, Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, start, LINE_MAX);
    reader.pass(4);
    match fields(kind, &mut reader, begun) {
        Ok(fields) => {
            // The span never fails: all offsets come from the reader.
            match (NonZeroU16::new(fields.port), Span::new(bytes, fields.place)) {
                (Some(port), Some(span)) => Ok(Announcement {
                    kind,
                    address: fields.address,
                    port,
                    span,
                    may_count: true,
                }),
                _ => Err(Reject::Malformed),
            }
        }
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        Err(reject) => Err(reject),
    }
}

/// What is announced, and where.
struct Fields {
    address: Option<IpAddr>,
    port: u16,
    place: Range<usize>,
}

#[inline(always)]
fn fields(
    kind: Kind,
    reader: &mut Reader<'_>,
    begun: &mut Option<usize>,
) -> Result<Fields, Reject> {
    if matches!(kind, Kind::Port | Kind::Eprt) {
        reader.spaces()?;
    }
    loop {
        // In replies the text before is anything.
        let is_there = match kind {
            Kind::Pasv => reader.find(|byte| byte.is_ascii_digit())?,
            Kind::Epsv => {
                let is_there = reader.find(|byte| byte == b'(')?;
                reader.bump();
                is_there
            }
            Kind::Port | Kind::Eprt | Kind::Deferred => true,
        };
        if !is_there {
            return Err(Reject::NotOurs);
        }
        let start = reader.at();
        *begun = Some(start);
        let before = *reader;
        let fields = match kind {
            Kind::Port | Kind::Pasv => host_port(reader, kind),
            Kind::Eprt | Kind::Epsv | Kind::Deferred => delimited(reader, kind),
        };
        match (fields, kind) {
            // Some other numbers.
            (Err(Reject::Malformed), Kind::Pasv) => reader.skip(goes_on)?,
            // At most the delimiters are read again, in which another `(` may be.
            (Err(Reject::Malformed), Kind::Epsv) => *reader = before,
            (Err(reject), _) => return Err(reject),
            (Ok((address, port, end)), _) => {
                return Ok(Fields {
                    address,
                    port,
                    place: start..end,
                })
            }
        }
    }
}

/// Address, port and the offset behind both.
type Parsed = (Option<IpAddr>, u16, usize);

/// Consumes `h1,h2,h3,h4,p1,p2` and what has to be behind it.
///
/// In the reply it is the first run of digits and commas that has the form, wherever it stands: RFC
/// 1123 section 4.1.2.6 warns that the text around it, parentheses included, is anything.
#[inline(always)]
fn host_port(reader: &mut Reader<'_>, kind: Kind) -> Result<Parsed, Reject> {
    let octets = reader.octets::<6>(b',')?;
    let end = reader.at();
    if kind == Kind::Port {
        reader.skip(|byte| byte == b' ')?;
    }
    let behind = reader.peek()?;
    if kind == Kind::Port {
        if !matches!(behind, b'\r' | b'\n') {
            return Err(Reject::Malformed);
        }
    } else if goes_on(behind) {
        return Err(Reject::Malformed);
    }
    let [_, _, a, b, c, d, high, low] = octets.to_be_bytes();
    let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Ok((Some(address), u16::from_be_bytes([high, low]), end))
}

/// Whether a run of digits and commas goes on with `byte`.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b','
}

/// Consumes `|family|address|port|`, or `|||port|`.
#[inline(always)]
fn delimited(reader: &mut Reader<'_>, kind: Kind) -> Result<Parsed, Reject> {
    let delimiter = delimiter(reader)?;
    let mut address = None;
    if kind == Kind::Eprt {
        let family = reader.peek()?;
        if !matches!(family, b'1' | b'2') {
            return Err(Reject::Malformed);
        }
        reader.bump();
        reader.one(delimiter)?;
        address = Some(if family == b'1' {
            let octets = reader.octets::<4>(b'.')?;
            let [_, _, _, _, a, b, c, d] = octets.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(address6(reader, delimiter)?)
        });
    } else {
        reader.one(delimiter)?;
    }
    reader.one(delimiter)?;
    let port = reader.number()?;
    reader.one(delimiter)?;
    Ok((address, port, reader.at()))
}

/// Consumes a delimiter of RFC 2428, any printable character but here not a digit, which could not
/// delimit a number.
fn delimiter(reader: &mut Reader<'_>) -> Result<u8, Reject> {
    let byte = reader.peek()?;
    if !byte.is_ascii_graphic() || byte.is_ascii_digit() {
        return Err(Reject::Malformed);
    }
    reader.bump();
    Ok(byte)
}

/// Consumes the text of an IPv6 address, RFC 4291 section 2.2, up to `delimiter`.
#[inline]
fn address6(reader: &mut Reader<'_>, delimiter: u8) -> Result<Ipv6Addr, Reject> {
    let start = *reader;
    // What can be part of it is among these, a newline is not; the rest is for the parser to refuse.
    reader.skip(|byte| byte != delimiter && matches!(byte, b'.'..=b'f'))?;
    ipv6::parse(reader.consumed(&start)).ok_or(Reject::Malformed)
}
