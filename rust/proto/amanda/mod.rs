// SPDX-License-Identifier: GPL-2.0

//! Amanda, the Advanced Maryland Automatic Network Disk Archiver, over UDP.
//!
//! A backup server asks a machine to send it a backup. The reply of that machine says on which TCP
//! ports it waits for the backup server, one for each stream of data:
//!
//! ```text
//! Amanda 3.5 REP HANDLE 000-00010001 SEQ 1700000000
//! CONNECT DATA 11000 MESG 11001 INDEX 11002 STATE 11003 CMD 11004
//! OPTIONS features=ffff;
//! ```
//!
//! To restore, `amrecover` asks the backup server in the same way, and that replies with
//! `CONNECT CTL 11000 DATA 11001 STATE 11002`.
//!
//! This finds them in a datagram.

mod parse;

use core::num::NonZeroU16;

use super::{
    stream::{
        Cursor,
        Place, //
    },
    Reject,
    Span,
    Text, //
};

// Each kernel module uses its part only.
#[allow(unused_imports)]
pub use self::parse::LINE_MAX;

/// What goes over an announced port.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Stream {
    /// The backup.
    Data,
    /// Messages for the operator.
    Mesg,
    /// The list of files; port -1 if nobody wants it.
    Index,
    /// State of the backup program, since Amanda 3.4.
    State,
    /// Commands, since Amanda 3.4.
    Cmd,
    /// The dialogue of restoring.
    Ctl,
}

impl Stream {
    /// How many there are, and so how many announcements a reply has at most.
    pub const COUNT: u32 = 6;
}

/// A port on which the sender waits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Announcement {
    /// What it is for.
    pub stream: Stream,
    /// The TCP port announced.
    pub port: NonZeroU16,
    /// What [`emit()`] writes anew: the digits.
    pub span: Span,
}

/// Writes into `text` what is to take the place of an announcement's span, and returns it.
pub fn emit(port: NonZeroU16, text: &mut Text) -> &[u8] {
    text.clear();
    text.push_decimal(u32::from(port.get()));
    text.as_bytes()
}

/// Goes through the announcements in one datagram.
///
/// It stays at the beginning of the port found last, and goes on behind what stands there then. So
/// rewriting that, to whatever length, does not lead it astray.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Reply {
    cursor: Cursor,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
enum Stage {
    /// Before the first line, which tells what the datagram is.
    Header,
    /// Before the line that begins with `CONNECT`.
    Body,
    /// At the first word of that line or at a port in it; a bit is set for each stream that was
    /// found.
    Connect(u8),
    /// There is nothing more to find.
    Done,
}

impl Reply {
    /// Returns a new one, at the beginning of a datagram.
    pub const fn new() -> Self {
        Self {
            cursor: Cursor::new(0, Place::Start),
            stage: Stage::Header,
        }
    }

    /// Returns where the next window has to begin, in the bytes last given; 0 if there need not be
    /// one.
    pub const fn offset(&self) -> usize {
        match self.stage {
            Stage::Done => 0,
            _ => self.cursor.offset(),
        }
    }

    /// Notes that the next bytes given begin `by` bytes behind the beginning of the last ones.
    pub fn slide(&mut self, by: usize) {
        self.cursor.slide(by);
    }

    /// Returns the next announcement; [`None`] if there is none.
    ///
    /// `bytes` is the datagram as it is now, with what was rewritten of it, or a window of that.
    /// Spans are relative to it. A window that is not the last must have at least [`LINE_MAX`]
    /// bytes; after [`None`] the next one begins at [`Self::offset`] (see [`Self::slide`]).
    ///
    /// Only the first line that begins with `CONNECT` counts, and in it the first port of each
    /// stream. A port that is none, like -1, 0 or 70000, is left out.
    pub fn next(&mut self, bytes: &[u8]) -> Option<Announcement> {
        if self.stage == Stage::Header {
            match parse::header(bytes) {
                Ok(at) => {
                    self.cursor.enter_line(at);
                    self.stage = Stage::Body;
                }
                Err(Reject::Incomplete) => return None,
                Err(Reject::NotOurs | Reject::Malformed) => self.stage = Stage::Done,
            }
        }
        if self.stage == Stage::Body {
            self.cursor.find_line(bytes, parse::connect)?;
            self.stage = Stage::Connect(0);
        }
        let Stage::Connect(seen) = &mut self.stage else {
            return None;
        };
        match parse::stream(bytes, self.cursor.offset(), seen) {
            Ok(found) => {
                self.cursor.enter_line(found.span.start());
                Some(found)
            }
            Err(Reject::Incomplete) => None,
            Err(Reject::NotOurs | Reject::Malformed) => {
                self.stage = Stage::Done;
                None
            }
        }
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}
