// SPDX-License-Identifier: GPL-2.0

//! FTP, RFC 959, with the extensions of RFC 2428.
//!
//! The client announces with `PORT` or `EPRT` where it listens for the data connection, or the
//! server with reply 227 or 229. This finds such lines in a control connection.

mod command;
mod dialogue;
mod emit;
mod parse;
mod pending;
mod reply;
mod told;

use core::{
    net::IpAddr,
    num::NonZeroU16, //
};

use self::{
    command::Command,
    dialogue::Dialogue,
    reply::{
        Code,
        Greeting,
        Reply, //
    },
    told::Told, //
};
use super::{
    scan,
    stream::{
        Count,
        Cursor,
        Glance,
        Kept,
        LineSession,
        Lines,
        News,
        Place,
        Segment, //
    },
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

/// What is kept for a control connection, see [`LineSession`].
#[repr(C)]
pub struct Session {
    original: Lines,
    reply: Lines,
    told: Told,
    dialogue: Dialogue,
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
        }
    }

    /// Tells whether the announcement `found` at `seq` has its place in the dialogue, and takes note
    /// of it.
    ///
    /// The last one that had has it again when it is sent again.
    ///
    /// # Errors
    ///
    /// Why it has not.
    pub fn admit(&self, found: &Announcement, seq: u32) -> Result<(), Refusal> {
        let kind = found.kind;
        if kind == Kind::Deferred || self.told.is(kind, seq) && !self.dialogue.is_greeting() {
            return Ok(());
        }
        if !found.may_count {
            return Err(Refusal::Unasked);
        }
        if let Some(answered) = self.dialogue.admit(kind)? {
            self.reply.set_count(answered);
        }
        self.told.admit(kind, seq);
        Ok(())
    }

    /// Notes that the announcement of `kind` at `seq` is to count once the server has greeted, and that
    /// the other side was told `port`. It will be found then, as [`Kind::Deferred`].
    pub fn defer(&self, kind: Kind, seq: u32, port: NonZeroU16) {
        self.told.tell(kind, seq, Some(port));
        self.dialogue.defer();
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
            self.dialogue.snapshot(),
        ]
    }

    /// Whether nothing in `bytes` matters, of which `cursor` is at the beginning. Notes it if they are in
    /// clear again.
    fn is_silent(&self, direction: Direction, bytes: &[u8], cursor: &Cursor) -> bool {
        if !self.dialogue.is_silent() {
            return false;
        }
        if cursor.offset != 0 || !self.dialogue.is_plain(bytes) {
            return true;
        }
        self.dialogue.clear_text();
        // What it knows is from before.
        self.lines(direction.opposite()).clear();
        false
    }

    /// Counts a final reply, and returns its number.
    fn count_reply(&self) -> Count {
        match self.count_of_line(Direction::Reply) {
            0 => self.reply.count(),
            _ => self.reply.count_line(),
        }
    }

    /// Takes note of a command, the client's line of that `number`, if its reply matters.
    fn ask(&self, command: Command, number: Count) {
        let Some(question) = dialogue::question(command) else {
            return;
        };
        self.dialogue.ask(question, number);
    }

    /// Looks at the line of the client at the cursor.
    fn client_line(&self, bytes: &[u8], cursor: &mut Cursor) -> Result<Announcement, Reject> {
        let line = bytes.get(cursor.offset..).unwrap_or_default();
        let is_new = cursor.is_at_new_line();
        // Nothing is noted before the line is known.
        let (found, command) = match parse::kind(Direction::Original, line) {
            Ok(kind) => (arguments(kind, bytes, cursor)?, Command::Other),
            Err(Reject::Incomplete) => return Err(Reject::Incomplete),
            Err(_) => (None, command::command(line)?),
        };
        if is_new {
            if self.dialogue.is_proof_wanted() {
                if !command::is_of_client(line, self.dialogue.is_first())? {
                    self.dialogue.deny();
                    return Err(Reject::NotOurs);
                }
                self.dialogue.prove();
            }
            let number = self.original.count_line();
            self.ask(command, number);
        }
        let found = found.ok_or(Reject::NotOurs)?;
        cursor.enter_line(found.span.end());
        Ok(Announcement {
            // Clients that send several lines at once end them as RFC 959 says. One that ends in a newline
            // alone before another command is how somebody else's text gets into a client's line.
            may_count: is_new && !cursor.is_behind_bare_newline,
            ..found
        })
    }

    /// Looks at the line of the server at the cursor.
    fn server_line(&self, bytes: &[u8], cursor: &mut Cursor) -> Result<Announcement, Reject> {
        let line = bytes.get(cursor.offset..).unwrap_or_default();
        if !cursor.is_at_new_line() {
            let found = match reply::reply(line)? {
                Reply::Last(code) | Reply::First(code) => passive(code, bytes, cursor)?,
                Reply::Text => None,
            };
            let found = found.ok_or(Reject::NotOurs)?;
            cursor.enter_line(found.span.end());
            return Ok(Announcement {
                may_count: false,
                ..found
            });
        }
        if cursor.is_behind_loss {
            self.dialogue.lose();
        }
        let within = self.dialogue.reply();
        let line = if within.is_none() && self.dialogue.is_greeting() {
            match reply::greeting(line)? {
                Greeting::Reply(line) => line,
                Greeting::Text => return Err(Reject::NotOurs),
                Greeting::Foreign => {
                    self.dialogue.deny();
                    return Err(Reject::NotOurs);
                }
            }
        } else {
            line
        };
        let (code, is_last) = match reply::reply(line)? {
            Reply::Last(code) if within.is_none_or(|first| first == code) => (code, true),
            Reply::First(code) if within.is_none() => (code, false),
            Reply::Last(_) if self.dialogue.has_lost() => {
                // That may have been the end of the reply, or this: whatever it is does not count.
                self.dialogue.close_reply();
                return Err(Reject::NotOurs);
            }
            Reply::Last(_) | Reply::First(_) | Reply::Text => return Err(Reject::NotOurs),
        };
        let mut found = passive(code, bytes, cursor)?;
        if !is_last {
            self.dialogue.open_reply(code, found.is_some());
        } else {
            if self.dialogue.close_reply() {
                found = None;
            }
            if self.dialogue.is_greeting() {
                let is_greeting = found.is_none() && !code.is_preliminary();
                if is_greeting && self.dialogue.greet(code) {
                    return self.deferred(bytes, cursor).ok_or(Reject::NotOurs);
                }
            } else if !code.is_preliminary() {
                let number = self.count_reply();
                self.dialogue.note_success(code);
                if found.is_none() {
                    self.dialogue.answer(code, number);
                }
            }
        }
        let found = found.ok_or(Reject::NotOurs)?;
        cursor.enter_line(found.span.end());
        Ok(found)
    }

    /// What was announced before the greeting at the cursor.
    fn deferred(&self, bytes: &[u8], cursor: &mut Cursor) -> Option<Announcement> {
        let start = cursor.offset;
        let span = Span::new(bytes, start..start.checked_add(1)?)?;
        cursor.enter_line(span.end());
        Some(Announcement {
            kind: Kind::Deferred,
            address: None,
            port: self.told.port()?,
            span,
            may_count: true,
        })
    }
}

/// Parses the line of a reply with `code` at the cursor; [`None`] if it announces nothing.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early.
fn passive(code: Code, bytes: &[u8], cursor: &mut Cursor) -> Result<Option<Announcement>, Reject> {
    let line = bytes.get(cursor.offset..).unwrap_or_default();
    match (code.number(), line.get(3)) {
        (227, Some(b' ' | b'-')) => arguments(Kind::Pasv, bytes, cursor),
        (229, Some(b' ' | b'-')) => arguments(Kind::Epsv, bytes, cursor),
        _ => Ok(None),
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

impl LineSession for Session {
    type Found = Announcement;

    const LINE_MAX: usize = LINE_MAX;
    // It is only the value to begin with.
    #[allow(clippy::declare_interior_mutable_const)]
    const NEW: Self = Self::new();

    fn begin(&self, original: u32, reply: u32) {
        self.original.begin(original);
        self.reply.begin(reply);
        self.told.clear();
        self.dialogue.begin();
    }

    fn pick_up(&self) {
        self.original.clear_to_start();
        self.reply.clear_to_start();
        self.told.clear();
        self.dialogue.pick_up();
    }

    #[inline(always)]
    fn glance(&self, direction: Direction, bytes: &[u8], seq: impl FnOnce() -> u32) -> Glance {
        if self.dialogue.is_special() {
            // Text in clear ends in a newline.
            return match bytes {
                [.., b'\n'] => Glance::Closer,
                _ if self.dialogue.is_silent() => Glance::Plain,
                _ => Glance::Closer,
            };
        }
        let [head @ .., b'\n'] = bytes else {
            return Glance::Closer;
        };
        let Some(word) = head.first_chunk().copied().map(u32::from_le_bytes) else {
            return Glance::Closer;
        };
        // No line is so long.
        if head.len() > LINE_MAX {
            return Glance::Closer;
        }
        let lines = match direction {
            Direction::Original if command::seems_of_interest(word) => return Glance::Line,
            Direction::Original => 1,
            Direction::Reply if parse::seems_passive(word) => return Glance::Line,
            Direction::Reply => match reply::counts(word) {
                Some(lines) if !self.dialogue.is_pending() => lines & self.count_of_line(direction),
                _ => return Glance::Closer,
            },
        };
        if !scan::seems_free_of_less_than::<{ b'\n' + 1 }>(head)
            || !self.lines(direction).go_on(seq(), bytes.len(), lines)
        {
            return Glance::Closer;
        }
        Glance::Plain
    }

    fn is_plain(&self, _direction: Direction, _seq: u32, bytes: &[u8]) -> bool {
        self.dialogue.is_silent() && !self.dialogue.is_plain(bytes)
    }

    #[inline]
    fn only(&self, direction: Direction, bytes: &[u8]) -> Result<Option<Announcement>, Reject> {
        match parse::kind(direction, bytes) {
            Ok(kind) => {
                let found = parse::arguments(kind, bytes, 0, &mut None)?;
                if !is_last_line(bytes, found.span.end()) {
                    return Err(Reject::Incomplete);
                }
                Ok(Some(found))
            }
            Err(Reject::NotOurs) if direction == Direction::Original && is_last_line(bytes, 0) => {
                let command = command::command(bytes)?;
                self.ask(command, self.original.count().next());
                Ok(None)
            }
            Err(reject) => Err(reject),
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
        if self.is_silent(direction, bytes, cursor) {
            cursor.go(bytes.len(), Place::Rest);
            return None;
        }
        loop {
            let rest = bytes.get(cursor.offset..)?;
            if rest.is_empty() {
                cursor.finish(bytes);
                return None;
            }
            if cursor.place == Place::Start {
                let found = match direction {
                    Direction::Original => self.client_line(bytes, cursor),
                    Direction::Reply => self.server_line(bytes, cursor),
                };
                match found {
                    Ok(found) => return Some(found),
                    Err(Reject::Incomplete) => return None,
                    Err(_) if self.dialogue.is_silent() => {
                        cursor.go(bytes.len(), Place::Rest);
                        return None;
                    }
                    Err(_) => {}
                }
            }
            // Behind what was found, or from the beginning of the line.
            let rest = bytes.get(cursor.offset..).unwrap_or(rest);
            let rest = cursor.skip_line(cursor.byte_before(bytes), rest);
            cursor.offset = bytes.len().saturating_sub(rest.len());
        }
    }

    /// A reply that answers no command, since all have been answered, is not counted.
    #[inline(always)]
    fn count_of_line(&self, direction: Direction) -> u8 {
        match direction {
            Direction::Original => 1,
            Direction::Reply => u8::from(self.reply.count() != self.original.count()),
        }
    }

    fn may_matter(&self, direction: Direction, bytes: &[u8]) -> bool {
        let Some(rest) = scan::skip_line(bytes) else {
            return true;
        };
        let first = bytes.get(..bytes.len().saturating_sub(rest.len()));
        let first = first.unwrap_or_default();
        let is_line = match direction {
            Direction::Original => is_command(first),
            Direction::Reply => matches!(reply::reply(first), Ok(Reply::Last(_) | Reply::First(_))),
        };
        // What is no line may be the end of an announcement.
        let has_text = first.iter().any(u8::is_ascii_alphabetic);
        if !is_line && (!has_text || first.iter().any(u8::is_ascii_digit)) {
            return true;
        }
        let mut line = if is_line { bytes } else { rest };
        while !line.is_empty() {
            match parse::kind(direction, line) {
                Ok(_) | Err(Reject::Incomplete) => return true,
                Err(Reject::NotOurs | Reject::Malformed) => {}
            }
            line = scan::skip_line(line).unwrap_or_default();
        }
        false
    }

    fn take_news(&self) -> Option<News> {
        self.dialogue.take_news()
    }

    fn span(found: &Announcement) -> Span {
        found.span
    }

    #[inline]
    fn kept(&self) -> Kept<'_> {
        self.dialogue.kept()
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
