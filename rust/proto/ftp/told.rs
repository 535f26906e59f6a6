// SPDX-License-Identifier: GPL-2.0

//! Remembers the announcement that was dealt with last.

use core::{
    num::NonZeroU16,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    },
};

use super::Kind;

/// The last announcement that was believed: its kind, the sequence number of its span, and what NAT
/// made of it.
pub(super) struct Told(AtomicU64);

impl Told {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    #[cfg(not(MODULE))]
    pub(super) fn snapshot(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Notes an announcement.
    pub(super) fn admit(&self, kind: Kind, seq: u32) {
        self.set(kind, seq, 0, 0);
    }

    /// Notes that the other side was told `port` in its place; [`None`] if it was left as it is.
    pub(super) fn tell(&self, kind: Kind, seq: u32, port: Option<NonZeroU16>) {
        self.set(kind, seq, port.map_or(0, NonZeroU16::get), 1);
    }

    fn set(&self, kind: Kind, seq: u32, port: u16, is_told: u8) {
        let [a, b, c, d] = seq.to_le_bytes();
        let [low, high] = port.to_le_bytes();
        let bytes = [a, b, c, d, low, high, number(kind), is_told];
        self.0.store(u64::from_le_bytes(bytes), Relaxed);
    }

    /// Returns the port that was noted by [`Self::tell`] for the last one.
    pub(super) fn port(&self) -> Option<NonZeroU16> {
        let [.., low, high, _, _] = self.0.load(Relaxed).to_le_bytes();
        NonZeroU16::new(u16::from_le_bytes([low, high]))
    }

    /// Whether the last one was of `kind`, and at `seq`.
    pub(super) fn is(&self, kind: Kind, seq: u32) -> bool {
        let [a, b, c, d, _, _, known, _] = self.0.load(Relaxed).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) == seq && known == number(kind)
    }

    /// Returns what was noted by [`Self::tell`] if that was for an announcement of `kind` at `seq`.
    pub(super) fn told(&self, kind: Kind, seq: u32) -> Option<Option<NonZeroU16>> {
        let [.., low, high, _, is_told] = self.0.load(Relaxed).to_le_bytes();
        let port = NonZeroU16::new(u16::from_le_bytes([low, high]));
        (is_told != 0 && self.is(kind, seq)).then_some(port)
    }
}

/// 0 is for none.
const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Port => 1,
        Kind::Eprt => 2,
        Kind::Pasv => 3,
        Kind::Epsv => 4,
        Kind::Deferred => 5,
    }
}
