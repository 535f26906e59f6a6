// SPDX-License-Identifier: GPL-2.0

//! Which command a reply answers.

use super::{
    Command,
    World, //
};
use crate::{
    conversation::Origin,
    oracle::{
        dialogue::Verdict,
        ftp,
        stream::Line, //
    },
};

impl World {
    /// Whether a reply with `code` answers a question for a port.
    pub(super) fn answer(&self, code: [u8; 3]) -> Verdict {
        let wanted = match &code {
            b"227" => Command::Passive,
            b"229" => Command::Extended,
            _ => return Verdict::No,
        };
        if wanted == Command::Passive && self.epsv_all {
            return Verdict::No;
        }
        let has = |command: Command| self.pending.contains(&command);
        let is_open = self.pending.iter().any(|command| command.is_question());
        let is_all = has(Command::EpsvAll) && wanted == Command::Extended;
        let verdict = if has(wanted) {
            Verdict::Yes
        } else if self.is_lossy || is_open || is_all {
            Verdict::Either
        } else if self.has_doubt {
            Verdict::Yes
        } else {
            Verdict::No
        };
        // Nobody can tell whether that is accepted.
        let is_in_doubt = wanted == Command::Passive && has(Command::EpsvAll);
        if is_in_doubt && verdict == Verdict::Yes || self.is_lossy && verdict != Verdict::No {
            Verdict::Either
        } else {
            verdict
        }
    }

    /// Takes the command out of the list that a reply with `code` is the answer to.
    pub(super) fn close(&self, code: [u8; 3], line: &Line) -> Vec<Self> {
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
        // Who has not asked for a port has not been let in by one.
        let is_answer = matches!(&code, b"227" | b"229");
        match (code[0], self.pending.is_empty() || is_answer) {
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
            if is_unasked && self.pending.first() == Some(&Command::Auth) {
                // Nobody asks for TLS in that way, so its own reply may still come.
                all.push(self.clone());
            }
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
    pub(super) fn close_at(&self, at: usize, code: [u8; 3], line: &Line) -> Vec<Self> {
        let Some(command) = self.pending.get(at).copied() else {
            return vec![self.clone()];
        };
        let mut world = self.clone();
        world.pending.remove(at);
        let mut all = vec![world.clone()];
        let is_positive = code[0] == b'2';
        let is_port = matches!(&code, b"227" | b"229");
        match command {
            Command::EpsvAll if is_positive => {
                world.epsv_all = true;
                // A server that tells a port has not understood it.
                if !is_port {
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
                if !is_port {
                    all.clear();
                }
                all.extend([world, again]);
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
}
