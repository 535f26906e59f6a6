// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a control connection.

use core::num::NonZeroU16;

use super::{
    super::{
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
    },
    command::{
        self,
        Command, //
    },
    dialogue::{
        self,
        Dialogue,
        Refusal, //
    },
    is_command,
    parse,
    reply::{
        self,
        Reply, //
    },
    told::Told,
    Announcement,
    Kind,
    LINE_MAX, //
};

/// What is kept for a control connection, see [`LineSession`].
#[repr(C)]
pub struct Session {
    pub(super) original: Lines,
    pub(super) reply: Lines,
    pub(super) told: Told,
    pub(super) dialogue: Dialogue,
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
        if kind == Kind::Deferred {
            return Ok(());
        }
        if self.told.is(kind, seq) {
            // Before the greeting it still waits for that.
            return if self.dialogue.is_greeting() {
                Err(Refusal::Early)
            } else {
                Ok(())
            };
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
    pub(super) fn count_reply(&self) -> Count {
        match self.count_of_line(Direction::Reply) {
            0 => self.reply.count(),
            _ => self.reply.count_line(),
        }
    }

    /// Takes note of a command, the client's line of that `number`, if its reply matters.
    pub(super) fn ask(&self, command: Command, number: Count) {
        let Some(question) = dialogue::question(command) else {
            return;
        };
        self.dialogue.ask(question, number);
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
                    Direction::Reply => {
                        self.skip_text(bytes, cursor);
                        self.server_line(bytes, cursor)
                    }
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

    fn is_text(found: &Announcement) -> bool {
        found.kind != Kind::Deferred
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
