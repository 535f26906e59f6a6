// SPDX-License-Identifier: GPL-2.0

//! TFTP: RFC 1350.

use conntrack_proto::tftp::REQUEST_MAX;

use super::Expected;
use crate::session::Kind;

/// Whether a client's datagram is a request.
pub fn datagram(bytes: &[u8]) -> Option<Expected> {
    let (opcode, rest) = bytes[..bytes.len().min(REQUEST_MAX)].split_at_checked(2)?;
    if !matches!(opcode, [0, 1 | 2]) {
        return None;
    }
    let mut strings = rest.split(|byte| *byte == 0);
    let (_name, mode, _rest) = (strings.next()?, strings.next()?, strings.next()?);
    let modes: [&[u8]; 3] = [b"netascii", b"octet", b"mail"];
    modes
        .iter()
        .any(|known| mode.eq_ignore_ascii_case(known))
        .then_some(Expected {
            kind: Kind::Tftp,
            address: None,
            port: 0,
            start: 0,
            len: 0,
        })
}
