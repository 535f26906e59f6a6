// SPDX-License-Identifier: GPL-2.0

//! The properties.

pub(crate) mod lines;

use std::time::{
    Duration,
    Instant, //
};

use conntrack_proto::{
    amanda,
    ftp,
    irc,
    Direction,
    Text, //
};

use crate::{
    conversation::{
        self,
        index,
        Conversation,
        Origin,
        Packet, //
    },
    oracle::{
        self,
        Expected, //
    },
    phrases,
    session::{
        self,
        Found,
        Kind,
        Options,
        Protocol, //
    },
};

/// Checks all of them for one conversation.
///
/// # Panics
///
/// If one does not hold.
pub fn check(protocol: Protocol, data: &[u8]) {
    check_with(protocol, data, |_| {});
}

/// Does the same with what the core finds in a packet after `change`, for the control.
///
/// # Panics
///
/// If one does not hold.
pub fn check_with(protocol: Protocol, data: &[u8], change: impl Fn(&mut Vec<Found>)) {
    let expanded = phrases::expand(protocol, data);
    let data = expanded.as_deref().unwrap_or(data);
    let connections = conversation::read(data);
    check_connections(protocol, &connections, change);
    // It is not cheap.
    if data.len() % 64 == 1 {
        for connection in &connections {
            takes_linear_time(protocol, connection);
        }
    }
}

/// Does the same for connections that use the same ports one after the other.
///
/// # Panics
///
/// If one does not hold.
pub fn check_connections(
    protocol: Protocol,
    connections: &[Conversation],
    change: impl Fn(&mut Vec<Found>),
) {
    let options = Options {
        origin: connections
            .first()
            .map_or(Origin::Begun, |first| first.origin),
        is_in_windows: false,
    };
    let mut session = session::Conversation::new(protocol, options);
    let mut in_windows = session::Conversation::new(
        protocol,
        Options {
            is_in_windows: true,
            ..options
        },
    );
    for connection in connections {
        if connection.origin == Origin::Begun {
            session.begin(connection.seqs);
            in_windows.begin(connection.seqs);
        }
        check_one(
            protocol,
            connection,
            (&mut session, &mut in_windows),
            &change,
        );
    }
}

/// Checks one connection.
fn check_one(
    protocol: Protocol,
    conversation: &Conversation,
    (session, in_windows): (&mut session::Conversation, &mut session::Conversation),
    change: impl Fn(&mut Vec<Found>),
) {
    let mut all = Vec::new();
    for packet in &conversation.packets {
        let (direction, seq) = (packet.direction, packet.seq);
        let mut found = session.segment(direction, seq, &packet.bytes);
        // It does not matter how a packet lies in memory.
        assert_eq!(found, in_windows.segment(direction, seq, &packet.bytes));
        change(&mut found);
        for found in &found {
            let place = Place::at(conversation.seqs, found);
            says_the_same_again(found.direction, found, place.text(conversation));
            is_inverse_of_emit(found.direction, found);
            all.push(place);
        }
        if let Some(wanted) = datagram(protocol, packet) {
            let found: Vec<Expected> = found
                .iter()
                .map(|found| in_datagram(found, packet))
                .collect();
            assert_eq!(found, wanted, "in {packet:?}");
        }
    }
    if matches!(protocol, Protocol::Ftp | Protocol::Irc) {
        lines::check(protocol, conversation, &all);
    }
    // There is memory, and nothing to wait for.
    assert!(
        conversation.has_overtaking || !session.has_given_up(),
        "{conversation:?}"
    );
    // Where nothing is looked at any more, a line that was kept before stays.
    let is_heard = !session.has_fallen_silent();
    let is_done = |stream: &Vec<u8>| stream.last().is_none_or(|byte| *byte == b'\n');
    if is_heard && !conversation.has_overtaking && conversation.streams.iter().all(is_done) {
        assert!(!session.is_keeping(), "a line is kept in {conversation:?}");
    }
}

/// An announcement in the stream of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) direction: Direction,
    pub(crate) expected: Expected,
    pub(crate) is_admitted: bool,
}

impl Place {
    /// Where the streams of a connection begin at `seqs`.
    pub(crate) fn at(seqs: [u32; 2], found: &Found) -> Self {
        let seq = seqs[index(found.direction)];
        Self {
            direction: found.direction,
            expected: Expected {
                kind: found.kind,
                address: found.address,
                port: found.port,
                start: found.seq.wrapping_sub(seq) as usize,
                len: found.len,
            },
            is_admitted: found.is_admitted,
        }
    }

    fn text<'a>(&self, conversation: &'a Conversation) -> &'a [u8] {
        let Expected { start, len, .. } = self.expected;
        let text = conversation.streams[index(self.direction)].get(start..start + len);
        text.unwrap_or_else(|| panic!("{self:?} is nowhere"))
    }
}

fn in_datagram(found: &Found, packet: &Packet) -> Expected {
    Expected {
        kind: found.kind,
        address: found.address,
        port: found.port,
        start: found.seq.wrapping_sub(packet.seq) as usize,
        len: found.len,
    }
}

/// What the oracle finds in `packet` if that is a datagram.
fn datagram(protocol: Protocol, packet: &Packet) -> Option<Vec<Expected>> {
    Some(match (protocol, packet.direction) {
        (Protocol::Ftp | Protocol::Irc, _) => return None,
        (Protocol::Tftp, Direction::Original) => {
            oracle::tftp::datagram(&packet.bytes).into_iter().collect()
        }
        (Protocol::Amanda, Direction::Reply) => oracle::amanda::datagram(&packet.bytes),
        (Protocol::Tftp | Protocol::Amanda, _) => Vec::new(),
    })
}

/// The line that announces `text` and nothing else, and what the core finds in it.
fn alone(direction: Direction, kind: Kind, text: &[u8]) -> Option<Found> {
    let (before, after): (&[u8], &[u8]) = match kind {
        Kind::Ftp(ftp::Kind::Port) => (b"PORT ", b"\r\n"),
        Kind::Ftp(ftp::Kind::Eprt) => (b"EPRT ", b"\r\n"),
        Kind::Ftp(ftp::Kind::Pasv) => (b"227 Entering Passive Mode (", b").\r\n"),
        Kind::Ftp(ftp::Kind::Epsv) => (b"229 Entering Extended Passive Mode (", b")\r\n"),
        Kind::Irc(irc::Kind::Offer) => (b"PRIVMSG n :\x01DCC SEND f ", b"\x01\r\n"),
        Kind::Irc(irc::Kind::Accept) => (b"PRIVMSG n :\x01DCC ACCEPT f ", b"\x01\r\n"),
        Kind::Irc(irc::Kind::Resume) => (b":n PRIVMSG n :\x01DCC RESUME f ", b"\x01\r\n"),
        Kind::Amanda(stream) => (
            match stream {
                amanda::Stream::Data => b"Amanda 3.5 REP x\nCONNECT DATA ",
                amanda::Stream::Mesg => b"Amanda 3.5 REP x\nCONNECT MESG ",
                amanda::Stream::Index => b"Amanda 3.5 REP x\nCONNECT INDEX ",
                amanda::Stream::State => b"Amanda 3.5 REP x\nCONNECT STATE ",
                amanda::Stream::Cmd => b"Amanda 3.5 REP x\nCONNECT CMD ",
                amanda::Stream::Ctl => b"Amanda 3.5 REP x\nCONNECT CTL ",
            },
            b"\n",
        ),
        // They have no line of their own.
        Kind::Ftp(ftp::Kind::Deferred) | Kind::Tftp => return None,
    };
    let line = [before, text, after].concat();
    let found = session::alone(direction, kind, &line);
    let found = found.unwrap_or_else(|| panic!("nothing in {}", line.escape_ascii()));
    assert_eq!(found.seq as usize, before.len(), "{}", line.escape_ascii());
    assert_eq!(found.len, text.len(), "{}", line.escape_ascii());
    Some(found)
}

/// The bytes of a span announce the same again.
fn says_the_same_again(direction: Direction, found: &Found, text: &[u8]) {
    if let Some(again) = alone(direction, found.kind, text) {
        assert_eq!(
            (again.kind, again.address, again.port),
            (found.kind, found.address, found.port)
        );
    }
}

/// What is emitted is parsed as what it was emitted for.
fn is_inverse_of_emit(direction: Direction, found: &Found) {
    let mut text = Text::new();
    let Some(port) = found.port.try_into().ok() else {
        return;
    };
    let address = found.address.unwrap_or([192, 0, 2, 1].into());
    let bytes = match found.kind {
        Kind::Ftp(kind) => ftp::emit(kind, address, port, &mut text).expect("it was announced so"),
        Kind::Irc(kind) => irc::emit(kind, address, port, &mut text),
        Kind::Amanda(_) => amanda::emit(port, &mut text),
        Kind::Tftp => return,
    };
    says_the_same_again(direction, found, bytes);
}

/// Time per byte that is never needed, even by a build that counts what it does.
const PER_BYTE: Duration = Duration::from_nanos(500);
/// Length of the packets for which time is measured.
const LONG: usize = 32 * 1024;

/// The time for a packet is limited by its length, and not by the square of it: each packet is
/// repeated until it is long.
fn takes_linear_time(protocol: Protocol, conversation: &Conversation) {
    for packet in &conversation.packets {
        let bytes = packet.bytes.repeat(LONG / packet.bytes.len() + 1);
        let limit = PER_BYTE * bytes.len() as u32;
        // This machine may have been busy with something else.
        let is_in_time = (0..20).any(|_| {
            let mut session = session::Conversation::new(protocol, Options::default());
            let start = Instant::now();
            session.segment(packet.direction, 1, &bytes);
            start.elapsed() < limit
        });
        assert!(is_in_time, "takes too long: {packet:?}, repeated");
    }
}
