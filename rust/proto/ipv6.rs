// SPDX-License-Identifier: GPL-2.0

//! Reads IPv6 addresses.

use core::{
    net::Ipv6Addr,
    str, //
};

/// Parses the text of an IPv6 address, RFC 4291 section 2.2; accepts what `core` does.
///
/// That takes several times as many instructions.
#[inline(never)]
pub fn parse(text: &[u8]) -> Option<Ipv6Addr> {
    // What stands before `::`, and how many groups that is; then the same of what is behind it.
    let mut head = None;
    let (mut bits, mut groups) = (0u128, 0u32);
    let mut rest = text;
    if let [b':', b':', tail @ ..] = rest {
        head = Some((0, 0));
        rest = tail;
    }
    while !(rest.is_empty() && groups == 0 && head.is_some()) {
        let (group, behind) = hexadecimal(rest);
        if let [b'.', ..] = behind {
            return general(text);
        }
        bits = (bits << 16) | u128::from(group?);
        // More than eight do no harm: there are no more than bytes.
        groups = groups.wrapping_add(1);
        match behind {
            [] => break,
            [b':', b':', tail @ ..] if head.is_none() => {
                head = Some((bits, groups));
                (bits, groups) = (0, 0);
                rest = tail;
            }
            [b':', tail @ ..] => rest = tail,
            _ => return None,
        }
    }
    match head {
        None => (groups == 8).then(|| Ipv6Addr::from_bits(bits)),
        // It stands for one group at least.
        Some((head, before)) => {
            let missing = 8u32.checked_sub(before)?;
            if groups >= missing {
                return None;
            }
            let head = head
                .checked_shl(missing.wrapping_mul(16))
                .unwrap_or_default();
            Some(Ipv6Addr::from_bits(head | bits))
        }
    }
}

/// Reads one to four hexadecimal digits and returns what is behind them; [`None`] without any.
#[inline]
fn hexadecimal(text: &[u8]) -> (Option<u16>, &[u8]) {
    let mut group = None;
    let mut rest = text;
    let mut left = 4u8;
    while let [next, tail @ ..] = rest {
        let Some(digit) = char::from(*next).to_digit(16) else {
            break;
        };
        // Never fails.
        let digit = u16::try_from(digit).unwrap_or_default();
        group = Some((group.unwrap_or_default() << 4) | digit);
        rest = tail;
        left = left.wrapping_sub(1);
        if left == 0 {
            break;
        }
    }
    (group, rest)
}

/// Does the same in the general way, for addresses that end in one of IPv4.
#[cold]
fn general(text: &[u8]) -> Option<Ipv6Addr> {
    str::from_utf8(text).ok()?.parse().ok()
}
