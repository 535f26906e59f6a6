// SPDX-License-Identifier: GPL-2.0

//! The commands that wait for a reply which matters.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

use super::super::stream::Count;

/// What a command asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Where to connect to: `PASV`, `EPSV` and others.
    Passive,
    /// To encrypt what follows: `AUTH`, RFC 4217.
    Tls,
    /// That it will use `EPSV` only: `EPSV ALL`, RFC 2428 section 4.
    EpsvAll,
    /// To begin anew: `REIN`.
    Reinitialize,
}

impl Question {
    const fn number(self) -> u8 {
        match self {
            Self::Passive => 1,
            Self::Tls => 2,
            Self::EpsvAll => 3,
            Self::Reinitialize => 4,
        }
    }

    /// The reverse; [`None`] for 0.
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Passive),
            2 => Some(Self::Tls),
            3 => Some(Self::EpsvAll),
            4 => Some(Self::Reinitialize),
            _ => None,
        }
    }
}

/// A queue of up to four questions, a byte each, the oldest in the lowest byte.
///
/// Questions are pushed when the client speaks and popped when the server does, possibly on another CPU,
/// so each change is one atomic step. Each byte has in its lower five bits the number of the client's line,
/// and above that the question's; 0 stands for none.
pub(super) struct Pending(AtomicU32);

const QUESTION_SHIFT: u32 = 5;

impl Pending {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Adds a question. One more than there is room for is not remembered: its reply will not count.
    ///
    /// A line that comes again, since the segment with it was dropped, is there already.
    pub(super) fn push(&self, question: Question, number: Count) {
        let byte = number.get() | question.number().wrapping_shl(QUESTION_SHIFT);
        self.update(|questions| {
            let place = questions.iter_mut().find(|at| **at == byte || **at == 0);
            if let Some(place) = place {
                *place = byte;
            }
        });
    }

    /// Takes out the oldest question if reply number `reply` answers it, or should have been preceded by
    /// its answer.
    pub(super) fn pop_answered(&self, reply: Count) -> Option<Question> {
        let mut popped = None;
        self.update(|questions| {
            let (question, number) = unpack(questions.first().copied().unwrap_or(0));
            popped = question.filter(|_| number.ahead_of(reply) <= 0);
            if popped.is_some() {
                pop(questions);
            }
        });
        popped
    }

    /// Takes out the oldest question for a passive port, and whatever is before it, and returns the number
    /// of its line.
    ///
    /// Some servers leave commands without a reply, so what the reply is to is decided by what it says.
    pub(super) fn pop_passive(&self) -> Option<Count> {
        let mut popped = None;
        self.update(|questions| {
            popped = None;
            let is_passive = |byte: &u8| unpack(*byte).0 == Some(Question::Passive);
            let Some(at) = questions.iter().position(is_passive) else {
                return;
            };
            popped = questions.get(at).map(|byte| unpack(*byte).1);
            for _ in 0..=at {
                pop(questions);
            }
        });
        popped
    }

    fn update(&self, mut change: impl FnMut(&mut [u8; 4])) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let mut questions = word.to_le_bytes();
            change(&mut questions);
            Some(u32::from_le_bytes(questions))
        });
    }
}

/// Moves all questions up by one.
fn pop(questions: &mut [u8; 4]) {
    *questions = (u32::from_le_bytes(*questions) >> u8::BITS).to_le_bytes();
}

fn unpack(byte: u8) -> (Option<Question>, Count) {
    let question = Question::from_number(byte.wrapping_shr(QUESTION_SHIFT));
    (question, Count::new(byte))
}
