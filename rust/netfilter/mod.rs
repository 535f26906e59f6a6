// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the kernel's connection tracking, for writing conntrack helpers.
//!
//! A packet comes in through [`helper`], which turns the kernel's pointers into a [`Packet`] and a
//! [`Conn`] and calls the module's [`Helper`]. What the helper expects leaves as an
//! [`Expectation`]. Nothing here knows a protocol.
//!
//! C headers: [`include/net/netfilter/nf_conntrack_helper.h`](srctree/include/net/netfilter/nf_conntrack_helper.h),
//! [`include/net/netfilter/nf_conntrack_expect.h`](srctree/include/net/netfilter/nf_conntrack_expect.h).

mod address;
pub mod announce;
pub mod assign;
mod conn;
pub mod count;
mod expect;
mod helper;
pub mod module;
mod packet;
pub mod param;
mod per_net;
pub mod slot;
mod store;
pub mod stream;
#[cfg(CONFIG_NF_CONNTRACK_ZONES)]
mod zone;

pub use self::{
    address::{
        is_privileged,
        Address,
        FIRST_UNPRIVILEGED, //
    },
    conn::Conn,
    expect::{
        dereference,
        Expectation, //
    },
    helper::{
        ExpectPolicy,
        Helper,
        L4Proto,
        Registration, //
    },
    module::{
        Core,
        HelperModule, //
    },
    packet::Packet,
    slot::Slot,
};
pub use crate::proto::{Outcome, Verdict};
