// SPDX-License-Identifier: GPL-2.0

//! What each network namespace has of ours.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h).

use super::Conn;
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{
        AtomicU32,
        Ordering, //
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings::{
        net,
        pernet_operations,
        register_pernet_subsys,
        unregister_pernet_subsys, //
    },
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::Opaque, //
};

/// Something that each network namespace has one of, while a [`PerNet`] of it exists.
///
/// # Safety
///
/// All zero must be a valid value, and `id` a static that is of this type alone.
pub unsafe trait OfNet: Sized + Sync + 'static {
    /// The number under which the namespaces have it, see `pernet_operations.id`.
    fn id() -> &'static AtomicU32;

    /// Called when a namespace begins, or the [`PerNet`], before anybody else sees it, which is all zero.
    fn begin(&self, _net: NonNull<net>) {}

    /// Called when the namespace ends, or the [`PerNet`], before its memory goes.
    ///
    /// # Safety
    ///
    /// Nobody may look at it any more, but for those who hold the RCU read side lock.
    unsafe fn end(&self, net: NonNull<net>);
}

/// Gives each network namespace a `T`. Only one may exist at a time.
///
/// # Invariants
///
/// The `pernet_operations` are registered.
pub struct PerNet<T: OfNet>(KBox<Opaque<pernet_operations>>, PhantomData<T>);

// SAFETY: Nothing of it is touched by us while it is registered.
unsafe impl<T: OfNet> Send for PerNet<T> {}
// SAFETY: As above.
unsafe impl<T: OfNet> Sync for PerNet<T> {}

impl<T: OfNet> PerNet<T> {
    /// If this fails, some namespaces may have begun and ended with it.
    ///
    /// C function: `register_pernet_subsys`.
    pub fn new() -> Result<Self> {
        const { assert!(align_of::<T>() <= align_of::<usize>()) };
        let operations = KBox::new(
            Opaque::new(pernet_operations {
                init: Some(init::<T>),
                exit: Some(exit::<T>),
                id: T::id().as_ptr(),
                size: size_of::<T>(),
                ..pernet_operations::default()
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: They are initialised and stay where they are until `drop` has unregistered them.
        to_result(unsafe { register_pernet_subsys(operations.get()) })?;
        // INVARIANT: They were just registered.
        Ok(Self(operations, PhantomData))
    }
}

impl<T: OfNet> Drop for PerNet<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants they are registered.
        unsafe { unregister_pernet_subsys(self.0.get()) };
    }
}

/// What the namespace that `conn` is in has.
///
/// # Safety
///
/// A [`PerNet`] of it must exist until the packet at hand has been dealt with.
pub(super) unsafe fn of_conn<'a, T: OfNet>(conn: Conn<'a, ()>) -> &'a T {
    // SAFETY: `conn` is valid by its invariants, and holds its namespace.
    unsafe { of_net(bindings::nf_ct_net(conn.as_ptr())) }
}

/// # Safety
///
/// `net` must be valid, and have a `T`.
unsafe fn of_net<'a, T: OfNet>(net: *mut net) -> &'a T {
    // SAFETY: By the requirements of this function. It was zeroed when it was made, which is valid by
    // those of `OfNet`.
    unsafe { &*bindings::net_generic(net, T::id().load(Ordering::Relaxed)).cast::<T>() }
}

/// # Safety
///
/// Only the kernel may call it, as `init` of the `pernet_operations` of a [`PerNet`].
unsafe extern "C" fn init<T: OfNet>(net: *mut net) -> c_int {
    if let Some(valid) = NonNull::new(net) {
        // SAFETY: The kernel gives us a valid namespace, which has a `T`.
        unsafe { of_net::<T>(net) }.begin(valid);
    }
    0
}

/// # Safety
///
/// Only the kernel may call it, as `exit` of the `pernet_operations` of a [`PerNet`].
unsafe extern "C" fn exit<T: OfNet>(net: *mut net) {
    if let Some(valid) = NonNull::new(net) {
        // SAFETY: As above. No packet of the namespace comes any more: its devices went before, or what
        // looks at packets and needs a `T` did.
        unsafe { of_net::<T>(net).end(valid) };
    }
}
