// SPDX-License-Identifier: GPL-2.0

//! A conversation as the protocol core sees it: the one place that knows how the core is called.

use std::{
    net::IpAddr,
    num::NonZeroU16, //
};

use conntrack_proto::{
    amanda,
    ftp,
    irc,
    stream::{
        self,
        Header,
        LineSession,
        PartialLine,
        Payload,
        Window,
        WINDOW, //
    },
    tftp,
    Direction,
    Outcome,
    Verdict, //
};

use crate::conversation::{
    index,
    Origin, //
};

/// Whose words these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// FTP.
    Ftp,
    /// IRC, and DCC in it.
    Irc,
    /// TFTP; what it opens is not in the text.
    Tftp,
    /// Amanda over UDP.
    Amanda,
}

impl Protocol {
    /// All of them, by the names of their corpora.
    pub const ALL: [(&str, Self); 4] = [
        ("ftp", Self::Ftp),
        ("irc", Self::Irc),
        ("tftp", Self::Tftp),
        ("amanda", Self::Amanda),
    ];
}

/// What was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In FTP.
    Ftp(ftp::Kind),
    /// In IRC.
    Irc(irc::Kind),
    /// In TFTP.
    Tftp,
    /// In Amanda.
    Amanda(amanda::Stream),
}

/// An announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who announces it.
    pub direction: Direction,
    /// What it is.
    pub kind: Kind,
    /// The address announced, if there is one in it.
    pub address: Option<IpAddr>,
    /// The port announced, 0 for TFTP.
    pub port: u16,
    /// Where it stands: sequence number of its first byte, or the offset in the datagram.
    pub seq: u32,
    /// How many bytes it has.
    pub len: usize,
    /// Whether it has its place in the dialogue.
    pub is_admitted: bool,
    /// Whether it will have it once the server has greeted.
    pub is_early: bool,
}

impl Found {
    fn new(kind: Kind, address: Option<IpAddr>, port: NonZeroU16, seq: u32, len: usize) -> Self {
        Self {
            direction: match kind {
                Kind::Ftp(ftp::Kind::Pasv | ftp::Kind::Epsv)
                | Kind::Irc(irc::Kind::Resume)
                | Kind::Amanda(_) => Direction::Reply,
                _ => Direction::Original,
            },
            kind,
            address,
            port: port.get(),
            seq,
            len,
            is_admitted: true,
            is_early: false,
        }
    }
}

/// What is different about a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How it began.
    pub origin: Origin,
    /// Its packets are not in one piece in memory.
    pub is_in_windows: bool,
}

/// One connection.
pub struct Conversation(State);

enum State {
    Ftp(Stream<ftp::Session>),
    Irc(Stream<irc::Session>),
    Tftp,
    Amanda,
}

impl Conversation {
    /// Returns a new one; [`Self::begin`] must follow if it was seen from its beginning on.
    pub fn new(protocol: Protocol, options: Options) -> Self {
        Self(match protocol {
            Protocol::Ftp => State::Ftp(Stream::new(ftp::Session::new(), options)),
            Protocol::Irc => {
                let stream = Stream::new(irc::Session::new(), options);
                tell_any(&stream.session);
                State::Irc(stream)
            }
            Protocol::Tftp => State::Tftp,
            Protocol::Amanda => State::Amanda,
        })
    }

    /// SYN and SYN-ACK are seen: the client and the server say their first bytes at `seqs`.
    pub fn begin(&mut self, seqs: [u32; 2]) {
        match &mut self.0 {
            State::Ftp(stream) => stream.begin(seqs),
            State::Irc(stream) => {
                stream.begin(seqs);
                tell_any(&stream.session);
            }
            State::Amanda | State::Tftp => {}
        }
    }

    /// Returns all that is found in `bytes`, a segment at `seq` or a datagram.
    ///
    /// # Panics
    ///
    /// If what the core promises does not hold: that a span is inside of the bytes, that there are
    /// not more steps than bytes, and that nothing is dropped.
    pub fn segment(&mut self, direction: Direction, seq: u32, bytes: &[u8]) -> Vec<Found> {
        let mut all = Vec::new();
        match &mut self.0 {
            State::Ftp(stream) => all = stream.segment(direction, seq, bytes),
            State::Irc(stream) => all = stream.segment(direction, seq, bytes),
            State::Amanda if direction == Direction::Reply => {
                let mut reply = amanda::Reply::new();
                while let Some(f) = reply.next(bytes) {
                    assert!(f.span.of(bytes).is_some_and(|text| !text.is_empty()));
                    assert!(all.len() < bytes.len());
                    let seq = seq.wrapping_add(f.span.start() as u32);
                    let kind = Kind::Amanda(f.stream);
                    all.push(Found::new(kind, None, f.port, seq, f.span.len()));
                }
                assert!(reply.offset() <= bytes.len());
            }
            State::Tftp if direction == Direction::Original => {
                all.extend(tftp::request(bytes).ok().map(|()| Found {
                    direction,
                    kind: Kind::Tftp,
                    address: None,
                    port: 0,
                    seq,
                    len: 0,
                    is_admitted: true,
                    is_early: false,
                }));
            }
            // Nobody looks there.
            State::Amanda | State::Tftp => {}
        }
        all
    }

    /// Whether a line was let go that was not whole.
    pub fn has_given_up(&self) -> bool {
        match &self.0 {
            State::Ftp(stream) => stream.has_given_up,
            State::Irc(stream) => stream.has_given_up,
            State::Amanda | State::Tftp => false,
        }
    }

    /// Whether nothing was read any more from some point on, since it was another protocol or encrypted.
    pub fn has_fallen_silent(&self) -> bool {
        match &self.0 {
            State::Ftp(stream) => stream.is_silent,
            State::Irc(stream) => stream.is_silent,
            State::Amanda | State::Tftp => false,
        }
    }

    /// Whether part of a line is kept.
    pub fn is_keeping(&self) -> bool {
        match &self.0 {
            State::Ftp(stream) => stream.session.kept().is_any(),
            State::Irc(stream) => stream.session.kept().is_any(),
            State::Amanda | State::Tftp => false,
        }
    }
}

/// With a port that NAT changed both directions are of interest.
pub(crate) fn tell_any(session: &irc::Session) {
    session.tell(NonZeroU16::MAX, NonZeroU16::MIN);
}

/// Returns what is found in `line`, which is a line, or for Amanda a datagram, of `kind`.
pub fn alone(direction: Direction, kind: Kind, line: &[u8]) -> Option<Found> {
    let protocol = match kind {
        Kind::Ftp(_) => Protocol::Ftp,
        Kind::Irc(_) => Protocol::Irc,
        Kind::Tftp => Protocol::Tftp,
        Kind::Amanda(_) => Protocol::Amanda,
    };
    let options = Options {
        origin: Origin::Injected,
        ..Options::default()
    };
    let found = Conversation::new(protocol, options).segment(direction, 0, line);
    match found.as_slice() {
        [found] => Some(*found),
        _ => None,
    }
}

/// What a protocol that talks in lines has to say for itself.
pub(crate) trait Talk: LineSession {
    /// Describes what is found at `seq`; `early` is what was found before the server greeted.
    fn describe(&self, found: &Self::Found, seq: u32, early: &mut Option<Found>) -> Found;
}

impl Talk for ftp::Session {
    fn describe(&self, f: &ftp::Announcement, seq: u32, early: &mut Option<Found>) -> Found {
        let admitted = self.admit(f, seq);
        if f.kind == ftp::Kind::Deferred {
            assert_eq!(admitted, Ok(()));
            let early = early.expect("what was deferred");
            assert_eq!(early.port, f.port.get());
            return Found {
                is_admitted: true,
                is_early: false,
                ..early
            };
        }
        let found = Found {
            is_admitted: admitted.is_ok(),
            is_early: admitted == Err(ftp::Refusal::Early),
            ..Found::new(Kind::Ftp(f.kind), f.address, f.port, seq, f.span.len())
        };
        if found.is_early {
            self.defer(f.kind, seq, f.port);
            *early = Some(found);
        }
        found
    }
}

impl Talk for irc::Session {
    fn describe(&self, f: &irc::Announcement, seq: u32, _: &mut Option<Found>) -> Found {
        Found {
            // The others open nothing.
            is_admitted: f.may_count || f.kind != irc::Kind::Offer,
            ..Found::new(Kind::Irc(f.kind), f.address, f.port, seq, f.span.len())
        }
    }
}

/// A connection without NAT, as rust/netfilter/stream.rs looks at it.
struct Stream<S> {
    session: S,
    kept: [Option<Box<PartialLine>>; 2],
    /// What the client announced before the server greeted.
    early: Option<Found>,
    has_given_up: bool,
    is_silent: bool,
    options: Options,
}

impl<S: Talk> Stream<S> {
    fn new(session: S, options: Options) -> Self {
        if options.origin == Origin::Injected {
            session.pick_up();
        }
        Self {
            session,
            kept: [None, None],
            early: None,
            has_given_up: false,
            is_silent: false,
            options,
        }
    }

    fn begin(&mut self, [original, reply]: [u32; 2]) {
        self.session.begin(original, reply);
        self.has_given_up = false;
        self.is_silent = false;
    }

    fn segment(&mut self, direction: Direction, seq: u32, bytes: &[u8]) -> Vec<Found> {
        let session = &self.session;
        let mut on = OnSegment {
            session,
            kept: &mut self.kept[index(direction)],
            early: &mut self.early,
            direction,
            bytes,
            has_given_up: &mut self.has_given_up,
            is_in_windows: self.options.is_in_windows,
            all: Vec::new(),
        };
        let verdict = stream::segment(session, direction, At(seq), &mut on);
        assert_eq!(verdict, Verdict::Accept);
        let all = on.all;
        self.is_silent |= session.take_news().is_some();
        all
    }
}

struct OnSegment<'a, S> {
    session: &'a S,
    kept: &'a mut Option<Box<PartialLine>>,
    early: &'a mut Option<Found>,
    direction: Direction,
    bytes: &'a [u8],
    has_given_up: &'a mut bool,
    is_in_windows: bool,
    all: Vec<Found>,
}

/// The header of a segment in the middle of a connection.
#[derive(Clone, Copy)]
pub(crate) struct At(pub(crate) u32);

impl Header for At {
    fn seq(self) -> u32 {
        self.0
    }

    fn ack(self) -> u32 {
        0
    }

    fn is_syn(self) -> bool {
        false
    }
}

/// What a payload of these `bytes` shows from offset `at` on: all if it is `whole`, else so much as is copied
/// to `buffer`.
pub(crate) fn window<'b>(
    whole: Option<&'b [u8]>,
    bytes: &[u8],
    at: usize,
    buffer: &'b mut [u8],
) -> Window<'b> {
    if let Some(whole) = whole {
        return Window {
            bytes: &whole[at..],
            is_last: true,
        };
    }
    let rest = &bytes[at..];
    let len = rest.len().min(WINDOW);
    buffer[..len].copy_from_slice(&rest[..len]);
    Window {
        bytes: &buffer[..len],
        is_last: len == rest.len(),
    }
}

impl<S: Talk> Payload<S> for OnSegment<'_, S> {
    type Line = Box<PartialLine>;

    fn whole(&self) -> Option<&[u8]> {
        (!self.is_in_windows).then_some(self.bytes)
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn is_answer(&self) -> bool {
        false
    }

    fn adjust(&mut self, _: u32, _: i32) {
        unreachable!("nothing is rewritten");
    }

    fn window<'b>(&'b self, at: usize, buffer: &'b mut [u8]) -> Window<'b> {
        window(self.whole(), self.bytes, at, buffer)
    }

    fn found(&mut self, found: &S::Found, at: usize, seq: u32) -> Outcome {
        let found = self.session.describe(found, seq, self.early);
        // What comes later than it was said is in another stream.
        if found.direction != self.direction {
            self.all.push(found);
            return Outcome::Unchanged;
        }
        let len = found.len;
        assert!(len > 0);
        // What is not whole in this segment has no place in it.
        if let Some(text) = self.bytes.get(at..).and_then(|rest| rest.get(..len)) {
            assert!(!text.contains(&b'\n'), "{}", text.escape_ascii());
        }
        // Those that a kept line begins with are at most as many as it has bytes.
        assert!(self.all.len() < self.bytes.len() + WINDOW);
        self.all.push(found);
        Outcome::Unchanged
    }

    fn is_rewritten(&self) -> bool {
        false
    }

    fn take(&mut self) -> Option<Self::Line> {
        let was_kept = self.session.kept().take(self.direction);
        self.kept.take().filter(|_| was_kept)
    }

    fn has_lost(&self) -> bool {
        false
    }

    fn line(&mut self, line: PartialLine) -> Option<Self::Line> {
        Some(Box::new(line))
    }

    fn keep(&mut self, line: Self::Line) -> bool {
        self.session.kept().put(self.direction);
        *self.kept = Some(line);
        true
    }

    fn give_up(&mut self) {
        *self.has_given_up = true;
    }

    fn most(&self) -> usize {
        usize::MAX
    }

    fn stop(&mut self) {}
}
