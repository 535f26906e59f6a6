// SPDX-License-Identifier: GPL-2.0

//! The offer that is nearly all of them, at once.

use core::{
    net::Ipv4Addr,
    num::NonZeroU16, //
};

use super::{
    super::{
        decimal,
        scan,
        Span, //
    },
    dcc::DELIMITER,
    Announcement,
    Kind,
    LINE_MAX, //
};

/// Parses `PRIVMSG friend :^ADCC SEND file 3232235777 5000 …` in `line`, a whole one that begins there.
///
/// Returns what it announces, and what follows the port. [`None`] says nothing of the line: there are
/// other ways to say the same, which `message` and `dcc` know.
#[inline(always)]
pub(super) fn offer(line: &[u8]) -> Option<(Announcement, &[u8])> {
    // So neither message nor DCC is longer.
    if line.len() >= LINE_MAX {
        return None;
    }
    let target = behind(line, b"PRIVMSG ")?;
    let [b' ', b':', DELIMITER, dcc @ ..] = behind_word(target)? else {
        return None;
    };
    let [b' ', name @ ..] = behind(dcc, b"DCC SEND")? else {
        return None;
    };
    if name.first() == Some(&b'"') {
        return None;
    }
    let [b' ', start @ ..] = behind_word(name)? else {
        return None;
    };
    let (address, [b' ', rest @ ..]) = decimal::ten(start)? else {
        return None;
    };
    let (port, len) = decimal::eight(rest)?;
    let rest = rest.get(len..)?;
    if !matches!(rest.first()?, b' ' | &DELIMITER) {
        return None;
    }
    let offset = |rest: &[u8]| line.len().wrapping_sub(rest.len());
    let announcement = Announcement {
        kind: Kind::Offer,
        address: Some(Ipv4Addr::from_bits(address).into()),
        // A port without digits is 0 as well.
        port: NonZeroU16::new(port.try_into().ok()?)?,
        instead: None,
        may_count: true,
        span: Span::new(line, offset(start)..offset(rest))?,
    };
    Some((announcement, rest))
}

/// Returns what follows `word`.
#[inline(always)]
fn behind<'a>(bytes: &'a [u8], word: &[u8; 8]) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_first_chunk()?;
    (first == word).then_some(rest)
}

/// Returns what follows a word of at least one byte that is neither space nor control character.
#[inline(always)]
fn behind_word(bytes: &[u8]) -> Option<&[u8]> {
    let rest = scan::skip_visible(bytes);
    (rest.len() != bytes.len()).then_some(rest)
}
