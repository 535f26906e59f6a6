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
pub(crate) mod announce;
pub(crate) mod assign;
mod conn;
pub(crate) mod count;
mod expect;
mod helper;
mod module;
pub(crate) mod nat;
mod packet;
pub(crate) mod param;
mod store;
pub(crate) mod stream;
#[cfg(CONFIG_NF_CONNTRACK_ZONES)]
mod zone;

pub(crate) use self::{
    address::{is_privileged, Address},
    conn::Conn,
    expect::Expectation,
    helper::{
        ExpectPolicy,
        Helper,
        L4Proto,
        Registration, //
    },
    module::{
        HelperModule,
        NatModule, //
    },
    packet::Packet,
};
pub(crate) use crate::proto::{Outcome, Verdict};
