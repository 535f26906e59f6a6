// SPDX-License-Identifier: GPL-2.0

//! Whole sessions of IRC through a NAT, with accidents.

#![no_main]

use conntrack_fuzz::{
    nat,
    session::Protocol, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| nat::check(Protocol::Irc, data));
