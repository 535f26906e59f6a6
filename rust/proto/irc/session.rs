// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a connection.

use core::{
    num::NonZeroU16,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    },
};

use super::{
    super::{
        scan,
        stream::{
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
    dcc::{
        self,
        DELIMITER, //
    },
    message,
    progress::Progress,
    register::{
        self,
        Server, //
    },
    told::Told,
    Announcement,
    Kind,
    LINE_MAX, //
};

/// What is kept for a connection to an IRC server, see [`LineSession`].
///
/// In the direction from the server nothing is of interest from when the client has registered until
/// [`Self::tell`] was called.
#[repr(C)]
pub struct Session {
    original: Lines,
    reply: Lines,
    told: AtomicU64,
    progress: Progress,
    // So that there is no padding, of which nobody could say that it is zero.
    _unused: u32,
}

// The kernel has 32 bytes in `struct nf_conn_help`.
const _: () = assert!(size_of::<Session>() <= 32);

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
            told: AtomicU64::new(0),
            progress: Progress::new(),
            _unused: 0,
        }
    }

    /// Notes that where port `offered` was announced the other side was told port `told`.
    ///
    /// The last two of which these differ are known by it in other messages, see
    /// [`Announcement::instead`].
    pub fn tell(&self, offered: NonZeroU16, told: NonZeroU16) {
        let mut ports = self.told();
        ports.tell(offered, told);
        self.told.store(ports.pack(), Relaxed);
        if ports.is_empty() {
            self.progress.stop_listening();
        } else if self.progress.is_deaf() {
            // Until now they were of no interest.
            self.reply.clear_to_start();
            self.progress.listen();
        }
    }

    /// Returns all that is kept, to compare it.
    #[cfg(not(MODULE))]
    pub fn snapshot(&self) -> [u64; 4] {
        [
            self.original.snapshot(),
            self.reply.snapshot(),
            self.told.load(Relaxed),
            self.progress.snapshot().into(),
        ]
    }

    fn told(&self) -> Told {
        Told::unpack(self.told.load(Relaxed))
    }

    fn find(
        &self,
        direction: Direction,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Option<Announcement> {
        let rest = bytes.get(cursor.offset..)?;
        // Most have no DCC but the likes of `^AACTION`.
        if *rest.last()? == b'\n' && !dcc::is_in(rest) {
            cursor.go(bytes.len(), Place::Start);
            cursor.is_behind_bare_newline = !bytes.ends_with(b"\r\n");
            cursor.finish(bytes);
            return None;
        }
        let mut found = find(direction, bytes, cursor)?;
        self.complete(&mut found, cursor.is_behind_bare_newline);
        Some(found)
    }

    /// Goes through the lines of a client that registers, up to the first behind that.
    fn open(&self, bytes: &[u8], cursor: &mut Cursor) {
        self.each_line(bytes, cursor, |line| {
            match register::client(line) {
                Err(Reject::Incomplete) => return false,
                Ok(line) => self.progress.hear(line),
                Err(Reject::NotOurs | Reject::Malformed) => self.progress.deny(),
            }
            true
        });
    }

    /// The same for the server's lines, of which no other is of interest.
    fn read(&self, bytes: &[u8], cursor: &mut Cursor) {
        self.each_line(bytes, cursor, |line| {
            match register::server(line) {
                Err(Reject::Incomplete) => return false,
                Ok(Server::Welcome) => self.progress.welcome(),
                Ok(Server::Tls) => self.progress.encrypt(),
                Ok(Server::Other) | Err(Reject::NotOurs | Reject::Malformed) => {}
            }
            true
        });
    }

    /// Gives `take` each line until the client has registered; it tells whether it needs no more of it.
    fn each_line(&self, bytes: &[u8], cursor: &mut Cursor, take: impl Fn(&[u8]) -> bool) {
        while self.progress.is_opening() {
            let rest = bytes.get(cursor.offset..).unwrap_or_default();
            if rest.is_empty() {
                cursor.finish(bytes);
                return;
            }
            if cursor.place == Place::Start && !take(rest) {
                return;
            }
            let rest = cursor.skip_line(cursor.byte_before(bytes), rest);
            cursor.offset = bytes.len().saturating_sub(rest.len());
        }
    }

    /// Adds what the other side was told in its place, and whether it counts.
    #[inline]
    fn complete(&self, found: &mut Announcement, is_behind_bare_newline: bool) {
        found.may_count = self.progress.may_offer(is_behind_bare_newline);
        let told = self.told.load(Relaxed);
        if told != 0 {
            let told = Told::unpack(told);
            found.instead = match found.kind {
                Kind::Offer | Kind::Accept => told.told(found.port),
                Kind::Resume => told.offered(found.port),
            };
        }
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
        self.told.store(0, Relaxed);
        self.progress.begin();
    }

    fn may_begin(&self) {
        self.progress.listen();
    }

    fn pick_up(&self) {
        self.original.clear_to_start();
        self.reply.clear_to_start();
        self.told.store(0, Relaxed);
        self.progress.pick_up();
    }

    #[inline]
    fn ignores(&self, direction: Direction) -> bool {
        direction == Direction::Reply && self.progress.is_deaf()
    }

    #[inline(always)]
    fn glance(&self, direction: Direction, bytes: &[u8], seq: impl FnOnce() -> u32) -> Glance {
        let [.., b'\n'] = bytes else {
            return Glance::Closer;
        };
        // Without a delimiter there is no DCC.
        if !scan::seems_free_of_less_than::<{ DELIMITER + 1 }>(bytes) {
            return Glance::Line;
        }
        if self.progress.is_special() || !self.lines(direction).go_on(seq(), bytes.len(), 0) {
            return Glance::Closer;
        }
        Glance::Plain
    }

    fn is_plain(&self, direction: Direction, seq: u32, bytes: &[u8]) -> bool {
        if self.progress.is_special() {
            return self.progress.is_silent();
        }
        bytes.last() == Some(&b'\n')
            && !scan::has_0_or_1(bytes)
            && self.lines(direction).go_on(seq, bytes.len(), 0)
    }

    #[inline]
    fn only(&self, direction: Direction, bytes: &[u8]) -> Result<Option<Announcement>, Reject> {
        if self.progress.is_special() {
            return Err(Reject::NotOurs);
        }
        let text = message::text(bytes, 0)?;
        let mut dcc = dcc::parse(direction, bytes, text)?;
        match bytes.get(dcc.end..) {
            Some([rest @ .., _]) if dcc::is_rest(rest) => {
                if let Some(found) = &mut dcc.announcement {
                    self.complete(found, false);
                }
                Ok(dcc.announcement)
            }
            _ => Err(Reject::Incomplete),
        }
    }

    fn enter(&self, direction: Direction, segment: Segment) -> Cursor {
        match direction {
            Direction::Original => self.original.enter(segment),
            Direction::Reply if self.ignores(direction) => Cursor::new(segment.len, Place::Rest),
            Direction::Reply => self.reply.enter(segment),
        }
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
        match direction {
            Direction::Original if self.progress.is_opening() => self.open(bytes, cursor),
            Direction::Reply if self.progress.is_read() => {
                self.read(bytes, cursor);
                if self.progress.is_opening() {
                    return None;
                }
                // Here and not where the client's line says so: nothing of the server's is kept now.
                self.progress.stop_reading();
                if self.told().is_empty() {
                    self.progress.stop_listening();
                }
            }
            Direction::Original | Direction::Reply => {}
        }
        if self.progress.is_silent() || self.ignores(direction) {
            cursor.go(bytes.len(), Place::Rest);
            return None;
        }
        if direction == Direction::Original && self.progress.is_opening() {
            return None;
        }
        self.find(direction, bytes, cursor)
    }

    fn may_matter(&self, _direction: Direction, bytes: &[u8]) -> bool {
        // A DCC has a delimiter at each end. Of one without the last it is given up, which nobody sends.
        !self.progress.is_silent() && (!scan::has_newline(bytes) || bytes.contains(&DELIMITER))
    }

    fn take_news(&self) -> Option<News> {
        self.progress.take_news()
    }

    fn span(found: &Announcement) -> Span {
        found.span
    }

    #[inline]
    fn kept(&self) -> Kept<'_> {
        self.progress.kept()
    }
}

#[cfg(not(MODULE))]
impl Clone for Session {
    fn clone(&self) -> Self {
        Self {
            original: self.original.clone(),
            reply: self.reply.clone(),
            told: AtomicU64::new(self.told.load(Relaxed)),
            progress: Progress::from_snapshot(self.progress.snapshot()),
            _unused: 0,
        }
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
        let Some(&first) = rest.first() else {
            cursor.finish(bytes);
            return None;
        };
        match (cursor.place, first) {
            (place, b'\n') if place != Place::Rest => {
                let before = cursor.offset.checked_sub(1).and_then(|at| bytes.get(at));
                cursor.go(cursor.offset.saturating_add(1), Place::Start);
                cursor.is_behind_bare_newline =
                    place == Place::Start || before.is_some_and(|&byte| byte != b'\r');
            }
            (Place::Start, b'@') => cursor.place = TAGS,
            (Place::Start, _) | (TAGS, b' ') => cursor.place = MESSAGE,
            (TAGS, _) => skip_to(cursor, rest, b' '),
            (MESSAGE, _) => match message::text(bytes, cursor.offset) {
                Ok(text) => cursor.go(text, TEXT),
                Err(Reject::Incomplete) => return None,
                Err(Reject::NotOurs | Reject::Malformed) => cursor.place = Place::Rest,
            },
            (TEXT, DELIMITER) => match dcc::parse(direction, bytes, cursor.offset) {
                Ok(dcc) => {
                    cursor.go(dcc.end, DCC);
                    if let Some(found) = dcc.announcement {
                        return Some(found);
                    }
                }
                Err(Reject::Incomplete) => {
                    cursor.begin(Some(cursor.offset));
                    return None;
                }
                // Something else may be an echo of what an attacker sent, so what follows it in
                // this message does not count.
                Err(Reject::NotOurs | Reject::Malformed) => cursor.place = Place::Rest,
            },
            (DCC, DELIMITER) => cursor.go(cursor.offset.saturating_add(1), TEXT),
            (TEXT | DCC, _) => skip_to(cursor, rest, DELIMITER),
            (Place::Rest | Place::Part(_), _) => {
                let rest = cursor.skip_line(cursor.byte_before(bytes), rest);
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
