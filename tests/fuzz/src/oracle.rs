// SPDX-License-Identifier: GPL-2.0

//! What a line or a datagram announces, by the RFCs, written without regard to how the core does
//! it or how fast.

pub mod amanda;
pub mod announced;
pub mod dialogue;
pub mod ftp;
pub mod ftp_dialogue;
pub mod irc;
pub mod irc_dialogue;
#[cfg(test)]
mod mutants;
pub mod stream;
#[cfg(test)]
mod table;
pub mod tftp;
mod words;

use std::net::IpAddr;

use crate::session::Kind;

/// What should be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What it is.
    pub kind: Kind,
    /// The address announced.
    pub address: Option<IpAddr>,
    /// The port announced.
    pub port: u16,
    /// Where it begins in the line.
    pub start: usize,
    /// How many bytes it has.
    pub len: usize,
}

/// An address, a port, the bytes from where they begin on and those behind them.
type Fields<'a> = (Option<IpAddr>, u16, &'a [u8], &'a [u8]);

/// Takes the digits at the beginning of `text`, at least one, and returns their value if it is not
/// more than `max`, and what follows.
fn number(text: &[u8], max: u32) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at(count(text, u8::is_ascii_digit));
    if digits.is_empty() {
        return None;
    }
    let digits = &digits[count(digits, |byte| *byte == b'0')..];
    if digits.len() > 10 {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let value = u32::try_from(value).ok()?;
    (value <= max).then_some((value, rest))
}

/// Takes numbers of up to 255 with a `separator` between each two.
fn octets<const N: usize>(text: &[u8], separator: u8) -> Option<([u8; N], &[u8])> {
    let mut octets = [0; N];
    let mut rest = text;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix(&[separator])?;
        }
        let (value, tail) = number(rest, 255)?;
        *octet = value as u8;
        rest = tail;
    }
    Some((octets, rest))
}

/// Takes one or more spaces.
fn spaces(text: &[u8]) -> Option<&[u8]> {
    let count = count(text, |byte| *byte == b' ');
    (count > 0).then(|| &text[count..])
}

/// How many bytes at the beginning of `text` are `wanted`.
fn count(text: &[u8], wanted: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| wanted(byte)).count()
}

/// Takes `word`, in whatever case.
fn word<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}
