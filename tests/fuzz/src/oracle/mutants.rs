// SPDX-License-Identifier: GPL-2.0

//! The control for the tables: a simple firewall agrees with them and with the oracle, and each of
//! many that have one wrong rule does not.

mod ftp;
mod irc;

use std::collections::BTreeSet;

use super::{
    announced::{
        announced,
        in_line, //
    },
    dialogue::Verdict,
    stream::Line, //
};
use crate::{
    conversation::{
        self,
        index,
        Conversation, //
    },
    dialogues::{
        table,
        Dialogue, //
    },
    phrases,
    session::Protocol,
};

/// The lines in which announcements are believed: which connection, which direction, where.
type Believed = BTreeSet<(usize, usize, usize)>;

fn place(connection: usize, line: &Line) -> (usize, usize, usize) {
    (connection, index(line.direction), line.start)
}

/// Lines of a firewall that does not know what it has seen before.
fn without_memory(conversation: &Conversation) -> Vec<Line> {
    let mut all = Vec::new();
    for (i, packet) in conversation.packets.iter().enumerate() {
        let mut start = packet.offset.max(0) as usize;
        for text in packet.bytes.split_inclusive(|byte| *byte == b'\n') {
            all.push(Line {
                direction: packet.direction,
                start,
                text: text.to_vec(),
                is_whole: true,
                segment: i,
                behind: super::stream::Behind::Nothing,
                is_in_record: false,
                is_in_text: true,
                is_in_middle: false,
            });
            start += text.len();
        }
    }
    all
}

/// Whether what is `believed` is what the oracle wants.
fn agrees(protocol: Protocol, dialogue: &Dialogue, believed: &Believed) -> bool {
    let connections = dialogue.connections.iter().enumerate();
    connections.into_iter().all(|(i, connection)| {
        announced(protocol, connection).iter().all(|announced| {
            let side = index(announced.direction);
            let stream = &connection.streams[side][..announced.expected.start];
            let newline = stream.iter().rposition(|byte| *byte == b'\n');
            let start = newline.map_or(0, |at| at + 1);
            let is_believed = believed.contains(&(i, side, start));
            match announced.verdict {
                Verdict::Yes => is_believed,
                Verdict::No => !is_believed,
                Verdict::Either => true,
            }
        })
    })
}

/// Names of the dialogues in which that is not so.
fn disagreements(protocol: Protocol, firewall: impl Fn(&Dialogue) -> Believed) -> Vec<String> {
    let all = table(protocol).into_iter();
    all.filter(|dialogue| !agrees(protocol, dialogue, &firewall(dialogue)))
        .map(|dialogue| dialogue.name)
        .collect()
}

/// All lines that announce something.
fn announcing(protocol: Protocol, dialogue: &Dialogue) -> Believed {
    let mut all = Believed::new();
    for (i, connection) in dialogue.connections.iter().enumerate() {
        for line in super::stream::lines(connection) {
            if !in_line(protocol, line.direction, &line.text).is_empty() {
                all.insert(place(i, &line));
            }
        }
    }
    all
}

#[test]
fn believes_all_or_nothing() {
    for protocol in [Protocol::Ftp, Protocol::Irc] {
        assert!(!disagreements(protocol, |_| Believed::new()).is_empty());
        assert!(!disagreements(protocol, |dialogue| announcing(protocol, dialogue)).is_empty());
    }
}

/// The right firewall agrees with the oracle about sessions that nobody has written, too.
fn agrees_everywhere(protocol: Protocol, firewall: impl Fn(&Dialogue) -> Believed) {
    let mut wrong = Vec::new();
    let mut clear = [0; 3];
    for seed in 0..5000 {
        let data = phrases::any(seed);
        let connections = conversation::read(&phrases::expand(protocol, &data).expect("a session"));
        if connections
            .iter()
            .any(|connection| connection.has_overtaking)
        {
            continue;
        }
        let dialogue = Dialogue {
            connections,
            ..Dialogue::default()
        };
        for connection in &dialogue.connections {
            for announced in announced(protocol, connection) {
                clear[announced.verdict as usize] += 1;
            }
        }
        if !agrees(protocol, &dialogue, &firewall(&dialogue)) {
            wrong.push((data.len(), format!("{:?}", dialogue.connections)));
        }
    }
    // Most of what is announced is clearly to be believed or not.
    let [yes, no, either] = clear;
    println!(
        "{protocol:?}: {yes} yes, {no} no, {either} either, {} wrong",
        wrong.len()
    );
    wrong.sort();
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(yes > 1000 && no > 1000 && either < yes + no);
}
