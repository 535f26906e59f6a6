// SPDX-License-Identifier: GPL-2.0

//! Parses a message up to its text.

use super::{
    super::{
        reader::Reader,
        Reject, //
    },
    dcc::DELIMITER,
    LINE_MAX, //
};

/// Returns the offset of the message in `line`, behind the tags that it may have.
///
/// IRCv3 message tags: `@name=value;name=value :prefix PRIVMSG …`.
pub(super) fn behind_tags(line: &[u8]) -> Result<usize, Reject> {
    let (mut reader, _) = Reader::new(line, 0, usize::MAX);
    if reader.peek()? == b'@' {
        reader.skip(|byte| !matches!(byte, b' ' | b'\n'))?;
    }
    Ok(reader.at())
}

/// Parses the message at offset `start` and returns the offset of its text if that begins like a
/// DCC.
#[inline(never)]
pub(super) fn text(bytes: &[u8], start: usize) -> Result<usize, Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, start, LINE_MAX);
    match head(&mut reader) {
        Ok(()) => Ok(reader.at()),
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        Err(reject) => Err(reject),
    }
}

/// Consumes `:prefix PRIVMSG target :`, with or without the prefix, and with `NOTICE` as well.
fn head(reader: &mut Reader<'_>) -> Result<(), Reject> {
    reader.skip(|byte| byte == b' ')?;
    if reader.peek()? == b':' {
        parameter(reader)?;
    }
    match reader.peek()? {
        b'P' | b'p' => reader.word(b"privmsg")?,
        b'N' | b'n' => reader.word(b"notice")?,
        _ => return Err(Reject::NotOurs),
    }
    reader.spaces()?;
    parameter(reader)?;
    reader.mark(b':')?;
    // Only at the beginning of the text: who gets a client to echo something does not get it there.
    if reader.peek()? != DELIMITER {
        return Err(Reject::NotOurs);
    }
    Ok(())
}

/// Consumes a word and the spaces behind it.
fn parameter(reader: &mut Reader<'_>) -> Result<(), Reject> {
    reader.skip(|byte| byte > b' ' || !matches!(byte, b' ' | b'\r' | b'\n' | b'\0'))?;
    reader.spaces()
}
