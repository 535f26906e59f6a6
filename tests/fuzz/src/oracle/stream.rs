// SPDX-License-Identifier: GPL-2.0

//! Who said which line when: TCP's streams, put together as the receiver does it, in the order of
//! the packets.

use conntrack_proto::Direction;

use crate::conversation::{
    index,
    Conversation,
    Origin, //
};

/// What stands before a line in the segment that its first byte came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: it begins the segment.
    Nothing,
    /// A line that ends in CRLF, as a client's does that sends several commands at once.
    Crlf,
    /// A line that ends in a bare LF, as one does that somebody slipped into a name.
    BareLf,
    /// Something that is neither clearly the one nor the other.
    Unclear,
}

/// What is longer may as well be part of something encrypted.
const LONG: usize = 256;

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Who said it.
    pub direction: Direction,
    /// Where it begins in the stream.
    pub start: usize,
    /// What was said, with the end of the line if it is whole.
    pub text: Vec<u8>,
    /// Whether it is whole; if not, then the other side speaks here, or nobody any more.
    pub is_whole: bool,
    /// Which packet its first byte came in.
    pub segment: usize,
    /// What stands before it there.
    pub behind: Behind,
    /// Whether that segment begins as a TLS record does.
    pub is_in_record: bool,
    /// Whether that segment is whole lines of text, and of such a length as somebody may say at once.
    pub is_in_text: bool,
    /// It is none: a segment that does not look like TLS begins here, in the middle of a line that
    /// does not look like text.
    pub is_in_middle: bool,
}

impl Line {
    /// What was said, without the end of the line.
    pub fn trimmed(&self) -> &[u8] {
        let text = &self.text;
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        text.strip_suffix(b"\r").unwrap_or(text)
    }

    /// Whether there is nothing in it that no text has.
    pub fn is_text(&self) -> bool {
        is_text(&self.text)
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t'))
}

/// Returns the lines of `conversation` in the order in which they were said. One that is not whole
/// when the other side speaks is there each time that happens.
pub fn lines(conversation: &Conversation) -> Vec<Line> {
    let mut sides = [
        Side::new(conversation, Direction::Original),
        Side::new(conversation, Direction::Reply),
    ];
    let mut all = Vec::new();
    for (i, packet) in conversation.packets.iter().enumerate() {
        let this = index(packet.direction);
        sides[this].receive(i);
        if !sides[this].has_more() {
            continue;
        }
        all.extend(sides[1 - this].unfinished());
        all.extend(sides[this].take());
    }
    for side in &sides {
        all.extend(side.unfinished());
    }
    all
}

/// One direction.
struct Side<'a> {
    conversation: &'a Conversation,
    direction: Direction,
    /// Which packet brought each byte, if one has.
    received: Vec<Option<usize>>,
    /// Where the line begins that is being said; [`None`] where that is not known.
    start: Option<isize>,
    /// How far its bytes are in order.
    end: isize,
}

impl<'a> Side<'a> {
    fn new(conversation: &'a Conversation, direction: Direction) -> Self {
        let mut packets = conversation.packets.iter();
        let first = packets.find(|packet| packet.direction == direction);
        let first = first.map_or(0, |packet| packet.offset);
        let (start, end) = match conversation.origin {
            Origin::Begun => (Some(0), 0),
            Origin::Injected => (Some(first), first),
            Origin::PickedUp => (None, first),
        };
        Self {
            conversation,
            direction,
            received: vec![None; conversation.streams[index(direction)].len()],
            start,
            end,
        }
    }

    /// A packet has come.
    fn receive(&mut self, i: usize) {
        let packet = &self.conversation.packets[i];
        for at in packet.offset.max(0)..packet.end() {
            self.received[at as usize].get_or_insert(i);
        }
        // What is missing and never comes was lost before anybody could see it.
        let comes = |at: isize| {
            let mut packets = self.conversation.packets.iter();
            packets.any(|p| p.direction == self.direction && (p.offset..p.end()).contains(&at))
        };
        while self.end < packet.offset && !comes(self.end) {
            self.start = None;
            self.end += 1;
        }
    }

    fn has_more(&self) -> bool {
        self.segment(self.end).is_some()
    }

    /// Which packet brought the byte `at` this place.
    fn segment(&self, at: isize) -> Option<usize> {
        self.received.get(at as usize).copied().flatten()
    }

    fn byte(&self, at: isize) -> u8 {
        let stream = &self.conversation.streams[index(self.direction)];
        stream[at as usize]
    }

    fn text(&self, from: isize, to: isize) -> Vec<u8> {
        (from..to).map(|at| self.byte(at)).collect()
    }

    /// Takes what has come, and returns the lines that have become whole.
    fn take(&mut self) -> Vec<Line> {
        let mut all = Vec::new();
        while self.has_more() {
            let byte = self.byte(self.end);
            self.end += 1;
            if byte != b'\n' {
                continue;
            }
            if let Some(start) = self.start {
                all.extend(self.in_the_middle(start));
                all.push(self.line(start, true));
            }
            self.start = Some(self.end);
        }
        all
    }

    /// The line that is being said, if there is anything of it.
    fn unfinished(&self) -> Option<Line> {
        let start = self.start.filter(|start| *start < self.end)?;
        Some(self.line(start, false))
    }

    fn line(&self, start: isize, is_whole: bool) -> Line {
        let segment = self.segment(start).expect("it was received");
        let packet = &self.conversation.packets[segment];
        Line {
            direction: self.direction,
            start: start as usize,
            text: self.text(start, self.end),
            is_whole,
            segment,
            behind: self.behind(start),
            is_in_record: matches!(packet.bytes.as_slice(), [0x14..=0x18, 3, ..]),
            is_in_text: is_text(&packet.bytes)
                && packet.bytes.ends_with(b"\n")
                && packet.bytes.len() <= LONG,
            is_in_middle: false,
        }
    }

    /// What stands before the line at `start` in its segment.
    fn behind(&self, start: isize) -> Behind {
        let segment = self.segment(start);
        let packet = segment.map(|segment| &self.conversation.packets[segment]);
        let from = packet.map_or(start, |packet| packet.offset.max(0));
        if start <= from {
            return Behind::Nothing;
        }
        // Ends of lines that this segment brought, and those that it has once more.
        let ends = (from..start).filter(|at| self.byte(*at) == b'\n');
        let is_bare = |at: isize| at == 0 || self.byte(at - 1) != b'\r';
        let last = start - 1;
        if is_bare(last) && last > from && self.segment(last) == segment {
            Behind::BareLf
        } else if ends.into_iter().any(is_bare) {
            Behind::Unclear
        } else {
            Behind::Crlf
        }
    }

    /// Segments that begin in the middle of the line at `start`, where it was not text until then.
    fn in_the_middle(&self, start: isize) -> Vec<Line> {
        let begins = |at: &isize| self.segment(*at) != self.segment(at - 1);
        (start + 1..self.end)
            .filter(begins)
            .filter(|at| !is_text(&self.text(start, *at)))
            .map(|at| Line {
                is_in_middle: true,
                behind: Behind::Nothing,
                ..self.line(at, true)
            })
            .filter(|line| !line.is_in_record)
            .collect()
    }
}
