// SPDX-License-Identifier: GPL-2.0

//! Changing what a packet says.

use crate::bindings;
use core::num::NonZeroU16;
use ip_conntrack_core::netfilter::{
    count,
    Conn,
    Outcome,
    Packet, //
};
use kernel::bindings::sk_buff;

/// What the kernel's functions want to know of a replacement.
struct Replacement<'a> {
    /// Offset in the payload, in bytes.
    offset: u32,
    /// How many bytes go.
    len: u32,
    /// What comes.
    text: &'a [u8],
    text_len: u32,
    growth: i32,
}

impl<'a> Replacement<'a> {
    /// [`None`] if the packet has no such bytes, or would become too long.
    fn new(
        packet: &Packet<'_>,
        payload: usize,
        at: usize,
        len: usize,
        text: &'a [u8],
    ) -> Option<Self> {
        let rest = packet.len().checked_sub(at)?.checked_sub(len)?;
        if at.checked_add(text.len())?.checked_add(rest)? > usize::from(u16::MAX) {
            return None;
        }
        let len = u32::try_from(len).ok()?;
        let text_len = u32::try_from(text.len()).ok()?;
        Some(Self {
            offset: u32::try_from(at.checked_sub(payload)?).ok()?,
            len,
            text,
            text_len,
            growth: i32::try_from(text_len).ok()?.checked_sub_unsigned(len)?,
        })
    }
}

/// Puts `text`, which names `port`, in the place of `len` bytes at offset `at` of the packet, a
/// TCP segment.
///
/// The packet becomes linear, and its lengths and checksums are set. Sequence numbers are the
/// caller's business, see [`Conn::adjust_sequence`].
///
/// C function: `__nf_nat_mangle_tcp_packet`.
///
/// [`Outcome::Refused`] if it cannot be done at all, because the packet would become too long,
/// or the kernel cannot adjust sequence numbers.
pub fn rewrite_tcp(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, ()>,
    counts: &count::Nat,
    at: usize,
    len: usize,
    text: &[u8],
    port: NonZeroU16,
) -> Outcome {
    let new = packet
        .tcp_offset()
        .and_then(|offset| Replacement::new(packet, offset, at, len, text));
    let Some(new) = new else {
        counts.too_long.count();
        return Outcome::Refused;
    };
    // Without it the kernel would silently leave the sequence numbers wrong.
    if new.growth != 0 && !conn.has_sequence_adjustment() {
        counts.no_sequence_adjustment.count();
        return Outcome::Refused;
    }
    let (skb, transport) = packet.as_raw();
    // SAFETY: `skb` is ours, `ct` is valid, and the payload has the bytes to replace.
    let done = unsafe {
        bindings::__nf_nat_mangle_tcp_packet(
            skb,
            conn.as_ptr(),
            conn.info(),
            transport,
            new.offset,
            new.len,
            new.text.as_ptr().cast(),
            new.text_len,
            false,
        )
    };
    finish(skb, done, new.growth, port, counts)
}

/// The same for a UDP datagram.
///
/// C function: `nf_nat_mangle_udp_packet`.
pub fn rewrite_udp(
    packet: &mut Packet<'_>,
    conn: &Conn<'_, ()>,
    counts: &count::Nat,
    at: usize,
    len: usize,
    text: &[u8],
    port: NonZeroU16,
) -> Outcome {
    let new = packet
        .udp_payload()
        .and_then(|payload| Replacement::new(packet, payload, at, len, text));
    let Some(new) = new else {
        counts.too_long.count();
        return Outcome::Refused;
    };
    let (skb, transport) = packet.as_raw();
    // SAFETY: `skb` is ours, `ct` is valid, and the payload has the bytes to replace.
    let done = unsafe {
        bindings::nf_nat_mangle_udp_packet(
            skb,
            conn.as_ptr(),
            conn.info(),
            transport,
            new.offset,
            new.len,
            new.text.as_ptr().cast(),
            new.text_len,
        )
    };
    finish(skb, done, new.growth, port, counts)
}

fn finish(
    skb: *mut sk_buff,
    done: bool,
    growth: i32,
    port: NonZeroU16,
    counts: &count::Nat,
) -> Outcome {
    if !done {
        counts.no_memory.count();
        return Outcome::NoMemory;
    }
    if growth > 0 {
        // The packet may have outgrown the MTU, which its sender cannot know and would not
        // mend by sending it again: let it be fragmented.
        //
        // SAFETY: `skb` is ours.
        unsafe { (*skb).__bindgen_anon_4.headers.as_mut().set_ignore_df(1) };
    }
    counts.rewritten.count();
    Outcome::Rewritten { growth, port }
}
