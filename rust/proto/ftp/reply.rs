// SPDX-License-Identifier: GPL-2.0

//! Replies of the server, RFC 959 section 4.2.

use super::super::Reject;

/// The code of a reply, three digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(u16);

impl Code {
    /// The code with that `number`; [`None`] for 0.
    pub(super) const fn from_number(number: u16) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    pub(super) const fn number(self) -> u16 {
        self.0
    }

    /// Its digits.
    pub(super) fn digits(self) -> [u8; 3] {
        let digit = |place: u16| {
            let value = self
                .0
                .checked_div(place)
                .and_then(|value| value.checked_rem(10));
            b'0'.wrapping_add(
                value
                    .and_then(|value| u8::try_from(value).ok())
                    .unwrap_or(0),
            )
        };
        [digit(100), digit(10), digit(1)]
    }

    /// Whether another reply to the same command will follow.
    pub(super) const fn is_preliminary(self) -> bool {
        matches!(self.0, 100..=199)
    }

    pub(super) const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    pub(super) const fn is_refusal(self) -> bool {
        self.0 >= 400
    }
}

/// What a line of the server is by its beginning.
pub(super) enum Reply {
    /// A reply of one line, or the last line of one.
    Last(Code),
    /// The first line of a reply of several.
    First(Code),
    /// Something else.
    Text,
}

/// Tells what the line at the beginning of `line` is.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early to know.
pub(super) fn reply(line: &[u8]) -> Result<Reply, Reject> {
    let Some(word) = line.first_chunk::<4>() else {
        return if line.contains(&b'\n') {
            // Even three digits have four bytes with the end of their line.
            Ok(Reply::Text)
        } else {
            Err(Reject::Incomplete)
        };
    };
    let [digits @ .., behind] = word;
    let mut number = 0u16;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Ok(Reply::Text);
        }
        number = number.wrapping_mul(10).wrapping_add(u16::from(digit & 0xf));
    }
    let (Some(code), 100..=599) = (Code::from_number(number), number) else {
        return Ok(Reply::Text);
    };
    Ok(match behind {
        b' ' | b'\r' | b'\n' => Reply::Last(code),
        b'-' => Reply::First(code),
        _ => Reply::Text,
    })
}

/// Tells whether `word`, the first four bytes of a line, is a code and a space, and if so how many lines
/// that counts for: none if another reply to the same command will follow. Not those that may announce
/// something.
///
/// Exact for what [`reply`] takes for a code below 600.
#[inline(always)]
pub(super) fn counts(word: u32) -> Option<u8> {
    const PATTERN: u32 = u32::from_le_bytes(*b"000 ");
    const SIX: u32 = u32::from_le_bytes(*b"\x7a\x76\x76\x7f");
    const TOPS: u32 = 0x8080_8080;
    // A digit becomes its value, the space 0. What is more than 9, or than 5 in the first place, gets the
    // top bit by what is added, or has it, or is carried to the next byte, which has it then.
    let values = word ^ PATTERN;
    if (values | values.wrapping_add(SIX)) & TOPS != 0 {
        return None;
    }
    match values & 0xff {
        0 => None,
        1 => Some(0),
        _ => Some(1),
    }
}

/// What [`greeting`] finds.
pub(super) enum Greeting<'a> {
    /// What may be a reply, from its code on.
    Reply(&'a [u8]),
    /// Nothing but what may stand before a greeting.
    Text,
    /// Another protocol.
    Foreign,
}

/// Looks for the server's first reply at the beginning of `line`: some servers put blanks or a byte order
/// mark before it, or lines of text.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early to know.
pub(super) fn greeting(line: &[u8]) -> Result<Greeting<'_>, Reject> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut rest = line.strip_prefix(MARK).unwrap_or(line);
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    let text = rest.iter().position(|&byte| byte == b'\n');
    match rest.first_chunk::<4>() {
        Some(b"HTTP" | b"SSH-" | b"RFB " | b"+OK " | b"* OK") => Ok(Greeting::Foreign),
        // A server of IRC.
        Some([b':', ..]) => Ok(Greeting::Foreign),
        Some(_) => Ok(Greeting::Reply(rest)),
        None if text.is_some() => Ok(Greeting::Text),
        None => Err(Reject::Incomplete),
    }
}
