// SPDX-License-Identifier: GPL-2.0

//! What the server says.

use super::{
    Multi,
    State,
    World, //
};
use crate::oracle::{
    count,
    dialogue::{
        Next,
        Verdict, //
    },
    ftp,
    stream::Line, //
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
            // It began before the question came: some may take it for its answer, others for that of the
            // command that was open then.
            Some(multi) if multi.first != Verdict::Yes && answer != Verdict::No => {
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
