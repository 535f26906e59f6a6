// SPDX-License-Identifier: GPL-2.0

//! Two machines that talk through a NAT, and the network between.

use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed};

use conntrack_proto::{
    ftp,
    irc,
    stream::LineSession,
    Direction, //
};

use super::{
    accident::{
        Accidents,
        Fate,
        Resend,
        Trouble, //
    },
    firewall::{
        Firewall,
        How, //
    },
    half::{
        Half,
        Nat,
        Ports,
        Wrong, //
    },
    limit::{
        Limit,
        Told, //
    },
    link::{
        Link,
        Replaced, //
    },
    properties, SHOWS,
};
use crate::{
    conversation::{
        self,
        index,
        Conversation,
        Origin, //
    },
    phrases,
    properties::Place,
    session::{
        Found,
        Protocol, //
    },
};

/// A gap of so many bytes is not waited for.
const GAP: isize = 512;

/// So often is something sent again, when nothing is lost any more, before some of it must have arrived.
const PATIENCE: usize = 8;

/// Checks the sessions in `data`.
pub(super) fn check(protocol: Protocol, data: &[u8], mut accidents: Accidents<'_>, wrong: Wrong) {
    let expanded = phrases::expand(protocol, data);
    let connections = conversation::read(expanded.as_deref().unwrap_or(data));
    let origin = connections.first().map_or(Origin::Begun, |one| one.origin);
    let (how, others) = (accidents.choose(), accidents.choose());
    let nat = |most| Nat {
        ports: Ports::new(most, others % 8),
        outside: Nat::outside(how),
        wrong,
        port: 0,
    };
    let is = How {
        is_in_windows: how & 4 != 0,
        forgets: how & 8 != 0 && others % 4 == 0,
    };
    if protocol == Protocol::Ftp {
        let session = ftp::Session::new();
        if origin == Origin::Injected {
            session.pick_up();
        }
        let mut firewall = Firewall::new(session, nat(1), is);
        talk(protocol, &connections, &mut firewall, accidents, how);
    } else {
        let session = irc::Session::new();
        if origin == Origin::Injected {
            session.pick_up();
        }
        let mut firewall = Firewall::new(session, nat(8), is);
        talk(protocol, &connections, &mut firewall, accidents, how);
    }
}

fn talk<S: Half>(
    protocol: Protocol,
    connections: &[Conversation],
    firewall: &mut Firewall<S>,
    mut accidents: Accidents<'_>,
    how: u8,
) {
    for connection in connections {
        if connection.origin == Origin::Begun {
            firewall
                .session
                .begin(connection.seqs[0], connection.seqs[1]);
        }
        let mut network = Network::new(protocol, connection, firewall, accidents, how);
        network.run();
        properties::check(protocol, &network);
        if network.limit.is_some() {
            return;
        }
        accidents = network.accidents;
    }
}

/// A packet on its way, by the places where it begins and ends.
#[derive(Clone, Copy)]
struct Late {
    direction: Direction,
    from: isize,
    to: isize,
    /// It comes after so many others.
    after: u8,
}

/// A connection, and all that is known of it from outside.
pub(super) struct Network<'a, 'b, S> {
    pub(super) said: &'a Conversation,
    pub(super) firewall: &'a mut Firewall<S>,
    accidents: Accidents<'b>,
    /// How the senders send again, when nothing more happens.
    how: u8,
    /// What the firewall has seen, and let pass.
    pub(super) seen: Conversation,
    /// What was found in that.
    pub(super) found: Vec<Place>,
    /// Where those of the client were that it said before the server greeted.
    pub(super) early: BTreeSet<usize>,
    pub(super) links: [Link; 2],
    /// What each side has sent: where its segments began.
    cuts: [Vec<isize>; 2],
    /// How far each side has sent.
    sent: [isize; 2],
    /// What each side knows to have arrived.
    acknowledged: [isize; 2],
    late: Vec<Late>,
    /// Somebody spoke before he had heard all.
    pub(super) has_no_order: bool,
    /// What was found, and the ports that were told, the last first.
    pub(super) told: Vec<Told>,
    /// Where the last lines ended that came.
    pub(super) ends: [isize; 2],
    /// How far all was that came.
    pub(super) furthest: [isize; 2],
    /// A line was not kept, or let go, so it is not known what has passed.
    pub(super) has_lost_lines: [bool; 2],
    /// Which bytes have passed.
    pub(super) passed: [Vec<bool>; 2],
    /// More was missing once before a segment than is waited for.
    pub(super) has_gap: [bool; 2],
    /// Where the first segment began that was heard, if nobody knew where that would be.
    pub(super) heard: [Option<isize>; 2],
    /// Whether nobody knows where the next one begins that is.
    is_unknown: [bool; 2],
    /// Something has come before what is before it.
    pub(super) has_overtaking: bool,
    /// See [`Limit::Memory`].
    pub(super) had_no_memory: bool,
    /// Nothing is read any more.
    pub(super) is_silent: bool,
    pub(super) protocol: Protocol,
    /// Something came that the NAT cannot remember.
    pub(super) limit: Option<Limit>,
}

impl<'a, 'b, S: Half> Network<'a, 'b, S> {
    fn new(
        protocol: Protocol,
        said: &'a Conversation,
        firewall: &'a mut Firewall<S>,
        accidents: Accidents<'b>,
        how: u8,
    ) -> Self {
        let forgets = firewall.how.forgets;
        firewall.given_up = 0;
        firewall.has_stopped = false;
        firewall.had_trouble = false;
        Self {
            seen: Conversation {
                seqs: said.seqs,
                origin: said.origin,
                ..Conversation::default()
            },
            said,
            firewall,
            accidents,
            how,
            found: Vec::new(),
            early: BTreeSet::new(),
            links: [Link::default(), Link::default()],
            cuts: [Vec::new(), Vec::new()],
            sent: [0; 2],
            acknowledged: [0; 2],
            late: Vec::new(),
            has_no_order: false,
            told: Vec::new(),
            ends: [0; 2],
            furthest: [0; 2],
            has_lost_lines: [forgets; 2],
            passed: said
                .streams
                .each_ref()
                .map(|stream| vec![false; stream.len()]),
            has_gap: [false; 2],
            heard: [None; 2],
            is_unknown: [said.origin != Origin::Begun; 2],
            has_overtaking: false,
            had_no_memory: false,
            is_silent: false,
            protocol,
            limit: None,
        }
    }

    fn run(&mut self) {
        let said = self.said;
        let mut speaker = None;
        for packet in &said.packets {
            if speaker.is_some_and(|speaker| speaker != packet.direction) {
                // Most wait for what the other side has to say.
                if self.accidents.choose() % 8 == 1 {
                    self.has_no_order = true;
                } else {
                    self.finish(packet.direction.opposite());
                }
            }
            speaker = Some(packet.direction);
            let side = index(packet.direction);
            // Nobody sends again what he knows to have arrived.
            let from = packet.offset.max(self.acknowledged[side]);
            if from >= packet.end() {
                continue;
            }
            self.cuts[side].push(from);
            self.sent[side] = self.sent[side].max(packet.end());
            self.send(packet.direction, from, packet.end());
            self.acknowledge(side);
        }
        for direction in [Direction::Original, Direction::Reply] {
            self.finish(direction);
        }
        for late in std::mem::take(&mut self.late) {
            self.arrive(late.direction, late.from, late.to, false);
        }
    }

    /// What `direction` has said arrives, after as many attempts as it takes.
    fn finish(&mut self, direction: Direction) {
        let side = index(direction);
        let mut attempts = 0;
        loop {
            self.acknowledge(side);
            if self.limit.is_some() {
                return;
            }
            let (from, end) = (self.acknowledged[side], self.sent[side]);
            if from >= end {
                return;
            }
            if self.accidents.is_over() {
                attempts += 1;
                assert!(
                    attempts <= PATIENCE,
                    "stalls at {from} of {end}, {direction:?}, {:?}",
                    self.seen
                );
            }
            self.resend(direction, from, end);
            self.acknowledge(side);
            if self.acknowledged[side] > from {
                attempts = 0;
            }
        }
    }

    fn acknowledge(&mut self, side: usize) {
        if self.accidents.choose() % 8 == 1 {
            // It is lost.
            return;
        }
        let from = self.acknowledged[side];
        self.acknowledged[side] = self.links[side].acknowledged(from, self.sent[side]);
    }

    /// Sends again what is there between `from` and `end`.
    fn resend(&mut self, direction: Direction, from: isize, end: isize) {
        let side = index(direction);
        let mut cuts: Vec<isize> = self.cuts[side].clone();
        cuts.retain(|cut| (from + 1..end).contains(cut));
        cuts.extend([from, end]);
        cuts.sort_unstable();
        cuts.dedup();
        let resend = if self.accidents.is_over() {
            let last = [
                Resend::All,
                Resend::Joined,
                Resend::First,
                Resend::Missing,
                Resend::FirstTwo,
            ];
            *last.get(usize::from(self.how / 16)).unwrap_or(&Resend::All)
        } else {
            self.accidents.resend()
        };
        match resend {
            Resend::All => {}
            Resend::Joined => cuts = vec![from, end],
            Resend::First => cuts.truncate(2),
            Resend::FirstTwo => {
                cuts.truncate(3);
                if cuts.len() == 3 {
                    cuts.remove(1);
                }
            }
            Resend::Cut(by) => {
                let by = usize::from(by);
                cuts = (from..end).step_by(by).collect();
                cuts.push(end);
            }
            Resend::Missing => {}
        }
        for cut in cuts.windows(2) {
            let [from, to] = [cut[0], cut[1]];
            if resend == Resend::Missing && self.links[side].has(from, to) {
                continue;
            }
            self.send(direction, from, to);
        }
    }

    /// Somebody sends a segment.
    fn send(&mut self, direction: Direction, from: isize, to: isize) {
        match self.accidents.fate() {
            Fate::Arrives => self.arrive(direction, from, to, false),
            Fate::LostBefore => {}
            Fate::LostBehind => self.arrive(direction, from, to, true),
            Fate::ComesTwice => {
                self.arrive(direction, from, to, false);
                self.arrive(direction, from, to, false);
            }
            Fate::IsLate(after) => self.late.push(Late {
                direction,
                from,
                to,
                after,
            }),
        }
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for mut late in std::mem::take(&mut self.late) {
            late.after = late.after.saturating_sub(1);
            if late.after == 0 {
                now.push(late);
            } else {
                later.push(late);
            }
        }
        self.late = later;
        for late in now {
            self.arrive(late.direction, late.from, late.to, false);
        }
    }

    /// A segment arrives at the firewall, and if that lets it pass, at the other side, unless it `is_lost`.
    fn arrive(&mut self, direction: Direction, from: isize, to: isize, is_lost: bool) {
        if self.limit.is_some() {
            return;
        }
        let trouble = self.accidents.trouble();
        if let Trouble::PortsChange(others) = trouble {
            self.firewall.nat.ports.change(others);
        }
        self.limit = self.limit(direction, from, to);
        if self.limit.is_some() {
            return;
        }
        let side = index(direction);
        let stream = &self.said.streams[side];
        // Keep-alives begin before the first byte.
        let bytes: Vec<u8> = (from..to)
            .map(|at| usize::try_from(at).map_or(0, |at| stream[at]))
            .collect();
        let first = self.said.seqs[side];
        let seq = first.wrapping_add(from as u32);
        self.has_lost_lines[side] |= matches!(
            trouble,
            Trouble::LineIsLost | Trouble::StoreIsFull | Trouble::NoMemoryForLine
        );
        if self.firewall.session.ignores(direction) {
            self.is_unknown[side] = true;
        } else if std::mem::take(&mut self.is_unknown[side]) {
            self.heard[side] = Some(from);
        }
        self.has_gap[side] |= from - self.furthest[side] >= GAP;
        self.has_overtaking |= self.furthest[side] < from;
        let given_up = self.firewall.given_up;
        let passed = self.firewall.pass(direction, seq, &bytes, trouble);
        self.has_lost_lines[side] |= self.firewall.given_up > given_up;
        if SHOWS.load(Relaxed) {
            let shown = |bytes: &Vec<u8>| bytes.escape_ascii().to_string();
            let out = passed.bytes.as_ref().map(shown);
            println!(
                "{direction:?} {from}: {}{} {trouble:?}\n  -> {out:?} {:?}",
                shown(&bytes),
                if is_lost { " LOST BEHIND" } else { "" },
                passed.told
            );
            for found in &passed.found {
                println!("     {found:?}");
            }
        }
        let Some(out) = passed.bytes else {
            let has_reply = |bytes: &[u8]| {
                bytes
                    .windows(4)
                    .any(|four| b"227-229-".chunks(4).any(|begin| begin == four))
            };
            self.had_no_memory |= trouble == Trouble::NoMemoryForPacket && has_reply(&bytes);
            self.believe(&passed.found);
            return;
        };
        self.seen.say_at(direction, from, &bytes);
        self.believe(&passed.found);
        let at = |seq: u32| seq.wrapping_sub(first) as i32 as isize;
        for told in &mut self.told {
            let is_inside = told.from < from && from < told.to;
            told.is_cut |= told.what.direction == direction && is_inside;
        }
        let mut replaced = Vec::new();
        for what in passed.found {
            let mut all = passed.replaced.iter();
            let new = all.find(|new| new.0.seq == what.seq);
            if let Some((_, text, _)) = new {
                replaced.push(Replaced {
                    at: at(what.seq),
                    len: what.len,
                    text: text.clone(),
                });
            }
            let is_it = |told: &Told| (told.what.direction, told.what.seq) == (direction, what.seq);
            let mut known = self.told.iter().filter(|told| is_it(told));
            let is_longer = known.any(|told| told.is_longer || told.to < to);
            self.told.retain(|told| !is_it(told));
            let port = new.map(|new| new.2);
            self.told.insert(
                0,
                Told {
                    what,
                    port,
                    from,
                    to,
                    is_cut: false,
                    is_longer,
                },
            );
        }
        if let Some(overtaken) = self.overtaken(side, &replaced) {
            self.limit = self.late(side, from, overtaken);
            assert!(
                self.limit.is_some(),
                "{overtaken:?} was overtaken, {:?}",
                self.seen
            );
            return;
        }
        if bytes.ends_with(b"\n") {
            self.ends[side] = self.ends[side].max(to);
        }
        self.furthest[side] = self.furthest[side].max(to);
        self.passed[side][from.max(0) as usize..to as usize].fill(true);
        self.is_silent |= self.firewall.session.is_silent_now();
        let told = passed.told.map(|(seq, by)| (at(seq), by as isize));
        if !replaced.is_empty() || told.is_some() {
            self.links[side].replace(from, replaced, told);
        }
        if !self.links[side].is_remembered(from) {
            self.limit = Some(Limit::Correction);
            return;
        }
        if !is_lost {
            self.links[side].receive(from, &out);
        }
    }

    /// Which of what was replaced now had been overtaken.
    fn overtaken<'r>(&self, side: usize, replaced: &'r [Replaced]) -> Option<&'r Replaced> {
        replaced.iter().find(|new| {
            let is_known = self.links[side].replaced.contains(new);
            !is_known && self.furthest[side] > new.at
        })
    }

    fn believe(&mut self, found: &[Found]) {
        for found in found {
            let place = Place::at(self.said.seqs, found);
            if found.is_early {
                self.early.insert(place.expected.start);
            }
            self.found.push(place);
        }
    }
}
