// SPDX-License-Identifier: GPL-2.0

//! Lines that are kept until they are whole.
//!
//! A connection's own 32 bytes have no room for them. They are kept here under a number which the
//! connection remembers, and for the few packets that it takes until such a line is whole. Who has
//! taken one out has it for himself, so no lock is needed.

use crate::proto::OpenLine;
use core::{
    ptr,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::prelude::*;

/// How many there may be at a time, of all connections together.
const SLOTS: usize = 1024;

/// How many slots are tried.
const ATTEMPTS: usize = 16;

/// The lines that a module keeps.
///
/// # Invariants
///
/// Each pointer is null or from [`KBox::into_raw`], and owned by this.
pub(super) struct Store([AtomicPtr<OpenLine>; SLOTS]);

/// The only one of this module.
pub(super) static STORE: Store = Store([const { AtomicPtr::new(ptr::null_mut()) }; SLOTS]);

impl Store {
    /// Keeps `line` and returns its number, which is not 0; [`None`] if there is no room.
    pub(super) fn put(&self, line: KBox<OpenLine>) -> Option<u16> {
        let line = KBox::into_raw(line);
        // Memory is given out in units of this size at least, so this spreads them.
        let first = line.addr() / size_of::<OpenLine>();
        for attempt in 0..ATTEMPTS {
            let index = first.wrapping_add(attempt) % SLOTS;
            // INVARIANT: It comes from `into_raw`.
            let is_put = self.0.get(index).is_some_and(|slot| {
                slot.compare_exchange(ptr::null_mut(), line, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
            });
            if is_put {
                return u16::try_from(index.wrapping_add(1)).ok();
            }
        }
        // SAFETY: It comes from `into_raw` above and was not stored.
        drop(unsafe { KBox::from_raw(line) });
        None
    }

    /// Gives the line of that number back, if there is one.
    pub(super) fn take(&self, number: u16) -> Option<KBox<OpenLine>> {
        let slot = self.0.get(usize::from(number).checked_sub(1)?)?;
        let line = slot.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: By the type invariants it comes from `into_raw`, and it was taken out.
        (!line.is_null()).then(|| unsafe { KBox::from_raw(line) })
    }

    /// Frees all of them.
    pub(super) fn clear(&self) {
        for slot in &self.0 {
            if !slot.load(Ordering::Relaxed).is_null() {
                let line = slot.swap(ptr::null_mut(), Ordering::AcqRel);
                // SAFETY: As in `take`.
                drop((!line.is_null()).then(|| unsafe { KBox::from_raw(line) }));
            }
        }
    }
}
