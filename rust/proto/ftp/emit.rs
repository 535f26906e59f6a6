// SPDX-License-Identifier: GPL-2.0

//! Writes what [`super::parse()`] reads.

use core::{
    net::{
        IpAddr,
        Ipv4Addr, //
    },
    num::NonZeroU16, //
};

use super::{
    super::Text,
    Kind, //
};

/// Writes into `text` what is to take the place of an announcement's span, and returns it.
///
/// For [`Kind::Epsv`] the address does not matter. Returns [`None`] if `kind` has no way to say it:
/// [`Kind::Port`] and [`Kind::Pasv`] know IPv4 only.
pub fn emit(kind: Kind, address: IpAddr, port: NonZeroU16, text: &mut Text) -> Option<&[u8]> {
    text.clear();
    match (kind, address) {
        (Kind::Port | Kind::Pasv, IpAddr::V4(address)) => {
            octets(text, address, b',');
            for byte in port.get().to_be_bytes() {
                text.push(b',');
                text.push_decimal(u32::from(byte));
            }
        }
        (Kind::Port | Kind::Pasv, IpAddr::V6(_)) => return None,
        (Kind::Eprt, address) => {
            text.push(b'|');
            match address {
                IpAddr::V4(address) => {
                    text.push(b'1');
                    text.push(b'|');
                    octets(text, address, b'.');
                }
                IpAddr::V6(address) => {
                    text.push(b'2');
                    text.push(b'|');
                    text.push_groups(address);
                }
            }
            delimited(text, port);
        }
        (Kind::Epsv, _) => {
            text.push(b'|');
            text.push(b'|');
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

fn octets(text: &mut Text, address: Ipv4Addr, separator: u8) {
    let mut between = false;
    for octet in address.octets() {
        if between {
            text.push(separator);
        }
        text.push_decimal(u32::from(octet));
        between = true;
    }
}
