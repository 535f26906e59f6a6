// SPDX-License-Identifier: GPL-2.0

//! Protocol core of the conntrack helpers.
//!
//! Bytes, direction and sequence number go in; what was announced comes out. Nothing here knows the
//! kernel, takes time or memory, or can panic: every access is checked in a way that leaves no
//! panicking branch behind.
//!
//! This is a module of the crate `ip_conntrack_core` and, through `lib.rs`, a crate on the host.

// In the kernel each is in its helper's crate.
#[cfg(not(MODULE))]
pub mod amanda;
#[cfg(not(MODULE))]
pub mod ftp;
#[cfg(not(MODULE))]
pub mod irc;
#[cfg(not(MODULE))]
pub mod tftp;

pub mod decimal;
pub mod ipv6;
pub mod reader;
pub mod scan;
mod span;
pub mod stream;
mod text;

use core::num::NonZeroU16;

pub use self::{
    span::Span,
    text::Text, //
};

/// Which way a packet goes, as in the kernel's `enum ip_conntrack_dir`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Direction {
    /// From the side that opened the connection, `IP_CT_DIR_ORIGINAL`.
    Original,
    /// From the side that accepted it, `IP_CT_DIR_REPLY`.
    Reply,
}

impl Direction {
    /// Returns the other direction.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// What becomes of a packet, as the kernel has it: `NF_DROP` and `NF_ACCEPT`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(i32)]
pub enum Verdict {
    /// It is lost; its sender will send it again.
    Drop = 0,
    /// It goes on.
    Accept = 1,
}

/// What became of an announcement; it fits in a register.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(u8)]
pub enum Outcome {
    /// It was rewritten; what it announces is expected.
    Rewritten {
        /// The port that the other side is told.
        port: NonZeroU16,
        /// By how many bytes the packet became longer.
        growth: i32,
    },
    /// The packet stays as it is and goes on; what it announces is expected.
    Unchanged,
    /// The packet stays as it is and goes on, but nothing is expected; the reason was counted.
    Refused,
    /// It could not be rewritten for want of memory; the packet is to be dropped, and its
    /// retransmission tried again.
    NoMemory,
}

/// Why a line announces nothing.
///
/// Except for [`Reject::Incomplete`] this is final: no further byte changes it. None of these is a
/// reason to drop a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Reject {
    /// A line of no interest.
    NotOurs,
    /// So far it could become an announcement, but the bytes end too early to know.
    Incomplete,
    /// A line that starts like an announcement and then breaks its syntax or limits.
    Malformed,
}
