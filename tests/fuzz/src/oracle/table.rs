// SPDX-License-Identifier: GPL-2.0

//! The oracle says of the tables of dialogues what those say, who were written by hand.

use super::{
    announced::announced,
    dialogue::Verdict, //
};
use crate::{
    dialogues::{
        table,
        Dialogue, //
    },
    session::Protocol,
};

/// What the oracle says of the announcements of `port`.
fn verdicts(protocol: Protocol, dialogue: &Dialogue, port: u16) -> Vec<Verdict> {
    let connections = dialogue.connections.iter();
    let all = connections.flat_map(|connection| announced(protocol, connection));
    all.filter(|announced| announced.expected.port == port)
        .map(|announced| announced.verdict)
        .collect()
}

fn agrees(protocol: Protocol, rows: usize) {
    let table = table(protocol);
    assert!(table.len() >= rows);
    let mut wrong = Vec::new();
    for dialogue in &table {
        assert!(!dialogue.expected.is_empty(), "{}", dialogue.name);
        for (port, is_believed) in &dialogue.expected {
            let said = verdicts(protocol, dialogue, *port);
            let is_right = match is_believed {
                // Each port is announced once.
                Some(true) => said == [Verdict::Yes],
                Some(false) => said.iter().all(|verdict| *verdict == Verdict::No),
                None => said == [Verdict::Either],
            };
            if !is_right {
                wrong.push(format!(
                    "{}: {port} {is_believed:?}: {said:?}",
                    dialogue.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn ftp() {
    agrees(Protocol::Ftp, 200);
}

#[test]
fn irc() {
    agrees(Protocol::Irc, 50);
}

/// What is not believed is announced, if one looks at single lines only.
#[test]
fn refused_is_announced() {
    let mut announcing = 0;
    let mut all = 0;
    for protocol in [Protocol::Ftp, Protocol::Irc] {
        for dialogue in table(protocol) {
            for (port, is_believed) in &dialogue.expected {
                if *is_believed == Some(false) {
                    all += 1;
                    announcing += usize::from(!verdicts(protocol, &dialogue, *port).is_empty());
                }
            }
        }
    }
    // Some are cut, in the wrong direction, or where no line is known to begin.
    assert!(announcing * 10 > all * 9, "{announcing} of {all}");
}
