// SPDX-License-Identifier: GPL-2.0

//! The core believes what the tables of dialogues say, and the properties hold for them.

use std::panic::catch_unwind;

use conntrack_fuzz::{
    check, check_connections,
    conversation::Origin,
    dialogues::{
        table,
        Dialogue, //
    },
    phrases,
    session::{
        Conversation,
        Options,
        Protocol, //
    },
};

const BOTH: [Protocol; 2] = [Protocol::Ftp, Protocol::Irc];

/// Ports that the core believes.
fn believed(protocol: Protocol, dialogue: &Dialogue, is_in_windows: bool) -> Vec<u16> {
    let mut session = Conversation::new(
        protocol,
        Options {
            origin: dialogue.connections[0].origin,
            is_in_windows,
        },
    );
    let mut ports = Vec::new();
    for connection in &dialogue.connections {
        if connection.origin == Origin::Begun {
            session.begin(connection.seqs);
        }
        for packet in &connection.packets {
            let found = session.segment(packet.direction, packet.seq, &packet.bytes);
            let admitted = found.iter().filter(|found| found.is_admitted);
            ports.extend(admitted.map(|found| found.port));
        }
    }
    ports
}

#[test]
fn core_believes_what_the_tables_say() {
    let mut wrong = Vec::new();
    for protocol in BOTH {
        for dialogue in table(protocol) {
            for is_in_windows in [false, true] {
                let ports = believed(protocol, &dialogue, is_in_windows);
                for (port, is_believed) in &dialogue.expected {
                    if is_believed.is_some_and(|wanted| wanted != ports.contains(port)) {
                        let name = &dialogue.name;
                        let how = if is_in_windows {
                            "in windows"
                        } else {
                            "in one"
                        };
                        wrong.push(format!("{name}: {port}, wanted: {is_believed:?}, {how}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[test]
fn properties_hold_for_the_tables() {
    let mut wrong = Vec::new();
    for protocol in BOTH {
        for dialogue in table(protocol) {
            let result =
                catch_unwind(|| check_connections(protocol, &dialogue.connections, |_| {}));
            if result.is_err() {
                wrong.push(dialogue.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[test]
fn properties_hold_for_sessions_of_phrases() {
    let sessions = std::env::var("SESSIONS").map_or(3000, |text| text.parse().unwrap());
    let mut wrong = Vec::new();
    for protocol in BOTH {
        for i in 0..sessions {
            let data = phrases::any(i);
            if catch_unwind(|| check(protocol, &data)).is_err() {
                wrong.push((protocol, data.escape_ascii().to_string()));
            }
        }
    }
    wrong.sort_by_key(|(_, data)| data.len());
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}
