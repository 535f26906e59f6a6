// SPDX-License-Identifier: GPL-2.0

//! FTP, RFC 959, with the extensions of RFC 2428.
//!
//! The client announces with `PORT` or `EPRT` where it listens for the data connection, or the
//! server with reply 227 or 229. This finds such lines in a control connection.
//!
//! [`Session`] goes from line to line; `client` and `server` read one line of each side; `dialogue` says
//! what may be said when.

mod client;
mod command;
mod dialogue;
mod emit;
mod parse;
mod pending;
mod reply;
mod server;
mod session;
mod told;

use core::{
    net::IpAddr,
    num::NonZeroU16, //
};

use super::{
    stream::Cursor,
    Direction,
    Reject,
    Span, //
};

// Each kernel module uses its part only.
#[allow(unused_imports)]
pub use self::{
    command::is_command,
    dialogue::Refusal,
    emit::emit,
    parse::{
        parse,
        LINE_MAX, //
    },
    session::Session, //
};

/// The form of an announcement.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Kind {
    /// Command `PORT h1,h2,h3,h4,p1,p2`, RFC 959 section 4.1.2.
    Port,
    /// Command `EPRT |family|address|port|`, RFC 2428 section 2.
    Eprt,
    /// Reply `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)` to `PASV`, RFC 1123 section 4.1.2.6.
    Pasv,
    /// Reply `229 Entering Extended Passive Mode (|||port|)` to `EPSV`, RFC 2428 section 3.
    Epsv,
    /// No line of its own: what the client had announced before the server greeted, which has now.
    Deferred,
}

/// One side says where it listens for the data connection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Announcement {
    /// Its form.
    pub kind: Kind,
    /// The address announced; [`None`] for [`Kind::Epsv`], which means the one of the control
    /// connection.
    ///
    /// Nothing says that the sender may announce it: that is for the caller to judge.
    pub address: Option<IpAddr>,
    /// The TCP port announced.
    pub port: NonZeroU16,
    /// What [`emit()`] writes anew: `h1,h2,h3,h4,p1,p2`, or from the first delimiter to the last.
    pub span: Span,
    /// Whether it may count: it has not been seen before, and stands where a client puts it.
    pub may_count: bool,
}

impl Announcement {
    /// Whose announcement it is.
    pub const fn announcer(&self) -> Direction {
        match self.kind {
            Kind::Port | Kind::Eprt | Kind::Deferred => Direction::Original,
            Kind::Pasv | Kind::Epsv => Direction::Reply,
        }
    }
}

/// Parses the announcement of `kind` at the cursor; [`None`] if it is none.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early.
fn arguments(
    kind: Kind,
    bytes: &[u8],
    cursor: &mut Cursor,
) -> Result<Option<Announcement>, Reject> {
    let mut begun = None;
    match parse::arguments(kind, bytes, cursor.offset, &mut begun) {
        Ok(found) => Ok(Some(found)),
        Err(Reject::Incomplete) => {
            cursor.begin(begun);
            Err(Reject::Incomplete)
        }
        Err(Reject::NotOurs | Reject::Malformed) => Ok(None),
    }
}
