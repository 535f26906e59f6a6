// SPDX-License-Identifier: GPL-2.0

//! FTP's dialogue: RFC 959 sections 4.2 and 5.4, RFC 2228, 2389, 2428, 4217, 7151.
//!
//! The client's commands stand in a list until each has its reply. A reply answers the first.

mod client;
mod pending;
mod server;

use super::{
    dialogue::{
        judge,
        Next,
        Place,
        Verdict,
        Verdicts, //
    },
    stream::{
        lines,
        Line, //
    },
};
use crate::conversation::{
    index,
    Conversation,
    Origin, //
};

/// What is said of the announcements of `conversation`.
pub fn verdicts(conversation: &Conversation) -> Verdicts {
    judge(&World::all(conversation.origin), &lines(conversation))
}

/// A command that has no reply yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Command {
    /// Asks for a port, and for a reply 227.
    Passive,
    /// Asks for a port, and for a reply 229.
    Extended,
    /// `EPSV ALL`
    EpsvAll,
    Auth,
    Adat,
    Rein,
    Other,
}

impl Command {
    fn is_question(self) -> bool {
        matches!(self, Self::Passive | Self::Extended)
    }
}

/// So many commands without a reply are remembered at least.
const REMEMBERED: usize = 15;
/// And of these so many whose reply matters.
const REMEMBERED_QUESTIONS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// The server has not greeted.
    Silent,
    /// Both sides speak FTP.
    Open,
    /// It is not FTP, or refused: nothing counts.
    Dead,
}

/// A reply of several lines that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Multi {
    code: [u8; 3],
    /// It is the greeting, and not a reply to a command.
    is_greeting: bool,
    /// Its first line had an address in it.
    has_announced: bool,
    /// What could be said of that.
    first: Verdict,
}

/// The connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Secret {
    /// The segment with the end of what was clear.
    since: usize,
    /// Whose lines are clear again.
    is_clear: [bool; 2],
}

/// One way to understand what was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct World {
    origin: Origin,
    state: State,
    /// The client has not said a command.
    is_first: bool,
    /// The server has completed a command.
    is_established: bool,
    /// Commands without a reply.
    pending: Vec<Command>,
    /// They were more than anybody has to remember.
    is_lossy: bool,
    multi: Option<Multi>,
    /// One answer may be to a question that nobody here heard.
    has_doubt: bool,
    epsv_all: bool,
    secret: Option<Secret>,
    /// It has been.
    was_secret: bool,
    /// Announcements that came before the greeting.
    waiting: Vec<Place>,
    /// Those of them of which nobody can tell whether they count.
    unclear: Vec<Place>,
}

impl World {
    /// All that may be, before the first line.
    fn all(origin: Origin) -> Vec<Self> {
        let begun = Self {
            origin,
            state: State::Silent,
            is_first: true,
            is_established: false,
            pending: Vec::new(),
            is_lossy: false,
            multi: None,
            has_doubt: false,
            epsv_all: false,
            secret: None,
            was_secret: false,
            waiting: Vec::new(),
            unclear: Vec::new(),
        };
        if origin == Origin::Begun {
            return vec![begun];
        }
        // Who knows how far it was, and how many commands had no reply.
        let mut all = Vec::new();
        for is_established in [false, true] {
            for unanswered in 0..=2 {
                all.push(Self {
                    state: State::Open,
                    is_established,
                    pending: vec![Command::Other; unanswered],
                    has_doubt: origin == Origin::Injected,
                    ..begun.clone()
                });
            }
        }
        all
    }

    fn dead(&self) -> Self {
        Self {
            state: State::Dead,
            is_first: false,
            is_established: false,
            pending: Vec::new(),
            is_lossy: false,
            multi: None,
            has_doubt: false,
            epsv_all: false,
            secret: None,
            was_secret: false,
            unclear: Vec::new(),
            ..self.clone()
        }
    }

    /// Everything is encrypted behind `line`.
    fn encrypted(&self, line: &Line) -> Self {
        Self {
            pending: Vec::new(),
            is_lossy: false,
            was_secret: true,
            secret: Some(Secret {
                since: line.segment,
                is_clear: [false; 2],
            }),
            ..self.clone()
        }
    }

    /// Hears a line that is text.
    fn hear_clear(&self, line: &Line) -> Vec<Next<Self>> {
        if index(line.direction) == 0 {
            self.client(line)
        } else {
            self.server(line)
        }
    }

    /// Hears what may be the first line in clear of its direction.
    fn hear_first(&self, line: &Line) -> Vec<Next<Self>> {
        let mut clear = self.clone();
        if let Some(secret) = &mut clear.secret {
            secret.is_clear[index(line.direction)] = true;
            if secret.is_clear == [true; 2] {
                clear.secret = None;
            }
        }
        let mut all = clear.hear_clear(line);
        all.push(Next::new(clear, Verdict::No));
        all
    }
}

impl super::dialogue::World for World {
    fn hear(&self, line: &Line) -> Vec<Next<Self>> {
        let side = index(line.direction);
        let same = Next::new(self.clone(), Verdict::No);
        if self.state == State::Dead {
            return vec![same];
        }
        let secret = self.secret.as_ref();
        match secret.filter(|secret| !secret.is_clear[side]) {
            // That is in the middle of a line.
            None if line.is_in_middle => vec![same],
            // It began while all was encrypted.
            None if self.was_secret && !line.is_text() => {
                vec![Next::new(self.clone(), Verdict::Either)]
            }
            None => self.hear_clear(line),
            Some(secret) if line.is_in_record || line.segment == secret.since => vec![same],
            Some(_) if line.is_in_text && line.is_text() => self.hear_first(line),
            // Nobody can tell how much of what is encrypted looks like lines.
            Some(_) => {
                let mut all = self.hear_first(line);
                all.push(same);
                all
            }
        }
    }

    fn is_decided(line: &Line) -> bool {
        if index(line.direction) == 0 {
            client::is_decided(&line.text)
        } else {
            server::is_decided(&line.text)
        }
    }

    fn finish(&self, line: &Line) -> Self {
        if self.state == State::Dead {
            self.clone()
        } else if index(line.direction) == 0 {
            self.finish_client(line)
        } else {
            self.finish_server(line)
        }
    }

    fn waiting(&self) -> &[Place] {
        &self.waiting
    }
}
