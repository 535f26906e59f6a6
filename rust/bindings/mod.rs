// SPDX-License-Identifier: GPL-2.0

//! The kernel's netfilter types and functions, as bindgen reads them from the C headers.
//!
//! Everything that is not netfilter's own (`sk_buff`, `net`, `module`, ...) is the kernel crate's.
//! See `nf_helper.h` for the headers and `nf_bindgen_parameters` for what is taken out of them.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::bindings::*;
use kernel::ffi;

include!(env!("NF_BINDINGS"));
