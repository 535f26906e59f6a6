// SPDX-License-Identifier: GPL-2.0

//! Tells why the core and mainline differ, by looking at the packet with other means than theirs.

mod amanda;
mod ftp;
mod irc;
mod tftp;

use conntrack_fuzz::{
    conversation::{
        index,
        Conversation, //
    },
    session::Protocol,
    verdict_at,
    Verdict, //
};
use conntrack_proto::Direction;

use crate::{
    class::Class,
    mainline::{
        Answer,
        Opened, //
    },
    parties::Parties, //
};

/// What the bytes before a packet say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// They end in a newline.
    Line,
    /// There are none, as far as anybody knows.
    First,
    /// They do not end in a newline.
    Middle,
}

/// A packet, and what was made of it.
pub struct Case<'a> {
    pub protocol: Protocol,
    pub parties: Parties,
    pub direction: Direction,
    pub begins: Begins,
    /// All that was said up to this packet.
    pub conversation: &'a Conversation,
    /// The packet has been there before.
    pub is_again: bool,
    pub payload: &'a [u8],
    pub ours: &'a [Opened],
    pub mainline: &'a Answer,
}

/// Returns a class for each difference; [`None`] for one that has no explanation.
pub fn explain(case: &Case<'_>) -> Vec<Option<Class>> {
    let mut all = Vec::new();
    for opened in case.ours {
        if !case.mainline.opened.contains(opened) {
            all.push(match case.protocol {
                Protocol::Ftp | Protocol::Irc if case.is_split(opened) => Some(Class::Split),
                Protocol::Ftp => ftp::only_ours(case, opened),
                Protocol::Irc => irc::only_ours(case, opened),
                Protocol::Tftp => None,
                Protocol::Amanda => amanda::only_ours(case, opened),
            });
        }
    }
    for opened in &case.mainline.opened {
        if !case.ours.contains(opened) {
            all.push(match case.protocol {
                _ if case.mainline.is_of_others => Some(Class::BehindPacket),
                Protocol::Ftp | Protocol::Irc if (1..1024).contains(&opened.port) => {
                    Some(Class::Privileged)
                }
                Protocol::Ftp | Protocol::Irc
                    if case.is_again && !case.payload.ends_with(b"\n") =>
                {
                    Some(Class::Again)
                }
                Protocol::Ftp => ftp::only_mainline(case, opened),
                Protocol::Irc => irc::only_mainline(case, opened),
                Protocol::Tftp => tftp::only_mainline(case),
                Protocol::Amanda => amanda::only_mainline(case, opened),
            });
        }
    }
    if case.mainline.is_dropped {
        let is_finished = case.payload.contains(&b'\n');
        all.push(Some(match case.protocol {
            Protocol::Ftp if is_finished => Class::DroppedText,
            _ => Class::DroppedUnfinished,
        }));
    }
    all
}

impl Case<'_> {
    /// Whether the line of what was opened began in an earlier packet.
    fn is_split(&self, opened: &Opened) -> bool {
        // The place of what itself began there is far behind the end.
        let before = self.payload.get(..opened.start).unwrap_or_default();
        self.begins == Begins::Middle && !before.contains(&b'\n')
    }

    /// Whether the RFCs give what was opened a place in the dialogue.
    fn has_its_place(&self, opened: &Opened) -> bool {
        let stream = &self.conversation.streams[index(self.direction)];
        let packet = self.conversation.packets.last();
        let at = packet.map_or(0, |packet| packet.offset as usize) + opened.start;
        debug_assert!(at < stream.len());
        let verdict = verdict_at(self.protocol, self.conversation, self.direction, at);
        verdict == Some(Verdict::Yes)
    }

    fn before(&self, opened: &Opened) -> &[u8] {
        &self.payload[..opened.start]
    }

    fn text(&self, opened: &Opened) -> &[u8] {
        &self.payload[opened.start..opened.start + opened.len]
    }

    fn after(&self, opened: &Opened) -> &[u8] {
        &self.payload[opened.start + opened.len..]
    }
}

/// The value of the digits at the beginning of `text`, [`None`] if there are none.
fn number(text: &[u8]) -> Option<u128> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    // What is too much for that is too much for anything.
    (digits > 0).then(|| {
        String::from_utf8_lossy(&text[..digits])
            .parse()
            .unwrap_or(u128::MAX)
    })
}
