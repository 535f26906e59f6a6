// SPDX-License-Identifier: GPL-2.0

//! Tracked connections.

use super::address;
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    marker::PhantomData,
    net::IpAddr,
    ptr::NonNull, //
};
use kernel::time::msecs_to_jiffies;

/// The connection that the packet at hand belongs to, with the state `S` that the helper keeps.
///
/// Wraps the kernel's `struct nf_conn`.
///
/// # Invariants
///
/// - `ct` is valid for `'a`, since the packet at hand holds a reference, and `help` is its helper
///   extension, which lives as long.
/// - `help->data` holds a valid `S`, which is accessed under `ct->lock` only.
/// - The RCU read side lock is held for `'a`.
pub(crate) struct Conn<'a, S> {
    ct: NonNull<bindings::nf_conn>,
    help: NonNull<bindings::nf_conn_help>,
    info: bindings::ip_conntrack_info,
    _borrow: PhantomData<&'a S>,
}

impl<'a, S: Copy> Conn<'a, S> {
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
        // SAFETY: `ct` is valid by the requirements of this function.
        let help = unsafe { bindings::nfct_help(ct) };
        // INVARIANT: By the requirements of this function.
        Some(Self {
            ct: NonNull::new(ct)?,
            help: NonNull::new(help)?,
            info,
            _borrow: PhantomData,
        })
    }

    /// The pointer to the connection, valid as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::nf_conn {
        self.ct.as_ptr()
    }

    /// Whether the connection has seen traffic both ways and the packet is part of it.
    ///
    /// False for its first packets, and for ICMP errors about it.
    pub(crate) fn is_established(&self) -> bool {
        self.info == bindings::IP_CT_ESTABLISHED || self.info == bindings::IP_CT_ESTABLISHED_REPLY
    }

    /// Whether the packet is the connection's own, and not an ICMP error about it.
    ///
    /// False for the first packet of a connection that was expected, too.
    pub(crate) fn is_own(&self) -> bool {
        self.is_established() || self.info == bindings::IP_CT_NEW
    }

    /// The direction of the packet.
    pub(crate) fn direction(&self) -> Direction {
        if self.info >= bindings::IP_CT_IS_REPLY {
            Direction::Reply
        } else {
            Direction::Original
        }
    }

    fn tuple(&self, direction: Direction) -> &bindings::nf_conntrack_tuple {
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
    pub(crate) fn source(&self, direction: Direction) -> IpAddr {
        let tuple = self.tuple(direction);
        address::from_c(&tuple.src.u3, tuple.src.l3num)
    }

    /// The address that packets of `direction` go to.
    ///
    /// Where NAT is at work this is not the source of the other direction.
    pub(crate) fn destination(&self, direction: Direction) -> IpAddr {
        let tuple = self.tuple(direction);
        address::from_c(&tuple.dst.u3, tuple.src.l3num)
    }

    /// The port that packets of `direction` come from, in host byte order.
    pub(crate) fn source_port(&self, direction: Direction) -> u16 {
        // SAFETY: Each field of the union is a plain integer.
        u16::from_be(unsafe { self.tuple(direction).src.u.all })
    }

    /// The port that packets of `direction` go to, in host byte order.
    pub(crate) fn destination_port(&self, direction: Direction) -> u16 {
        // SAFETY: Each field of the union is a plain integer.
        u16::from_be(unsafe { self.tuple(direction).dst.u.all })
    }

    /// Keeps the connection for at least `seconds` from now on, even without traffic.
    ///
    /// C function: `nf_ct_refresh`.
    pub(crate) fn refresh(&self, seconds: u32) {
        // CAST: No longer than the 49 days that milliseconds can count.
        let jiffies = msecs_to_jiffies(seconds.saturating_mul(1000)) as u32;
        // SAFETY: `ct` is valid by the type invariants.
        unsafe { bindings::nf_ct_refresh(self.as_ptr(), jiffies) };
    }

    /// Whether addresses or ports of the connection are translated.
    pub(crate) fn is_natted(&self) -> bool {
        // SAFETY: `ct` is valid by the type invariants. Other bits of the word may change, those of
        // NAT were set before any helper runs.
        let status = unsafe { (&raw const (*self.ct.as_ptr()).status).read_volatile() };
        // CAST: Lossless, `unsigned long` has at least 32 bits.
        status & bindings::IPS_NAT_MASK as usize != 0
    }

    /// Whether the kernel can correct the sequence numbers after a rewrite that changed the
    /// length.
    pub(super) fn has_sequence_adjustment(&self) -> bool {
        // SAFETY: `ct` is valid by the type invariants.
        !unsafe { bindings::nfct_seqadj(self.as_ptr()) }.is_null()
    }

    /// Notes that what a packet carries to the other side has become longer by `growth` bytes, at
    /// the stream position `seq`.
    ///
    /// To be called once for each packet, after all its rewrites, with where the last one was: the
    /// kernel remembers one place. That is not the packet's beginning, because parts of a large
    /// packet may be sent again by themselves, and acknowledged.
    ///
    /// C function: `nf_ct_seqadj_set`.
    pub(crate) fn adjust_sequence(&self, seq: u32, growth: i32) {
        // SAFETY: `ct` is valid by the type invariants. `ct->lock`, which the function takes, is
        // not held: `with_state` lends no `Conn`.
        unsafe { bindings::nf_ct_seqadj_set(self.as_ptr(), self.info, seq.to_be(), growth) };
    }

    /// What the kernel says of the packet's relation to the connection.
    pub(super) fn info(&self) -> bindings::ip_conntrack_info {
        self.info
    }

    /// Runs `f` on the helper's state of this connection, with the connection's lock held.
    ///
    /// No lock is shared between connections. The kernel takes the same lock in sequence
    /// adjustment: `f` must not call back into NAT or expectation code, and has no way to.
    pub(crate) fn with_state<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        let lock = Locked::new(self);
        // SAFETY: By the type invariants the data is a valid `S`, and the lock that guards it is
        // held until `lock` is dropped.
        let state = unsafe { &mut *(&raw mut (*self.help.as_ptr()).data).cast::<S>() };
        let result = f(state);
        drop(lock);
        result
    }
}

/// Evidence that `ct->lock` is held, with bottom halves off.
///
/// # Invariants
///
/// The pointer is to a valid, initialised lock, which is held while the value exists.
struct Locked<'a>(*mut kernel::bindings::spinlock_t, PhantomData<&'a ()>);

impl<'a> Locked<'a> {
    fn new<S>(conn: &'a Conn<'_, S>) -> Self {
        // SAFETY: `ct` is valid by the type invariants of `Conn`.
        let lock = unsafe { &raw mut (*conn.ct.as_ptr()).lock };
        // SAFETY: The lock is initialised with the connection. Helpers run without it.
        unsafe { bindings::spin_lock_bh(lock) };
        // INVARIANT: The lock was just taken.
        Self(lock, PhantomData)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is held.
        unsafe { bindings::spin_unlock_bh(self.0) };
    }
}
