// SPDX-License-Identifier: GPL-2.0

//! Addresses as conntrack keeps them.

use crate::bindings;
use core::{
    mem,
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    },
    num::NonZeroU16,
};

/// The first port that needs no privilege.
pub const FIRST_UNPRIVILEGED: u16 = 1024;

/// Whether only a privileged process may wait on `port`.
pub fn is_privileged(port: NonZeroU16) -> bool {
    port.get() < FIRST_UNPRIVILEGED
}

/// Whether an `NFPROTO_*` value is that of IPv4.
#[inline]
pub(super) fn is_ipv4(l3num: u16) -> bool {
    u32::from(l3num) == bindings::NFPROTO_IPV4
}

/// An address where conntrack keeps it.
///
/// Reading and copying it costs more than most of what is done with it, so it stays there.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    addr: &'a bindings::nf_inet_addr,
    /// Conntrack tracks IPv4 and IPv6 only; whatever is not the one is the other.
    is_ipv4: bool,
}

impl<'a> Address<'a> {
    /// The address in `addr`, which is of the family `l3num`, an `NFPROTO_*` value.
    #[inline]
    pub(super) fn new(addr: &'a bindings::nf_inet_addr, l3num: u16) -> Self {
        Self {
            addr,
            is_ipv4: is_ipv4(l3num),
        }
    }

    /// Whether it is one of IPv4.
    #[inline]
    pub fn is_ipv4(self) -> bool {
        self.is_ipv4
    }

    /// The address.
    #[inline]
    pub fn get(self) -> IpAddr {
        if self.is_ipv4 {
            // SAFETY: Each field of the union is made of plain integers, and the union is
            // initialised in full: conntrack clears the rest of it behind a shorter address.
            let addr = unsafe { self.addr.all }[0];
            IpAddr::V4(Ipv4Addr::from(addr.to_ne_bytes()))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.octets()))
        }
    }

    /// Whether it is `other`.
    #[inline]
    pub fn is(self, other: &IpAddr) -> bool {
        match other {
            IpAddr::V4(other) => {
                // SAFETY: As in `get`.
                let addr = unsafe { self.addr.all }[0];
                self.is_ipv4 && addr == u32::from_ne_bytes(other.octets())
            }
            IpAddr::V6(other) => !self.is_ipv4 && self.octets() == other.octets(),
        }
    }

    /// The part of it that one machine cannot choose freely: an IPv4 address, or the first 64 bits of an
    /// IPv6 address. As a number in no particular order.
    pub(super) fn network(self) -> u64 {
        // SAFETY: As in `get`.
        let [a, b, ..] = unsafe { self.addr.all };
        (u64::from(a) << 32) | u64::from(b)
    }

    #[inline]
    fn octets(self) -> [u8; 16] {
        // SAFETY: As in `get`; there is no padding.
        unsafe { mem::transmute::<[u32; 4], [u8; 16]>(self.addr.all) }
    }
}

/// Reads an address of the family `l3num`, an `NFPROTO_*` value.
#[inline]
pub(super) fn from_c(addr: &bindings::nf_inet_addr, l3num: u16) -> IpAddr {
    Address::new(addr, l3num).get()
}

/// The kernel's form of `addr`, with the rest behind a shorter address cleared.
#[inline]
pub(super) fn to_c(addr: IpAddr) -> bindings::nf_inet_addr {
    let all = match addr {
        IpAddr::V4(v4) => [u32::from_ne_bytes(v4.octets()), 0, 0, 0],
        // SAFETY: Plain integers without padding.
        IpAddr::V6(v6) => unsafe { mem::transmute::<[u8; 16], [u32; 4]>(v6.octets()) },
    };
    bindings::nf_inet_addr { all }
}
