// SPDX-License-Identifier: GPL-2.0

//! Who may say what, and when.
//!
//! An attacker can get a server or a client to say a line that looks like an announcement: as part
//! of a reply that repeats a file's name, or in a form that a browser is made to send (FTP stream
//! injection, NAT slipstreaming). Such a line does not count unless it has its place in the dialogue:
//!
//! - Seen from its handshake on, a session begins with the server's greeting and with a command of the
//!   client. Where it begins otherwise it is not FTP, and nothing counts.
//! - Replies answer commands in their order (RFC 959 section 5.4), so each command and each final reply
//!   is counted, see [`Count`]. A few commands whose reply matters are remembered with their number.
//! - What stands inside a reply of several lines is no reply (RFC 959 section 4.2).
//! - Of a session that is picked up in its middle nobody knows who opened it. Only replies to questions
//!   that were heard count.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

use super::{
    super::stream::{
        Count,
        Kept,
        News, //
    },
    command::Command,
    pending::{
        Pending,
        Question, //
    },
    reply::Code,
    Kind, //
};

/// Why an announcement is not believed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub enum Refusal {
    /// It has no place in the dialogue, such as a reply that nobody asked for.
    Unasked,
    /// The client has said that it will use `EPSV` only, RFC 2428 section 4.
    EpsvAll,
    /// The server has not greeted yet. It is believed once it has, see [`super::Session::defer`].
    Early,
}

/// How far the dialogue of a connection has come.
///
/// All zeroes: a connection that was picked up in its middle.
pub(super) struct Dialogue {
    flags: AtomicU32,
    pending: Pending,
}

/// It was seen from its handshake on, or injected by somebody who had: so it is known who opened it.
const BEGUN: u32 = 1;
/// The first line of the client that was seen was a command.
const PROVEN: u32 = 1 << 1;
/// The server has not greeted yet.
const GREETING: u32 = 1 << 2;
/// No command of the client has succeeded yet.
const EARLY: u32 = 1 << 3;
/// The client has said `EPSV ALL`, and the server has accepted that.
const EPSV_ALL: u32 = 1 << 4;
/// A question may have been asked before we came.
const DOUBT: u32 = 1 << 5;
/// An announcement waits for the greeting.
const DEFERRED: u32 = 1 << 6;
/// This is another protocol.
const FOREIGN: u32 = 1 << 7;
/// What follows is encrypted.
const ENCRYPTED: u32 = 1 << 8;
/// One of the two came to be so just now.
const NEWS: u32 = 1 << 9;
/// What the server said is not all known, since a segment was lost.
const LOST: u32 = 1 << 10;
/// The reply of several lines that has begun announces something in its first line.
const ANNOUNCED: u32 = 1 << 11;
/// Two bits for [`Kept`].
const KEPT_SHIFT: u32 = 12;
const KEPT: u32 = 3 << KEPT_SHIFT;
/// The code of the reply of several lines that has begun, 0 if none has.
const REPLY_SHIFT: u32 = 16;
const REPLY: u32 = 0x3ff << REPLY_SHIFT;

/// Nothing matters.
const SILENT: u32 = FOREIGN | ENCRYPTED;

/// The longest line that [`Dialogue::is_plain`] takes for one in clear.
const PLAIN_MAX: usize = 256;

impl Dialogue {
    pub(super) const fn new() -> Self {
        Self {
            flags: AtomicU32::new(0),
            pending: Pending::new(),
        }
    }

    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u64 {
        let flags = u64::from(self.flags.load(Relaxed) & !(KEPT | NEWS));
        (flags << 32) | u64::from(self.pending.snapshot())
    }

    /// Notes that the connection was seen from its handshake on.
    pub(super) fn begin(&self) {
        self.flags.store(BEGUN | GREETING | EARLY, Relaxed);
        self.pending.clear();
    }

    /// Notes that the connection was injected by ctnetlink, as after a failover.
    pub(super) fn pick_up(&self) {
        self.flags.store(BEGUN | PROVEN | DOUBT, Relaxed);
        self.pending.clear();
    }

    /// Which lines are kept.
    #[inline]
    pub(super) fn kept(&self) -> Kept<'_> {
        Kept::new(&self.flags, KEPT_SHIFT)
    }

    /// Whether there is something else to do than to count lines, and to look for announcements and
    /// commands of interest.
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        const USUAL: u32 = PROVEN;
        const SPECIAL: u32 = GREETING | EARLY | SILENT | REPLY | KEPT;
        self.flags.load(Relaxed) & (USUAL | SPECIAL) != USUAL
    }

    /// Whether a reply may be the answer to a command that matters.
    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_any()
    }

    /// Whether nothing that is said matters.
    #[inline]
    pub(super) fn is_silent(&self) -> bool {
        self.flags.load(Relaxed) & SILENT != 0
    }

    /// Tells once that the session came to be another protocol's or encrypted: whether it is encrypted.
    pub(super) fn take_news(&self) -> Option<News> {
        News::take(&self.flags, NEWS, ENCRYPTED)
    }

    /// Whether `bytes`, a whole segment of an encrypted session, is in clear again, as after `CCC`
    /// (RFC 4217 section 12.3).
    ///
    /// TLS records do not look like lines, and so that part of one that does is rare.
    pub(super) fn is_plain(&self, bytes: &[u8]) -> bool {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
        self.flags.load(Relaxed) & SILENT == ENCRYPTED
            && (4..=PLAIN_MAX).contains(&bytes.len())
            && bytes.last() == Some(&b'\n')
            && bytes.iter().all(is_text)
    }

    /// Notes that what follows is in clear.
    pub(super) fn clear_text(&self) {
        self.change(ENCRYPTED | REPLY | ANNOUNCED | LOST, 0);
        self.pending.clear();
    }

    /// Whether the client's lines have to show that they are FTP.
    pub(super) fn is_proof_wanted(&self) -> bool {
        let flags = self.flags.load(Relaxed);
        flags & PROVEN == 0 || flags & EARLY != 0
    }

    /// Whether the next line of the client is its first.
    pub(super) fn is_first(&self) -> bool {
        self.flags.load(Relaxed) & PROVEN == 0
    }

    /// Notes that the client's line is one of FTP.
    pub(super) fn prove(&self) {
        self.change(0, PROVEN);
    }

    /// Notes that a line is not one of FTP.
    pub(super) fn deny(&self) {
        self.change(0, FOREIGN | NEWS);
    }

    /// Whether the server has not greeted yet.
    pub(super) fn is_greeting(&self) -> bool {
        self.flags.load(Relaxed) & GREETING != 0
    }

    /// Takes note of a command that matters, the client's line of that `number`.
    pub(super) fn ask(&self, question: Question, number: Count) {
        self.change(DOUBT, 0);
        self.pending.push(question, number);
    }

    /// The code of the reply of several lines in which the server is.
    pub(super) fn reply(&self) -> Option<Code> {
        let number = (self.flags.load(Relaxed) & REPLY) >> REPLY_SHIFT;
        // Ten bits, which always fit.
        Code::from_number(u16::try_from(number).unwrap_or_default())
    }

    /// Notes that a reply of several lines has begun, and whether its first line announces something.
    pub(super) fn open_reply(&self, code: Code, has_announced: bool) {
        let announced = if has_announced { ANNOUNCED } else { 0 };
        let reply = u32::from(code.number()).wrapping_shl(REPLY_SHIFT);
        self.change(REPLY | ANNOUNCED, reply | announced);
    }

    /// Notes that it has ended. Tells whether its first line has announced something.
    pub(super) fn close_reply(&self) -> bool {
        let flags = self.flags.load(Relaxed);
        if flags & (REPLY | ANNOUNCED) != 0 {
            self.change(REPLY | ANNOUNCED | LOST, 0);
        }
        flags & ANNOUNCED != 0
    }

    /// Notes that something is missing of what the server said: a greeting, perhaps, or the end of a
    /// reply.
    pub(super) fn lose(&self) {
        if self.flags.load(Relaxed) & (GREETING | REPLY) != 0 {
            self.change(0, LOST);
        }
    }

    /// Whether that is so.
    pub(super) fn has_lost(&self) -> bool {
        self.flags.load(Relaxed) & LOST != 0
    }

    /// Takes note of a final reply that says that a command has succeeded.
    pub(super) fn note_success(&self, code: Code) {
        if code.is_success() && self.flags.load(Relaxed) & EARLY != 0 {
            self.change(EARLY, 0);
        }
    }

    /// Takes note of a final reply, the server's line of that `number`.
    pub(super) fn answer(&self, code: Code, number: Count) {
        while let Some(question) = self.pending.pop_answered(number) {
            match question {
                Question::Tls if code.number() == 234 => self.change(0, ENCRYPTED | NEWS),
                Question::EpsvAll if code.is_success() => self.change(0, EPSV_ALL),
                Question::Reinitialize if code.is_success() => self.change(EPSV_ALL, 0),
                _ => {}
            }
        }
    }

    /// Notes that all commands have their replies.
    pub(super) fn forget_questions(&self) {
        if self.pending.is_any() {
            self.pending.clear();
        }
    }

    /// Takes note of the final reply with which the server greets. Tells whether an announcement was
    /// deferred that counts now.
    pub(super) fn greet(&self, code: Code) -> bool {
        if code.is_refusal() {
            self.deny();
            return false;
        }
        let flags = self.flags.load(Relaxed);
        // Behind a greeting that is missing comes the reply to a command.
        if code.number() != 220 && flags & LOST == 0 {
            return false;
        }
        self.change(GREETING | DEFERRED | LOST, 0);
        flags & DEFERRED != 0
    }

    /// Notes that an announcement waits for the greeting, or that none does any more.
    pub(super) fn defer(&self) {
        self.change(0, DEFERRED);
    }

    /// Tells whether an announcement of `kind` has its place here, and takes note of it. Returns the
    /// number of the command that a reply answers.
    ///
    /// # Errors
    ///
    /// Why it has not.
    pub(super) fn admit(&self, kind: Kind) -> Result<Option<Count>, Refusal> {
        let flags = self.flags.load(Relaxed);
        if flags & FOREIGN != 0 {
            return Err(Refusal::Unasked);
        }
        let is_excluded = flags & EPSV_ALL != 0 && kind != Kind::Epsv;
        match kind {
            Kind::Port | Kind::Eprt if is_excluded => Err(Refusal::EpsvAll),
            Kind::Port | Kind::Eprt if flags & BEGUN == 0 => Err(Refusal::Unasked),
            Kind::Port | Kind::Eprt if flags & GREETING != 0 => Err(Refusal::Early),
            Kind::Port | Kind::Eprt | Kind::Deferred => Ok(None),
            Kind::Pasv | Kind::Epsv if flags & GREETING != 0 => Err(Refusal::Unasked),
            Kind::Pasv | Kind::Epsv => match self.pending.pop_passive() {
                // The question, if there was one, has its answer all the same.
                _ if is_excluded => Err(Refusal::EpsvAll),
                // In a reply of several lines its last line is still to come, which is counted.
                Some(number) if flags & REPLY != 0 => Ok(Some(number.before())),
                Some(number) => Ok(Some(number)),
                // Once: the question was asked before we came.
                None if flags & DOUBT != 0 => {
                    self.change(DOUBT, 0);
                    Ok(None)
                }
                None => Err(Refusal::Unasked),
            },
        }
    }

    fn change(&self, clear: u32, set: u32) {
        // At once, since the other side may be speaking on another CPU.
        let _ = self
            .flags
            .fetch_update(Relaxed, Relaxed, |flags| Some((flags & !clear) | set));
    }
}

/// Which question a command of the client asks that matters for what the server may reply.
pub(super) fn question(command: Command) -> Option<Question> {
    match command {
        Command::Passive => Some(Question::Passive),
        Command::EpsvAll => Some(Question::EpsvAll),
        Command::Auth => Some(Question::Tls),
        Command::Reinitialize => Some(Question::Reinitialize),
        Command::Other => None,
    }
}
