// SPDX-License-Identifier: GPL-2.0

//! The tables of dialogues in tests/dialogues, as conversations.

#[path = "../../dialogues/read.rs"]
mod read;

use std::fs;

use conntrack_proto::Direction;
use read::{
    Beginning,
    Step, //
};

use crate::{
    conversation::{
        self,
        Conversation,
        Origin,
        Packet, //
    },
    session::Protocol,
};

/// A dialogue.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    /// What it shows.
    pub name: String,
    /// The connections, one after the other on the same ports.
    pub connections: Vec<Conversation>,
    /// Which port is believed; [`None`] if both is right.
    pub expected: Vec<(u16, Option<bool>)>,
}

/// Reads the table of `protocol`.
///
/// # Panics
///
/// If there is none.
pub fn table(protocol: Protocol) -> Vec<Dialogue> {
    let named = Protocol::ALL.iter().find(|known| known.1 == protocol);
    let name = named.map_or("", |known| known.0);
    let path = format!("{}/../dialogues/{name}", env!("CARGO_MANIFEST_DIR"));
    read(&fs::read_to_string(path).expect("a table"))
}

/// Reads a table.
///
/// # Panics
///
/// If it is none.
pub fn read(text: &str) -> Vec<Dialogue> {
    read::read(text).iter().map(convert).collect()
}

fn convert(from: &read::Dialogue) -> Dialogue {
    let origin = match from.beginning {
        Beginning::Begun => Origin::Begun,
        Beginning::PickedUp => Origin::PickedUp,
        Beginning::Injected => Origin::Injected,
    };
    let connection = |origin, i: usize| Conversation {
        origin,
        // Each begins before the last.
        seqs: [100_000, 200_000].map(|seq| seq - 10_000 * i as u32),
        ..Conversation::default()
    };
    let mut to = Dialogue {
        name: from.name.clone(),
        connections: vec![connection(origin, 0)],
        ..Dialogue::default()
    };
    for step in &from.steps {
        match step {
            Step::Says {
                is_client,
                at,
                bytes,
            } => {
                let direction = if *is_client {
                    Direction::Original
                } else {
                    Direction::Reply
                };
                let current = to.connections.last_mut();
                current.expect("one").say_at(direction, *at, bytes);
            }
            Step::Anew => {
                let next = connection(Origin::Begun, to.connections.len());
                to.connections.push(next);
            }
            Step::Expect { port, is_believed } => to.expected.push((*port, *is_believed)),
        }
    }
    to
}

impl Dialogue {
    /// Returns it as a fuzzer would have written it, if it could have been.
    pub fn input(&self) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        for (i, connection) in self.connections.iter().enumerate() {
            match (i, connection.origin) {
                (0, Origin::Begun) => {}
                (0, Origin::PickedUp) => all.push(conversation::PICKED_UP),
                (0, Origin::Injected) => all.push(conversation::INJECTED),
                _ => all.push(conversation::ANEW),
            }
            let mut direction = Direction::Original;
            let mut ends = [0; 2];
            let mut last: Option<&Packet> = None;
            let mut packets = connection.packets.iter().peekable();
            while let Some(packet) = packets.next() {
                let end = &mut ends[conversation::index(packet.direction)];
                if packet.direction != direction {
                    direction = packet.direction;
                    all.push(conversation::SWITCH);
                }
                let is_again = last.is_some_and(|last| {
                    (last.direction, last.offset, last.end())
                        == (packet.direction, packet.offset, *end)
                });
                if packet.offset == *end {
                    all.extend(&packet.bytes);
                } else if is_again && packet.end() == *end {
                    all.push(conversation::AGAIN);
                } else if is_again && packet.end() > *end {
                    all.push(conversation::LONGER);
                    all.extend(&packet.bytes[(*end - packet.offset) as usize..]);
                } else {
                    return None;
                }
                *end = packet.end();
                last = Some(packet);
                if packets
                    .peek()
                    .is_some_and(|next| next.direction == direction && next.offset == *end)
                {
                    all.push(conversation::CUT);
                }
            }
        }
        Some(all)
    }
}

#[test]
fn inputs_are_what_they_came_from() {
    let mut converted = 0;
    for dialogue in table(Protocol::Ftp) {
        let Some(input) = dialogue.input() else {
            continue;
        };
        let shown = |all: &[Conversation]| {
            let mut packets: Vec<String> = Vec::new();
            for one in all {
                packets.push(format!("{:?}", one.origin));
                packets.extend(one.packets.iter().map(|packet| format!("{packet:?}")));
            }
            // Once more is enough.
            packets.dedup();
            packets
        };
        let connections = conversation::read(&input);
        assert_eq!(shown(&connections), shown(&dialogue.connections));
        converted += 1;
    }
    assert!(converted > 190, "{converted}");
}
