// SPDX-License-Identifier: GPL-2.0

//! Expectations: the connections that a session has announced.

#[cfg(CONFIG_NF_CONNTRACK_ZONES)]
use super::zone;
use super::{
    address,
    Conn,
    L4Proto, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    net::IpAddr,
    num::NonZeroU16,
    ptr::NonNull,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    bindings::hlist_node,
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
pub struct Expectation(NonNull<bindings::nf_conntrack_expect>);

/// [`Expectation::along`] fills in all of it that is not zero. A kernel that has more fields is not
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
    /// Makes an expectation of a connection from any port of the address that packets of `direction`
    /// come from, to `port` of the one that they go to.
    ///
    /// The kernel knows nothing of it until [`Self::register`]. [`None`] if there is no memory.
    ///
    /// C functions: `nf_ct_expect_alloc`, and for what it does `nf_ct_expect_init`.
    #[inline]
    pub fn along<S>(
        master: &Conn<'_, S>,
        direction: Direction,
        protocol: L4Proto,
        port: NonZeroU16,
    ) -> Option<Self> {
        let ct = master.as_ptr();
        // SAFETY: `master` is valid by the invariants of `Conn`.
        let exp = NonNull::new(unsafe { bindings::nf_ct_expect_alloc(ct) })?;
        let original: *const _ = master.tuple(Direction::Original);
        let tuple = master.tuple(direction);
        let (event_mask, helper) = (master.expect_event_mask(), master.helper());
        // SAFETY: The expectation was just allocated, all zero but for its master, its time and its
        // reference, and nobody else knows it; `ct` is valid as above. All zero is right for what is
        // not written here: flags, class (`NF_CT_EXPECT_CLASS_DEFAULT` is 0), functions, the source
        // port. Behind an address of IPv4 a tuple is clear.
        unsafe {
            let exp = exp.as_ptr();
            (*exp).event_mask = event_mask;
            (*exp).helper = helper;
            (*exp).net = (&raw const (*ct).ct_net).read();
            #[cfg(CONFIG_NF_CONNTRACK_ZONES)]
            {
                (*exp).zone = (*ct).zone;
                zone::turn(&mut (*exp).zone, direction);
            }
            (&raw mut (*exp).master_tuple).copy_from_nonoverlapping(original, 1);
            (*exp).tuple.src.u3 = tuple.src.u3;
            (*exp).tuple.src.l3num = tuple.src.l3num;
            (*exp).tuple.dst.u3 = tuple.dst.u3;
            (*exp).tuple.dst.u.all = port.get().to_be();
            (*exp).tuple.dst.protonum = protocol as u8;
            if address::is_ipv4(tuple.src.l3num) {
                (*exp).mask.src.u3.ip = u32::MAX;
            } else {
                (*exp).mask.src.u3.all = [u32::MAX; 4];
            }
        }
        // INVARIANT: It is initialised, and `nf_ct_expect_alloc` gave us the one reference.
        Some(Self(exp))
    }

    /// The same from anybody.
    #[inline]
    pub fn for_anybody(self) -> Self {
        // SAFETY: By the type invariants the expectation is valid; it is not registered yet, so nobody
        // else looks at it.
        unsafe {
            let exp = self.as_ptr();
            (*exp).tuple.src.u3.all = [0; 4];
            (*exp).mask.src.u3.all = [0; 4];
        }
        self
    }

    /// The same to `address`, which must be of the family that it was of.
    pub fn to(self, address: IpAddr) -> Self {
        // SAFETY: As in `for_anybody`.
        unsafe { (*self.as_ptr()).tuple.dst.u3 = address::to_c(address) };
        self
    }

    /// The pointer to the expectation, valid as long as `self`.
    pub fn as_ptr(&self) -> *mut bindings::nf_conntrack_expect {
        self.0.as_ptr()
    }

    /// Tells the kernel to expect the connection.
    ///
    /// Of the expectations of one master that are more than its helper's policy allows the oldest
    /// goes.
    ///
    /// C function: `nf_ct_expect_related`.
    #[inline]
    pub fn register(&self) -> Result {
        #[cfg(CONFIG_NF_CONNTRACK_ZONES)]
        if self.is_of_tenant() {
            // SAFETY: By the type invariants it is valid; helpers make one of the connection at hand, and
            // register it once.
            return unsafe { zone::register(self.0) };
        }
        // SAFETY: By the type invariants the expectation is initialised. Helpers run without the
        // expectation lock.
        match unsafe { bindings::nf_ct_expect_related_report(self.0.as_ptr(), 0, 0, 0) } {
            0 => Ok(()),
            error => to_result(error),
        }
    }
}

impl Drop for Expectation {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants we own a reference, which goes here.
        unsafe { bindings::nf_ct_expect_put(self.0.as_ptr()) };
    }
}

/// Reads a pointer of a list of expectations that others may change.
///
/// C function: `rcu_dereference`.
///
/// # Safety
///
/// `pointer` must be valid.
pub unsafe fn dereference(pointer: *mut *mut hlist_node) -> *mut hlist_node {
    // SAFETY: By the requirements of this function. Acquire: pairs with the release of
    // `hlist_add_head_rcu`, behind which the expectation is complete.
    unsafe { AtomicPtr::from_ptr(pointer) }.load(Ordering::Acquire)
}
