// SPDX-License-Identifier: GPL-2.0

//! FTP, RFC 959, with the extensions of RFC 2428.
//!
//! The client announces with `PORT` or `EPRT` where it listens for the data connection, or the
//! server with reply 227 or 229. This finds such lines in a control connection.

mod dialogue;
mod emit;
mod parse;
mod told;

use core::{
    mem::MaybeUninit,
    net::IpAddr,
    num::NonZeroU16, //
};

use self::{
    dialogue::{
        Command,
        Dialogue, //
    },
    told::Told, //
};
use super::{
    cursor::Place,
    lines::Lines,
    scan,
    Cursor,
    Direction,
    Glance,
    Kept,
    LineSession,
    Only,
    Reject,
    Segment,
    Span, //
};

// Each kernel module uses its part only.
#[allow(unused_imports)]
pub use self::{
    dialogue::Refusal,
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

/// What is kept for a control connection, see [`LineSession`].
#[repr(C)]
pub struct Session {
    original: Lines,
    reply: Lines,
    told: Told,
    dialogue: Dialogue,
    kept: Kept,
}

// What the kernel has for it in `struct nf_conn_help`.
const _: () = assert!(size_of::<Session>() <= 32);

impl Session {
    /// Returns the state of a new connection.
    pub const fn new() -> Self {
        Self {
            original: Lines::new(),
            reply: Lines::new(),
            told: Told::new(),
            dialogue: Dialogue::new(),
            kept: Kept::new(),
        }
    }

    /// Notes that the connection has just begun: the server will greet, and then the client speak.
    pub fn fresh(&self) {
        self.dialogue.fresh();
    }

    /// Tells whether the announcement found at `seq` has its place in the dialogue, and takes note
    /// of it.
    ///
    /// The last one that had has it again when it is sent again.
    ///
    /// # Errors
    ///
    /// Why it has not.
    pub fn admit(&self, kind: Kind, seq: u32) -> Result<(), Refusal> {
        if !self.told.is(kind, seq) {
            self.dialogue.admit(kind)?;
            self.told.admit(kind, seq);
        }
        Ok(())
    }

    /// Notes that the other side was told `port` in the place of the announcement of `kind` at
    /// `seq`; [`None`] if that was left as it is.
    pub fn tell(&self, kind: Kind, seq: u32, port: Option<NonZeroU16>) {
        self.told.tell(kind, seq, port);
    }

    /// Returns what was noted by [`Self::tell`] for the announcement at `seq`, if that was the last.
    ///
    /// The retransmission of an announcement must say the same as the first, to the byte.
    pub fn told(&self, kind: Kind, seq: u32) -> Option<Option<NonZeroU16>> {
        self.told.told(kind, seq)
    }

    /// Returns all that is kept, to compare it.
    #[cfg(not(MODULE))]
    pub fn snapshot(&self) -> [u64; 4] {
        [
            self.original.snapshot(),
            self.reply.snapshot(),
            self.told.snapshot(),
            u64::from(self.dialogue.snapshot()),
        ]
    }

    /// Finds the next announcement where each line matters, or none does.
    #[cold]
    #[inline(never)]
    fn next_watched(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        if self.dialogue.is_silent() {
            if cursor.offset != 0 || !self.dialogue.is_plain(bytes) {
                cursor.go(bytes.len(), Place::Rest);
                return None;
            }
            self.dialogue.clear_text();
            // What it knows is from before.
            self.lines(direction.opposite()).clear();
        }
        loop {
            let rest = bytes.get(cursor.offset..)?;
            if rest.is_empty() {
                return None;
            }
            if cursor.place == Place::Start {
                match self.dialogue.watch(direction, rest) {
                    Err(_) => return None,
                    Ok(()) if self.dialogue.is_silent() => {
                        cursor.go(bytes.len(), Place::Rest);
                        return None;
                    }
                    Ok(()) => {}
                }
                match self.line(direction, bytes, cursor) {
                    Ok(found) => return Some(found),
                    Err(Reject::Incomplete) => return None,
                    Err(_) => {}
                }
            }
            let rest = bytes.get(cursor.offset..)?;
            let rest = cursor.skip_line(rest);
            cursor.offset = bytes.len().saturating_sub(rest.len());
        }
    }

    /// Looks at the line at the cursor.
    fn line(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Result<Announcement, Reject> {
        let line = bytes.get(cursor.offset..).unwrap_or_default();
        let line = classify(direction, line)?;
        self.act(line, bytes, cursor)
    }

    /// Goes on with a line of which the first bytes are known.
    fn act(&self, line: Line, bytes: &[u8], cursor: &mut Cursor) -> Result<Announcement, Reject> {
        let start = cursor.offset;
        match line {
            Line::Announcement(kind) => {
                let (mut begun, mut place) = (None, MaybeUninit::uninit());
                match parse::arguments(kind, bytes, start, &mut begun, &mut place) {
                    Ok(found) => {
                        cursor.enter_line(found.span.end());
                        Ok(*found)
                    }
                    Err(Reject::Incomplete) => {
                        cursor.begin(begun);
                        Err(Reject::Incomplete)
                    }
                    Err(reject) => {
                        cursor.enter_line(start);
                        Err(reject)
                    }
                }
            }
            Line::Command(command) => {
                let line = bytes.get(start..).unwrap_or_default();
                // Sent again it is no other question.
                if !cursor.is_again() {
                    self.dialogue.command(command, line)?;
                }
                cursor.enter_line(start);
                Err(Reject::NotOurs)
            }
        }
    }
}

impl LineSession for Session {
    type Found = Announcement;

    const LINE_MAX: usize = LINE_MAX;
    // It is only the value to begin with.
    #[allow(clippy::declare_interior_mutable_const)]
    const NEW: Self = Self::new();

    fn pick_up(&self) {
        self.original.clear();
        self.reply.clear();
        self.told.clear();
        self.dialogue.clear();
    }

    #[inline(always)]
    fn glance(&self, direction: Direction, bytes: &[u8], seq: impl FnOnce() -> u32) -> Glance {
        if self.dialogue.is_special() {
            // Text in clear ends in a newline.
            return match bytes {
                [.., b'\n'] => Glance::Closer,
                _ if self.dialogue.is_silent() => Glance::Usual,
                _ => Glance::Closer,
            };
        }
        let [head @ .., b'\n'] = bytes else {
            return Glance::Closer;
        };
        // No line is so long.
        if head.len() > LINE_MAX {
            return Glance::Closer;
        }
        if seems_of_interest(direction, bytes) {
            return Glance::Line;
        }
        if !scan::seems_free_of_less_than::<{ b'\n' + 1 }>(head)
            || self.kept.is_any()
            || !self.lines(direction).go_on(seq(), bytes.len())
        {
            return Glance::Closer;
        }
        Glance::Usual
    }

    fn is_usual(&self, direction: Direction, seq: u32, bytes: &[u8]) -> bool {
        if self.dialogue.is_special() {
            return self.dialogue.is_silent() && !self.dialogue.is_plain(bytes);
        }
        bytes.last() == Some(&b'\n')
            && !self.kept.is_any()
            && are_of_no_interest(direction, bytes)
            && self.lines(direction).go_on(seq, bytes.len())
    }

    #[inline]
    fn only<'f>(
        &self,
        direction: Direction,
        bytes: &[u8],
        found: &'f mut MaybeUninit<Announcement>,
    ) -> Only<'f, Announcement> {
        match classify(direction, bytes) {
            Ok(Line::Announcement(kind)) => {
                match parse::arguments(kind, bytes, 0, &mut None, found) {
                    Ok(found) if is_last_line(bytes, found.span.end()) => Only::Found(found),
                    _ => Only::Closer,
                }
            }
            Ok(Line::Command(command)) if is_last_line(bytes, 0) => {
                match self.dialogue.command(command, bytes) {
                    Ok(()) => Only::Nothing,
                    Err(_) => Only::Closer,
                }
            }
            _ => Only::Closer,
        }
    }

    fn enter(&self, direction: Direction, segment: Segment) -> Cursor {
        if self.dialogue.is_silent() {
            // What it knows is from before, and the first line in clear is to be read.
            self.lines(direction).clear();
        }
        self.lines(direction).enter(segment)
    }

    #[inline]
    fn lines(&self, direction: Direction) -> &Lines {
        match direction {
            Direction::Original => &self.original,
            Direction::Reply => &self.reply,
        }
    }

    fn next(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        if self.dialogue.is_special() {
            return self.next_watched(direction, bytes, cursor);
        }
        loop {
            let line = cursor.find_line(bytes, |line| classify(direction, line))?;
            match self.act(line, bytes, cursor) {
                Ok(found) => return Some(found),
                Err(Reject::Incomplete) => return None,
                Err(_) if self.dialogue.is_special() => {
                    return self.next_watched(direction, bytes, cursor)
                }
                Err(_) => {}
            }
        }
    }

    fn span(found: &Announcement) -> Span {
        found.span
    }

    #[inline]
    fn kept(&self) -> &Kept {
        &self.kept
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells whether the line of which `from` is the offset of some byte is the last in `bytes`, which end
/// in a newline.
#[inline]
fn is_last_line(bytes: &[u8], from: usize) -> bool {
    match bytes.get(from..) {
        // Most often there is hardly anything.
        Some([rest @ .., _]) if rest.len() < 8 => rest.iter().all(|&byte| byte != b'\n'),
        Some([rest @ .., _]) => !scan::has_newline(rest),
        _ => false,
    }
}

/// Tells whether no line in `bytes`, which end with one, is of interest by its first bytes.
#[inline(never)]
fn are_of_no_interest(direction: Direction, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        if classify(direction, rest).is_ok() {
            return false;
        }
        rest = scan::skip_line(rest).unwrap_or_default();
    }
    true
}

/// What a line is of which only the first bytes were looked at.
enum Line {
    /// It may announce something.
    Announcement(Kind),
    /// It matters for what the server may reply.
    Command(Command),
}

// As one word each, so that a line costs a few compares.
const PASV: u32 = u32::from_le_bytes(*b"pasv");
const SPSV: u32 = u32::from_le_bytes(*b"spsv");
const CPSV: u32 = u32::from_le_bytes(*b"cpsv");
const EPSV: u32 = u32::from_le_bytes(*b"epsv");
const AUTH: u32 = u32::from_le_bytes(*b"auth");

/// Tells what `line` is by its first bytes.
#[inline]
fn classify(direction: Direction, line: &[u8]) -> Result<Line, Reject> {
    match parse::kind(direction, line) {
        Ok(kind) => Ok(Line::Announcement(kind)),
        Err(Reject::NotOurs) if direction == Direction::Original => command(line),
        Err(reject) => Err(reject),
    }
}

const RT: u32 = u32::from_le_bytes(*b"rt\0\0");
const SV: u32 = u32::from_le_bytes(*b"sv\0\0");
const TH: u32 = u32::from_le_bytes(*b"th\0\0");

/// Tells whether a line may be one that [`classify`] knows. Few others look like them.
#[inline(always)]
fn seems_of_interest(direction: Direction, line: &[u8]) -> bool {
    let Some(word) = line.first_chunk() else {
        return true;
    };
    match direction {
        // `PORT`, `EPRT`; `PASV` and all the others; `AUTH`. Capitals are made small.
        Direction::Original => {
            let end = (u32::from_le_bytes(*word) | 0x2020_2020) >> 16;
            matches!(end, RT | SV | TH)
        }
        Direction::Reply => matches!(word, b"227 " | b"229 "),
    }
}

#[inline]
fn command(line: &[u8]) -> Result<Line, Reject> {
    let word = line.first_chunk().copied().map_or(0, u32::from_le_bytes);
    // Makes capitals small. Other bytes may change, but none becomes a letter.
    match word | u32::from_le_bytes([0x20; 4]) {
        // `SPSV` shares a port among transfers and `CPSV` is for a transfer between two servers; the
        // reply to both is 227.
        PASV | SPSV | CPSV => Ok(Line::Command(Command::Passive)),
        EPSV => Ok(Line::Command(Command::Epsv)),
        AUTH => Ok(Line::Command(Command::Auth)),
        _ => Err(Reject::NotOurs),
    }
}
