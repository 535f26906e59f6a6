// SPDX-License-Identifier: GPL-2.0

//! Whole sessions of TFTP.

#![no_main]

use conntrack_fuzz::{
    check,
    session::Protocol, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(Protocol::Tftp, data));
