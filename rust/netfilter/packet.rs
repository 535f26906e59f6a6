// SPDX-License-Identifier: GPL-2.0

//! Packets on their way through the firewall.

use crate::{
    bindings,
    proto::stream::{
        Header,
        Window, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};
use kernel::bindings::{
    sk_buff,
    skb_frag_t,
    skb_shared_info, //
};

/// Length of a TCP header without options, in bytes.
const TCP_HEADER_LEN: usize = 20;

/// Length of a UDP header, in bytes.
const UDP_HEADER_LEN: usize = 8;

/// The packet at hand, which starts with its network header.
///
/// Wraps the kernel's `struct sk_buff`.
///
/// # Invariants
///
/// The pointer is to a valid packet which nobody else uses for `'a`. Its data begins with the
/// network header, and the transport header stands `transport` bytes further on.
pub struct Packet<'a> {
    skb: NonNull<sk_buff>,
    transport: usize,
    _borrow: PhantomData<&'a mut sk_buff>,
}

impl<'a> Packet<'a> {
    /// Wraps what the kernel hands to a helper.
    ///
    /// # Safety
    ///
    /// For `'a`, `skb` must be valid and ours alone, with its data beginning at the network
    /// header and `transport` the offset of the transport header in it.
    #[inline]
    pub(super) unsafe fn from_raw(skb: *mut sk_buff, transport: u32) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            // SAFETY: A valid packet is not at null.
            skb: unsafe { NonNull::new_unchecked(skb) },
            // CAST: `usize` has 64 bits on each architecture that has Rust in the kernel, or 32.
            transport: transport as usize,
            _borrow: PhantomData,
        }
    }

    /// The same for a packet of TCP of which the offset of that header is not known; [`None`] if it has
    /// IPv6 extension headers.
    ///
    /// # Safety
    ///
    /// As for [`Self::from_raw`].
    pub(super) unsafe fn of_tcp(skb: *mut sk_buff) -> Option<Self> {
        const IPV6_HEADER_LEN: usize = 40;
        const IPPROTO_TCP: u8 = 6;
        // SAFETY: By the requirements of this function.
        let mut packet = unsafe { Self::from_raw(skb, 0) };
        let (&first, next) = (packet.linear().first()?, packet.linear().get(6)?);
        packet.transport = match first >> 4 {
            4 => usize::from(first & 0xf).wrapping_mul(4),
            6 if *next == IPPROTO_TCP => IPV6_HEADER_LEN,
            _ => return None,
        };
        Some(packet)
    }

    /// Whether the packet is of this machine to itself, and was here before on its way out by `lo`.
    ///
    /// Conntrack keeps what it knows of such a packet, and `nf_confirm` is at the end of both ways.
    ///
    /// C function: `nf_is_loopback_packet`, which looks at the flags of the interface.
    #[inline]
    pub(super) fn is_loopback(&self) -> bool {
        /// `LOOPBACK_IFINDEX`, the number of `lo` in each namespace.
        const LO: i32 = 1;
        // SAFETY: `skb` is valid by the type invariants.
        unsafe { (*self.skb.as_ptr()).__bindgen_anon_4.headers.as_ref() }.skb_iif == LO
    }

    /// The length of the packet from the network header on, in bytes.
    // It has a header, so it is never empty.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariants.
        let len = unsafe { (*self.skb.as_ptr()).len };
        // CAST: As in `from_raw`.
        len as usize
    }

    /// The part of the packet that lies in its own buffer (`skb_headlen` bytes).
    #[inline]
    fn linear(&self) -> &[u8] {
        let skb = self.skb.as_ptr();
        // SAFETY: `skb` is valid by the type invariants.
        let (data, len, data_len) = unsafe { ((*skb).data, (*skb).len, (*skb).data_len) };
        // SAFETY: The buffer has `len - data_len` bytes from `data` on, and nobody else uses it
        // while `self` exists.
        unsafe { slice::from_raw_parts(data, len.wrapping_sub(data_len) as usize) }
    }

    /// The rest of the packet from `offset` on if it lies in one page fragment.
    #[inline]
    fn fragment(&self, offset: usize) -> Option<&[u8]> {
        let skb = self.skb.as_ptr();
        // SAFETY: `skb` is valid by the type invariants; the shared info stands at its end, which is
        // an offset on machines of 64 bits (`skb_end_pointer`).
        let info = unsafe { (*skb).head.add((*skb).end as usize) }.cast::<skb_shared_info>();
        // It is shared by all clones of the packet, whose owners write to it (`dataref`), so there must
        // be no reference to all of it. The fields that are read here say what the payload is, and do
        // not change while it has several owners.
        //
        // SAFETY: As above, it is valid.
        let (flags, fragment_list, count) =
            unsafe { ((*info).flags, (*info).frag_list, (*info).nr_frags) };
        // Somebody else may write to shared fragments (`sendfile`), so we must not refer to them.
        if u32::from(flags) & bindings::SKBFL_SHARED_FRAG != 0 || !fragment_list.is_null() {
            return None;
        }
        let last = usize::from(count).checked_sub(1)?;
        // SAFETY: As above; nothing is read.
        let fragments: *const [skb_frag_t] = unsafe { &raw const (*info).frags };
        if last >= fragments.len() {
            return None;
        }
        let fragment = fragments.cast::<skb_frag_t>().wrapping_add(last);
        // SAFETY: It is one of the packet's.
        let len = usize::try_from(unsafe { (*fragment).len }).ok()?;
        // How far before the end of the packet, and so of the last fragment, `offset` is.
        let rest = self.len().checked_sub(offset)?;
        let start = len.checked_sub(rest)?;
        // SAFETY: `fragment` is one of the packet's. (It may have no address that the kernel can
        // use, then this is null.)
        let data = NonNull::new(unsafe { bindings::skb_frag_address_safe(fragment) })?;
        // SAFETY: The fragment has `len` bytes at `data`, is not shared, and the packet that holds
        // it is ours while `self` exists.
        let bytes = unsafe { slice::from_raw_parts(data.cast::<u8>().as_ptr(), len) };
        bytes.get(start..)
    }

    /// All of the packet, if it lies in its own buffer.
    #[inline]
    fn whole(&self) -> Option<&[u8]> {
        let skb = self.skb.as_ptr();
        // SAFETY: `skb` is valid by the type invariants.
        let (data, len, data_len) = unsafe { ((*skb).data, (*skb).len, (*skb).data_len) };
        // SAFETY: As in `linear`.
        (data_len == 0).then(|| unsafe { slice::from_raw_parts(data, len as usize) })
    }

    /// The rest of the packet from `offset` on, if all of it lies in its own buffer.
    #[inline]
    pub fn in_buffer(&self, offset: usize) -> Option<&[u8]> {
        self.whole()?.get(offset..)
    }

    /// The rest of the packet from `offset` on, if it lies in one piece, which is the usual case.
    #[inline]
    pub fn in_place(&self, offset: usize) -> Option<&[u8]> {
        let linear = self.linear();
        if linear.len() == self.len() {
            linear.get(offset..)
        } else {
            self.fragment(offset)
        }
    }

    /// What stands in the packet from `offset` on: all of it in place where that is possible, else
    /// the first bytes of it, copied to `buffer`. Nothing if there is nothing or it cannot be read.
    ///
    /// C function for the copy: `skb_copy_bits`.
    pub fn window<'b>(&'b self, offset: usize, buffer: &'b mut [u8]) -> Window<'b> {
        if let Some(bytes) = self.in_place(offset) {
            return Window {
                bytes,
                is_last: true,
            };
        }
        let rest = self.len().saturating_sub(offset);
        let size = rest.min(buffer.len());
        let buffer = buffer.get_mut(..size).unwrap_or_default();
        let is_copied = self.copy(offset, buffer);
        Window {
            bytes: if is_copied { buffer } else { &[] },
            is_last: size == rest || !is_copied,
        }
    }

    /// Fills `to` with what stands in the packet from `offset` on. False if there is less.
    #[cold]
    #[inline(never)]
    fn copy(&self, offset: usize, to: &mut [u8]) -> bool {
        let (Ok(from), Ok(count)) = (i32::try_from(offset), i32::try_from(to.len())) else {
            return false;
        };
        // SAFETY: `skb` is valid by the type invariants, `to` has room for `count` bytes, and the
        // function itself checks that the packet has them.
        let result = unsafe {
            bindings::skb_copy_bits(self.skb.as_ptr(), from, to.as_mut_ptr().cast(), count)
        };
        result == 0
    }

    /// A copy of the packet's TCP header; [`None`] if that is not whole.
    #[inline]
    pub(super) fn tcp_header(&self) -> Option<[u8; TCP_HEADER_LEN]> {
        if let Some(header) = self.tcp_header_in(self.linear()) {
            return Some(*header.0);
        }
        let mut header = [0; TCP_HEADER_LEN];
        self.copy(self.transport, &mut header).then_some(header)
    }

    /// The packet's TCP header and its payload, if all of the packet lies in its own buffer.
    #[inline]
    pub fn tcp_in_buffer(&self) -> Option<(TcpHeader<'_>, &[u8])> {
        let bytes = self.whole()?;
        let header = self.tcp_header_in(bytes)?;
        Some((header, bytes.get(self.tcp_payload(header)..)?))
    }

    /// The same with the payload in one piece, in the buffer or not.
    #[inline]
    pub fn tcp_in_place(&self) -> Option<(TcpHeader<'_>, &[u8])> {
        let header = self.tcp_header_in(self.linear())?;
        Some((header, self.in_place(self.tcp_payload(header))?))
    }

    /// Where in the packet the payload begins, in bytes, if this is its TCP header.
    #[inline]
    pub fn tcp_payload(&self, header: TcpHeader<'_>) -> usize {
        self.transport.wrapping_add(header.len())
    }

    /// The TCP header if it is in `bytes`, which begin as the packet does.
    #[inline]
    fn tcp_header_in<'b>(&self, bytes: &'b [u8]) -> Option<TcpHeader<'b>> {
        let end = self.transport.wrapping_add(TCP_HEADER_LEN);
        bytes.get(self.transport..end)?.first_chunk().map(TcpHeader)
    }

    /// Whether the packet opens a TCP connection.
    pub fn is_syn(&self) -> bool {
        self.tcp_header()
            .is_some_and(|header| TcpHeader(&header).is_syn())
    }

    /// Whether the payload of the packet's TCP segment is in one piece and `is_it`.
    pub fn tcp_payload_is(&self, is_it: fn(&[u8]) -> bool) -> bool {
        self.tcp_in_place().is_some_and(|(_, bytes)| is_it(bytes))
    }

    /// Where in the packet the payload of its TCP segment begins, in bytes; [`None`] if the header is not
    /// whole.
    pub fn tcp_offset(&self) -> Option<usize> {
        Some(self.tcp_payload(TcpHeader(&self.tcp_header()?)))
    }

    /// Where in the packet the payload of its UDP datagram begins, in bytes; [`None`] if it has
    /// none.
    pub fn udp_payload(&self) -> Option<usize> {
        let offset = self.transport.wrapping_add(UDP_HEADER_LEN);
        (offset < self.len()).then_some(offset)
    }

    /// The pointer to the packet and the offset of its transport header.
    pub fn as_raw(&self) -> (*mut sk_buff, u32) {
        // CAST: It came as `u32`, see `from_raw`.
        (self.skb.as_ptr(), self.transport as u32)
    }
}

/// A TCP header, without its options, RFC 9293 section 3.1.
#[derive(Clone, Copy)]
pub struct TcpHeader<'a>(pub(super) &'a [u8; TCP_HEADER_LEN]);

impl Header for TcpHeader<'_> {
    #[inline]
    fn seq(self) -> u32 {
        let &[_, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    #[inline]
    fn ack(self) -> u32 {
        let &[_, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    #[inline]
    fn is_syn(self) -> bool {
        const SYN: u8 = 2;
        let &[_, _, _, _, _, _, _, _, _, _, _, _, _, flags, ..] = self.0;
        flags & SYN != 0
    }
}

impl TcpHeader<'_> {
    /// The length with options in bytes: in the upper half of byte 12, counted in words of four.
    #[inline]
    fn len(self) -> usize {
        let &[_, _, _, _, _, _, _, _, _, _, _, _, data_offset, ..] = self.0;
        usize::from(data_offset >> 4).wrapping_mul(4)
    }
}
