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

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Request {
    /// To send it a file, RRQ.
    Read,
    /// To take a file from it, WRQ.
    Write,
}

/// Tells by its first bytes what a datagram asks for, if it is a request.
#[inline]
pub fn opcode(bytes: &[u8]) -> Option<Request> {
    match bytes.first_chunk() {
        Some([0, 1]) => Some(Request::Read),
        Some([0, 2]) => Some(Request::Write),
        _ => None,
    }
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
pub fn request(bytes: &[u8]) -> Result<Request, Reject> {
    match opcode(bytes) {
        Some(request) => body(bytes).map(|()| request),
        None if bytes.len() < 2 => Err(Reject::Incomplete),
        None => Err(Reject::NotOurs),
    }
}

/// Parses what follows the opcode of a request.
///
/// # Errors
///
/// See [`request()`].
#[inline(always)]
pub fn body(bytes: &[u8]) -> Result<(), Reject> {
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
