// SPDX-License-Identifier: GPL-2.0

//! The NAT half of a helper, which is a module of its own.
//!
//! The conntrack half exports a [`Slot`] under the name `ip_nat_*_hook_` and a hash of the sources;
//! while the NAT half is loaded the slot holds a pointer to its [`NatHelper`]. Halves of different
//! builds could take each other's Rust types for something else, and do not know that symbol.
//!
//! C headers: [`include/net/netfilter/nf_nat_helper.h`](srctree/include/net/netfilter/nf_nat_helper.h).

mod pending;
mod port;
mod recent;
mod rewrite;

use super::{
    count,
    Conn,
    Expectation,
    Outcome,
    Packet, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU16,
    ptr::NonNull,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings::sk_buff,
    ffi::c_void,
    prelude::*,
    types::Opaque, //
};

/// The NAT half of a helper.
pub(crate) trait NatHelper: Sized + 'static {
    /// Name of the module, `ip_nat_` and the helper's; at most 15 bytes.
    const NAME: &'static CStr;

    /// What the conntrack half found.
    type Announcement: Copy + 'static;

    /// The conntrack half's slot; see [`import_slot!`].
    fn slot() -> &'static Slot<Self::Announcement>;

    /// Rewrites `found`, which begins at offset `at` of the packet, and registers
    /// the expectation accordingly, on `wanted` port if that can be had.
    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: Self::Announcement,
        wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Outcome;

    /// Puts `port` in the place of the one that `found` names, where nothing is expected.
    fn rename(
        _packet: &mut Packet<'_>,
        _conn: &Conn<'_, ()>,
        _at: usize,
        _found: Self::Announcement,
        _port: NonZeroU16,
    ) -> Outcome {
        Outcome::Unchanged
    }
}

/// The C-callable form of what the NAT half can do:
///
/// - [`NatHelper::nat`], with what was found and an expectation,
/// - [`NatHelper::rename`], without an expectation,
/// - [`Slot::expect_at`], without anything found. Then `at` is 1 if the connection opens in the reply
///   direction, and 0 else.
///
/// Both modules are compiled from the same source, so Rust types may be passed by pointer.
type NatFn<A> = unsafe extern "C" fn(
    skb: *mut sk_buff,
    transport: u32,
    ct: *mut bindings::nf_conn,
    info: bindings::ip_conntrack_info,
    at: usize,
    found: Option<NonNull<A>>,
    wanted: NonZeroU16,
    exp: Option<NonNull<bindings::nf_conntrack_expect>>,
) -> Outcome;

/// Where the conntrack half finds the NAT half.
///
/// # Invariants
///
/// The pointer is null or a `NatFn<A>`, which stays valid for an RCU grace period after it was
/// taken out.
#[repr(transparent)]
pub(crate) struct Slot<A>(AtomicPtr<c_void>, PhantomData<fn(A)>);

impl<A: Copy> Slot<A> {
    /// An empty slot.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Null.
        Self(AtomicPtr::new(core::ptr::null_mut()), PhantomData)
    }

    /// Whether the NAT half is there.
    pub(crate) fn is_filled(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_null()
    }

    /// Has the NAT half rewrite `found`; [`None`] if there is none.
    ///
    /// See [`NatHelper::nat`].
    pub(crate) fn nat<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        at: usize,
        found: &A,
        wanted: NonZeroU16,
        expectation: &Expectation,
    ) -> Option<Outcome> {
        let exp = NonNull::new(expectation.as_ptr());
        self.call(packet, conn, at, Some(found), wanted, exp)
    }

    /// Has the NAT half put `port` in the place of the one in `found`; [`None`] if there is none.
    ///
    /// See [`NatHelper::rename`].
    pub(crate) fn rename<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        at: usize,
        found: &A,
        port: NonZeroU16,
    ) -> Option<Outcome> {
        self.call(packet, conn, at, Some(found), port, None)
    }

    /// Has the NAT half expect a connection to exactly that `port`, which will open in direction `opener`
    /// of its master: nobody can be told another one. [`None`] if there is no NAT half.
    pub(crate) fn expect_at<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        opener: Direction,
        port: NonZeroU16,
        expectation: &Expectation,
    ) -> Option<Outcome> {
        let at = usize::from(opener == Direction::Reply);
        let exp = NonNull::new(expectation.as_ptr());
        self.call(packet, conn, at, None, port, exp)
    }

    #[allow(clippy::too_many_arguments)]
    fn call<S>(
        &self,
        packet: &mut Packet<'_>,
        conn: &Conn<'_, S>,
        at: usize,
        found: Option<&A>,
        port: NonZeroU16,
        exp: Option<NonNull<bindings::nf_conntrack_expect>>,
    ) -> Option<Outcome> {
        let function = self.0.load(Ordering::Acquire);
        if function.is_null() {
            if exp.is_some() {
                count::nat_missing(*conn);
            }
            return None;
        }
        // SAFETY: By the type invariants this is a `NatFn<A>`. It stays valid until the end of the
        // RCU read side critical section that a `Conn` is evidence of.
        let function = unsafe { core::mem::transmute::<*mut c_void, NatFn<A>>(function) };
        let (skb, transport) = packet.as_raw();
        // SAFETY: The pointers are those of valid objects that we hold for the call.
        let outcome = unsafe {
            function(
                skb,
                transport,
                conn.as_ptr(),
                conn.info(),
                at,
                found.map(NonNull::from),
                port,
                exp,
            )
        };
        if exp.is_some() && matches!(outcome, Outcome::Rewritten { .. } | Outcome::Unchanged) {
            count::conntrack::expected.count();
        }
        Some(outcome)
    }
}

/// Declares the slot of a helper and exports it, for the conntrack half.
///
/// The assembly is what `EXPORT_SYMBOL_GPL` emits.
macro_rules! export_slot {
    ($name:ident, $announcement:ty) => {
        #[export_name = concat!(stringify!($name), "_", env!("NF_BUILD"))]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::netfilter::nat::Slot<$announcement> =
            $crate::netfilter::nat::Slot::new();

        ::core::arch::global_asm!(
            ".section \".export_symbol\",\"a\"",
            concat!(
                "__export_symbol_",
                stringify!($name),
                "_",
                env!("NF_BUILD"),
                ":"
            ),
            ".asciz \"GPL\"",
            ".ascii \"\\0\"",
            ".balign 8",
            concat!(".quad ", stringify!($name), "_", env!("NF_BUILD")),
            ".previous",
        );
    };
}
pub(crate) use export_slot;

/// Imports the slot of a helper, for the NAT half; for the body of [`NatHelper::slot`].
macro_rules! import_slot {
    ($name:ident, $announcement:ty) => {{
        extern "C" {
            #[allow(improper_ctypes)]
            #[link_name = concat!(stringify!($name), "_", env!("NF_BUILD"))]
            static $name: $crate::netfilter::nat::Slot<$announcement>;
        }
        // SAFETY: A conntrack half of these sources exports it under this name and type, and cannot be
        // unloaded while a module that uses it is loaded.
        unsafe { &$name }
    }};
}
pub(crate) use import_slot;

/// Keeps the NAT half of a helper registered: in its slot and by its name.
///
/// # Invariants
///
/// `entry` is in the kernel's list of NAT helpers, and the slot of `N` holds its function.
pub(crate) struct Registration<N: NatHelper> {
    entry: KBox<Opaque<bindings::nf_conntrack_nat_helper>>,
    _helper: PhantomData<N>,
}

// SAFETY: The list entry is touched by the kernel only, under its own lock.
unsafe impl<N: NatHelper> Send for Registration<N> {}
// SAFETY: As above.
unsafe impl<N: NatHelper> Sync for Registration<N> {}

impl<N: NatHelper> Registration<N> {
    /// Registers the NAT half.
    ///
    /// C function: `nf_nat_helper_register`.
    pub(crate) fn new(module: &'static ThisModule) -> Result<Self> {
        let mut helper = bindings::nf_conntrack_nat_helper {
            list: kernel::bindings::list_head {
                next: core::ptr::null_mut(),
                prev: core::ptr::null_mut(),
            },
            mod_name: [0; 16],
            module: module.as_ptr(),
        };
        for (to, from) in helper.mod_name.iter_mut().zip(N::NAME.to_bytes()) {
            // CAST: The kernel's `char` is unsigned.
            *to = *from as kernel::ffi::c_char;
        }
        let entry = KBox::new(Opaque::new(helper), GFP_KERNEL)?;
        // SAFETY: The entry is initialised, and stays where it is until `drop` has taken it out.
        unsafe { bindings::nf_nat_helper_register(entry.get()) };
        let function: NatFn<N::Announcement> = nat_callback::<N>;
        N::slot()
            .0
            .store(function as *mut c_void, Ordering::Release);
        // INVARIANT: Both were just done.
        Ok(Self {
            entry,
            _helper: PhantomData,
        })
    }
}

impl<N: NatHelper> Drop for Registration<N> {
    fn drop(&mut self) {
        N::slot().0.store(core::ptr::null_mut(), Ordering::Release);
        // SAFETY: By the type invariants the entry is in the list.
        unsafe { bindings::nf_nat_helper_unregister(self.entry.get()) };
        // Until no packet is in our function any more, and nobody looks at the entry.
        //
        // SAFETY: An FFI call with no additional requirements; modules are unloaded in process
        // context.
        unsafe { kernel::bindings::synchronize_rcu() };
    }
}

/// # Safety
///
/// Only [`Slot`] may call it, for the slot that `N` is registered in.
unsafe extern "C" fn nat_callback<N: NatHelper>(
    skb: *mut sk_buff,
    transport: u32,
    ct: *mut bindings::nf_conn,
    info: bindings::ip_conntrack_info,
    at: usize,
    found: Option<NonNull<N::Announcement>>,
    port: NonZeroU16,
    exp: Option<NonNull<bindings::nf_conntrack_expect>>,
) -> Outcome {
    // SAFETY: `Slot` passes the packet that it has for itself.
    let mut packet = unsafe { Packet::from_raw(skb, transport) };
    // SAFETY: As above, its helper is running; a state of no bytes is always valid.
    let conn = unsafe { Conn::<()>::of_helper(ct, info) };
    let Some(exp) = exp else {
        // SAFETY: As above.
        return found.map_or(Outcome::Refused, |found| unsafe {
            N::rename(&mut packet, &conn, at, found.read(), port)
        });
    };
    let Some(found) = found else {
        // SAFETY: As above; it is valid for the call.
        return unsafe { expect_at(exp, conn, at, port) };
    };
    // SAFETY: As above.
    let expectation = unsafe { Expectation::borrow(exp) };
    // SAFETY: As above.
    let found = unsafe { found.read() };
    N::nat(&mut packet, &conn, at, found, port, &expectation)
}

/// See [`Slot::expect_at`].
///
/// # Safety
///
/// As for [`Expectation::borrow`].
#[cold]
#[inline(never)]
unsafe fn expect_at(
    exp: NonNull<bindings::nf_conntrack_expect>,
    conn: Conn<'_, ()>,
    at: usize,
    port: NonZeroU16,
) -> Outcome {
    let opener = match at {
        0 => Direction::Original,
        _ => Direction::Reply,
    };
    // SAFETY: By the requirements of this function.
    let expectation = unsafe { Expectation::borrow(exp) };
    expectation.follow_master(opener, port.get());
    match expectation.register_on(port, &conn) {
        Ok(_) => Outcome::Unchanged,
        Err(error) => count::refused(error, conn),
    }
}
