// SPDX-License-Identifier: GPL-2.0

//! How far a client has come with its server, and so whether its offers count.
//!
//! An attacker can get a browser to say a line that looks like an offer to a port of IRC (NAT
//! slipstreaming). So it has to be IRC that is spoken there: seen from its handshake on, a client
//! registers first, RFC 2812 section 3.1. Until it has, each of its lines must be one of a client that
//! registers; after another one nothing counts for good.
//!
//! It has registered when the server says so (numeric 001), or when it has said both `NICK` and `USER`.
//! Each suffices: the other may be lost to us, where a line in pieces could not be kept. The server's
//! word alone does not, since it may be the attacker's: the client must have said a command before.
//!
//! A connection that is picked up in its middle was opened by nobody knows whom. Nothing that is offered
//! there counts.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

use super::{
    super::stream::{
        Kept,
        News, //
    },
    register::{
        Client,
        Command, //
    },
};

/// See the module. All zeroes: a connection that was picked up in its middle.
pub(super) struct Progress(AtomicU32);

/// Two bits for [`Kept`].
const KEPT_SHIFT: u32 = 0;
const KEPT: u32 = 3 << KEPT_SHIFT;
/// The one of them for the server's side.
const KEPT_REPLY: u32 = 2 << KEPT_SHIFT;
/// Offers count.
const REGISTERED: u32 = 1 << 2;
/// The client has yet to register, so each of its lines is judged.
const OPENING: u32 = 1 << 3;
/// The server's lines are read for one that says that the client has registered.
const READ: u32 = 1 << 4;
/// The client has said one of the commands of a client that registers.
const SPOKEN: u32 = 1 << 5;
/// It has said `NICK`.
const NICK: u32 = 1 << 6;
/// It has said `USER`.
const USER: u32 = 1 << 7;
/// Of its first lines one ended in a carriage return and a newline.
const CRLF: u32 = 1 << 8;
/// This is another protocol.
const FOREIGN: u32 = 1 << 9;
/// What follows is encrypted.
const ENCRYPTED: u32 = 1 << 10;
/// One of the two came to be so just now.
const NEWS: u32 = 1 << 11;
/// Nothing that the server says is of interest.
const DEAF: u32 = 1 << 12;

/// Nothing matters.
const SILENT: u32 = FOREIGN | ENCRYPTED;

impl Progress {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u32 {
        self.0.load(Relaxed) & !(KEPT | NEWS)
    }

    #[cfg(not(MODULE))]
    pub(super) fn from_snapshot(snapshot: u32) -> Self {
        Self(AtomicU32::new(snapshot))
    }

    /// Notes that the connection was seen from its handshake on.
    pub(super) fn begin(&self) {
        self.0.store(OPENING | READ, Relaxed);
    }

    /// Notes that the connection was injected by ctnetlink, as after a failover.
    pub(super) fn pick_up(&self) {
        self.0.store(REGISTERED | CRLF | DEAF, Relaxed);
    }

    /// Which lines are kept.
    #[inline]
    pub(super) const fn kept(&self) -> Kept<'_> {
        Kept::new(&self.0, KEPT_SHIFT)
    }

    /// Whether there is something else to do than to look for a DCC.
    #[inline(always)]
    pub(super) fn is_special(&self) -> bool {
        self.0.load(Relaxed) & (KEPT | OPENING | READ | SILENT) != 0
    }

    /// Whether nothing that is said matters.
    #[inline]
    pub(super) fn is_silent(&self) -> bool {
        self.0.load(Relaxed) & SILENT != 0
    }

    /// Whether the client's lines have to show that they are IRC.
    pub(super) fn is_opening(&self) -> bool {
        self.0.load(Relaxed) & OPENING != 0
    }

    /// Whether the server's lines are read for what became of the client.
    pub(super) fn is_read(&self) -> bool {
        self.0.load(Relaxed) & READ != 0
    }

    /// Whether nothing that the server says is of interest.
    #[inline(always)]
    pub(super) fn is_deaf(&self) -> bool {
        self.0.load(Relaxed) & DEAF != 0
    }

    /// Whether an offer of the client counts, which may stand behind a newline that had no carriage
    /// return.
    ///
    /// Servers take such a newline, so it is how somebody else's text gets to be a line of its own, as by
    /// `irc://host/#channel%0APRIVMSG…`. But there are clients that end all lines so.
    #[inline]
    pub(super) fn may_offer(&self, is_behind_bare_newline: bool) -> bool {
        let flags = self.0.load(Relaxed);
        flags & REGISTERED != 0 && !(is_behind_bare_newline && flags & CRLF != 0)
    }

    /// Takes note of a line of the client that has yet to register.
    pub(super) fn hear(&self, line: Client) {
        let said = match line.command {
            None => 0,
            Some(Command::Nick) => SPOKEN | NICK,
            Some(Command::User) => SPOKEN | USER,
            Some(Command::Other) => SPOKEN,
        };
        let end = if line.ends_in_crlf { CRLF } else { 0 };
        self.change(0, said | end);
        const BOTH: u32 = NICK | USER;
        if self.0.load(Relaxed) & BOTH == BOTH {
            self.register();
        }
    }

    /// Takes note that the server welcomes the client.
    pub(super) fn welcome(&self) {
        if self.0.load(Relaxed) & SPOKEN != 0 {
            self.register();
        }
    }

    fn register(&self) {
        self.change(OPENING, REGISTERED);
    }

    /// Notes that a line is not one of IRC.
    pub(super) fn deny(&self) {
        self.change(OPENING | READ, FOREIGN | NEWS);
    }

    /// Notes that what follows is encrypted.
    pub(super) fn encrypt(&self) {
        self.change(OPENING | READ, ENCRYPTED | NEWS);
    }

    /// Tells once that the session came to be another protocol's or encrypted: whether it is encrypted.
    pub(super) fn take_news(&self) -> Option<News> {
        News::take(&self.0, NEWS, ENCRYPTED)
    }

    /// Notes that what became of the client is known.
    pub(super) fn stop_reading(&self) {
        self.change(READ, 0);
    }

    /// Notes that the server may say something of interest.
    pub(super) fn listen(&self) {
        self.change(DEAF, 0);
    }

    /// Notes that it does not any more. It goes on being heard while there is something to finish.
    pub(super) fn stop_listening(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |flags| {
            (flags & (KEPT_REPLY | READ) == 0).then_some(flags | DEAF)
        });
    }

    fn change(&self, clear: u32, set: u32) {
        // At once, since the other side may be speaking on another CPU.
        let _ = self
            .0
            .fetch_update(Relaxed, Relaxed, |flags| Some((flags & !clear) | set));
    }
}
