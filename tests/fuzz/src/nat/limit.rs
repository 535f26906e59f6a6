// SPDX-License-Identifier: GPL-2.0

//! What a NAT cannot remember: the limits that README.md has. A session that is beyond one ends there.

use conntrack_proto::Direction;

use super::{
    half::{
        Half,
        Remembered, //
    },
    link::Replaced,
    network::Network,
};
use crate::{
    conversation::index,
    session::{
        Found,
        Protocol, //
    },
};

/// An announcement of which some port was told, or not.
pub(super) struct Told {
    pub(super) what: Found,
    /// Which; [`None`] if it was left as it is.
    pub(super) port: Option<u16>,
    /// The segment with it.
    pub(super) from: isize,
    pub(super) to: isize,
    /// Part of that has come again.
    pub(super) is_cut: bool,
    /// It has come again with more behind it.
    pub(super) is_longer: bool,
}

/// See README.md for what these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The kernel remembers one place where lengths were changed.
    Correction,
    /// What was rewritten is sent again in other pieces.
    Pieces,
    /// What was told is not remembered any more.
    Told,
    /// IRC: what is sent again has a bare newline before it in the same segment now.
    Newline,
    /// A segment is sent again that is not the last with the end of a line, or begins elsewhere.
    Start,
    /// So much was missing that nobody waits for it.
    Gap,
    /// A line had to give way while it was held back, or was let go since its sender waited, and comes again.
    Lost,
    /// Nothing is read any more since something behind what was rewritten was another protocol, or encrypted.
    Silent,
    /// The first segment that was heard was overtaken: of a session that had begun before, or of IRC's server, who
    /// is heard only when a port has been replaced.
    Beginning,
    /// There was no memory to rewrite the first line of a reply, so it has begun twice.
    Memory,
    /// IRC: what could not be rewritten before can be when it is sent again.
    Left,
}

impl<S: Half> Network<'_, '_, S> {
    /// Which limit a segment is beyond.
    pub(super) fn limit(&self, direction: Direction, from: isize, to: isize) -> Option<Limit> {
        let side = index(direction);
        if !self.links[side].is_remembered(from) {
            return Some(Limit::Correction);
        }
        if self.had_no_memory {
            return Some(Limit::Memory);
        }
        for (i, told) in self.told.iter().enumerate() {
            let Some(port) = told.port else {
                continue;
            };
            let (first, end) = self.place(&told.what);
            if told.what.direction != direction || to <= first || end <= from {
                continue;
            }
            let (line, line_end) = self.line(direction, first);
            if self.is_silent {
                return Some(Limit::Silent);
            }
            if line < from && from < end || first < to && to < line_end {
                return Some(Limit::Pieces);
            }
            let bytes = &self.said.streams[side];
            let is_behind_bare_newline = line < 2 || bytes[line as usize - 2] != b'\r';
            if self.protocol == Protocol::Irc && from < line && is_behind_bare_newline {
                return Some(Limit::Newline);
            }
            if told.is_cut {
                return Some(Limit::Pieces);
            }
            let is_same = told.from == from && self.ends[side] <= told.to;
            if from == line && (!is_same || told.is_longer) {
                return Some(Limit::Start);
            }
            let remembered = Remembered {
                what: &told.what,
                port,
                newer: &self.told[..i],
            };
            let session = &self.firewall.session;
            if !session.is_remembered(&self.firewall.nat, &remembered) {
                return Some(Limit::Told);
            }
        }
        None
    }

    /// Beyond which limit it is that something was replaced, in a segment at `from`, though what is behind it
    /// had passed; [`None`] if that must not be.
    pub(super) fn late(&self, side: usize, from: isize, replaced: &Replaced) -> Option<Limit> {
        let passed = &self.passed[side][replaced.at as usize..][..replaced.len];
        if self.protocol == Protocol::Irc && passed.iter().all(|passed| *passed) {
            Some(Limit::Left)
        } else if self.heard[side].is_some_and(|first| from < first) {
            Some(Limit::Beginning)
        } else if self.has_gap[side] {
            Some(Limit::Gap)
        } else {
            self.has_lost_lines[side].then_some(Limit::Lost)
        }
    }

    /// Where an announcement begins and ends.
    fn place(&self, found: &Found) -> (isize, isize) {
        let seq = self.said.seqs[index(found.direction)];
        let first = found.seq.wrapping_sub(seq) as i32 as isize;
        (first, first + found.len as isize)
    }

    /// Where the line around `at` begins and ends.
    fn line(&self, direction: Direction, at: isize) -> (isize, isize) {
        let stream = &self.said.streams[index(direction)];
        let (before, behind) = stream.split_at(at as usize);
        let start = before.iter().rposition(|byte| *byte == b'\n');
        let end = behind.iter().position(|byte| *byte == b'\n');
        (
            start.map_or(0, |start| start as isize + 1),
            end.map_or(stream.len() as isize, |end| at + end as isize + 1),
        )
    }
}
