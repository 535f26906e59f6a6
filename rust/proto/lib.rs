// SPDX-License-Identifier: GPL-2.0

//! The protocol core of the conntrack helpers as a crate of its own, for everything outside of a
//! kernel.

#![no_std]
#![forbid(unsafe_code)]

#[path = "mod.rs"]
mod proto;

pub use proto::*;
