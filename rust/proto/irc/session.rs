// SPDX-License-Identifier: GPL-2.0

//! Goes through the lines of a connection.

use core::{
    mem::MaybeUninit,
    num::NonZeroU16,
    sync::atomic::{
        AtomicU32,
        AtomicU64,
        Ordering::Relaxed, //
    },
};

use super::{
    super::{
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
    },
    dcc::{
        self,
        DELIMITER, //
    },
    message,
    told::Told,
    usual,
    Announcement,
    Kind,
    LINE_MAX, //
};

/// What is kept for a connection to an IRC server, see [`LineSession`].
///
/// In the direction from the server nothing is of interest until [`Self::tell`] was called.
#[repr(C)]
pub struct Session {
    original: Lines,
    reply: Lines,
    told: AtomicU64,
    kept: AtomicU32,
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
            kept: AtomicU32::new(0),
            _unused: 0,
        }
    }

    /// Notes that where port `offered` was announced the other side was told port `told`.
    ///
    /// The last two of which these differ are known by it in other messages, see
    /// [`Announcement::instead`].
    pub fn tell(&self, offered: NonZeroU16, told: NonZeroU16) {
        let mut ports = self.told();
        if ports.is_empty() {
            // Until now they were of no interest.
            self.reply.clear_to_start();
        }
        ports.tell(offered, told);
        self.told.store(ports.pack(), Relaxed);
    }

    /// Returns all that is kept, to compare it.
    #[cfg(not(MODULE))]
    pub fn snapshot(&self) -> [u64; 3] {
        [
            self.original.snapshot(),
            self.reply.snapshot(),
            self.told.load(Relaxed),
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
            return None;
        }
        let mut found = find(direction, bytes, cursor)?;
        self.complete(&mut found);
        Some(found)
    }

    /// Adds what the other side was told in its place.
    #[inline]
    fn complete(&self, found: &mut Announcement) {
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
    }

    fn pick_up(&self) {
        self.original.clear_to_start();
        self.reply.clear_to_start();
        self.told.store(0, Relaxed);
    }

    #[inline]
    fn ignores(&self, direction: Direction) -> bool {
        direction == Direction::Reply && self.told.load(Relaxed) == 0
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
        if self.kept().is_any() || !self.lines(direction).go_on(seq(), bytes.len(), 1) {
            return Glance::Closer;
        }
        Glance::Usual
    }

    fn is_usual(&self, direction: Direction, seq: u32, bytes: &[u8]) -> bool {
        bytes.last() == Some(&b'\n')
            && !self.kept().is_any()
            && !scan::has_0_or_1(bytes)
            && self.lines(direction).go_on(seq, bytes.len(), 1)
    }

    #[inline]
    fn only<'f>(
        &self,
        direction: Direction,
        bytes: &[u8],
        found: &'f mut MaybeUninit<Announcement>,
    ) -> Only<'f, Announcement> {
        if direction == Direction::Original {
            if let Some((announcement, [rest @ .., _])) = usual::offer(bytes) {
                if dcc::is_rest(rest) {
                    let found = found.write(announcement);
                    self.complete(found);
                    return Only::Found(found);
                }
            }
        }
        let Ok(text) = message::text(bytes, 0) else {
            return Only::Closer;
        };
        let Ok(dcc) = dcc::parse(direction, bytes, text, found) else {
            return Only::Closer;
        };
        match bytes.get(dcc.end..) {
            Some([rest @ .., _]) if dcc::is_rest(rest) => match dcc.announcement {
                Some(found) => {
                    self.complete(found);
                    Only::Found(found)
                }
                None => Only::Nothing,
            },
            _ => Only::Closer,
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
        self.find(direction, bytes, cursor)
    }

    fn span(found: &Announcement) -> Span {
        found.span
    }

    #[inline]
    fn kept(&self) -> Kept<'_> {
        Kept::new(&self.kept, 0)
    }
}

#[cfg(not(MODULE))]
impl Clone for Session {
    fn clone(&self) -> Self {
        Self {
            original: self.original.clone(),
            reply: self.reply.clone(),
            told: AtomicU64::new(self.told.load(Relaxed)),
            kept: AtomicU32::new(0),
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
    let mut found = MaybeUninit::uninit();
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
                Ok(text) => cursor.go(text, TEXT),
                Err(Reject::Incomplete) => return None,
                Err(Reject::NotOurs | Reject::Malformed) => cursor.place = Place::Rest,
            },
            (TEXT, DELIMITER) => match dcc::parse(direction, bytes, cursor.offset, &mut found) {
                Ok(dcc) => {
                    cursor.go(dcc.end, DCC);
                    if let Some(found) = dcc.announcement {
                        return Some(*found);
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
