// SPDX-License-Identifier: GPL-2.0

//! What must hold for protocols that talk in lines, however these are cut into segments.

use std::collections::BTreeSet;

use conntrack_proto::{
    ftp::Kind as FtpKind,
    irc::Kind as IrcKind,
    Direction, //
};

use super::Place;
use crate::{
    conversation::{
        index,
        Conversation,
        Origin, //
    },
    oracle::{
        announced::{
            announced,
            in_line,
            places,
            Announced, //
        },
        dialogue::Verdict,
        Expected, //
    },
    session::{
        Kind,
        Protocol, //
    },
};

const BOTH: [Direction; 2] = [Direction::Original, Direction::Reply];

/// What is found is there, and what is believed is what has its place in the dialogue.
pub(crate) fn check(protocol: Protocol, conversation: &Conversation, all: &[Place]) {
    check_where(protocol, conversation, all, |_| true);
}

/// The same, where not all that should be believed `must_be`.
pub(crate) fn check_where(
    protocol: Protocol,
    conversation: &Conversation,
    all: &[Place],
    must_be: impl Fn(&Expected) -> bool,
) {
    nothing_else(protocol, conversation, all);
    if conversation.has_overtaking {
        // Who can tell what was said first?
        nothing_unasked(conversation, all);
        return;
    }
    let announced = announced(protocol, conversation);
    for Announced {
        direction,
        expected,
        verdict,
    } in &announced
    {
        let is_it = |place: &&Place| (place.direction, &place.expected) == (*direction, expected);
        let is_believed = all.iter().filter(is_it).any(|place| place.is_admitted);
        match verdict {
            Verdict::Yes => assert!(
                is_believed || !must_be(expected),
                "{expected:?} must be believed: {conversation:?}"
            ),
            Verdict::No => assert!(
                !is_believed,
                "{expected:?} must not be believed: {conversation:?}"
            ),
            Verdict::Either => {}
        }
    }
    in_order(conversation, all);
}

/// The same where some of what was announced may not have been found.
pub(crate) fn is_sound(protocol: Protocol, conversation: &Conversation, all: &[Place]) {
    nothing_else(protocol, conversation, all);
    nothing_unasked(conversation, all);
}

/// What is found once is not found again, unless a packet comes again.
fn in_order(conversation: &Conversation, all: &[Place]) {
    if conversation.has_repeats {
        return;
    }
    for (i, place) in all.iter().enumerate() {
        let is_same =
            |other: &Place| (other.direction, other.expected) == (place.direction, place.expected);
        // One that was said too early is found again when it counts.
        let again = all[..i].iter().filter(|other| is_same(other));
        let is_new = again.into_iter().all(|other| !other.is_admitted);
        assert!(is_new, "{place:?} is found twice: {conversation:?}");
    }
}

/// Nothing is found that is not there, in whatever order the packets come.
fn nothing_else(protocol: Protocol, conversation: &Conversation, all: &[Place]) {
    let mut wanted = places(protocol, conversation);
    for direction in BOTH {
        let mut start = 0;
        let stream = &conversation.streams[index(direction)];
        for line in stream.split_inclusive(|byte| *byte == b'\n') {
            let found = in_line(protocol, direction, line).into_iter();
            wanted.extend(found.map(|expected| {
                let start = start + expected.start;
                (direction, Expected { start, ..expected })
            }));
            start += line.len();
        }
    }
    // What may stand before a greeting may hide something, which counts for nothing.
    let (stream, mut start) = (&conversation.streams[index(Direction::Reply)], 0);
    let mut hidden = Vec::new();
    for line in stream.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let text = text.trim_ascii_start();
        let before = start + line.len() - text.len();
        let found = in_line(protocol, Direction::Reply, text).into_iter();
        hidden.extend(found.map(|expected| {
            let start = before + expected.start;
            (Direction::Reply, Expected { start, ..expected })
        }));
        start += line.len();
    }
    for place in all {
        let found = (place.direction, place.expected);
        assert!(
            wanted.contains(&found) || !place.is_admitted && hidden.contains(&found),
            "{place:?} is not there: {conversation:?}"
        );
    }
}

/// In whatever order the packets come: without a question there is no answer, without a greeting
/// nothing in FTP, without registration nothing in IRC, and a connection that was picked up has no
/// active side.
fn nothing_unasked(conversation: &Conversation, all: &[Place]) {
    let [client, server] = conversation.streams.each_ref().map(|stream| words(stream));
    let has = |words: &[Vec<u8>], wanted: &str| words.iter().any(|word| word == wanted.as_bytes());
    let questions = ["PASV", "SPSV", "CPSV", "P@SW", "EPSV"];
    let is_question = |word: &&Vec<u8>| questions.iter().any(|known| known.as_bytes() == *word);
    // The first segment may begin in the middle of that.
    let unheard = usize::from(conversation.origin == Origin::Injected) * 2;
    let asked = client.iter().filter(is_question).count() + unheard;
    let mut answers = BTreeSet::new();
    for place in all.iter().filter(|place| place.is_admitted) {
        let is_in_place = match place.expected.kind {
            Kind::Ftp(FtpKind::Port | FtpKind::Eprt) => conversation.origin != Origin::PickedUp,
            Kind::Ftp(FtpKind::Pasv | FtpKind::Epsv) => {
                answers.insert(place.expected.start);
                answers.len() <= asked
            }
            Kind::Irc(IrcKind::Accept | IrcKind::Resume) => true,
            Kind::Irc(IrcKind::Offer) => match conversation.origin {
                Origin::Begun => {
                    let is_welcome = server.iter().any(|word| word.ends_with(b"001"));
                    is_welcome || has(&client, "NICK") && has(&client, "USER")
                }
                Origin::PickedUp => false,
                Origin::Injected => true,
            },
            Kind::Ftp(FtpKind::Deferred) => false,
            Kind::Tftp | Kind::Amanda(_) => true,
        };
        let is_greeted = conversation.origin != Origin::Begun
            || !matches!(place.expected.kind, Kind::Ftp(_))
            || server.iter().any(|word| word.starts_with(b"2"));
        assert!(
            is_in_place && is_greeted,
            "{place:?} is unasked: {conversation:?}"
        );
    }
}

/// The first words of all lines, of the server's also the second ones, in upper case.
fn words(stream: &[u8]) -> Vec<Vec<u8>> {
    let lines = stream.split(|byte| *byte == b'\n');
    let is_end = |byte: &u8| b" \r-".contains(byte);
    lines
        .flat_map(|line| {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            // The tags of a message are one word.
            let tags = line.iter().position(|byte| *byte == b' ');
            let tags = tags.filter(|_| line.starts_with(b"@")).unwrap_or(0);
            let words = line[tags..].split(is_end).filter(|word| !word.is_empty());
            words.take(3).map(<[u8]>::to_ascii_uppercase)
        })
        .collect()
}
