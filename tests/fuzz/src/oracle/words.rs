// SPDX-License-Identifier: GPL-2.0

//! What words at the beginning of a client's line say about its protocol.

use super::count;

/// Whether a line belongs to another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may.
    Maybe,
}

/// The first word of `text`, in upper case; it ends at a space or at the end of the line.
pub fn command(text: &[u8]) -> Vec<u8> {
    let len = count(text, |byte| !b" \r\n".contains(byte));
    text[..len].to_ascii_uppercase()
}

/// Whether that word has an end.
pub fn is_whole(text: &[u8]) -> bool {
    count(text, |byte| !b" \r\n".contains(byte)) < text.len()
}

/// Whether `text` is a line of HTTP or of mail: a request or a header.
pub fn is_foreign(text: &[u8]) -> Foreign {
    if contains(text, b" HTTP/") {
        return Foreign::Yes;
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let token = count(text, is_token);
    match &text[token..] {
        [b':', b' ', ..] if token > 0 => Foreign::Yes,
        [b':', ..] if token > 0 => Foreign::Maybe,
        _ if contains(&text.to_ascii_uppercase(), b" HTTP/") => Foreign::Maybe,
        _ => Foreign::No,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
