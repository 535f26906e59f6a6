// SPDX-License-Identifier: GPL-2.0

//! IRC, RFC 2812, and in it DCC, by which clients connect to each other.
//!
//! A client offers a connection by a message to the other client, which has an address and port in
//! it: `PRIVMSG nick :^ADCC SEND file 3232235777 5000 1234^A`. This finds such messages.
//!
//! A file that was received in part can be resumed. Both messages for that name the port again, as
//! its receiver knows it, although no connection follows from them: `DCC RESUME file 5000 512` to
//! the client that offers and `DCC ACCEPT file 5000 512` from it. If NAT changed the port in the
//! offer then it must change it there, too.
//!
//! An offer with port 0 is passive: it asks the other side for an offer. It needs no help.

mod dcc;
mod emit;
mod message;
mod progress;
mod register;
mod session;
mod told;

use core::{
    net::IpAddr,
    num::NonZeroU16, //
};

use super::{
    Direction,
    Reject,
    Span, //
};

// Each kernel module uses its part only.
#[allow(unused_imports)]
pub use self::{
    emit::emit,
    session::Session, //
};

/// How many bytes are looked at of a message up to its DCC, and of a DCC; what ends behind them is
/// malformed.
///
/// RFC 2812 limits a message to so many bytes, without its tags.
pub const LINE_MAX: usize = 512;

/// What a client says about a port.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Kind {
    /// This client waits for a connection: `SEND`, `CHAT`, `MOVE`, `TSEND` or `SCHAT`.
    Offer,
    /// This client, which offered, goes on with a file: `ACCEPT`.
    Accept,
    /// The other client wants this one, which offered, to go on with a file: `RESUME`.
    Resume,
}

/// A port in a DCC.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Announcement {
    /// What is said about it.
    pub kind: Kind,
    /// The address of a [`Kind::Offer`].
    ///
    /// Nothing says that the sender may announce it: that is for the caller to judge.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: NonZeroU16,
    /// The port to have in its place, as far as [`Session::tell`] was told of it: for
    /// [`Kind::Offer`] and [`Kind::Accept`] the one that the other side knows, for [`Kind::Resume`]
    /// the one that this side offered.
    pub instead: Option<NonZeroU16>,
    /// Whether an offer counts: the client has registered, and it stands where a client puts it.
    pub may_count: bool,
    /// What [`emit()`] writes anew: `address port` for [`Kind::Offer`], else `port`.
    pub span: Span,
}

/// Parses the first DCC of the line at the beginning of `line`, which may be cut short or go on
/// with other lines.
///
/// # Errors
///
/// See [`Reject`].
pub fn parse(direction: Direction, line: &[u8]) -> Result<Announcement, Reject> {
    let start = message::behind_tags(line)?;
    let start = message::text(line, start)?;
    let dcc = dcc::parse(direction, line, start)?;
    dcc.announcement.ok_or(Reject::NotOurs)
}
