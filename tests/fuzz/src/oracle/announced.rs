// SPDX-License-Identifier: GPL-2.0

//! All that the lines of a conversation announce, and what is said of it.

use conntrack_proto::{
    irc::Kind as IrcKind,
    Direction, //
};

use super::{
    dialogue::{
        Verdict,
        Verdicts, //
    },
    ftp,
    ftp_dialogue,
    irc,
    irc_dialogue,
    stream::{
        lines,
        Line, //
    },
    Expected, //
};
use crate::{
    conversation::{
        Conversation,
        Origin, //
    },
    session::{
        Kind,
        Protocol, //
    },
};

/// An announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Who says it.
    pub direction: Direction,
    /// What it is; it begins at this place of the stream.
    pub expected: Expected,
    /// Whether it must be believed.
    pub verdict: Verdict,
}

/// What `line` announces.
pub fn in_line(protocol: Protocol, direction: Direction, line: &[u8]) -> Vec<Expected> {
    match protocol {
        Protocol::Ftp => ftp::line(direction, line).into_iter().collect(),
        Protocol::Irc => irc::line(direction, line),
        Protocol::Tftp | Protocol::Amanda => Vec::new(),
    }
}

fn verdicts(protocol: Protocol, conversation: &Conversation) -> Verdicts {
    match protocol {
        Protocol::Ftp => ftp_dialogue::verdicts(conversation),
        Protocol::Irc => irc_dialogue::verdicts(conversation),
        Protocol::Tftp | Protocol::Amanda => Verdicts::default(),
    }
}

/// Returns all announcements of `conversation`.
pub fn announced(protocol: Protocol, conversation: &Conversation) -> Vec<Announced> {
    let verdicts = verdicts(protocol, conversation);
    let mut all: Vec<Announced> = Vec::new();
    for line in lines(conversation) {
        let verdict = verdicts.of(line.direction, line.start);
        for expected in in_line(protocol, line.direction, &line.text) {
            let verdict = match expected.kind {
                // They open nothing, and are of interest only if NAT has changed a port.
                Kind::Irc(IrcKind::Accept | IrcKind::Resume)
                    if conversation.origin != Origin::Injected || verdict == Verdict::No =>
                {
                    Verdict::Either
                }
                _ => verdict,
            };
            let announced = Announced {
                direction: line.direction,
                expected: Expected {
                    start: line.start + expected.start,
                    ..expected
                },
                verdict,
            };
            if !all.contains(&announced) {
                all.push(announced);
            }
        }
    }
    all
}

/// Returns where something is announced in `conversation`, whatever is to be said of that.
pub fn places(protocol: Protocol, conversation: &Conversation) -> Vec<(Direction, Expected)> {
    let lines = lines(conversation).into_iter();
    let all = lines.flat_map(|line| {
        let found = in_line(protocol, line.direction, &line.text).into_iter();
        found.map(move |expected| {
            let start = line.start + expected.start;
            (line.direction, Expected { start, ..expected })
        })
    });
    all.collect()
}

/// Whether what stands at `at` in the stream of `direction` must be believed; [`None`] if nobody has a word
/// to say there.
pub fn verdict_at(
    protocol: Protocol,
    conversation: &Conversation,
    direction: Direction,
    at: usize,
) -> Option<Verdict> {
    let all = lines(conversation);
    let is_it = |line: &&Line| {
        line.direction == direction && (line.start..line.start + line.text.len()).contains(&at)
    };
    let line = all.iter().rfind(is_it)?;
    Some(verdicts(protocol, conversation).of(direction, line.start))
}
