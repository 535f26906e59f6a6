// SPDX-License-Identifier: GPL-2.0

//! What the client says.

use conntrack_proto::Direction;

use super::{
    Command,
    State,
    World,
    REMEMBERED,
    REMEMBERED_QUESTIONS, //
};
use crate::{
    conversation::Origin,
    oracle::{
        dialogue::{
            Next,
            Verdict, //
        },
        ftp, spaces,
        stream::{
            Behind,
            Line, //
        },
        words::{
            self,
            Foreign, //
        },
    },
};

/// The commands of RFC 959 and its successors, by which FTP is known.
const COMMANDS: [&str; 57] = [
    // RFC 959
    "USER", "PASS", "ACCT", "CWD", "CDUP", "SMNT", "QUIT", "REIN", "PORT", "PASV", "TYPE", "STRU",
    "MODE", "RETR", "STOR", "STOU", "APPE", "ALLO", "REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD",
    "MKD", "PWD", "LIST", "NLST", "SITE", "SYST", "STAT", "HELP", "NOOP",
    // RFC 1123, 2228
    "XCUP", "XCWD", "XMKD", "XPWD", "XRMD", "AUTH", "ADAT", "PROT", "PBSZ", "CCC", "MIC", "CONF",
    "ENC", // RFC 2389, 2428, 2640, 3659, 7151
    "FEAT", "OPTS", "EPRT", "EPSV", "LANG", "MDTM", "SIZE", "MLST", "MLSD", "HOST",
    // What many servers know.
    "CLNT",
];

/// Other words that servers and clients are known to use.
const RARE: [&str; 28] = [
    "LPRT", "LPSV", "SPSV", "CPSV", "P@SW", "MFMT", "MFCT", "MFF", "CSID", "AVBL", "DSIZ", "XCRC",
    "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512", "XRSQ", "XSEM", "XSEN", "HASH", "RANG", "COMB",
    "MAIL", "MSND", "MSOM", "MSAM", "SSCN",
];

fn is_one_of(words: &[&str], word: &[u8]) -> bool {
    words.iter().any(|known| known.as_bytes() == word)
}

/// What a command is, if it is known from `text` which may lack its end.
fn command(text: &[u8]) -> Option<Command> {
    if !words::is_whole(text) {
        return None;
    }
    Some(match words::command(text).as_slice() {
        b"PASV" | b"SPSV" | b"CPSV" | b"P@SW" => Command::Passive,
        b"EPSV" => {
            let rest = spaces(&text[4..]).unwrap_or(&text[4..]);
            let word = words::command(rest);
            match word.as_slice() {
                b"ALL" if words::is_whole(rest) => Command::EpsvAll,
                // It may still become that.
                word if b"ALL".starts_with(word) && !words::is_whole(rest) => return None,
                _ => Command::Extended,
            }
        }
        b"AUTH" => Command::Auth,
        b"ADAT" => Command::Adat,
        b"REIN" => Command::Rein,
        _ => Command::Other,
    })
}

fn is_port(text: &[u8]) -> bool {
    matches!(words::command(text).as_slice(), b"PORT" | b"EPRT")
}

/// Whether the beginning of a line says enough.
pub(super) fn is_decided(text: &[u8]) -> bool {
    if words::is_foreign(text) != Foreign::No || is_control(text) {
        return true;
    }
    if is_port(text) {
        return ftp::line(Direction::Original, text).is_some();
    }
    command(text).is_some()
}

fn is_control(text: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\r\n\t".contains(byte);
    text.first().is_some_and(is_control)
}

/// What follows the Telnet commands at the beginning of `text`: RFC 854.
fn without_telnet(text: &[u8]) -> &[u8] {
    match text {
        [0xff, 0xfb..=0xfe, _, rest @ ..] | [0xff, 0xf0..=0xfa, rest @ ..] => without_telnet(rest),
        // The data mark, which some send without its escape.
        [0xf2, rest @ ..] => without_telnet(rest),
        _ => text,
    }
}

impl World {
    pub(super) fn client(&self, line: &Line) -> Vec<Next<Self>> {
        let text = &line.text;
        if line.trimmed().is_empty() {
            // Some servers answer that, some do not.
            let mut all = vec![self.clone(), self.with(Command::Other)];
            if self.is_first {
                all.push(self.dead());
            }
            return nexts(all);
        }
        let command = without_telnet(text);
        if command.len() < text.len() {
            let mut all = self.command(line, command);
            let other = if self.is_established {
                self.with(Command::Other)
            } else {
                self.dead()
            };
            all.push(Next::new(other, Verdict::No));
            return all;
        }
        self.command(line, text)
    }

    /// Hears `text`, which is all or most of `line`.
    fn command(&self, line: &Line, text: &[u8]) -> Vec<Next<Self>> {
        let mut all = Vec::new();
        let foreign = if self.is_established {
            Foreign::No
        } else {
            self.is_foreign(text)
        };
        if foreign != Foreign::No {
            all.push(Next::new(self.dead(), Verdict::No));
        }
        if foreign == Foreign::Yes {
            return all;
        }
        let world = Self {
            is_first: false,
            ..self.clone()
        };
        let command = command(text).unwrap_or(Command::Other);
        for world in world.ask(command, text) {
            if is_port(text) {
                all.push(world.announce(line));
            } else {
                all.push(Next::new(world, Verdict::No));
            }
        }
        all
    }

    /// Whether it is another protocol's.
    fn is_foreign(&self, text: &[u8]) -> Foreign {
        let foreign = words::is_foreign(text);
        if foreign == Foreign::Yes {
            return foreign;
        }
        if is_control(text) {
            return if self.is_first {
                Foreign::Yes
            } else {
                Foreign::Maybe
            };
        }
        let word = words::command(text);
        if !self.is_first || is_one_of(&COMMANDS, &word) {
            foreign
        } else if is_one_of(&RARE, &word) || text.starts_with(b" ") || text.starts_with(b"\t") {
            Foreign::Maybe
        } else {
            Foreign::Yes
        }
    }

    /// Puts a command into the list.
    fn with(&self, command: Command) -> Self {
        let mut world = self.clone();
        world.pending.push(command);
        let matters = |command: &&Command| !matches!(command, Command::Other | Command::Adat);
        world.is_lossy |= world.pending.len() > REMEMBERED
            || world.pending.iter().filter(matters).count() > REMEMBERED_QUESTIONS;
        world
    }

    /// Hears a command.
    fn ask(&self, command: Command, text: &[u8]) -> Vec<Self> {
        let mut all = vec![self.with(command)];
        // Where there are questions, or something else begins, nobody needs to guess.
        if self.has_doubt && command != Command::Other {
            all.push(Self {
                has_doubt: false,
                ..self.with(command)
            });
        }
        if command.is_question() {
            // A bare CR ends no line.
            let end = text.iter().position(|byte| *byte == b'\r');
            let is_bare = |end: usize| text.get(end + 1).is_some_and(|byte| *byte != b'\n');
            if end.is_some_and(is_bare) {
                all.push(self.with(Command::Other));
            }
        }
        all
    }

    /// Hears an announcement, which is in the list already.
    fn announce(mut self, line: &Line) -> Next<Self> {
        let verdict = match line.behind {
            _ if self.origin == Origin::PickedUp || self.epsv_all => Verdict::No,
            Behind::BareLf => Verdict::No,
            Behind::Unclear => Verdict::Either,
            Behind::Nothing | Behind::Crlf if self.pending.contains(&Command::EpsvAll) => {
                Verdict::Either
            }
            Behind::Nothing | Behind::Crlf => Verdict::Yes,
        };
        if self.state != State::Silent || verdict == Verdict::No {
            return Next::new(self, verdict);
        }
        let is_whole = ftp::line(line.direction, &line.text).is_some();
        if !is_whole {
            return Next::new(self, Verdict::No);
        }
        if verdict == Verdict::Either {
            self.unclear.push((0, line.start));
        }
        self.waiting.push((0, line.start));
        Next {
            world: self,
            own: None,
            others: Vec::new(),
        }
    }

    /// Hears the rest of a line.
    pub(super) fn finish_client(&self, line: &Line) -> Self {
        if !self.is_established && words::is_foreign(&line.text) == Foreign::Yes {
            self.dead()
        } else {
            self.clone()
        }
    }
}

/// None of them has anything to say.
fn nexts(worlds: Vec<World>) -> Vec<Next<World>> {
    let no = |world| Next::new(world, Verdict::No);
    worlds.into_iter().map(no).collect()
}
