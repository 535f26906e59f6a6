// SPDX-License-Identifier: GPL-2.0

//! Which announcements of a connection must be believed and which must not, told from its lines in
//! the order in which they were said.
//!
//! Where the RFCs and our rules leave open how a line is to be understood, all ways are followed
//! from there on. What all of them agree on is the answer.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use conntrack_proto::Direction;

use super::stream::Line;
use crate::conversation::index;

/// Whether an announcement must be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It must be.
    Yes,
    /// It must not be.
    No,
    /// Both is right.
    Either,
}

impl Verdict {
    /// This verdict, or the other one.
    pub fn or(self, other: Self) -> Self {
        if self == other {
            self
        } else {
            Self::Either
        }
    }
}

/// One way to understand what was said, up to here.
pub trait World: Clone + Ord {
    /// Hears a line, and returns all ways to understand it.
    fn hear(&self, line: &Line) -> Vec<Next<Self>>;

    /// Whether the beginning of a line that is not whole may be understood already.
    fn is_decided(line: &Line) -> bool;

    /// Hears the end of a line of which the beginning was understood before.
    fn finish(&self, line: &Line) -> Self;

    /// What was said too early, and is still not believed.
    fn waiting(&self) -> &[Place];
}

/// A line by its direction and where it begins.
pub type Place = (usize, usize);

fn place(line: &Line) -> Place {
    (index(line.direction), line.start)
}

/// A world that follows.
#[derive(Clone, Debug)]
pub struct Next<W> {
    /// It.
    pub world: W,
    /// What is said of an announcement in the line; [`None`] if that is to wait.
    pub own: Option<Verdict>,
    /// What is said of those that were waiting.
    pub others: Vec<(Place, Verdict)>,
}

impl<W> Next<W> {
    /// A world in which there is nothing to say of others.
    pub fn new(world: W, own: Verdict) -> Self {
        Self {
            world,
            own: Some(own),
            others: Vec::new(),
        }
    }
}

/// More worlds than this are too many to say anything.
const WORLDS: usize = 4000;

/// What is said of each line, by direction and where it begins.
#[derive(Debug, Default)]
pub struct Verdicts {
    all: BTreeMap<Place, Verdict>,
    /// Nothing can be said of the others.
    is_lost: bool,
}

impl Verdicts {
    /// Returns what is said of an announcement in the line of `direction` that begins at `start`.
    pub fn of(&self, direction: Direction, start: usize) -> Verdict {
        let known = self.all.get(&(index(direction), start)).copied();
        match known {
            Some(verdict) if !self.is_lost => verdict,
            // What must not be believed there has been judged already.
            Some(Verdict::No) => Verdict::No,
            None if !self.is_lost => Verdict::No,
            _ => Verdict::Either,
        }
    }

    fn say(&mut self, place: Place, verdict: Verdict) {
        let said = self.all.entry(place).or_insert(verdict);
        *said = said.or(verdict);
    }
}

/// What is known in a world of a line that is not whole yet: whether it was understood already, and
/// if so, what was said of it.
type Early = Option<Option<Verdict>>;

/// Hears `lines` in all of `worlds`.
pub fn judge<W: World>(worlds: &[W], lines: &[Line]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let mut worlds: BTreeSet<(W, [Early; 2])> = worlds
        .iter()
        .map(|world| (world.clone(), [None, None]))
        .collect();
    for line in lines {
        let side = index(line.direction);
        let mut after = BTreeSet::new();
        for (world, mut early) in worlds {
            if line.is_in_middle {
                for next in world.hear(line) {
                    verdicts.hear(line, &next);
                    after.insert((next.world, early));
                }
            } else if !line.is_whole {
                if early[side].is_none() && W::is_decided(line) {
                    for next in world.hear(line) {
                        verdicts.hear_others(&next);
                        let mut early = early;
                        early[side] = Some(next.own);
                        after.insert((next.world, early));
                    }
                }
                after.insert((world, early));
            } else if let Some(own) = early[side].take() {
                if let Some(own) = own {
                    verdicts.say(place(line), own);
                }
                after.insert((world.finish(line), early));
            } else {
                for next in world.hear(line) {
                    verdicts.hear(line, &next);
                    after.insert((next.world, early));
                }
            }
        }
        worlds = after;
        if worlds.len() > WORLDS {
            verdicts.is_lost = true;
            return verdicts;
        }
    }
    for (world, _) in &worlds {
        for place in world.waiting() {
            verdicts.say(*place, Verdict::No);
        }
    }
    verdicts.unfinished(&worlds, lines);
    verdicts
}

impl Verdicts {
    fn hear<W>(&mut self, line: &Line, next: &Next<W>) {
        if let Some(own) = next.own {
            self.say(place(line), own);
        }
        self.hear_others(next);
    }

    fn hear_others<W>(&mut self, next: &Next<W>) {
        for (place, verdict) in &next.others {
            self.say(*place, *verdict);
        }
    }

    /// A line that never ends may be waited for.
    fn unfinished<W: World>(&mut self, worlds: &BTreeSet<(W, [Early; 2])>, lines: &[Line]) {
        for side in 0..2 {
            let last = lines.iter().rfind(|line| index(line.direction) == side);
            let Some(line) = last.filter(|line| !line.is_whole) else {
                continue;
            };
            self.say(place(line), Verdict::No);
            for (world, early) in worlds {
                let said = match early[side] {
                    Some(own) => vec![own],
                    None => world.hear(line).iter().map(|next| next.own).collect(),
                };
                for own in said.into_iter().flatten() {
                    self.say(place(line), own);
                }
            }
        }
    }
}
