// SPDX-License-Identifier: GPL-2.0

//! Addresses as conntrack keeps them.

use crate::bindings;
use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

/// Reads an address of the family `l3num`, an `NFPROTO_*` value.
///
/// Conntrack tracks IPv4 and IPv6 only; whatever is not the one is the other.
pub(super) fn from_c(addr: &bindings::nf_inet_addr, l3num: u16) -> IpAddr {
    // SAFETY: Each field of the union is made of plain integers, and the union is initialised in
    // full: conntrack clears the rest of it behind a shorter address.
    let all = unsafe { addr.all };
    let mut octets = [0; 16];
    for (to, word) in octets.chunks_exact_mut(4).zip(all) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    if u32::from(l3num) == bindings::NFPROTO_IPV4 {
        let [a, b, c, d, ..] = octets;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(octets))
    }
}

/// The kernel's form of `addr`, with the rest behind a shorter address cleared.
pub(super) fn to_c(addr: IpAddr) -> bindings::nf_inet_addr {
    let mut octets = [0; 16];
    match addr {
        IpAddr::V4(v4) => {
            for (to, from) in octets.iter_mut().zip(v4.octets()) {
                *to = from;
            }
        }
        IpAddr::V6(v6) => octets = v6.octets(),
    }
    let mut all = [0; 4];
    for (to, from) in all.iter_mut().zip(octets.chunks_exact(4)) {
        if let Ok(word) = from.try_into() {
            *to = u32::from_ne_bytes(word);
        }
    }
    bindings::nf_inet_addr { all }
}

/// The `AF_*`/`NFPROTO_*` value of the family of `addr`.
pub(super) fn family(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}
