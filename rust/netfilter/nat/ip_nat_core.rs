// SPDX-License-Identifier: GPL-2.0

//! What the NAT halves of all helpers share: a crate, and the module `ip_nat_core`.
//!
//! A NAT half implements [`NatHelper`]. It is given what its conntrack half has found, registers the
//! expectation where a port is free, and rewrites the packet.
//!
//! C headers: [`include/net/netfilter/nf_nat_helper.h`](srctree/include/net/netfilter/nf_nat_helper.h).

mod expectation;
mod half;
mod pending;
mod port;
mod recent;
mod rewrite;

use ip_conntrack_core::bindings;
use kernel::prelude::*;

pub use self::{
    expectation::Expectation,
    half::{
        NatHelper,
        NatModule, //
    },
    rewrite::{
        rewrite_tcp,
        rewrite_udp, //
    },
};

module! {
    type: Core,
    name: "ip_nat_core",
    authors: ["The ip_conntrack in Rust developers"],
    description: "What the NAT helpers in Rust share",
    license: "GPL",
}
ip_conntrack_core::build_info!();

struct Core;

impl kernel::Module for Core {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
