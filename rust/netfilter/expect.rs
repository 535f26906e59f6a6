// SPDX-License-Identifier: GPL-2.0

//! Expectations: the connections that a session has announced.

use super::{
    Address,
    Conn,
    L4Proto, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    mem::ManuallyDrop,
    num::NonZeroU16,
    ptr::NonNull, //
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

/// [`Expectation::between`] fills in all of it that is not zero. A kernel that has more fields is not
/// to be built for before somebody has looked at what they need.
const _: fn(bindings::nf_conntrack_expect) = |expectation| {
    let bindings::nf_conntrack_expect {
        lnode: _,
        hnode: _,
        net: _,
        master_tuple: _,
        tuple: _,
        mask: _,
        #[cfg(CONFIG_NF_CONNTRACK_ZONES)]
            zone: _,
        use_: _,
        flags: _,
        class: _,
        event_mask: _,
        expectfn: _,
        helper: _,
        assign_helper: _,
        master: _,
        timeout: _,
        saved_addr: _,
        saved_proto: _,
        dir: _,
        rcu: _,
    } = expectation;
};

impl Expectation {
    /// Makes an expectation of a connection from `source`, or anybody, and any port, to
    /// `destination` and `port`.
    ///
    /// The kernel knows nothing of it until [`Self::register`]. The addresses must be of one
    /// family. [`None`] if there is no memory.
    ///
    /// C functions: `nf_ct_expect_alloc`, and for what it does `nf_ct_expect_init`.
    #[inline]
    pub(crate) fn between<S>(
        master: &Conn<'_, S>,
        source: Option<Address<'_>>,
        destination: Address<'_>,
        protocol: L4Proto,
        port: NonZeroU16,
    ) -> Option<Self> {
        let ct = master.as_ptr();
        // SAFETY: `master` is valid by the invariants of `Conn`.
        let exp = NonNull::new(unsafe { bindings::nf_ct_expect_alloc(ct) })?;
        let master_tuple = *master.tuple(Direction::Original);
        // SAFETY: The expectation was just allocated, all zero but for its master, its time and its
        // reference, and nobody else knows it; `ct` is valid as above. All zero is right for what is
        // not written here: flags, class (`NF_CT_EXPECT_CLASS_DEFAULT` is 0), functions, source port
        // and the rest behind a shorter address.
        unsafe {
            let exp = exp.as_ptr();
            (*exp).event_mask = master.expect_event_mask();
            (*exp).helper = master.helper();
            (*exp).net = (&raw const (*ct).ct_net).read();
            #[cfg(CONFIG_NF_CONNTRACK_ZONES)]
            {
                (*exp).zone = (*ct).zone;
            }
            (*exp).master_tuple = master_tuple;
            (*exp).tuple.src.l3num = u16::from(destination.family());
            (*exp).tuple.dst.protonum = protocol as u8;
            (*exp).tuple.dst.u.all = port.get().to_be();
            if destination.is_ipv4() {
                (*exp).tuple.dst.u3.ip = destination.as_c().ip;
                if let Some(source) = source {
                    (*exp).tuple.src.u3.ip = source.as_c().ip;
                    (*exp).mask.src.u3.ip = u32::MAX;
                }
            } else {
                (*exp).tuple.dst.u3 = *destination.as_c();
                if let Some(source) = source {
                    (*exp).tuple.src.u3 = *source.as_c();
                    (*exp).mask.src.u3.all = [u32::MAX; 4];
                }
            }
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
