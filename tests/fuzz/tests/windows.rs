// SPDX-License-Identifier: GPL-2.0

//! What stands before an announcement is known wherever in memory a packet's pieces end.

use conntrack_fuzz::{
    conversation::Conversation,
    session::{
        self,
        Options,
        Protocol, //
    },
};
use conntrack_proto::Direction::{
    Original,
    Reply, //
};

/// Whether the port is believed that is announced behind a line of `len` bytes with this `end`.
fn is_believed(protocol: Protocol, len: usize, end: &str, is_in_windows: bool) -> bool {
    let mut talk = Conversation::default();
    let filler = "x".repeat(len);
    match protocol {
        Protocol::Ftp => {
            talk.say(Reply, b"220 ready\r\n");
            talk.say(Original, b"USER a\r\n");
            talk.say(Reply, b"230 in\r\n");
            let text = format!("CWD {filler}{end}PORT 10,0,0,1,4,1\r\n");
            talk.say(Original, text.as_bytes());
        }
        _ => {
            talk.say(Original, b"NICK a\r\nUSER a 0 * :A\r\n");
            let offer = "PRIVMSG b :\x01DCC SEND f 167772161 5000 1\x01\r\n";
            let text = format!("PRIVMSG b :{filler}{end}{offer}");
            talk.say(Original, text.as_bytes());
        }
    }
    let options = Options {
        is_in_windows,
        ..Options::default()
    };
    let mut session = session::Conversation::new(protocol, options);
    session.begin(talk.seqs);
    let packets = talk.packets.iter();
    let mut found = packets.flat_map(|p| session.segment(p.direction, p.seq, &p.bytes));
    found.any(|found| found.is_admitted)
}

#[test]
fn line_breaks_are_seen_at_the_end_of_a_window() {
    let mut wrong = Vec::new();
    for protocol in [Protocol::Ftp, Protocol::Irc] {
        for (end, wanted) in [("\r\n", true), ("\n", false)] {
            for is_in_windows in [false, true] {
                // More than two windows.
                let differs =
                    |len: &usize| is_believed(protocol, *len, end, is_in_windows) != wanted;
                let all: Vec<usize> = (0..1400).filter(differs).collect();
                if !all.is_empty() {
                    wrong.push((protocol, end, is_in_windows, all));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
