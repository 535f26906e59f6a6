// SPDX-License-Identifier: GPL-2.0

//! Makes up conversations: what real programs say, and the same with something wrong in it.

mod amanda;
mod ftp;
mod irc;
mod tftp;

use std::net::IpAddr;

use conntrack_fuzz::{
    conversation::Origin,
    session::Protocol, //
};
use conntrack_proto::Direction;
use fastrand::Rng;

use crate::parties::Parties;

/// A packet with payload: whose, at which sequence number, what.
pub type Packet = (Direction, u32, Vec<u8>);

/// Sequence numbers of the first bytes.
pub const SEQS: [u32; 2] = [1000, u32::MAX - 100];

/// A conversation, and the settings under which it is looked at.
#[derive(Clone, Debug)]
pub struct Input {
    pub protocol: Protocol,
    pub parties: Parties,
    pub loose: bool,
    /// How it began.
    pub origin: Origin,
    pub packets: Vec<Packet>,
}

/// Makes one up.
pub fn input(rng: &mut Rng) -> Input {
    let protocol = match rng.u8(..10) {
        0..4 => Protocol::Ftp,
        4..7 => Protocol::Irc,
        7 => Protocol::Tftp,
        _ => Protocol::Amanda,
    };
    // Mainline's IRC helper knows IPv4 only.
    let parties = Parties::new(protocol == Protocol::Irc || rng.bool());
    let loose = rng.u8(..4) == 0;
    let mut talk = Talk {
        rng,
        parties,
        origin: Origin::Injected,
        packets: Vec::new(),
        next: SEQS,
    };
    match protocol {
        Protocol::Ftp => ftp::talk(&mut talk),
        Protocol::Irc => irc::talk(&mut talk),
        Protocol::Tftp => tftp::talk(&mut talk),
        Protocol::Amanda => amanda::talk(&mut talk),
    }
    Input {
        protocol,
        parties,
        loose,
        origin: talk.origin,
        packets: talk.packets,
    }
}

/// A conversation in the making.
struct Talk<'a> {
    rng: &'a mut Rng,
    parties: Parties,
    origin: Origin,
    packets: Vec<Packet>,
    next: [u32; 2],
}

impl Talk<'_> {
    /// Tells whether something happens that happens one time in `n`.
    fn once_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// Returns one of `all`.
    fn one<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.rng.usize(..all.len())]
    }

    /// The usual one, seldom one of the others.
    fn mostly<'b>(&mut self, usual: &'b str, others: &[&'b str]) -> &'b str {
        if self.once_in(8) {
            self.one(others)
        } else {
            usual
        }
    }

    /// A number as it belongs there, or one near some limit.
    fn number(&mut self, usual: u32) -> String {
        if !self.once_in(24) {
            return usual.to_string();
        }
        match self.rng.u8(..6) {
            0 => String::new(),
            1 => format!("{:0>4}", usual),
            2 => self.rng.u32(..70_000).to_string(),
            3 => (u64::from(usual) + 65_536 * self.rng.u64(1..4)).to_string(),
            4 => (u64::from(usual) + (1 << (32 + self.rng.u8(..3)))).to_string(),
            _ => self
                .one(&[
                    "0",
                    "255",
                    "256",
                    "65535",
                    "65536",
                    "65558",
                    "4294967296",
                    "-1",
                ])
                .to_string(),
        }
    }

    fn port(&mut self) -> u16 {
        match self.rng.u8(..8) {
            0 => [0, 1, 20, 21, 22, 255][self.rng.usize(..6)],
            1 => 1023 + self.rng.u16(..2),
            2 => 65_535,
            _ => self.rng.u16(1024..),
        }
    }

    /// The sender's own address, seldom another.
    fn address(&mut self, direction: Direction) -> IpAddr {
        let own = self.parties.sender(direction);
        if !self.once_in(8) {
            return own;
        }
        match self.rng.u8(..4) {
            0 => Parties::new(!own.is_ipv4()).sender(direction),
            1 => self.parties.sender(direction.opposite()),
            2 if !own.is_ipv4() => IpAddr::from(self.rng.u128(..).to_be_bytes()),
            _ => IpAddr::from(self.rng.u32(..).to_be_bytes()),
        }
    }

    /// Sends `payload`, mostly as it is.
    fn say(&mut self, direction: Direction, payload: impl AsRef<[u8]>) {
        let mut payload = payload.as_ref().to_vec();
        if self.once_in(5) {
            for _ in 0..self.rng.u8(1..4) {
                self.spoil(&mut payload);
            }
        }
        if payload.is_empty() {
            return;
        }
        let at = if self.once_in(16) {
            self.rng.usize(..payload.len())
        } else {
            0
        };
        let (first, second) = payload.split_at(at);
        for part in [first, second] {
            if !part.is_empty() {
                self.send(direction, part);
            }
        }
    }

    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        let is_reply = direction == Direction::Reply;
        let seq = self.next[usize::from(is_reply)];
        self.next[usize::from(is_reply)] = seq.wrapping_add(bytes.len() as u32);
        self.packets.push((direction, seq, bytes.to_vec()));
        if self.once_in(24) {
            // Sent again.
            self.packets.push((direction, seq, bytes.to_vec()));
        }
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let odd = b"\r\n\0 \x01,.|:()0129\"@-\x80\xff";
        let byte = match self.rng.u8(..3) {
            0 => self.rng.u8(..),
            _ => odd[self.rng.usize(..odd.len())],
        };
        let at = self.rng.usize(..bytes.len().max(1));
        match self.rng.u8(..8) {
            _ if bytes.is_empty() => bytes.push(byte),
            0 | 1 => bytes[at] = byte,
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, bytes[at]),
            5 => bytes[at] ^= 0x20,
            6 => bytes.truncate(at),
            _ => {
                // Something moves to somewhere else.
                let end = (at + self.rng.usize(1..12)).min(bytes.len());
                let part: Vec<u8> = bytes.drain(at..end).collect();
                let at = self.rng.usize(..=bytes.len());
                bytes.splice(at..at, part);
            }
        }
    }
}
