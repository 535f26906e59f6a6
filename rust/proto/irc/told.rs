// SPDX-License-Identifier: GPL-2.0

//! Remembers the ports that NAT changed.

use core::num::NonZeroU16;

/// A port that a client offered, and what the other side was told instead. Both are 0 or none is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
struct Pair {
    offered: u16,
    told: u16,
}

/// The last offers of which NAT changed the port, the last first.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub(super) struct Told {
    pairs: [Pair; 2],
}

impl Told {
    /// None yet.
    pub(super) const fn new() -> Self {
        let none = Pair {
            offered: 0,
            told: 0,
        };
        Self {
            pairs: [none, none],
        }
    }

    /// All of it as one word, which is 0 if there is none.
    pub(super) fn pack(self) -> u64 {
        let [last, older] = self.pairs;
        let ports = [last.offered, last.told, older.offered, older.told];
        ports
            .iter()
            .fold(0, |word, port| (word << 16) | u64::from(*port))
    }

    /// The reverse of [`Self::pack`].
    pub(super) fn unpack(word: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
        let pair = |offered, told| Pair {
            offered: u16::from_be_bytes(offered),
            told: u16::from_be_bytes(told),
        };
        Self {
            pairs: [pair([a, b], [c, d]), pair([e, f], [g, h])],
        }
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        let [last, _] = self.pairs;
        last.offered == 0
    }

    /// Notes that of an offer of port `offered` the other side was told `told`.
    ///
    /// What was told of the same port before, and what the other side knew by the same port, does
    /// not hold any more.
    pub(super) fn tell(&mut self, offered: NonZeroU16, told: NonZeroU16) {
        let [last, older] = self.pairs;
        let new = Pair {
            offered: offered.get(),
            told: told.get(),
        };
        let holds = |pair: Pair| pair.offered != new.offered && pair.told != new.told;
        let mut kept = Self::new().pairs;
        let mut slots = kept.iter_mut();
        if offered != told {
            put(&mut slots, new);
        }
        for pair in [last, older] {
            if pair.offered != 0 && holds(pair) {
                put(&mut slots, pair);
            }
        }
        self.pairs = kept;
    }

    /// Returns what the other side was told instead of `offered`, if it was another.
    pub(super) fn told(&self, offered: NonZeroU16) -> Option<NonZeroU16> {
        let pair = self.pairs.iter().find(|pair| pair.offered == offered.get());
        NonZeroU16::new(pair?.told)
    }

    /// Returns what was offered where the other side was told `told`, if it was another.
    pub(super) fn offered(&self, told: NonZeroU16) -> Option<NonZeroU16> {
        let pair = self.pairs.iter().find(|pair| pair.told == told.get());
        NonZeroU16::new(pair?.offered)
    }
}

fn put<'a>(slots: &mut impl Iterator<Item = &'a mut Pair>, pair: Pair) {
    if let Some(slot) = slots.next() {
        *slot = pair;
    }
}
