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
/// For [`Kind::Epsv`] the address does not matter. Returns [`None`] if `kind` has no way to say it:
/// [`Kind::Port`] and [`Kind::Pasv`] know IPv4 only, and [`Kind::Deferred`] was said before.
pub fn emit(kind: Kind, address: IpAddr, port: NonZeroU16, text: &mut Text) -> Option<&[u8]> {
    text.clear();
    match (kind, address) {
        (Kind::Port | Kind::Pasv, IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            let [high, low] = port.get().to_be_bytes();
            text.push_octets(&[a, b, c, d, high, low], b',');
        }
        (Kind::Port | Kind::Pasv, IpAddr::V6(_)) | (Kind::Deferred, _) => return None,
        (Kind::Eprt, address) => {
            match address {
                IpAddr::V4(address) => {
                    text.push_all(b"|1|");
                    text.push_octets(&address.octets(), b'.');
                }
                IpAddr::V6(address) => {
                    text.push_all(b"|2|");
                    text.push_groups(address);
                }
            }
            delimited(text, port);
        }
        (Kind::Epsv, _) => {
            text.push_all(b"||");
            delimited(text, port);
        }
    }
    Some(text.as_bytes())
}

fn delimited(text: &mut Text, port: NonZeroU16) {
    text.push(b'|');
    text.push_decimal(u32::from(port.get()));
    text.push(b'|');
}
