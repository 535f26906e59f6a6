// SPDX-License-Identifier: GPL-2.0

//! What must hold for protocols that talk in lines, however these are cut into segments.

use conntrack_proto::{
    ftp::Kind as FtpKind,
    Direction, //
};

use super::Place;
use crate::{
    conversation::{
        index,
        Conversation, //
    },
    oracle::{
        self,
        dialogue::Dialogue,
        Expected, //
    },
    session::Kind,
};

const BOTH: [Direction; 2] = [Direction::Original, Direction::Reply];

type Line = fn(Direction, &[u8]) -> Vec<Expected>;

fn ftp_line(direction: Direction, line: &[u8]) -> Vec<Expected> {
    oracle::ftp::line(direction, line).into_iter().collect()
}

/// What the oracle finds in `stream`, which begins at `from`, with a line.
fn stream(direction: Direction, stream: &[u8], from: usize, line: Line) -> Vec<Expected> {
    let mut all = Vec::new();
    let mut start = from;
    for text in stream[from..].split_inclusive(|byte| *byte == b'\n') {
        all.extend(line(direction, text).into_iter().map(|found| Expected {
            start: start + found.start,
            ..found
        }));
        start += text.len();
    }
    all
}

/// Nothing is found that is not there, in whatever order the packets come.
fn nothing_else(conversation: &Conversation, all: &[Place], line: Line) {
    for direction in BOTH {
        let bytes = &conversation.streams[index(direction)];
        let mut wanted = stream(direction, bytes, 0, line);
        // The first packet that is seen is taken to begin a line.
        let mut packets = conversation.packets.iter();
        if let Some(first) = packets.find(|packet| packet.direction == direction) {
            wanted.extend(stream(direction, bytes, first.offset, line));
        }
        for place in all.iter().filter(|place| place.direction == direction) {
            let Place { expected, .. } = place;
            assert!(
                wanted.contains(expected),
                "{expected:?} is not there: {conversation:?}"
            );
        }
    }
}

/// IRC: what is found is what is there.
pub(super) fn irc(conversation: &Conversation, all: &[Place]) {
    nothing_else(conversation, all, oracle::irc::line);
    if !conversation.is_in_order {
        return;
    }
    for direction in BOTH {
        let bytes = &conversation.streams[index(direction)];
        let wanted = stream(direction, bytes, 0, oracle::irc::line);
        let mut found: Vec<Expected> = all
            .iter()
            .filter(|place| place.direction == direction)
            .map(|place| place.expected)
            .collect();
        if conversation.has_repeats {
            found.sort_by_key(|found| found.start);
            found.dedup();
        }
        assert_eq!(found, wanted, "{direction:?} of {conversation:?}");
    }
}

/// FTP: the same, as far as the dialogue goes, and in it what has its place there.
pub(super) fn ftp(conversation: &Conversation, all: &[Place]) {
    nothing_else(conversation, all, ftp_line);
    if !conversation.is_in_order {
        return;
    }
    nothing_unasked(conversation, all);
    if conversation.is_polite && !conversation.has_repeats {
        let (wanted, is_encrypted) = dialogue(conversation);
        // Nobody can tell how much of what is encrypted looks like lines.
        let count = if is_encrypted {
            wanted.len().min(all.len())
        } else {
            all.len()
        };
        assert_eq!(all[..count], wanted, "{conversation:?}");
    }
}

/// What is found in a connection in which nobody interrupts, and whether that is encrypted in the
/// end.
fn dialogue(conversation: &Conversation) -> (Vec<Place>, bool) {
    let mut dialogue = Dialogue::new(conversation.is_picked_up);
    let mut all = Vec::new();
    let mut at = [0; 2];
    let mut packets = conversation.packets.iter().peekable();
    while let Some(packet) = packets.next() {
        let direction = packet.direction;
        if packets
            .peek()
            .is_some_and(|next| next.direction == direction)
        {
            continue;
        }
        // All that this side says before the other one does.
        let start = &mut at[index(direction)];
        let end = packet.offset + packet.bytes.len();
        let turn = &conversation.streams[index(direction)][*start..end];
        for line in turn.split_inclusive(|byte| *byte == b'\n') {
            if dialogue.line(direction, line).is_err() {
                return (all, true);
            }
            if !dialogue.is_foreign() {
                all.extend(ftp_line(direction, line).into_iter().map(|found| Place {
                    direction,
                    is_admitted: matches!(found.kind, Kind::Ftp(kind) if dialogue.admits(kind)),
                    expected: Expected {
                        start: *start + found.start,
                        ..found
                    },
                }));
            }
            *start += line.len();
        }
    }
    (all, false)
}

/// Whoever interrupts whom: without a question there is no answer, and without a greeting nothing.
fn nothing_unasked(conversation: &Conversation, all: &[Place]) {
    if conversation.is_picked_up {
        return;
    }
    let lines = |direction| conversation.streams[index(direction)].split(|byte| *byte == b'\n');
    let is_question = |line: &[u8]| {
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        matches!(word.as_slice(), b"PASV" | b"SPSV" | b"CPSV" | b"EPSV")
    };
    let is_asked = lines(Direction::Original).any(is_question);
    let is_greeting = |line: &[u8]| matches!(line, [b'1' | b'2', ..]);
    let is_greeted = lines(Direction::Reply)
        .find(|line| line.len() >= 3)
        .is_some_and(is_greeting);
    for place in all.iter().filter(|place| place.is_admitted) {
        let is_answer = matches!(
            place.expected.kind,
            Kind::Ftp(FtpKind::Pasv | FtpKind::Epsv)
        );
        assert!(
            is_greeted && (is_asked || !is_answer),
            "{place:?} is unasked: {conversation:?}"
        );
    }
}
