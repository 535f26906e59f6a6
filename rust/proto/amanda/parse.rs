// SPDX-License-Identifier: GPL-2.0

//! Parses the lines of a reply.

use core::num::NonZeroU16;

use super::{
    super::{
        reader::Reader,
        Reject,
        Span, //
    },
    Announcement,
    Stream, //
};

/// How many bytes of a line are looked at; what ends behind them is malformed.
pub const LINE_MAX: usize = 256;

/// Parses the first line, `Amanda 3.5 REP …` or `PREP`, up to that word, and returns the offset
/// behind it.
// Other datagrams are requests and what acknowledges them.
#[inline(never)]
pub(super) fn header(bytes: &[u8]) -> Result<usize, Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, 0, LINE_MAX);
    match reply(&mut reader) {
        Ok(()) => Ok(reader.at()),
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        Err(reject) => Err(reject),
    }
}

fn reply(reader: &mut Reader<'_>) -> Result<(), Reject> {
    reader.word(b"amanda")?;
    reader.spaces()?;
    reader.skip(in_word)?;
    reader.spaces()?;
    if matches!(reader.peek()?, b'P' | b'p') {
        reader.bump();
    }
    reader.word(b"rep")?;
    reader.spaces()
}

const CONNECT: u64 = u64::from_le_bytes(*b"CONNECT ");

/// Tells whether the line at the beginning of `line` announces ports.
#[inline]
pub(super) fn connect(line: &[u8]) -> Result<(), Reject> {
    match line.first_chunk() {
        Some(word) if u64::from_le_bytes(*word) == CONNECT => Ok(()),
        Some(_) => Err(Reject::NotOurs),
        None => Err(Reject::Incomplete),
    }
}

/// Parses the line that [`connect()`] accepted, from the word at offset `start` on, up to the next
/// announcement of a stream that is not in `seen` yet.
///
/// # Errors
///
/// See [`Reject`]; [`Reject::NotOurs`] at the end of the line.
#[inline(never)]
pub(super) fn stream(bytes: &[u8], start: usize, seen: &mut u8) -> Result<Announcement, Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, start, LINE_MAX);
    match next_stream(&mut reader, bytes, seen) {
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        result => result,
    }
}

fn next_stream(
    reader: &mut Reader<'_>,
    bytes: &[u8],
    seen: &mut u8,
) -> Result<Announcement, Reject> {
    // `CONNECT` or the port before, as it is now.
    reader.skip(in_word)?;
    loop {
        match pair(reader, bytes)? {
            Some((bit, found)) if *seen & bit == 0 => {
                *seen |= bit;
                return Ok(found);
            }
            _ => {}
        }
    }
}

/// Consumes the name of a stream and its port; gives [`None`] for another word and for a port that
/// is none.
fn pair(reader: &mut Reader<'_>, bytes: &[u8]) -> Result<Option<(u8, Announcement)>, Reject> {
    reader.skip(|byte| byte == b' ')?;
    let start = *reader;
    reader.skip(in_word)?;
    let (bit, stream) = match reader.consumed(&start) {
        b"" => return Err(Reject::NotOurs),
        b"DATA" => (1, Stream::Data),
        b"MESG" => (2, Stream::Mesg),
        b"INDEX" => (4, Stream::Index),
        b"STATE" => (8, Stream::State),
        b"CMD" => (16, Stream::Cmd),
        b"CTL" => (32, Stream::Ctl),
        _ => return Ok(None),
    };
    reader.spaces()?;
    let start = reader.at();
    let port = match reader.number() {
        Err(Reject::Incomplete) => return Err(Reject::Incomplete),
        // Nothing may follow the digits.
        Ok(port) if !in_word(reader.peek()?) => port,
        _ => 0,
    };
    let span = Span::new(bytes, start..reader.at());
    reader.skip(in_word)?;
    let (Some(port), Some(span)) = (NonZeroU16::new(port), span) else {
        return Ok(None);
    };
    let found = Announcement { stream, port, span };
    Ok(Some((bit, found)))
}

fn in_word(byte: u8) -> bool {
    !matches!(byte, b' ' | b'\r' | b'\n')
}
