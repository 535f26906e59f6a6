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
    ops::Range,
    str, //
};

use super::{
    super::{
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

type Parsed = Result<Announcement, Reject>;

/// Parses the line at the beginning of `line`, which may be cut short or go on with other lines.
///
/// # Errors
///
/// See [`Reject`].
pub fn parse(direction: Direction, line: &[u8]) -> Parsed {
    arguments(kind(direction, line)?, line, 0)
}

// As one word each, so that a line costs two compares.
const PORT: u32 = u32::from_le_bytes(*b"port");
const EPRT: u32 = u32::from_le_bytes(*b"eprt");
const PASV: u32 = u32::from_le_bytes(*b"227 ");
const EPSV: u32 = u32::from_le_bytes(*b"229 ");
/// Makes capitals small. Other bytes may change, but none becomes a letter.
const LOWER: u32 = u32::from_le_bytes([0x20; 4]);

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
#[inline(never)]
pub(super) fn arguments(kind: Kind, bytes: &[u8], start: usize) -> Parsed {
    let window = bytes.get(..start.saturating_add(LINE_MAX));
    let mut reader = Reader::new(window.unwrap_or(bytes), start.saturating_add(4));
    let parsed = match kind {
        Kind::Port => port(&mut reader),
        Kind::Eprt => eprt(&mut reader),
        Kind::Pasv => pasv(&mut reader),
        Kind::Epsv => epsv(&mut reader),
    };
    match parsed {
        Ok(fields) => Ok(Announcement {
            kind,
            address: fields.address,
            port: NonZeroU16::new(fields.port).ok_or(Reject::Malformed)?,
            // Never fails: all offsets come from the reader.
            span: Span::new(bytes, fields.place).ok_or(Reject::Malformed)?,
        }),
        Err(Reject::Incomplete) if window.is_some() => Err(Reject::Malformed),
        Err(reject) => Err(reject),
    }
}

/// What the forms differ in.
struct Fields {
    address: Option<IpAddr>,
    port: u16,
    place: Range<usize>,
}

fn port(reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    reader.spaces()?;
    let fields = host_port(reader)?;
    reader.skip(|byte| byte == b' ')?;
    match reader.peek()? {
        b'\r' | b'\n' => Ok(fields),
        _ => Err(Reject::Malformed),
    }
}

/// Takes the first run of digits and commas that has the form, wherever it stands: RFC 1123 section
/// 4.1.2.6 warns that the text around it, parentheses included, is anything.
fn pasv(reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    loop {
        match reader.peek()? {
            b'\n' => return Err(Reject::NotOurs),
            b'0'..=b'9' => {
                let fields = host_port(reader);
                // The byte behind it, or that on which it failed.
                let goes_on = |byte: u8| byte.is_ascii_digit() || byte == b',';
                if !goes_on(reader.peek()?) && fields.is_ok() {
                    return fields;
                }
                // Some other numbers.
                reader.skip(goes_on)?;
            }
            _ => reader.bump(),
        }
    }
}

/// Consumes `h1,h2,h3,h4,p1,p2`.
fn host_port(reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    let start = reader.at();
    let mut octets = [0; 6];
    reader.octets(b',', &mut octets)?;
    let [a, b, c, d, high, low] = octets;
    Ok(Fields {
        address: Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
        port: u16::from_be_bytes([high, low]),
        place: start..reader.at(),
    })
}

fn eprt(reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    reader.spaces()?;
    let start = reader.at();
    let delimiter = delimiter(reader)?;
    let family = reader.peek()?;
    if !matches!(family, b'1' | b'2') {
        return Err(Reject::Malformed);
    }
    reader.bump();
    reader.one(delimiter)?;
    let address = if family == b'1' {
        let mut octets = [0; 4];
        reader.octets(b'.', &mut octets)?;
        IpAddr::V4(Ipv4Addr::from(octets))
    } else {
        IpAddr::V6(ipv6(reader, delimiter)?)
    };
    reader.one(delimiter)?;
    let port = reader.number()?;
    reader.one(delimiter)?;
    Ok(Fields {
        address: Some(address),
        port,
        place: start..reader.at(),
    })
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
fn ipv6(reader: &mut Reader<'_>, delimiter: u8) -> Result<Ipv6Addr, Reject> {
    let start = reader.at();
    // No other byte can be part of it, a newline least of all.
    let belongs = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    reader.skip(|byte| byte != delimiter && belongs(byte))?;
    str::from_utf8(reader.consumed(start))
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Reject::Malformed)
}

/// Takes the first `(` that the rest follows; the text before it is anything.
fn epsv(reader: &mut Reader<'_>) -> Result<Fields, Reject> {
    loop {
        match reader.peek()? {
            b'\n' => return Err(Reject::NotOurs),
            b'(' => {
                reader.bump();
                let start = reader.at();
                match extended_port(reader) {
                    Ok(port) => {
                        return Ok(Fields {
                            address: None,
                            port,
                            place: start..reader.at(),
                        })
                    }
                    Err(Reject::Incomplete) => return Err(Reject::Incomplete),
                    // At most the delimiters are read again, in which another `(` may be.
                    Err(_) => reader.seek(start),
                }
            }
            _ => reader.bump(),
        }
    }
}

/// Consumes `|||port|`.
fn extended_port(reader: &mut Reader<'_>) -> Result<u16, Reject> {
    let delimiter = delimiter(reader)?;
    reader.one(delimiter)?;
    reader.one(delimiter)?;
    let port = reader.number()?;
    reader.one(delimiter)?;
    Ok(port)
}

/// Returns the offset of the span in a line of `kind` that is not whole, if it may have begun.
///
/// `bytes` end in that line, which begins at offset `start`.
#[cold]
pub(super) fn begun(kind: Kind, bytes: &[u8], start: usize) -> Option<usize> {
    let text = bytes.get(start.saturating_add(4)..)?;
    let rest = match kind {
        Kind::Port | Kind::Eprt => text.trim_ascii_start(),
        Kind::Pasv => {
            let is_text = |byte: &u8| !byte.is_ascii_digit() && *byte != b',';
            text.rsplit(is_text).next()?
        }
        Kind::Epsv => text.rsplit(|byte| *byte == b'(').next()?,
    };
    let is_begun = match kind {
        Kind::Port | Kind::Eprt | Kind::Pasv => !rest.is_empty(),
        // Of some other text in parentheses it is not the beginning.
        Kind::Epsv => rest.len() < text.len() && !rest.iter().any(u8::is_ascii_alphabetic),
    };
    is_begun.then_some(bytes.len().saturating_sub(rest.len()))
}
