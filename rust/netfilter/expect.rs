// SPDX-License-Identifier: GPL-2.0

//! Expectations: the connections that a session has announced.

use super::{
    Address,
    Conn,
    L4Proto, //
};
use crate::bindings;
use core::{
    mem::ManuallyDrop,
    num::NonZeroU16,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A connection to come, which will be related to the one that announced it, its master.
///
/// Wraps the kernel's `struct nf_conntrack_expect`.
///
/// # Invariants
///
/// The pointer is to an initialised expectation, and we own one reference to it.
pub(crate) struct Expectation(NonNull<bindings::nf_conntrack_expect>);

impl Expectation {
    /// Makes an expectation of a connection from `source`, or anybody, and any port, to
    /// `destination` and `port`.
    ///
    /// The kernel knows nothing of it until [`Self::register`]. The addresses must be of one
    /// family. [`None`] if there is no memory.
    ///
    /// C functions: `nf_ct_expect_alloc`, `nf_ct_expect_init`.
    #[inline]
    pub(crate) fn between<S>(
        master: &Conn<'_, S>,
        source: Option<Address<'_>>,
        destination: Address<'_>,
        protocol: L4Proto,
        port: NonZeroU16,
    ) -> Option<Self> {
        // SAFETY: `master` is valid by the invariants of `Conn`.
        let exp = NonNull::new(unsafe { bindings::nf_ct_expect_alloc(master.as_ptr()) })?;
        let port = port.get().to_be();
        // SAFETY: `exp` was just allocated and `exp->master` is `master`; packets hold a reference
        // to it and helpers run under the RCU read side lock, as the function asks for. The other
        // pointers are valid for the call, which copies what they point to.
        unsafe {
            bindings::nf_ct_expect_init(
                exp.as_ptr(),
                bindings::NF_CT_EXPECT_CLASS_DEFAULT,
                destination.family(),
                source.map_or(ptr::null(), |source| ptr::from_ref(source.as_c())),
                destination.as_c(),
                protocol as u8,
                ptr::null(),
                &port,
            );
        }
        // INVARIANT: It is initialised, and `nf_ct_expect_alloc` gave us the one reference.
        Some(Self(exp))
    }

    /// Wraps a pointer to an expectation without taking a reference.
    ///
    /// # Safety
    ///
    /// `exp` must be valid and initialised as long as the result is in use.
    pub(super) unsafe fn borrow(exp: NonNull<bindings::nf_conntrack_expect>) -> ManuallyDrop<Self> {
        // INVARIANT: The reference is the caller's; `ManuallyDrop` keeps it so.
        ManuallyDrop::new(Self(exp))
    }

    /// The pointer to the expectation, valid as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::nf_conntrack_expect {
        self.0.as_ptr()
    }

    /// Tells the kernel to expect the connection.
    ///
    /// Of the expectations of one master that are more than its helper's policy allows the oldest
    /// goes.
    ///
    /// C function: `nf_ct_expect_related`.
    pub(crate) fn register(&self) -> Result {
        // SAFETY: By the type invariants the expectation is initialised. Helpers run without the
        // expectation lock.
        match unsafe { bindings::nf_ct_expect_related_report(self.0.as_ptr(), 0, 0, 0) } {
            0 => Ok(()),
            error => to_result(error),
        }
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        // SAFETY: By the type invariants we own a reference, which goes here.
        unsafe { bindings::nf_ct_expect_put(self.0.as_ptr()) };
    }
}
