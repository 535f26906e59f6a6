// SPDX-License-Identifier: GPL-2.0

//! One direction of a connection on its way through the NAT: what is where in the sender's and in the receiver's
//! sequence space, and what the receiver has of it.
//!
//! Places are counted from the direction's first byte.

/// An announcement that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Where it began, as its sender counts.
    pub at: isize,
    /// How long it was.
    pub len: usize,
    /// What the receiver is told.
    pub text: Vec<u8>,
}

impl Replaced {
    pub fn growth(&self) -> isize {
        self.text.len() as isize - self.len as isize
    }

    fn end(&self) -> isize {
        self.at + self.len as isize
    }
}

/// What conntrack keeps to correct sequence numbers: `struct nf_ct_seqadj`.
#[derive(Clone, Copy, Debug, Default)]
struct Correction {
    at: isize,
    before: isize,
    after: isize,
}

impl Correction {
    /// As `nf_ct_seqadj_set`.
    fn set(&mut self, at: isize, growth: isize) {
        if self.before == self.after || self.at < at {
            self.at = at;
            self.before = self.after;
            self.after += growth;
        }
    }

    /// As `nf_ct_seq_adjust`.
    fn of(&self, at: isize) -> isize {
        if at > self.at {
            self.after
        } else {
            self.before
        }
    }
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// What was replaced, in order.
    pub replaced: Vec<Replaced>,
    /// What the receiver has, by its place there.
    received: Vec<Option<u8>>,
    correction: Correction,
    /// What had to be corrected, by packets: where the first and the last replacement were that changed the
    /// length.
    corrected: Vec<(isize, isize)>,
}

impl Link {
    /// The place of `at` in the receiver's sequence space.
    pub fn place(&self, at: isize) -> isize {
        let before = self.replaced.iter().filter(|replaced| replaced.at < at);
        at + before.map(Replaced::growth).sum::<isize>()
    }

    /// Whether something was replaced around `at`.
    fn is_inside(&self, at: isize) -> bool {
        let mut all = self.replaced.iter();
        all.any(|replaced| replaced.at < at && at < replaced.end())
    }

    /// Notes what was replaced in a packet at `at`, and that the kernel was told of a growth, and behind which
    /// place.
    ///
    /// # Panics
    ///
    /// If the same was replaced by something else before, or the kernel would place packets wrongly.
    pub fn replace(&mut self, at: isize, all: Vec<Replaced>, told: Option<(isize, isize)>) {
        let mut corrected: Option<(isize, isize)> = None;
        for new in all {
            if let Some(known) = self.replaced.iter().find(|known| known.at == new.at) {
                assert_eq!(known, &new, "it is told otherwise");
                continue;
            }
            if new.growth() != 0 {
                corrected = Some((corrected.map_or(new.at, |all| all.0), new.at));
            }
            self.replaced.push(new);
        }
        self.replaced.sort_by_key(|replaced| replaced.at);
        self.corrected.extend(corrected);
        if let Some((changed, growth)) = told.filter(|told| told.1 != 0) {
            self.correction.set(changed, growth);
        }
        if self.is_remembered(at) {
            // Wherever the next packet begins.
            let last = self.replaced.last().map_or(at, Replaced::end).max(at + 1);
            let corrected = last + self.correction.of(last);
            assert_eq!(corrected, self.place(last), "corrected wrongly: {self:?}");
        }
    }

    /// Whether the kernel can place a packet at `at`: it remembers one place where something was corrected.
    pub fn is_remembered(&self, at: isize) -> bool {
        let Some(((first, last), older)) = self.corrected.split_last() else {
            return true;
        };
        let is_inside = *first < at && at <= *last;
        !is_inside && older.iter().all(|older| older.1 < at)
    }

    /// A packet with `bytes` at `at` arrives.
    ///
    /// # Panics
    ///
    /// If it says something else than the receiver has there.
    pub fn receive(&mut self, at: isize, bytes: &[u8]) {
        let place = self.place(at);
        let corrected = at + self.correction.of(at);
        assert_eq!(corrected, place, "placed wrongly: {self:?}");
        let done = self.received.iter().position(Option::is_none);
        let done = done.unwrap_or(self.received.len()) as isize;
        for (place, byte) in (place..).zip(bytes) {
            // It has read that before.
            if place < done {
                continue;
            }
            let place = place as usize;
            if self.received.len() <= place {
                self.received.resize(place + 1, None);
            }
            let known = self.received[place].get_or_insert(*byte);
            assert_eq!(
                known,
                byte,
                "two versions of byte {place}, in {} at {at}, {:?}",
                bytes.escape_ascii(),
                self.replaced
            );
        }
    }

    /// How far the receiver has all, in the sender's sequence space; not beyond `end`.
    pub fn acknowledged(&self, from: isize, end: isize) -> isize {
        let missing = self.received.iter().position(Option::is_none);
        let have = missing.unwrap_or(self.received.len()) as isize;
        let is_there = |at: &isize| !self.is_inside(*at) && self.place(*at) <= have;
        (from..=end).rev().find(is_there).unwrap_or(from)
    }

    /// Whether the receiver has all from `from` to `to`.
    pub fn has(&self, from: isize, to: isize) -> bool {
        let places = self.place(from).max(0)..self.place(to);
        let mut places = places.map(|place| place as usize);
        places.all(|place| self.received.get(place).is_some_and(Option::is_some))
    }

    /// What the receiver has read.
    pub fn read(&self) -> Vec<u8> {
        self.received.iter().map_while(|byte| *byte).collect()
    }

    /// What it should read where `stream` is said.
    pub fn wanted(&self, stream: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut done = 0;
        for replaced in &self.replaced {
            let at = usize::try_from(replaced.at).expect("in the stream");
            all.extend(&stream[done..at]);
            all.extend(&replaced.text);
            done = at + replaced.len;
        }
        all.extend(&stream[done..]);
        all
    }
}
