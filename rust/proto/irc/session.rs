// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a connection.

use core::num::NonZeroU16;

use super::{
    super::{
        lines::{
            Lines,
            Place, //
        },
        scan,
        Cursor,
        Direction,
        Reject,
        Segment, //
    },
    dcc::{
        self,
        DELIMITER, //
    },
    message,
    told::Told,
    Announcement,
    Kind, //
};

/// What is kept for a connection to an IRC server.
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

// The kernel has 32 bytes in `struct nf_conn_help`.
const _: () = assert!(size_of::<Session>() <= 24);

/// In the tags before a message.
const TAGS: Place = Place::Part(0);
/// At the beginning of a message, behind its tags.
const MESSAGE: Place = Place::Part(1);
/// In the text of a message, before a DCC.
const TEXT: Place = Place::Part(2);
/// In a DCC that was dealt with.
const DCC: Place = Place::Part(3);

impl Session {
    /// Returns the state of a new connection.
    pub const fn new() -> Self {
        Self {
            original: Lines::new(),
            reply: Lines::new(),
            told: Told::new(),
        }
    }

    /// Notes that where port `offered` was announced the other side was told port `told`.
    ///
    /// The last two of which these differ are known by it in other messages, see
    /// [`Announcement::instead`].
    pub fn tell(&mut self, offered: NonZeroU16, told: NonZeroU16) {
        if self.told.is_empty() {
            // Until now they were of no interest.
            self.reply = Lines::new();
        }
        self.told.tell(offered, told);
    }

    /// Forgets all, as for a connection that ctnetlink injected after a failover.
    ///
    /// The next segment of each direction is taken to begin a line.
    pub fn pick_up(&mut self) {
        *self = Self::new();
    }

    /// Takes note of a segment and returns a cursor for [`Self::next`].
    ///
    /// To be called once for each segment with payload, retransmitted ones too. As in FTP, a
    /// segment begins a line if it begins where an earlier one ended in a newline, or if it is the
    /// very first. In a direction of no interest the cursor is at the end.
    #[inline]
    pub fn enter(&mut self, direction: Direction, segment: Segment) -> Cursor {
        match direction {
            Direction::Original => self.original.enter(segment),
            Direction::Reply if self.told.is_empty() => Cursor::new(segment.len, Place::Rest),
            Direction::Reply => self.reply.enter(segment),
        }
    }

    /// Returns the next announcement from `cursor` on, with the cursor behind it; [`None`] if there
    /// is none.
    ///
    /// `bytes` is the payload or a window of it. Where it ends, a message which may be an
    /// announcement but is not whole yet is left, with the cursor at its beginning. A window that
    /// is not the last of its payload must have at least [`super::LINE_MAX`] bytes; then the cursor
    /// always advances, and the next window begins at [`Cursor::offset`] (see [`Cursor::slide`]).
    ///
    /// It takes time linear in the length of `bytes` behind the cursor.
    #[inline]
    pub fn next(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        let rest = bytes.get(cursor.offset..)?;
        // Without a delimiter there is no DCC.
        if *rest.last()? == b'\n' && !scan::has_0_or_1(rest) {
            *cursor = Cursor::new(bytes.len(), Place::Start);
            return None;
        }
        self.find(direction, bytes, cursor)
    }

    /// Does the same for bytes that have a delimiter or end inside a line.
    #[cold]
    #[inline(never)]
    fn find(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        let rest = bytes.get(cursor.offset..)?;
        // Most have no DCC but the likes of `^AACTION`.
        if *rest.last()? == b'\n' && !dcc::is_in(rest) {
            *cursor = Cursor::new(bytes.len(), Place::Start);
            return None;
        }
        let mut found = find(direction, bytes, cursor)?;
        found.instead = match found.kind {
            Kind::Offer | Kind::Accept => self.told.told(found.port),
            Kind::Resume => self.told.offered(found.port),
        };
        Some(found)
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

fn find(direction: Direction, bytes: &[u8], cursor: &mut Cursor) -> Option<Announcement> {
    loop {
        let rest = bytes.get(cursor.offset..)?;
        // At the end the cursor keeps its place for the next window.
        let first = *rest.first()?;
        match (cursor.place, first) {
            (Place::Start, b'@') => cursor.place = TAGS,
            (Place::Start, _) | (TAGS, b' ') => cursor.place = MESSAGE,
            (TAGS | TEXT | DCC, b'\n') => cursor.place = Place::Rest,
            (TAGS, _) => skip_to(cursor, rest, b' '),
            (MESSAGE, _) => match message::text(bytes, cursor.offset) {
                Ok(text) => *cursor = Cursor::new(text, TEXT),
                Err(Reject::Incomplete) => return None,
                Err(Reject::NotOurs | Reject::Malformed) => cursor.place = Place::Rest,
            },
            (TEXT, DELIMITER) => match dcc::parse(direction, bytes, cursor.offset) {
                Ok(dcc) => {
                    *cursor = Cursor::new(dcc.span.end(), DCC);
                    if let Some(found) = dcc.announcement() {
                        return Some(found);
                    }
                }
                Err(Reject::Incomplete) => return None,
                // Something else may be an echo of what an attacker sent, so what follows it in
                // this message does not count.
                Err(Reject::NotOurs | Reject::Malformed) => cursor.place = Place::Rest,
            },
            (DCC, DELIMITER) => *cursor = Cursor::new(cursor.offset.saturating_add(1), TEXT),
            (TEXT | DCC, _) => skip_to(cursor, rest, DELIMITER),
            (Place::Rest | Place::Part(_), _) => {
                let rest = cursor.skip_line(rest);
                cursor.offset = bytes.len().saturating_sub(rest.len());
            }
        }
    }
}

/// Goes to the next `wanted` or newline, or to the end.
fn skip_to(cursor: &mut Cursor, rest: &[u8], wanted: u8) {
    let is_wanted = |&byte: &u8| byte == wanted || byte == b'\n';
    let by = rest.iter().position(is_wanted).unwrap_or(rest.len());
    cursor.offset = cursor.offset.saturating_add(by);
}
