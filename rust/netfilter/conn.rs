// SPDX-License-Identifier: GPL-2.0

//! Tracked connections.

use super::{
    address,
    Address, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    marker::PhantomData,
    net::IpAddr,
    num::NonZeroU8,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::time::msecs_to_jiffies;

// The helper's extension is the first.
const _: () = assert!(bindings::NF_CT_EXT_HELPER == 0);

/// The connection that the packet at hand belongs to, with the state `S` that the helper keeps.
///
/// Wraps the kernel's `struct nf_conn`.
///
/// # Invariants
///
/// - `ct` is valid for `'a`, since the packet at hand holds a reference, and has a helper extension,
///   which lives as long.
/// - The data of that extension is a valid `S`, which is accessed by shared references only.
/// - The RCU read side lock is held for `'a`.
pub struct Conn<'a, S> {
    ct: NonNull<bindings::nf_conn>,
    info: bindings::ip_conntrack_info,
    _borrow: PhantomData<&'a S>,
}

// INVARIANT: As for the original, of which the references are shared.
impl<S> Clone for Conn<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Conn<'_, S> {}

impl<'a, S> Conn<'a, S> {
    /// Wraps what the kernel hands to a helper; [`None`] if the connection lacks the extension.
    ///
    /// # Safety
    ///
    /// For `'a`, `ct` must be valid and the RCU read side lock held. If `ct` has a helper
    /// extension, its data must hold a valid `S` and be accessed as such only.
    pub(super) unsafe fn from_raw(
        ct: *mut bindings::nf_conn,
        info: bindings::ip_conntrack_info,
    ) -> Option<Self> {
        // SAFETY: `ct` is valid by the requirements of this function; its extensions are null or valid.
        let is_helped = unsafe {
            let ext = (*ct).ext;
            !ext.is_null() && !matches!((*ext).offset, [0, ..])
        };
        // SAFETY: As this function asks for.
        is_helped.then(|| unsafe { Self::of_helper(ct, info) })
    }

    /// The same for a connection that is known to have the extension.
    ///
    /// # Safety
    ///
    /// As for [`Self::from_raw`], and `ct` must have a helper extension.
    #[inline]
    pub(super) unsafe fn of_helper(
        ct: *mut bindings::nf_conn,
        info: bindings::ip_conntrack_info,
    ) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            // SAFETY: A valid connection is not at null.
            ct: unsafe { NonNull::new_unchecked(ct) },
            info,
            _borrow: PhantomData,
        }
    }

    /// The same without the state.
    #[inline]
    pub fn without_state(self) -> Conn<'a, ()> {
        // INVARIANT: As for `self`; a state of no bytes is always valid.
        Conn {
            ct: self.ct,
            info: self.info,
            _borrow: PhantomData,
        }
    }

    /// The pointer to the connection, valid as long as `self`.
    pub fn as_ptr(&self) -> *mut bindings::nf_conn {
        self.ct.as_ptr()
    }

    /// Whether the connection has seen traffic both ways and the packet is part of it.
    ///
    /// False for its first packets, and for ICMP errors about it.
    pub fn is_established(&self) -> bool {
        self.info == bindings::IP_CT_ESTABLISHED || self.info == bindings::IP_CT_ESTABLISHED_REPLY
    }

    /// The direction of the packet; [`None`] if that is not the connection's own, but an ICMP error about
    /// it, which has other headers.
    #[inline]
    pub fn own_direction(&self) -> Option<Direction> {
        match self.info {
            bindings::IP_CT_ESTABLISHED | bindings::IP_CT_NEW => Some(Direction::Original),
            bindings::IP_CT_ESTABLISHED_REPLY => Some(Direction::Reply),
            _ => None,
        }
    }

    /// Whether the packet, one from the side that accepted a TCP connection, is part of its handshake,
    /// as conntrack sees it: an answer to a SYN that it has seen.
    pub fn is_in_handshake(&self) -> bool {
        // SAFETY: `ct` is valid by the type invariants, and of TCP; any number is a valid state. It
        // changes under `ct->lock`, and this packet has just been judged.
        let state = unsafe { (&raw const (*self.ct.as_ptr()).proto.tcp.state).read_volatile() };
        u32::from(state) == kernel::bindings::tcp_conntrack_TCP_CONNTRACK_SYN_RECV
    }

    /// Whether the packet is the connection's own, and not an ICMP error about it, from the side that
    /// opened it.
    ///
    /// False for the first packet of a connection that was expected, too.
    pub fn is_from_opener(&self) -> bool {
        matches!(self.info, bindings::IP_CT_ESTABLISHED | bindings::IP_CT_NEW)
    }

    /// The direction of the packet.
    pub fn direction(&self) -> Direction {
        if self.info >= bindings::IP_CT_IS_REPLY {
            Direction::Reply
        } else {
            Direction::Original
        }
    }

    /// Both ends, as packets of `direction` have them.
    pub fn tuple(&self, direction: Direction) -> &bindings::nf_conntrack_tuple {
        let index = match direction {
            Direction::Original => 0,
            Direction::Reply => 1,
        };
        // SAFETY: `ct` is valid by the type invariants; `tuplehash` has an element for each
        // direction. The tuples change only until NAT is set up, which is before any helper runs.
        unsafe {
            &(*(&raw const (*self.ct.as_ptr()).tuplehash)
                .cast::<bindings::nf_conntrack_tuple_hash>()
                .add(index))
            .tuple
        }
    }

    /// The address that packets of `direction` come from.
    pub fn source(&self, direction: Direction) -> IpAddr {
        let tuple = self.tuple(direction);
        address::from_c(&tuple.src.u3, tuple.src.l3num)
    }

    /// The address that packets of `direction` go to.
    ///
    /// Where NAT is at work this is not the source of the other direction.
    pub fn destination(&self, direction: Direction) -> IpAddr {
        let tuple = self.tuple(direction);
        address::from_c(&tuple.dst.u3, tuple.src.l3num)
    }

    /// The same as [`Self::source`], where conntrack keeps it.
    #[inline]
    pub fn source_address(&self, direction: Direction) -> Address<'_> {
        let tuple = self.tuple(direction);
        Address::new(&tuple.src.u3, tuple.src.l3num)
    }

    /// The same as [`Self::destination`], where conntrack keeps it.
    #[inline]
    pub fn destination_address(&self, direction: Direction) -> Address<'_> {
        let tuple = self.tuple(direction);
        Address::new(&tuple.dst.u3, tuple.src.l3num)
    }

    /// The port that packets of `direction` come from, in host byte order.
    pub fn source_port(&self, direction: Direction) -> u16 {
        // SAFETY: Each field of the union is a plain integer.
        u16::from_be(unsafe { self.tuple(direction).src.u.all })
    }

    /// The port that packets of `direction` go to, in host byte order.
    pub fn destination_port(&self, direction: Direction) -> u16 {
        // SAFETY: Each field of the union is a plain integer.
        u16::from_be(unsafe { self.tuple(direction).dst.u.all })
    }

    /// Keeps the connection for at least `seconds` from now on, even without traffic; for 24 days at
    /// most.
    ///
    /// C function: `nf_ct_refresh`.
    pub fn refresh(&self, seconds: u32) {
        // CAST: It is positive.
        const MAX: u32 = i32::MAX as u32;
        // The kernel takes more milliseconds than that for forever, and more jiffies for the past.
        let jiffies = msecs_to_jiffies(seconds.saturating_mul(1000).min(MAX));
        let jiffies = u32::try_from(jiffies).map_or(MAX, |jiffies| jiffies.min(MAX));
        // SAFETY: `ct` is valid by the type invariants.
        unsafe { bindings::nf_ct_refresh(self.as_ptr(), jiffies) };
    }

    /// Whether addresses or ports of the connection are translated.
    pub fn is_natted(&self) -> bool {
        // SAFETY: `ct` is valid by the type invariants. Other bits of the word may change, those of
        // NAT were set before any helper runs.
        let status = unsafe { (&raw const (*self.ct.as_ptr()).status).read_volatile() };
        // CAST: Lossless, `unsigned long` has at least 32 bits.
        status & bindings::IPS_NAT_MASK as usize != 0
    }

    /// Whether the kernel can correct the sequence numbers after a rewrite that changed the
    /// length.
    pub fn has_sequence_adjustment(&self) -> bool {
        self.offset(bindings::NF_CT_EXT_SEQADJ).is_some()
    }

    /// Notes that what a packet carries to the other side has become longer by `growth` bytes, at
    /// the stream position `seq`.
    ///
    /// To be called once for each packet, after all its rewrites, with where the last one was: the
    /// kernel remembers one place. That is not the packet's beginning, because parts of a large
    /// packet may be sent again by themselves, and acknowledged.
    ///
    /// Whoever listens to the connection's events is told, which the C function leaves out: without
    /// that, a router that takes over cannot correct what it forwards.
    ///
    /// C functions: `nf_ct_seqadj_set`, `nf_conntrack_event_cache`.
    pub fn adjust_sequence(&self, seq: u32, growth: i32) {
        // SAFETY: `ct` is valid by the type invariants. Helpers run without `ct->lock`, which the
        // first function takes.
        unsafe {
            bindings::nf_ct_seqadj_set(self.as_ptr(), self.info, seq.to_be(), growth);
            bindings::nf_conntrack_event_cache(bindings::IPCT_SEQADJ, self.as_ptr());
        }
    }

    /// The connection as such, whatever the packet at hand is to it: who needs no more of it need not keep
    /// that.
    #[inline]
    pub(super) fn beside_packet(self) -> Self {
        Self {
            info: bindings::IP_CT_ESTABLISHED,
            ..self
        }
    }

    /// What the kernel says of the packet's relation to the connection.
    pub fn info(&self) -> bindings::ip_conntrack_info {
        self.info
    }

    /// Whether the kernel's log may speak of the connection: containers are not to fill the host's log,
    /// unless the host says so with `net.netfilter.nf_log_all_netns`.
    ///
    /// C function: `nf_log_allowed`, which is private.
    pub(super) fn may_be_logged(&self) -> bool {
        // SAFETY: `ct` is valid by the type invariants, and so holds its namespace. The setting is a
        // plain `int`, which may be written at any time.
        unsafe {
            let net = bindings::nf_ct_net(self.as_ptr());
            ptr::eq(net, &raw const kernel::bindings::init_net)
                || (&raw const bindings::sysctl_nf_log_all_netns).read_volatile() != 0
        }
    }

    /// The helper, as expectations name it.
    pub(super) fn helper(&self) -> *mut bindings::nf_conntrack_helper {
        // SAFETY: By the type invariants the extension is valid; the pointer may be cleared meanwhile.
        unsafe { (&raw const (*self.help()).helper).read_volatile() }
    }

    /// Which events of its expectations are told.
    ///
    /// C function: `nf_ct_ecache_find`.
    pub(super) fn expect_event_mask(&self) -> u16 {
        let Some(offset) = self.offset(bindings::NF_CT_EXT_ECACHE) else {
            return 0;
        };
        // SAFETY: `ct` is valid by the type invariants; the extension is what its number says.
        unsafe {
            let events = (*self.as_ptr()).ext.byte_add(usize::from(offset.get()));
            (*events.cast::<bindings::nf_conntrack_ecache>()).expmask
        }
    }

    /// The helper's state of this connection.
    #[inline]
    pub fn state(&self) -> &S {
        // SAFETY: By the type invariants the data is a valid `S`, shared with whoever looks at
        // another packet of the connection.
        unsafe { &*(&raw const (*self.help()).data).cast::<S>() }
    }

    /// The helper extension.
    ///
    /// C function: `nfct_help`.
    #[inline]
    pub fn help(&self) -> *mut bindings::nf_conn_help {
        // SAFETY: By the type invariants the connection is valid and has the extension, so it has
        // extensions, which begin with the offset of each.
        unsafe {
            let ext = (*self.ct.as_ptr()).ext;
            let [offset, ..] = (*ext).offset;
            ext.byte_add(usize::from(offset)).cast()
        }
    }

    /// The place of the extension with the number `id`, behind where the extensions begin, if the
    /// connection has it.
    ///
    /// C function: `nf_ct_ext_exist`.
    #[inline]
    fn offset(&self, id: bindings::nf_ct_ext_id) -> Option<NonZeroU8> {
        // SAFETY: By the type invariants the connection is valid and has the helper's extension, so it
        // has extensions, which begin with the offset of each, 0 if it is not there.
        //
        // CAST: A number of less than 10.
        NonZeroU8::new(unsafe { *(*(*self.ct.as_ptr()).ext).offset.get(id as usize)? })
    }
}
