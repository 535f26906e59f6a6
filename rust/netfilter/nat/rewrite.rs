// SPDX-License-Identifier: GPL-2.0

//! Changing what a packet says.

use super::{
    Conn,
    Packet, //
};
use crate::bindings;

impl Packet<'_> {
    /// Puts `text` in the place of the bytes `at` to `at + len` of a TCP packet.
    ///
    /// `base` is the offset of the payload that `at` is relative to. The packet becomes linear,
    /// and its lengths and checksums are set. Sequence numbers are the caller's business, see
    /// [`Conn::adjust_sequence`]. Returns by how many bytes the packet became longer, or [`None`] if it
    /// cannot be changed.
    ///
    /// C function: `__nf_nat_mangle_tcp_packet`.
    pub(crate) fn rewrite_tcp<S: Copy>(
        &mut self,
        conn: &Conn<'_, S>,
        at: usize,
        len: usize,
        text: &[u8],
    ) -> Option<i32> {
        let segment = self.tcp()?;
        // Without it the kernel would silently leave the sequence numbers wrong.
        if text.len() != len && !conn.has_sequence_adjustment() {
            return None;
        }
        let (skb, transport) = self.as_raw();
        let offset = u32::try_from(at.checked_sub(segment.offset)?).ok()?;
        let len = u32::try_from(len).ok()?;
        let text_len = u32::try_from(text.len()).ok()?;
        let growth = i32::try_from(text_len).ok()?.checked_sub_unsigned(len)?;
        // SAFETY: `skb` is ours, `ct` valid, and the bytes to replace are inside of the payload.
        let done = unsafe {
            bindings::__nf_nat_mangle_tcp_packet(
                skb,
                conn.as_ptr(),
                conn.info(),
                transport,
                offset,
                len,
                text.as_ptr().cast(),
                text_len,
                false,
            )
        };
        if done && growth > 0 {
            // The packet may have outgrown the MTU, which its sender cannot know and would not
            // mend by sending it again: let it be fragmented.
            //
            // SAFETY: `skb` is ours.
            unsafe { (*skb).__bindgen_anon_4.headers.as_mut().set_ignore_df(1) };
        }
        done.then_some(growth)
    }
}
