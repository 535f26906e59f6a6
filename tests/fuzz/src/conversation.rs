// SPDX-License-Identifier: GPL-2.0

//! A conversation as bytes that a fuzzer can change: the payload as it is, with a few bytes between
//! that no text has.

use std::fmt;

use conntrack_proto::Direction;

/// The other side speaks.
pub const SWITCH: u8 = 0xff;
/// Another packet begins.
pub const CUT: u8 = 0xfe;
/// The packet before comes again.
pub const AGAIN: u8 = 0xfd;
/// The packet before is overtaken by the one before that.
pub const SWAP: u8 = 0xfc;
/// The packet before comes again, together with what follows.
pub const LONGER: u8 = 0xf9;
/// The client connects anew from the same port.
pub const ANEW: u8 = 0xf8;

/// At the beginning: the connection was not seen from its own on.
pub const PICKED_UP: u8 = 0xfb;
/// At the beginning: the connection was injected by ctnetlink.
pub const INJECTED: u8 = 0xfa;

/// What is known of a connection's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// It was seen from its SYN and SYN-ACK on.
    #[default]
    Begun,
    /// It was there before anybody looked.
    PickedUp,
    /// Another machine has seen it, and ctnetlink brought it here.
    Injected,
}

/// A packet with payload.
#[derive(Clone)]
pub struct Packet {
    /// Whose it is.
    pub direction: Direction,
    /// Its sequence number.
    pub seq: u32,
    /// Where it begins in the stream of its direction; before it, if it is a keep-alive.
    pub offset: isize,
    /// Its payload, not empty.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Where it ends in the stream of its direction.
    pub fn end(&self) -> isize {
        self.offset + self.bytes.len() as isize
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.bytes.escape_ascii();
        write!(f, "{:?} at {}: \"{text}\"", self.direction, self.offset)
    }
}

/// The packets of one connection in the order of their coming, and what they are parts of.
#[derive(Clone, Default)]
pub struct Conversation {
    /// The packets.
    pub packets: Vec<Packet>,
    /// All that was said in each direction.
    pub streams: [Vec<u8>; 2],
    /// Sequence numbers of their first bytes.
    pub seqs: [u32; 2],
    /// How it began.
    pub origin: Origin,
    /// Whether a packet comes too late, or never.
    pub has_overtaking: bool,
    /// Whether a packet comes twice.
    pub has_repeats: bool,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.origin)?;
        f.debug_list().entries(&self.packets).finish()
    }
}

/// The place of `direction` in [`Conversation::streams`].
pub fn index(direction: Direction) -> usize {
    match direction {
        Direction::Original => 0,
        Direction::Reply => 1,
    }
}

/// Reads what a fuzzer wrote: connections that use the same ports, one after the other.
pub fn read(data: &[u8]) -> Vec<Conversation> {
    let (origin, data) = match data {
        [PICKED_UP, rest @ ..] => (Origin::PickedUp, rest),
        [INJECTED, rest @ ..] => (Origin::Injected, rest),
        _ => (Origin::Begun, data),
    };
    let mut all: Vec<Conversation> = data
        .split(|byte| *byte == ANEW)
        .enumerate()
        .map(|(i, data)| {
            let mut one = Conversation {
                // They wrap in the middle of the first, and each begins before the last.
                seqs: [
                    0_u32.wrapping_sub(data.len() as u32 / 2 + 5000 * i as u32),
                    7_u32.wrapping_sub(9000 * i as u32),
                ],
                ..Conversation::default()
            };
            one.read(data);
            one
        })
        .collect();
    if let Some(first) = all.first_mut() {
        first.origin = origin;
    }
    all
}

impl Conversation {
    /// Adds a packet with `bytes` at the end of what `direction` said.
    pub fn say(&mut self, direction: Direction, bytes: &[u8]) {
        let offset = self.streams[index(direction)].len() as isize;
        self.say_at(direction, offset, bytes);
    }

    /// Adds a packet with `bytes` at `offset`, whatever is there already.
    pub fn say_at(&mut self, direction: Direction, offset: isize, bytes: &[u8]) {
        let stream = &mut self.streams[index(direction)];
        let end = offset + bytes.len() as isize;
        let known = stream.len() as isize;
        self.has_repeats |= offset < known;
        self.has_overtaking |= offset > known;
        if end > known {
            // Nobody saw what was between.
            stream.resize(end as usize, 0);
        }
        for (at, byte) in (offset..).zip(bytes) {
            if at >= 0 {
                stream[at as usize] = *byte;
            }
        }
        self.packets.push(Packet {
            direction,
            seq: self.seqs[index(direction)].wrapping_add(offset as u32),
            offset,
            bytes: bytes.to_vec(),
        });
    }

    fn read(&mut self, data: &[u8]) {
        let is_mark = |byte: &u8| matches!(*byte, LONGER | SWAP..=SWITCH);
        let mut direction = Direction::Original;
        let mut is_longer = false;
        for part in data.split_inclusive(is_mark) {
            let (bytes, what) = match part.split_last() {
                Some((what, bytes)) if is_mark(what) => (bytes, *what),
                _ => (part, CUT),
            };
            if !bytes.is_empty() {
                let end = self.streams[index(direction)].len() as isize;
                match self.packets.last().cloned() {
                    Some(last) if is_longer && last.direction == direction && last.end() == end => {
                        let bytes = [&last.bytes, bytes].concat();
                        self.say_at(direction, last.offset, &bytes);
                    }
                    _ => self.say(direction, bytes),
                }
            }
            is_longer = what == LONGER;
            match what {
                SWITCH => direction = direction.opposite(),
                AGAIN => match self.packets.as_slice() {
                    // Once more is enough.
                    [.., a, b] if (a.direction, a.offset) == (b.direction, b.offset) => {}
                    packets => {
                        self.packets.extend(packets.last().cloned());
                        self.has_repeats = true;
                    }
                },
                SWAP => {
                    if let [.., a, b] = self.packets.as_mut_slice() {
                        // Two that speak at the same time may overtake each other.
                        self.has_overtaking |= a.direction == b.direction;
                        std::mem::swap(a, b);
                    }
                }
                _ => {}
            }
        }
    }
}
