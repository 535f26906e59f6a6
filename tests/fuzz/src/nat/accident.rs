// SPDX-License-Identifier: GPL-2.0

//! What happens to packets, and to the NAT.

/// Behind the bytes that choose accidents, and before the session.
pub const SCHEDULE: u8 = 0xf6;

/// What is left to happen: a byte for each decision. Behind the last nothing more happens.
#[derive(Clone, Debug)]
pub struct Accidents<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It is lost before the NAT.
    LostBefore,
    /// It is lost behind the NAT.
    LostBehind,
    /// It comes to the NAT after so many others.
    IsLate(u8),
    /// It comes to the NAT twice.
    ComesTwice,
}

/// What else happens before a packet comes to the NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The line that is kept gives way to another one.
    LineIsLost,
    /// There is no room for a line.
    StoreIsFull,
    /// There is no memory for a line.
    NoMemoryForLine,
    /// There is no memory to rewrite a packet.
    NoMemoryForPacket,
    /// Others take ports, and give them back.
    PortsChange(u8),
}

/// What a sender sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// All its segments as they were.
    All,
    /// All of it as one segment.
    Joined,
    /// The first segment only: it waits for that to be acknowledged.
    First,
    /// The first two segments as one.
    FirstTwo,
    /// All of it in pieces of so many bytes.
    Cut(u8),
    /// The segments that the receiver does not have.
    Missing,
}

impl<'a> Accidents<'a> {
    /// Reads the accidents at the beginning of `data`, and returns what follows.
    pub fn read(data: &'a [u8]) -> (Self, &'a [u8]) {
        let end = data.iter().position(|byte| *byte == SCHEDULE);
        let (bytes, rest) = match end {
            Some(end) => (&data[..end], &data[end + 1..]),
            None => (&data[..0], data),
        };
        let bytes = bytes.iter();
        (Self { bytes }, rest)
    }

    /// Whether nothing more happens.
    pub fn is_over(&self) -> bool {
        self.bytes.len() == 0
    }

    /// The next decision, 0 if nothing is to happen.
    pub fn choose(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    /// What becomes of the next packet.
    pub fn fate(&mut self) -> Fate {
        match self.choose() % 16 {
            1..=3 => Fate::LostBefore,
            4..=6 => Fate::LostBehind,
            at @ 7..=9 => Fate::IsLate(at - 6),
            10 | 11 => Fate::ComesTwice,
            _ => Fate::Arrives,
        }
    }

    /// What else happens before it comes.
    pub fn trouble(&mut self) -> Trouble {
        match self.choose() % 32 {
            1 => Trouble::LineIsLost,
            2 => Trouble::StoreIsFull,
            3 => Trouble::NoMemoryForLine,
            4 => Trouble::NoMemoryForPacket,
            at @ 5..=9 => Trouble::PortsChange(at - 4),
            _ => Trouble::None,
        }
    }

    /// What is sent again.
    pub fn resend(&mut self) -> Resend {
        match self.choose() % 16 {
            1..=3 => Resend::Joined,
            4 | 5 => Resend::First,
            6 | 7 => Resend::FirstTwo,
            at @ 8..=11 => Resend::Cut([1, 3, 7, 20][usize::from(at) - 8]),
            12 | 13 => Resend::Missing,
            _ => Resend::All,
        }
    }
}
