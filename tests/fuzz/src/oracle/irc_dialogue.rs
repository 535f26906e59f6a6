// SPDX-License-Identifier: GPL-2.0

//! When IRC's dialogue has come so far that an offer is believed: RFC 1459 and 2812 section 3.1.

use super::{
    count,
    dialogue::{
        judge,
        Next,
        Place,
        Verdict,
        Verdicts, //
    },
    spaces,
    stream::{
        lines,
        Behind,
        Line, //
    },
    words::{
        self,
        Foreign, //
    },
};
use crate::conversation::{
    index,
    Conversation,
    Origin, //
};

/// What is said of the offers in `conversation`.
pub fn verdicts(conversation: &Conversation) -> Verdicts {
    let world = World {
        origin: conversation.origin,
        is_dead: false,
        is_first: conversation.origin == Origin::Begun,
        has_nick: false,
        has_user: false,
        is_welcome: false,
        is_secret: false,
        has_crlf: false,
        is_bare: false,
        was_bare: false,
    };
    judge(&[world], &lines(conversation))
}

/// Commands by which a client begins.
const FIRST: [&str; 11] = [
    "CAP",
    "PASS",
    "NICK",
    "USER",
    "AUTHENTICATE",
    "SERVICE",
    "WEBIRC",
    "QUIT",
    "PING",
    "PONG",
    // irssi, before all.
    "JOIN",
];

/// Those that would be answered with an error, or are known to some servers only.
const LATER: [&str; 35] = [
    "ADMIN", "AWAY", "CONNECT", "DIE", "ERROR", "HELP", "INFO", "INVITE", "ISON", "KICK", "KILL",
    "LINKS", "LIST", "LUSERS", "MODE", "MOTD", "NAMES", "NOTICE", "OPER", "PART", "PRIVMSG",
    "REHASH", "SERVER", "SQUERY", "SQUIT", "STARTTLS", "STATS", "SUMMON", "TIME", "TOPIC", "TRACE",
    "USERHOST", "VERSION", "WHO", "WHOIS",
];

fn is_one_of(words: &[&str], word: &[u8]) -> bool {
    words.iter().any(|known| known.as_bytes() == word)
}

/// One way to understand what was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    origin: Origin,
    /// It is not IRC.
    is_dead: bool,
    /// The client has not said a command.
    is_first: bool,
    has_nick: bool,
    has_user: bool,
    /// The server has said 001.
    is_welcome: bool,
    /// TLS may have begun.
    is_secret: bool,
    /// The client has ended a line in CRLF.
    has_crlf: bool,
    /// The client has not ended its last line so.
    is_bare: bool,
    /// Nor an earlier one.
    was_bare: bool,
}

/// A message without the tags and the name of its sender.
fn message(text: &[u8]) -> &[u8] {
    let mut rest = text;
    for mark in [b'@', b':'] {
        if rest.first() == Some(&mark) {
            rest = &rest[count(rest, |byte| !b" \r\n".contains(byte))..];
            rest = spaces(rest).unwrap_or(rest);
        }
    }
    rest
}

impl World {
    fn is_registered(&self) -> bool {
        self.is_welcome || self.has_nick && self.has_user
    }

    fn verdict(&self) -> Verdict {
        match self.origin {
            _ if self.is_dead => Verdict::No,
            Origin::PickedUp => Verdict::No,
            _ if self.is_secret => Verdict::Either,
            Origin::Injected => Verdict::Yes,
            Origin::Begun if self.is_registered() => Verdict::Yes,
            Origin::Begun => Verdict::No,
        }
    }

    fn dead(&self) -> Self {
        Self {
            is_dead: true,
            is_first: false,
            has_nick: false,
            has_user: false,
            is_welcome: false,
            is_secret: false,
            has_crlf: false,
            is_bare: false,
            was_bare: false,
            origin: self.origin,
        }
    }

    fn is_foreign(&self, text: &[u8]) -> Foreign {
        if self.origin != Origin::Begun {
            return match words::is_foreign(text) {
                Foreign::No => Foreign::No,
                _ => Foreign::Maybe,
            };
        }
        let is_registering = self.is_first || !self.is_registered();
        if !is_registering {
            // Not among the first, if the server has said 001 to a client that said neither.
            return match words::is_foreign(text) {
                Foreign::Yes if !(self.has_nick && self.has_user) => Foreign::Maybe,
                _ => Foreign::No,
            };
        }
        let foreign = words::is_foreign(text);
        if foreign == Foreign::Yes {
            return foreign;
        }
        let message = message(text);
        let word = words::command(message);
        let is_known = is_one_of(&FIRST, &word);
        if !self.is_first {
            // What no client says before it has registered may be another protocol's, too.
            return if is_known || word.is_empty() {
                foreign
            } else {
                Foreign::Maybe
            };
        }
        if is_known && message.len() == text.len() {
            foreign
        } else if is_known || is_one_of(&LATER, &word) || text.starts_with(b" ") || word.is_empty()
        {
            Foreign::Maybe
        } else {
            Foreign::Yes
        }
    }

    /// Whether `line` of the client stands where somebody has slipped in a line break.
    fn slipped(&self, line: &Line) -> Foreign {
        let is_client = index(line.direction) == 0;
        match (is_client && self.is_bare, self.has_crlf) {
            (false, _) => Foreign::No,
            (true, true) if line.behind == Behind::BareLf && !self.was_bare => Foreign::Yes,
            (true, true) => Foreign::Maybe,
            // Nobody knows what it did before.
            (true, false) if self.origin != Origin::Begun => Foreign::Maybe,
            // It always ends its lines so.
            (true, false) if line.is_whole && !line.text.ends_with(b"\r\n") => Foreign::No,
            (true, false) => Foreign::Maybe,
        }
    }

    fn client(&self, line: &Line) -> Vec<Self> {
        if line.trimmed().is_empty() {
            let mut all = vec![self.clone()];
            if self.is_first {
                all.push(self.dead());
            }
            return all;
        }
        let text = &line.text;
        let foreign = self.is_foreign(text);
        let mut all = Vec::new();
        if foreign != Foreign::No {
            all.push(self.dead());
        }
        if foreign == Foreign::Yes {
            return all;
        }
        let mut world = Self {
            is_first: false,
            ..self.clone()
        };
        let message = message(text);
        let word = words::command(message);
        let rest = message.get(word.len()..).unwrap_or_default();
        let parameter = spaces(rest).unwrap_or_default();
        let has_parameter = !matches!(parameter.first(), None | Some(b'\r' | b'\n'));
        // Without, or with a sender's name before it, a server may not understand it.
        if !has_parameter || message.len() < text.len() {
            all.push(world.clone());
        }
        match word.as_slice() {
            b"NICK" => world.has_nick = true,
            b"USER" => world.has_user = true,
            _ => {}
        }
        all.push(world);
        all
    }

    fn server(&self, line: &Line) -> Vec<Self> {
        let message = message(&line.text);
        let mut world = self.clone();
        match words::command(message).as_slice() {
            b"001" => world.is_welcome = true,
            b"670" => world.is_secret = true,
            _ => return vec![world],
        }
        if message.len() < line.text.len() && !self.is_first {
            return vec![world];
        }
        // A server says who it is, and welcomes who has said something.
        vec![world, self.clone()]
    }
}

impl super::dialogue::World for World {
    fn hear(&self, line: &Line) -> Vec<Next<Self>> {
        if self.is_dead || line.is_in_middle {
            return vec![Next::new(self.clone(), Verdict::No)];
        }
        let worlds = if index(line.direction) == 0 {
            self.client(line)
        } else {
            self.server(line)
        };
        let slipped = self.slipped(line);
        // A line counts for those that follow.
        let next = |mut world: Self| {
            if index(line.direction) == 0 && line.is_whole && !world.is_dead {
                world.was_bare |= world.is_bare;
                world.is_bare = !line.text.ends_with(b"\r\n");
                world.has_crlf |= !world.is_bare;
            }
            let own = match (self.verdict(), slipped) {
                _ if world.is_dead => Verdict::No,
                (Verdict::No, _) | (_, Foreign::Yes) => Verdict::No,
                (_, Foreign::Maybe) => Verdict::Either,
                (verdict, Foreign::No) => verdict,
            };
            Next::new(world, own)
        };
        worlds.into_iter().map(next).collect()
    }

    fn is_decided(line: &Line) -> bool {
        let message = message(&line.text);
        words::is_foreign(&line.text) != Foreign::No || words::is_whole(message)
    }

    fn finish(&self, line: &Line) -> Self {
        let is_client = index(line.direction) == 0;
        if is_client && !self.is_dead && self.is_foreign(&line.text) == Foreign::Yes {
            self.dead()
        } else {
            self.clone()
        }
    }

    fn waiting(&self) -> &[Place] {
        &[]
    }
}
