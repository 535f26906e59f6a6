// SPDX-License-Identifier: GPL-2.0

//! Who may say what, and when.
//!
//! An attacker can get a server or a client to say a line that looks like an announcement: as part
//! of an error message that repeats a file's name, or in a form that a browser is made to send (FTP
//! stream injection, NAT slipstreaming). Such a line does not count unless it has its place in the
//! dialogue.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

use super::{
    super::{
        Direction,
        Reject, //
    },
    Kind, //
};

/// Why an announcement is not believed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Refusal {
    /// A reply that nobody asked for, or anything before the server has greeted.
    Unasked,
    /// The client has said that it will use `EPSV` only, RFC 2428 section 4.
    EpsvAll,
}

/// How far the dialogue of a connection has come.
///
/// All zeroes: this is a connection about which nothing is known, picked up in its middle.
pub(super) struct Dialogue(AtomicU32);

/// How many questions for a passive port have no answer yet.
const ASKED: u32 = 3;
/// There is no doubt any more that would excuse a reply without a question.
const NO_DOUBT: u32 = 1 << 2;
/// The server has not greeted yet.
const GREETING: u32 = 1 << 3;
/// The client has not said anything yet.
const FIRST: u32 = 1 << 4;
/// The client has asked for TLS.
const TLS_ASKED: u32 = 1 << 5;
/// The client has asked for `EPSV ALL`, and there is no reply yet.
const EPSV_ALL_ASKED: u32 = 1 << 6;
/// The client has said `EPSV ALL`.
const EPSV_ALL: u32 = 1 << 7;
/// This is another protocol.
const FOREIGN: u32 = 1 << 8;
/// What follows is encrypted.
const ENCRYPTED: u32 = 1 << 9;

/// Each line matters.
const WATCHED: u32 = GREETING | FIRST | TLS_ASKED | EPSV_ALL_ASKED;
/// Nothing matters.
const SILENT: u32 = FOREIGN | ENCRYPTED;

/// The longest line that [`Dialogue::is_plain`] takes for one in clear.
const PLAIN_MAX: usize = 256;

/// A command of the client that matters for what the server may reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// It asks where to connect to.
    Passive,
    /// `EPSV`, which may be `EPSV ALL`.
    Epsv,
    /// `AUTH` with the name of a mechanism, RFC 4217.
    Auth,
}

impl Dialogue {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Notes that the connection was seen from its first packet on.
    pub(super) fn fresh(&self) {
        self.0.store(GREETING | FIRST | NO_DOUBT, Relaxed);
    }

    /// Whether there is something else to do than to look for announcements and commands.
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        self.0.load(Relaxed) & (WATCHED | SILENT) != 0
    }

    /// Whether nothing that is said matters.
    pub(super) fn is_silent(&self) -> bool {
        self.0.load(Relaxed) & SILENT != 0
    }

    /// Whether `bytes`, a whole segment of an encrypted session, is in clear again, as after `CCC`
    /// (RFC 4217 section 12.3).
    ///
    /// TLS records do not look like lines, and so that part of one that does is rare.
    pub(super) fn is_plain(&self, bytes: &[u8]) -> bool {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
        self.0.load(Relaxed) & SILENT == ENCRYPTED
            && (4..=PLAIN_MAX).contains(&bytes.len())
            && bytes.last() == Some(&b'\n')
            && bytes.iter().all(is_text)
    }

    /// Notes that what follows is in clear.
    pub(super) fn clear_text(&self) {
        self.change(ENCRYPTED, 0);
    }

    /// Takes note of the line at the beginning of `line`, where each matters.
    ///
    /// # Errors
    ///
    /// [`Reject::Incomplete`] if the bytes end too early.
    pub(super) fn watch(&self, direction: Direction, line: &[u8]) -> Result<(), Reject> {
        let flags = self.0.load(Relaxed);
        if flags & WATCHED == 0 {
            return Ok(());
        }
        if line.iter().take(3).any(|byte| *byte == b'\n') {
            // Too short to say anything, and what is behind it is another line.
            return Ok(());
        }
        let Some(word) = line.first_chunk::<4>() else {
            return Err(Reject::Incomplete);
        };
        match direction {
            Direction::Original if flags & FIRST != 0 => {
                let [first, ..] = word;
                // TLS without asking, for one, begins with a control character.
                let is_foreign = is_http(word) || *first < b' ' && !first.is_ascii_whitespace();
                self.change(FIRST, if is_foreign { FOREIGN } else { 0 });
            }
            Direction::Original => {}
            Direction::Reply if flags & GREETING != 0 => match word {
                [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\r' | b'\n'] => {
                    self.change(GREETING, 0)
                }
                _ => self.change(GREETING, FOREIGN),
            },
            Direction::Reply => match word {
                b"234 " if flags & TLS_ASKED != 0 => self.change(TLS_ASKED, ENCRYPTED),
                [b'4' | b'5', _, _, b' '] => {
                    let refused = if flags & EPSV_ALL_ASKED != 0 {
                        EPSV_ALL
                    } else {
                        0
                    };
                    self.change(TLS_ASKED | EPSV_ALL_ASKED | refused, 0);
                }
                [b'2', _, _, b' '] => self.change(EPSV_ALL_ASKED, 0),
                _ => {}
            },
        }
        Ok(())
    }

    /// Takes note of a `command`, of which `line` is the line.
    ///
    /// # Errors
    ///
    /// [`Reject::Incomplete`] if the bytes end too early.
    pub(super) fn command(&self, command: Command, line: &[u8]) -> Result<(), Reject> {
        let rest = line.get(4..).unwrap_or_default();
        // What may follow the name of the command. Other commands may begin the same.
        match rest.first() {
            Some(b' ' | b'\r' | b'\n') => {}
            Some(_) => return Ok(()),
            None => return Err(Reject::Incomplete),
        }
        match command {
            Command::Passive => self.ask(),
            Command::Epsv => match says(rest, b"all") {
                Err(Reject::Incomplete) => return Err(Reject::Incomplete),
                Ok(()) => self.change(0, EPSV_ALL | EPSV_ALL_ASKED),
                Err(_) => self.ask(),
            },
            // It does not matter which: only a reply that it is accepted does.
            Command::Auth => self.change(0, TLS_ASKED),
        }
        Ok(())
    }

    fn ask(&self) {
        self.update(|flags| {
            let asked = (flags & ASKED).wrapping_add(1).min(ASKED);
            (flags & !ASKED) | asked | NO_DOUBT
        });
    }

    /// Tells whether an announcement of `kind` has its place here, and takes note of it.
    pub(super) fn admit(&self, kind: Kind) -> Result<(), Refusal> {
        let flags = self.0.load(Relaxed);
        if flags & EPSV_ALL != 0 && kind != Kind::Epsv {
            return Err(Refusal::EpsvAll);
        }
        if flags & (GREETING | FOREIGN) != 0 {
            return Err(Refusal::Unasked);
        }
        match kind {
            // The client has given up on what it asked before.
            Kind::Port | Kind::Eprt if flags & ASKED == 0 => {}
            Kind::Port | Kind::Eprt => self.change(ASKED, 0),
            Kind::Pasv | Kind::Epsv => match (flags & ASKED).checked_sub(1) {
                Some(asked) => self.change(ASKED, asked),
                // Once: the question was asked before we came.
                None if flags & NO_DOUBT == 0 => self.change(0, NO_DOUBT),
                None => return Err(Refusal::Unasked),
            },
        }
        Ok(())
    }

    fn change(&self, clear: u32, set: u32) {
        self.update(|flags| (flags & !clear) | set);
    }

    /// At once, since the other side may be speaking on another CPU.
    fn update(&self, new: impl Fn(u32) -> u32) {
        let _ = self
            .0
            .fetch_update(Relaxed, Relaxed, |flags| Some(new(flags)));
    }
}

/// Whether a line that begins with `word` is a request of HTTP, which no FTP command looks like.
fn is_http(word: &[u8; 4]) -> bool {
    matches!(
        word,
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"CONN" | b"PATC" | b"TRAC"
    )
}

/// Whether `rest` is spaces, `word` in whatever case, and the end of the line.
fn says(rest: &[u8], word: &[u8]) -> Result<(), Reject> {
    let mut rest = rest;
    while let [b' ', tail @ ..] = rest {
        rest = tail;
    }
    for letter in word {
        let Some((byte, tail)) = rest.split_first() else {
            return Err(Reject::Incomplete);
        };
        if byte.to_ascii_lowercase() != *letter {
            return Err(Reject::NotOurs);
        }
        rest = tail;
    }
    match rest.first() {
        Some(b' ' | b'\r' | b'\n') => Ok(()),
        Some(_) => Err(Reject::NotOurs),
        None => Err(Reject::Incomplete),
    }
}
