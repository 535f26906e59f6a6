// SPDX-License-Identifier: GPL-2.0

//! What the server says.

use super::{
    Command,
    Multi,
    State,
    World, //
};
use crate::{
    conversation::Origin,
    oracle::{
        count,
        dialogue::{
            Next,
            Verdict, //
        },
        ftp,
        stream::Line, //
    },
};

/// A line that begins a reply.
struct Reply {
    code: [u8; 3],
    /// More lines follow.
    has_more: bool,
}

fn reply(text: &[u8]) -> Option<Reply> {
    let (code, rest) = text.split_first_chunk::<3>()?;
    let is_reply = code.iter().all(u8::is_ascii_digit) && b" -\r\n".contains(rest.first()?);
    is_reply.then(|| Reply {
        code: *code,
        has_more: rest.first() == Some(&b'-'),
    })
}

/// Whether the beginning of a line says enough.
pub(super) fn is_decided(text: &[u8]) -> bool {
    banner(text).len() >= 4
}

/// What is left of a greeting without what may stand before it.
fn banner(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    &text[count(text, |byte| *byte == b' ')..]
}

/// How other protocols begin.
const OTHERS: [&[u8]; 8] = [
    b"HTTP/",
    b"SSH-",
    b"+OK",
    b"-ERR",
    b"* OK",
    b"* PREAUTH",
    b"* BYE",
    b":",
];

/// Whether that is plain text, as administrators write it.
fn is_prose(text: &[u8]) -> bool {
    let first = text.first().copied().unwrap_or_default();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
    let is_header = |text: &[u8]| text.contains(&b':') || text.contains(&b'/');
    (first.is_ascii_alphabetic() || b"-=#_".contains(&first) || text.starts_with(b"**"))
        && text.iter().all(is_plain)
        && !is_header(text)
}

impl World {
    pub(super) fn server(&self, line: &Line) -> Vec<Next<Self>> {
        let text = &line.text;
        if let Some(multi) = &self.multi {
            return self.continued(multi, line);
        }
        if self.state == State::Silent {
            return self.greeting(line);
        }
        let same = Next::new(self.clone(), Verdict::No);
        let Some(Reply { code, has_more }) = reply(text) else {
            return vec![same];
        };
        if !matches!(code[0], b'1'..=b'5') {
            // No reply of RFC 959 begins so, but those of RFC 2228 do.
            let mut all = self.last(code, None, line);
            all.push(same);
            return all;
        }
        if !has_more {
            return self.last(code, None, line);
        }
        let open = Self {
            multi: Some(Multi {
                code,
                is_greeting: false,
                has_announced: ftp::line(line.direction, text).is_some(),
                first: self.answer(code),
            }),
            ..self.clone()
        };
        vec![Next::new(open, self.answer(code))]
    }

    /// Hears a line of a reply that has begun.
    fn continued(&self, multi: &Multi, line: &Line) -> Vec<Next<Self>> {
        let same = |verdict| Next::new(self.clone(), verdict);
        match line.text.strip_prefix(&multi.code) {
            Some([b' ', ..]) => self.last(multi.code, Some(multi), line),
            // Some servers begin each line so.
            Some([b'-', ..]) if self.answer(multi.code) != Verdict::No => {
                let announced = Self {
                    multi: Some(Multi {
                        has_announced: ftp::line(line.direction, &line.text).is_some(),
                        ..multi.clone()
                    }),
                    ..self.clone()
                };
                vec![same(Verdict::Either), Next::new(announced, Verdict::Either)]
            }
            // RFC 959 asks for a space, some servers leave it away.
            Some([b'\r' | b'\n', ..]) => {
                let mut all = self.last(multi.code, Some(multi), line);
                all.push(same(Verdict::No));
                all
            }
            _ => vec![same(Verdict::No)],
        }
    }

    /// Hears the last line of a reply, perhaps the only one.
    fn last(&self, code: [u8; 3], multi: Option<&Multi>, line: &Line) -> Vec<Next<Self>> {
        let ended = Self {
            multi: None,
            ..self.clone()
        };
        if multi.is_some_and(|multi| multi.is_greeting) {
            return match (self.state, &code) {
                (State::Silent, b"220") => vec![ended.greeted()],
                (State::Silent, b"227" | b"229") => vec![Next::new(ended, Verdict::No)],
                (State::Silent, _) if code[0] == b'2' => ended.perhaps_greeted(),
                _ => vec![Next::new(ended, Verdict::No)],
            };
        }
        let answer = self.answer(code);
        let mut closed = ended.close(code, line);
        let own = match multi {
            // It began before the question came: some may take it for its answer.
            Some(multi) if multi.first == Verdict::No && answer != Verdict::No => {
                closed.extend(ended.close_at(0, code, line));
                Verdict::Either
            }
            // Each reply announces once.
            Some(multi) if multi.has_announced => Verdict::No,
            _ => answer,
        };
        let next = |world| Next::new(world, own);
        closed.into_iter().map(next).collect()
    }

    fn greeting(&self, line: &Line) -> Vec<Next<Self>> {
        let text = banner(&line.text);
        let no = |world| Next::new(world, Verdict::No);
        if line.trimmed().is_empty() || matches!(text, b"\r\n" | b"\n" | b"") {
            return vec![no(self.clone())];
        }
        let Some(Reply { code, has_more }) = reply(text) else {
            let dead = no(self.dead());
            if OTHERS.iter().any(|other| text.starts_with(other)) {
                return vec![dead];
            }
            let same = no(self.clone());
            return if is_prose(text) {
                vec![same]
            } else {
                vec![same, dead]
            };
        };
        if matches!(code[0], b'4' | b'5') {
            return vec![no(self.dead())];
        }
        let is_answer = matches!(&code, b"227" | b"229");
        let is_known = code[0] == b'2' && !is_answer || &code == b"120";
        if has_more {
            let open = |world: Self| Self {
                multi: Some(Multi {
                    code,
                    is_greeting: true,
                    has_announced: false,
                    first: Verdict::No,
                }),
                ..world
            };
            let mut all = vec![no(open(self.clone()))];
            // Its first line may be enough.
            if is_known && &code != b"120" {
                let Next { world, own, others } = self.greeted();
                all.push(Next {
                    world: open(world),
                    own,
                    others,
                });
            }
            if !matches!(&code, b"220" | b"120") {
                all.push(no(self.dead()));
            }
            return all;
        }
        match &code {
            b"220" => vec![self.greeted()],
            b"120" => vec![no(self.clone())],
            _ if is_known => self.perhaps_greeted(),
            _ => vec![no(self.clone()), no(self.dead())],
        }
    }

    /// The server has greeted: what the client did not wait for that counts.
    fn greeted(&self) -> Next<Self> {
        let mut world = self.clone();
        world.state = State::Open;
        let waiting = std::mem::take(&mut world.waiting);
        let unclear = std::mem::take(&mut world.unclear);
        let latest = waiting.len().saturating_sub(1);
        let judged = waiting.into_iter().enumerate().map(|(i, place)| {
            // One is in force.
            let verdict = if i == latest && !unclear.contains(&place) {
                Verdict::Yes
            } else {
                Verdict::Either
            };
            (place, verdict)
        });
        Next {
            others: judged.collect(),
            own: Some(Verdict::No),
            world,
        }
    }

    /// The server says something that only some servers greet with.
    fn perhaps_greeted(&self) -> Vec<Next<Self>> {
        vec![
            self.greeted(),
            Next::new(self.clone(), Verdict::No),
            Next::new(self.dead(), Verdict::No),
        ]
    }

    /// Whether a reply with `code` answers a question for a port.
    fn answer(&self, code: [u8; 3]) -> Verdict {
        let wanted = match &code {
            b"227" => Command::Passive,
            b"229" => Command::Extended,
            _ => return Verdict::No,
        };
        if wanted == Command::Passive && self.epsv_all {
            return Verdict::No;
        }
        let has = |command: Command| self.pending.contains(&command);
        let verdict = if has(wanted) {
            Verdict::Yes
        } else if self.is_lossy || self.pending.iter().any(|command| command.is_question()) {
            Verdict::Either
        } else if has(Command::EpsvAll) && wanted == Command::Extended {
            Verdict::Either
        } else if self.has_doubt {
            Verdict::Yes
        } else {
            Verdict::No
        };
        // Nobody can tell whether that is accepted.
        let is_open = wanted == Command::Passive && has(Command::EpsvAll);
        if is_open && verdict == Verdict::Yes || self.is_lossy && verdict != Verdict::No {
            Verdict::Either
        } else {
            verdict
        }
    }

    /// Takes the command out of the list that a reply with `code` is the answer to.
    fn close(&self, code: [u8; 3], line: &Line) -> Vec<Self> {
        if code[0] == b'1' {
            return vec![self.clone()];
        }
        let mut all = Vec::new();
        for world in self.completed(code) {
            match &code {
                b"227" | b"229" => all.extend(world.close_question(code, line)),
                b"421" => {
                    // The server closes the connection.
                    let mut none = world.clone();
                    none.pending.clear();
                    all.push(none);
                    all.extend(world.close_at(0, code, line));
                }
                b"234" => {
                    let auth = world.position(|command| command == Command::Auth);
                    // Or it was asked for before anybody listened.
                    if auth.is_some() || self.origin != Origin::Begun {
                        all.push(world.encrypted(line));
                    }
                    if auth != Some(0) || world.is_lossy {
                        all.extend(world.close_at(0, code, line));
                    }
                }
                _ => all.extend(world.close_at(0, code, line)),
            }
        }
        all.into_iter().map(Self::remembering).collect()
    }

    fn position(&self, wanted: impl Fn(Command) -> bool) -> Option<usize> {
        self.pending.iter().position(|command| wanted(*command))
    }

    /// Whether the session is established by now.
    fn completed(&self, code: [u8; 3]) -> Vec<Self> {
        let established = Self {
            is_established: true,
            ..self.clone()
        };
        match (code[0], self.pending.is_empty()) {
            (b'2', false) => vec![established],
            (b'2', true) => vec![established, self.clone()],
            _ => vec![self.clone()],
        }
    }

    /// A reply with a port: some servers do not answer all that came before the question.
    fn close_question(&self, code: [u8; 3], line: &Line) -> Vec<Self> {
        let wanted = match &code {
            b"227" => Command::Passive,
            _ => Command::Extended,
        };
        let questions = [
            self.position(|command| command == wanted),
            self.position(Command::is_question),
        ];
        let mut all = Vec::new();
        for at in questions.into_iter().flatten() {
            let mut only = self.clone();
            only.pending.remove(at);
            all.push(only);
            let mut those_before = self.clone();
            let gone: Vec<Command> = those_before.pending.drain(..=at).collect();
            all.push(those_before.clone());
            if gone.contains(&Command::EpsvAll) {
                those_before.epsv_all = true;
                all.push(those_before);
            }
        }
        let has_port = ftp::line(line.direction, &line.text).is_some();
        if questions[0].is_none() || !has_port {
            // It may be any command's.
            let is_unasked = all.is_empty();
            all.extend(self.close_at(0, code, line));
            if self.has_doubt && is_unasked {
                all.push(self.clone());
                all.iter_mut().for_each(|world| world.has_doubt = false);
                // Without a port it has not told anything.
                if !has_port {
                    all.extend(self.close_at(0, code, line));
                }
            }
        }
        all
    }

    /// The command `at` that place has its reply.
    fn close_at(&self, at: usize, code: [u8; 3], line: &Line) -> Vec<Self> {
        let Some(command) = self.pending.get(at).copied() else {
            return vec![self.clone()];
        };
        let mut world = self.clone();
        world.pending.remove(at);
        let mut all = vec![world.clone()];
        let is_positive = code[0] == b'2';
        match command {
            Command::EpsvAll if is_positive => {
                world.epsv_all = true;
                // A server that tells a port has not understood it.
                if !matches!(&code, b"227" | b"229") {
                    all.clear();
                }
                all.push(world);
            }
            Command::Rein if is_positive => {
                world.epsv_all = false;
                let again = Self {
                    is_established: false,
                    ..world.clone()
                };
                all = vec![world, again];
            }
            // Old servers begin TLS so; others go on with ADAT.
            Command::Auth if &code == b"334" => all.push(world.encrypted(line)),
            Command::Adat if &code == b"235" => all.push(world.encrypted(line)),
            _ => {}
        }
        if self.is_lossy && command != Command::Other {
            let mut forgotten = self.clone();
            forgotten.pending.remove(at);
            all.push(forgotten);
        }
        all
    }

    /// Once all have their replies, everybody knows again where they are.
    fn remembering(mut self) -> Self {
        self.is_lossy &= !self.pending.is_empty();
        self
    }

    /// Hears the rest of a line.
    pub(super) fn finish_server(&self, line: &Line) -> Self {
        let mut world = self.clone();
        let begins = reply(&line.text).filter(|reply| reply.has_more);
        if let (Some(multi), Some(begins)) = (&mut world.multi, begins) {
            if multi.code == begins.code && !multi.is_greeting {
                multi.has_announced |= ftp::line(line.direction, &line.text).is_some();
            }
        }
        world
    }
}
