// SPDX-License-Identifier: GPL-2.0

//! TFTP.

use std::sync::LazyLock;

use conntrack_proto::{
    tftp::REQUEST_MAX,
    Direction, //
};
use regex::bytes::Regex;

use super::Case;
use crate::class::Class;

/// RFC 1350.
static REQUEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s-u)^\x00[\x01\x02][^\x00]*\x00(?i:netascii|octet|mail)\x00").unwrap()
});

pub(super) fn only_mainline(case: &Case<'_>) -> Option<Class> {
    let window = &case.payload[..case.payload.len().min(REQUEST_MAX)];
    if case.direction == Direction::Reply {
        Some(Class::NotFromClient)
    } else if !REQUEST.is_match(window) {
        Some(Class::NotARequest)
    } else {
        None
    }
}
