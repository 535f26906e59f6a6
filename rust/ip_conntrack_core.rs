// SPDX-License-Identifier: GPL-2.0

//! What all conntrack helpers share: a crate, and the module `ip_conntrack_core`.
//!
//! A helper's module is a small crate on top of it, with its protocol and its policy. What its NAT half
//! needs beside that is in `netfilter/nat/`, the crate `ip_nat_core`.

pub mod bindings;
pub mod netfilter;
pub mod proto;

use kernel::prelude::*;

module! {
    type: netfilter::Core,
    name: "ip_conntrack_core",
    authors: ["The ip_conntrack in Rust developers"],
    description: "What the connection tracking helpers in Rust share",
    license: "GPL",
}
build_info!();
