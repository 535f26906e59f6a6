// SPDX-License-Identifier: GPL-2.0

//! A conversation as bytes that a fuzzer can change: the payload as it is, with a few bytes between
//! that no text has.

use std::fmt;

use conntrack_proto::Direction;

/// The other side speaks.
const SWITCH: u8 = 0xff;
/// Another packet begins.
const CUT: u8 = 0xfe;
/// The packet before comes again.
const AGAIN: u8 = 0xfd;
/// The packet before is overtaken by the one before that.
const SWAP: u8 = 0xfc;

/// At the beginning: the connection was not seen from its own on.
const PICKED_UP: u8 = 0xfb;

/// A packet with payload.
#[derive(Clone)]
pub struct Packet {
    /// Whose it is.
    pub direction: Direction,
    /// Its sequence number.
    pub seq: u32,
    /// Where it begins in the stream of its direction.
    pub offset: usize,
    /// Its payload, not empty.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.bytes.escape_ascii();
        write!(f, "{:?} at {}: \"{text}\"", self.direction, self.offset)
    }
}

/// The packets in the order of their coming, and what they are parts of.
#[derive(Default)]
pub struct Conversation {
    /// The packets.
    pub packets: Vec<Packet>,
    /// All that was said in each direction.
    pub streams: [Vec<u8>; 2],
    /// Sequence numbers of their first bytes.
    pub seqs: [u32; 2],
    /// Whether it was not seen from its beginning on.
    pub is_picked_up: bool,
    /// Whether no packet comes too late.
    pub is_in_order: bool,
    /// Whether a packet comes twice.
    pub has_repeats: bool,
    /// Whether nobody speaks while the other side is in the middle of a line.
    pub is_polite: bool,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl Conversation {
    /// Reads what a fuzzer wrote.
    pub fn new(data: &[u8]) -> Self {
        let after = data.strip_prefix(&[PICKED_UP]);
        let mut all = Self {
            // They wrap in the middle of the first.
            seqs: [0_u32.wrapping_sub(data.len() as u32 / 2), 7],
            is_picked_up: after.is_some(),
            is_in_order: true,
            is_polite: true,
            ..Self::default()
        };
        let data = after.unwrap_or(data);
        let mut direction = Direction::Original;
        for part in data.split_inclusive(|byte| *byte >= SWAP) {
            let (bytes, what) = match part.split_last() {
                Some((what, bytes)) if *what >= SWAP => (bytes, *what),
                _ => (part, CUT),
            };
            let stream = &mut all.streams[index(direction)];
            if !bytes.is_empty() {
                all.packets.push(Packet {
                    direction,
                    seq: all.seqs[index(direction)].wrapping_add(stream.len() as u32),
                    offset: stream.len(),
                    bytes: bytes.to_vec(),
                });
                stream.extend(bytes);
            }
            match what {
                SWITCH => {
                    all.is_polite &= stream.last().is_none_or(|byte| *byte == b'\n');
                    direction = direction.opposite();
                }
                AGAIN => match all.packets.as_slice() {
                    // Once more is enough.
                    [.., a, b] if (a.direction, a.offset) == (b.direction, b.offset) => {}
                    packets => {
                        all.packets.extend(packets.last().cloned());
                        all.has_repeats = true;
                    }
                },
                SWAP => {
                    if let [.., a, b] = all.packets.as_mut_slice() {
                        std::mem::swap(a, b);
                        all.is_in_order = false;
                    }
                }
                _ => {}
            }
        }
        all
    }
}
