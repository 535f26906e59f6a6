// SPDX-License-Identifier: GPL-2.0

//! Places in a payload.

use core::ops::Range;

/// A place in the bytes that it was found in.
///
/// # Invariants
///
/// `start + len` does not overflow and is not behind the end of the bytes in which the span was
/// found.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub struct Span {
    start: usize,
    len: usize,
}

impl Span {
    /// Returns the span of `place`, or [`None`] if `bytes` has no such place.
    pub fn new(bytes: &[u8], place: Range<usize>) -> Option<Self> {
        // INVARIANT: `get` succeeds only for `start <= end <= bytes.len()`.
        Some(Self {
            start: place.start,
            len: bytes.get(place)?.len(),
        })
    }

    /// Returns the offset of the first byte.
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Returns the number of bytes, never 0.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns the offset behind the last byte.
    pub const fn end(&self) -> usize {
        // By the type invariant this does not wrap.
        self.start.wrapping_add(self.len)
    }

    /// Returns what stands there in `bytes`, the same bytes that the span was found in.
    ///
    /// [`None`] if these are others, too short for it.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.start..self.end())
    }
}
