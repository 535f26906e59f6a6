// SPDX-License-Identifier: GPL-2.0

//! Lines that are kept until they are whole.
//!
//! A connection's own 32 bytes have no room for them. The kernel has a callback for the end of a
//! connection, but takes each helper that sets it for PPTP's (see [`super::helper`]), so nobody tells
//! us when a connection has gone. Lines are not freed with their connection, then, but by age:
//!
//! - Each network namespace has a table of its own, made when the first line is kept in it. What one
//!   namespace does is not felt in another.
//! - A client's address has a few places in the table, and can fill only those.
//! - Where all of them are taken the oldest line gives way. Whoever looks for it is told that it was
//!   there once, see [`Taken::Lost`].
//!
//! Taking a line out transfers ownership, so no lock is needed.

use super::{
    count::Counter,
    per_net::{
        self,
        OfNet,
        PerNet, //
    },
    stream::LineHelper,
    Conn, //
};
use crate::proto::{
    stream::PartialLine,
    Direction, //
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        AtomicU32,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::{
    alloc::{
        flags::{
            GFP_ATOMIC,
            __GFP_ZERO, //
        },
        KBox, //
    },
    bindings::net,
    time::msecs_to_jiffies, //
};

/// How many lines one client may have at a time.
const WAYS: usize = 8;

/// How many groups of clients there are in a table.
const BUCKETS: usize = 32;

/// How long a line is kept, in milliseconds: longer than a lost segment takes to come again.
const AGE_MAX: u32 = 30_000;

/// A line and whose it is.
struct Entry {
    owner: Owner,
    line: PartialLine,
}

/// A line that is kept, or can be.
pub(super) struct KeptLine(KBox<Entry>);

impl Deref for KeptLine {
    type Target = PartialLine;

    fn deref(&self) -> &PartialLine {
        &self.0.line
    }
}

impl DerefMut for KeptLine {
    fn deref_mut(&mut self) -> &mut PartialLine {
        &mut self.0.line
    }
}

/// One direction of one connection.
///
/// A connection that comes to be at the address of one that has gone has the same owner. It never sees
/// that one's lines: it looks for a line only after it has kept one, which removes all others of its
/// owner.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner(usize);

impl Owner {
    fn new(conn: Conn<'_, ()>, direction: Direction) -> Self {
        let is_reply = usize::from(direction == Direction::Reply);
        // Connections are aligned to more than a byte.
        Self(conn.as_ptr().addr() | is_reply)
    }
}

/// A place for a line.
///
/// # Invariants
///
/// `line` is null or from [`KBox::into_raw`], and owned by this.
struct Slot {
    /// The owner of the line; a hint, the line itself knows.
    owner: AtomicUsize,
    /// When it was put here, in jiffies; a hint, too.
    since: AtomicUsize,
    line: AtomicPtr<Entry>,
}

impl Slot {
    /// Takes out the line of `owner`.
    fn take(&self, owner: Owner) -> Option<KBox<Entry>> {
        if self.owner.load(Ordering::Relaxed) != owner.0 {
            return None;
        }
        let line = self.replace(None)?;
        if line.owner == owner {
            return Some(line);
        }
        // Somebody else's, which took the place at this moment: put it back. If the place was taken
        // again meanwhile, that line is lost, as if it had been the oldest.
        let line = KBox::into_raw(line);
        // INVARIANT: It comes from `into_raw`.
        let put =
            self.line
                .compare_exchange(ptr::null_mut(), line, Ordering::AcqRel, Ordering::Relaxed);
        if put.is_err() {
            // SAFETY: It comes from `into_raw` above and was not stored.
            drop(unsafe { KBox::from_raw(line) });
        }
        None
    }

    /// Puts `line` in the place of the one that is here, and returns that.
    fn replace(&self, line: Option<KBox<Entry>>) -> Option<KBox<Entry>> {
        let line = line.map_or(ptr::null_mut(), KBox::into_raw);
        // INVARIANT: It is null or comes from `into_raw`.
        let old = self.line.swap(line, Ordering::AcqRel);
        // SAFETY: By the type invariants it comes from `into_raw`, and it was taken out.
        (!old.is_null()).then(|| unsafe { KBox::from_raw(old) })
    }

    /// Frees the line that is here.
    fn free(&self, kept: &Counter) {
        if self.replace(None).is_some() {
            kept.uncount();
        }
    }

    fn is_empty(&self) -> bool {
        self.line.load(Ordering::Relaxed).is_null()
    }

    /// For how long the line has been here, in jiffies.
    fn age(&self, now: usize) -> usize {
        now.wrapping_sub(self.since.load(Ordering::Relaxed))
    }
}

/// The lines of one network namespace. All zero, it is empty.
struct Table([[Slot; WAYS]; BUCKETS]);

impl Table {
    /// Where the lines of the client that opened `conn` are.
    fn bucket(&self, conn: Conn<'_, ()>) -> &[Slot] {
        let address = conn.source_address(Direction::Original);
        // Where the table lies is known to nobody outside, so nobody can choose an address for its
        // place in it.
        let hash = address
            .network()
            .wrapping_add(ptr::from_ref(self).addr() as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // A multiplication mixes upwards, so the uppermost bits depend on all others.
        //
        // CAST: A number of less than `BUCKETS`.
        let index = (hash >> (u64::BITS - BUCKETS.ilog2())) as usize;
        self.0.get(index).map_or(&[], |bucket| bucket.as_slice())
    }

    fn lines(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flatten()
    }
}

/// What became of a line that was kept.
pub(super) enum Taken {
    /// Here it is.
    Line(KeptLine),
    /// It had to give way to another one.
    Lost,
}

/// Takes out the line that was kept for `direction` of a connection of the helper `H`.
pub(super) fn take<H: LineHelper>(conn: Conn<'_, ()>, direction: Direction) -> Taken {
    tables::<H>(conn).take(Owner::new(conn, direction), conn, H::lines().counters.kept)
}

/// Gets memory for a line of `direction` of a connection.
pub(super) fn new(conn: Conn<'_, ()>, direction: Direction, line: PartialLine) -> Option<KeptLine> {
    let owner = Owner::new(conn, direction);
    KBox::new(Entry { owner, line }, GFP_ATOMIC)
        .ok()
        .map(KeptLine)
}

/// Keeps `line`, which is of `conn`. False if there is no memory.
///
/// Every other line of that owner goes, those in its way that are too old, and if there is no room
/// then the oldest.
pub(super) fn put<H: LineHelper>(conn: Conn<'_, ()>, line: KeptLine) -> bool {
    tables::<H>(conn).put(conn, line, H::lines().counters.kept)
}

/// The table of a namespace, of the lines of one helper.
///
/// # Invariants
///
/// Null or from [`KBox::into_raw`]. Once set it stays until the namespace ends, or the helper.
struct OfHelper(AtomicPtr<Table>);

impl OfHelper {
    fn take(&self, owner: Owner, conn: Conn<'_, ()>, kept: &Counter) -> Taken {
        let line = self.table().and_then(|table| {
            let mut slots = table.bucket(conn).iter();
            slots.find_map(|slot| slot.take(owner))
        });
        match line {
            Some(line) => {
                kept.uncount();
                Taken::Line(KeptLine(line))
            }
            None => Taken::Lost,
        }
    }

    fn put(&self, conn: Conn<'_, ()>, KeptLine(line): KeptLine, kept: &Counter) -> bool {
        let Some(table) = self.table().or_else(|| self.make_table()) else {
            return false;
        };
        let now = now();
        let mut place = None;
        for slot in table.bucket(conn) {
            if slot.take(line.owner).is_some() {
                kept.uncount();
            }
            if !slot.is_empty() && slot.age(now) > msecs_to_jiffies(AGE_MAX) {
                slot.free(kept);
            }
            let rank = if slot.is_empty() {
                usize::MAX
            } else {
                slot.age(now)
            };
            if place.is_none_or(|(best, _)| rank > best) {
                place = Some((rank, slot));
            }
        }
        let Some((_, slot)) = place else {
            return false;
        };
        slot.owner.store(line.owner.0, Ordering::Relaxed);
        slot.since.store(now, Ordering::Relaxed);
        kept.count();
        if slot.replace(Some(line)).is_some() {
            kept.uncount();
        }
        true
    }

    /// The table, if there is one.
    fn table(&self) -> Option<&Table> {
        let table = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariants it is null or valid.
        unsafe { table.as_ref() }
    }

    #[cold]
    fn make_table(&self) -> Option<&Table> {
        let table = KBox::<Table>::new_uninit(GFP_ATOMIC | __GFP_ZERO).ok()?;
        // SAFETY: All of it is zero, which is a valid value: integers and null pointers.
        let new = KBox::into_raw(unsafe { table.assume_init() });
        // INVARIANT: It comes from `into_raw`.
        let set =
            self.0
                .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Relaxed);
        if set.is_err() {
            // Another CPU was faster.
            //
            // SAFETY: It comes from `into_raw` above and was not stored.
            drop(unsafe { KBox::from_raw(new) });
        }
        self.table()
    }

    /// Frees the table and its lines.
    ///
    /// # Safety
    ///
    /// Nobody may look at it any more.
    unsafe fn clear(&self, kept: &Counter) {
        let table = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        if table.is_null() {
            return;
        }
        // SAFETY: By the type invariants it comes from `into_raw`, and by the requirements of this function
        // it is nobody's.
        let table = unsafe { KBox::from_raw(table) };
        for slot in table.lines() {
            slot.free(kept);
        }
    }
}

fn now() -> usize {
    // SAFETY: The kernel's clock may be read at any time.
    unsafe { (&raw const kernel::bindings::jiffies).read_volatile() }
}

/// An [`OfHelper`] of the helper `H`.
#[repr(transparent)]
pub struct Tables<H>(OfHelper, PhantomData<fn(H)>);

// SAFETY: All zero is null, and the number is the helper's for nothing else.
unsafe impl<H: LineHelper> OfNet for Tables<H> {
    fn id() -> &'static AtomicU32 {
        &H::lines().store
    }

    unsafe fn end(&self, _net: NonNull<net>) {
        // SAFETY: No packet of the namespace comes any more: its devices went before, or the helper is not
        // registered any more, which waits for those who are in it.
        unsafe { self.0.clear(H::lines().counters.kept) };
    }
}

fn tables<'a, H: LineHelper>(conn: Conn<'a, ()>) -> &'a OfHelper {
    // SAFETY: A helper's function runs only while its `Store` exists.
    let tables = unsafe { per_net::of_conn::<Tables<H>>(conn) };
    &tables.0
}

/// Gives each network namespace a place for its table, while a helper that keeps lines is registered.
pub type Store<H> = PerNet<Tables<H>>;
