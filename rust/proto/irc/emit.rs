// SPDX-License-Identifier: GPL-2.0

//! Writes what [`super::parse()`] reads.

use core::{
    net::IpAddr,
    num::NonZeroU16, //
};

use super::{
    super::Text,
    Kind, //
};

/// Writes into `text` what is to take the place of an announcement's span, and returns it.
///
/// The address matters for [`Kind::Offer`] only.
pub fn emit(kind: Kind, address: IpAddr, port: NonZeroU16, text: &mut Text) -> &[u8] {
    text.clear();
    if kind == Kind::Offer {
        match address {
            IpAddr::V4(address) => text.push_decimal(u32::from(address)),
            IpAddr::V6(address) => text.push_groups(address),
        }
        text.push(b' ');
    }
    text.push_decimal(u32::from(port.get()));
    text.as_bytes()
}
