// SPDX-License-Identifier: GPL-2.0

//! TFTP, RFC 1350.
//!
//! A request goes to the server's well-known port, and the transfer that answers it comes from
//! another one: to the address and port that the request came from. So nothing is announced in the
//! text; it only has to be a request.

use super::{
    reader::Reader,
    Reject, //
};

/// How many bytes of a datagram are looked at: RFC 2347 limits a request to so many.
pub const REQUEST_MAX: usize = 512;

/// Whether the opcode of a datagram is that of a request, to read (RRQ) or to write (WRQ): what
/// follows from both is the same.
#[inline]
pub fn is_request(bytes: &[u8]) -> bool {
    matches!(bytes.first_chunk(), Some([0, 1 | 2]))
}

/// Parses the request in a datagram: an opcode, the name of a file, and a mode of transfer.
///
/// `bytes` is the whole datagram or at least the first [`REQUEST_MAX`] bytes of it. An empty name
/// is a server's to refuse, which it does from the new port. What follows the mode, the options of
/// RFC 2347 or some client's padding, does not matter.
///
/// # Errors
///
/// See [`Reject`]. A datagram that ends early never becomes a request.
#[inline(always)]
pub fn request(bytes: &[u8]) -> Result<(), Reject> {
    if !is_request(bytes) {
        return Err(match bytes.len() {
            0 | 1 => Reject::Incomplete,
            _ => Reject::NotOurs,
        });
    }
    file_and_mode(bytes)
}

/// The same for a datagram that [is one](is_request) by its opcode.
///
/// # Errors
///
/// See [`Reject`].
#[inline(always)]
pub fn file_and_mode(bytes: &[u8]) -> Result<(), Reject> {
    let (mut reader, is_cut) = Reader::new(bytes, 2, REQUEST_MAX - 2);
    match name_and_mode(&mut reader) {
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        result => result,
    }
}

#[inline(always)]
fn name_and_mode(reader: &mut Reader<'_>) -> Result<(), Reject> {
    reader.behind::<0>()?;
    // What nearly everybody says, at once.
    if let Some(&[a, b, c, d, e, 0]) = reader.first_chunk() {
        let lower = |word: [u8; 4]| u32::from_le_bytes(word) | 0x2020_2020;
        if lower([a, b, c, d]) == lower(*b"octe") && e | 0x20 == b't' {
            return Ok(());
        }
    }
    mode(*reader)
}

#[cold]
#[inline(never)]
fn mode(mut reader: Reader<'_>) -> Result<(), Reject> {
    let mode: &[u8] = match reader.peek()?.to_ascii_lowercase() {
        b'n' => b"netascii",
        b'o' => b"octet",
        // Obsolete, but still a request.
        b'm' => b"mail",
        _ => return Err(Reject::Malformed),
    };
    let known = reader.long_word(mode).and_then(|()| reader.mark(0));
    known.map_err(|reject| match reject {
        Reject::NotOurs => Reject::Malformed,
        other => other,
    })
}
