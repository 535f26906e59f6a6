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
    stream::LineHelper,
    Conn, //
};
use crate::{
    bindings,
    proto::{
        stream::PartialLine,
        Direction, //
    },
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr,
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
            GFP_KERNEL,
            __GFP_ZERO, //
        },
        KBox, //
    },
    bindings::{
        net,
        pernet_operations,
        register_pernet_subsys,
        unregister_pernet_subsys, //
    },
    error::to_result,
    prelude::*,
    time::msecs_to_jiffies,
    types::Opaque, //
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
    fn new<S>(conn: &Conn<'_, S>, direction: Direction) -> Self {
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
    fn bucket<S>(&self, conn: &Conn<'_, S>) -> &[Slot] {
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

/// Takes out the line that was kept for `direction` of a connection.
pub(super) fn take<H: LineHelper>(conn: &Conn<'_, H::State>, direction: Direction) -> Taken {
    let owner = Owner::new(conn, direction);
    let line = table(conn).and_then(|table| {
        let mut slots = table.bucket(conn).iter();
        slots.find_map(|slot| slot.take(owner))
    });
    match line {
        Some(line) => {
            kept::<H>().uncount();
            Taken::Line(KeptLine(line))
        }
        None => Taken::Lost,
    }
}

/// Gets memory for a line of `direction` of a connection.
pub(super) fn new<S>(
    conn: &Conn<'_, S>,
    direction: Direction,
    line: PartialLine,
) -> Option<KeptLine> {
    let owner = Owner::new(conn, direction);
    KBox::new(Entry { owner, line }, GFP_ATOMIC)
        .ok()
        .map(KeptLine)
}

/// Keeps `line`, which is of `conn`. False if there is no memory.
///
/// Every other line of that owner goes, those in its way that are too old, and if there is no room
/// then the oldest.
pub(super) fn put<H: LineHelper>(conn: &Conn<'_, H::State>, KeptLine(line): KeptLine) -> bool {
    let Some(table) = table(conn).or_else(|| make_table(conn)) else {
        return false;
    };
    let now = now();
    let mut place = None;
    for slot in table.bucket(conn) {
        if slot.take(line.owner).is_some() {
            kept::<H>().uncount();
        }
        if !slot.is_empty() && slot.age(now) > msecs_to_jiffies(AGE_MAX) {
            free::<H>(slot);
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
    kept::<H>().count();
    if slot.replace(Some(line)).is_some() {
        kept::<H>().uncount();
    }
    true
}

fn free<H: LineHelper>(slot: &Slot) {
    if slot.replace(None).is_some() {
        kept::<H>().uncount();
    }
}

fn kept<H: LineHelper>() -> &'static Counter {
    H::line_counters().kept
}

fn now() -> usize {
    // SAFETY: The kernel's clock may be read at any time.
    unsafe { (&raw const kernel::bindings::jiffies).read_volatile() }
}

/// The number under which each namespace has our table, see `pernet_operations.id`.
static ID: AtomicU32 = AtomicU32::new(0);

/// What each namespace has under [`ID`].
///
/// # Invariants
///
/// Null or from [`KBox::into_raw`]. Once set it stays until the namespace ends, or the module.
struct OfNet(AtomicPtr<Table>);

/// The table of the namespace that `conn` is in, if it has one.
fn table<'a, S>(conn: &'a Conn<'_, S>) -> Option<&'a Table> {
    let table = of_net(conn).0.load(Ordering::Acquire);
    // SAFETY: By the type invariants of `OfNet` it is null or valid; the packet at hand keeps the
    // namespace, and the module waits for it before it goes.
    unsafe { table.as_ref() }
}

fn of_net<'a, S>(conn: &'a Conn<'_, S>) -> &'a OfNet {
    // SAFETY: `conn` is valid by its invariants. A helper's function runs only while its `Store` exists,
    // and so each namespace has an `OfNet` under that number, zeroed when it was made.
    unsafe {
        let net = bindings::nf_ct_net(conn.as_ptr());
        &*bindings::net_generic(net, ID.load(Ordering::Relaxed)).cast::<OfNet>()
    }
}

#[cold]
fn make_table<'a, S>(conn: &'a Conn<'_, S>) -> Option<&'a Table> {
    let table = KBox::<Table>::new_uninit(GFP_ATOMIC | __GFP_ZERO).ok()?;
    // SAFETY: All of it is zero, which is a valid value: integers and null pointers.
    let new = KBox::into_raw(unsafe { table.assume_init() });
    // INVARIANT: It comes from `into_raw`.
    let set =
        of_net(conn)
            .0
            .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Relaxed);
    if set.is_err() {
        // Another CPU was faster.
        //
        // SAFETY: It comes from `into_raw` above and was not stored.
        drop(unsafe { KBox::from_raw(new) });
    }
    self::table(conn)
}

/// Gives each network namespace a place for its table, while a helper that keeps lines is registered.
///
/// # Invariants
///
/// `pernet` is registered.
pub(crate) struct Store<H: LineHelper> {
    pernet: KBox<Opaque<pernet_operations>>,
    _helper: PhantomData<H>,
}

// SAFETY: Nothing of it is touched by us while it is registered.
unsafe impl<H: LineHelper> Send for Store<H> {}
// SAFETY: As above.
unsafe impl<H: LineHelper> Sync for Store<H> {}

impl<H: LineHelper> Store<H> {
    /// To be called before the helper is registered; only one may exist at a time.
    ///
    /// C function: `register_pernet_subsys`.
    pub(crate) fn new() -> Result<Self> {
        let pernet = KBox::new(
            Opaque::new(pernet_operations {
                exit: Some(net_exit::<H>),
                id: ID.as_ptr(),
                size: size_of::<OfNet>(),
                ..pernet_operations::default()
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: `pernet` is initialised and stays where it is until `drop` has unregistered it.
        to_result(unsafe { register_pernet_subsys(pernet.get()) })?;
        // INVARIANT: It was just registered.
        Ok(Self {
            pernet,
            _helper: PhantomData,
        })
    }
}

impl<H: LineHelper> Drop for Store<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is registered.
        unsafe { unregister_pernet_subsys(self.pernet.get()) };
    }
}

/// Frees the lines of a namespace that ends, or all when the module goes.
///
/// # Safety
///
/// Only the kernel may call it, as `exit` of a registered `pernet_operations` with [`ID`].
unsafe extern "C" fn net_exit<H: LineHelper>(net: *mut net) {
    // SAFETY: `net` is valid, and has an `OfNet` under that number.
    let of_net =
        unsafe { &*bindings::net_generic(net, ID.load(Ordering::Relaxed)).cast::<OfNet>() };
    let table = of_net.0.swap(ptr::null_mut(), Ordering::AcqRel);
    if table.is_null() {
        return;
    }
    // SAFETY: By the type invariants it comes from `into_raw`. No packet of the namespace comes any more:
    // its devices went before, or the helper is not registered any more.
    let table = unsafe { KBox::from_raw(table) };
    for slot in table.lines() {
        free::<H>(slot);
    }
}
