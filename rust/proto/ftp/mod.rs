// SPDX-License-Identifier: GPL-2.0

//! FTP, RFC 959, with the extensions of RFC 2428.
//!
//! The client announces with `PORT` or `EPRT` where it listens for the data connection, or the
//! server with reply 227 or 229. This finds such lines in a control connection.

mod emit;
mod parse;

use core::{
    net::IpAddr,
    num::NonZeroU16, //
};

use super::{
    lines::Lines,
    Cursor,
    Direction,
    Reject,
    Segment,
    Span, //
};

// Each kernel module uses its part only.
#[allow(unused_imports)]
pub use self::{
    emit::emit,
    parse::{
        parse,
        LINE_MAX, //
    },
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
}

/// What is kept for a control connection.
///
/// All zeroes is the initial state, and no bit pattern is invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(C)]
pub struct Session {
    original: Lines,
    reply: Lines,
    told: Told,
}

/// The announcement that NAT dealt with last: where it stood, and the port that the other side was
/// told, 0 if it was left as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
#[repr(C)]
struct Told {
    seq: u32,
    port: u16,
    /// Not 0 once there was one.
    known: u16,
}

// What the kernel has for it in `struct nf_conn_help`.
const _: () = assert!(size_of::<Session>() <= 32);

impl Session {
    /// Returns the state of a new connection.
    pub const fn new() -> Self {
        Self {
            original: Lines::new(),
            reply: Lines::new(),
            told: Told {
                seq: 0,
                port: 0,
                known: 0,
            },
        }
    }

    /// Notes that the other side was told `port` in the place of the announcement at `seq`; [`None`]
    /// if that was left as it is.
    pub fn tell(&mut self, seq: u32, port: Option<NonZeroU16>) {
        self.told = Told {
            seq,
            port: port.map_or(0, NonZeroU16::get),
            known: 1,
        };
    }

    /// Returns what was noted by [`Self::tell`] for the announcement at `seq`, if that was the last.
    ///
    /// The retransmission of an announcement must say the same as the first, to the byte.
    pub fn told(&self, seq: u32) -> Option<Option<NonZeroU16>> {
        (self.told.known != 0 && self.told.seq == seq).then(|| NonZeroU16::new(self.told.port))
    }

    /// Forgets where lines begin, as for a connection that ctnetlink injected after a failover.
    ///
    /// The next segment of each direction is taken to begin a line.
    pub fn pick_up(&mut self) {
        *self = Self::new();
    }

    /// Takes note of a segment and returns a cursor at its beginning for [`Self::next`].
    ///
    /// To be called once for each segment with payload, retransmitted ones too. A segment begins a
    /// line if it begins where an earlier one ended in a newline, or if it is the very first. For
    /// the first this is not certain, but looking at the rest of a line as a line does no harm,
    /// while missing a line does.
    pub fn enter(&mut self, direction: Direction, segment: Segment) -> Cursor {
        let lines = match direction {
            Direction::Original => &mut self.original,
            Direction::Reply => &mut self.reply,
        };
        lines.enter(segment)
    }

    /// Returns the next announcement from `cursor` on, with the cursor behind it; [`None`] if there
    /// is none.
    ///
    /// `bytes` is the payload or a window of it. Where it ends, a line which may be an announcement
    /// but is not whole yet is left, with the cursor at its beginning. A window that is not the
    /// last of its payload must have at least [`LINE_MAX`] bytes; then the cursor always advances,
    /// and the next window begins at [`Cursor::offset`] (see [`Cursor::slide`]).
    ///
    /// It takes time linear in the length of `bytes` behind the cursor.
    pub fn next(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        while let Some(kind) = cursor.find_line(bytes, |line| parse::kind(direction, line)) {
            match parse::arguments(kind, bytes, cursor.offset()) {
                Ok(found) => {
                    cursor.enter_line(found.span.end());
                    return Some(found);
                }
                Err(Reject::Incomplete) => break,
                Err(Reject::NotOurs | Reject::Malformed) => cursor.enter_line(cursor.offset()),
            }
        }
        None
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}
