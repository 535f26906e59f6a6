// SPDX-License-Identifier: GPL-2.0

//! The expectations that a connection has already.

use crate::{
    bindings,
    Expectation, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU16,
    ptr::NonNull, //
};
use ip_conntrack_core::netfilter::{
    dereference,
    Conn, //
};
use kernel::bindings::hlist_node;

/// An expectation that the kernel has registered, and may be done with meanwhile.
///
/// # Invariants
///
/// The pointer is to an expectation that was found registered, and the RCU read side lock has been
/// held since then and is for `'a`. So it stays allocated, and what was written before it was
/// registered stays as it is.
pub(crate) struct Pending<'a>(NonNull<bindings::nf_conntrack_expect>, PhantomData<&'a ()>);

/// Goes through the expectations of a connection while others may add to them and take out of them.
///
/// # Invariants
///
/// The pointer is null or to the `lnode` of an expectation as in [`Pending`].
pub(crate) struct Iter<'a>(*mut hlist_node, PhantomData<&'a ()>);

/// The expectations of `conn`.
///
/// C type: `nf_conn_help.expectations`. `nf_ct_expect_insert` and `nf_ct_unlink_expect_report` alone
/// change it, by `hlist_add_head_rcu` and `hlist_del_rcu`. ctnetlink reads it as it is done here; all
/// others hold `nf_conntrack_expect_lock`.
pub(crate) fn pending_of<'a, S>(conn: &Conn<'a, S>) -> Iter<'a> {
    // SAFETY: By the invariants of `Conn` the extension is valid.
    let first = unsafe { dereference(&raw mut (*conn.help()).expectations.first) };
    // INVARIANT: What is in the list is registered. By the invariants of `Conn` the RCU read side
    // lock is held for `'a`, and `nf_ct_expect_put` frees only after a grace period.
    Iter(first, PhantomData)
}

impl<'a> Iterator for Iter<'a> {
    type Item = Pending<'a>;

    fn next(&mut self) -> Option<Pending<'a>> {
        let node = NonNull::new(self.0)?;
        let offset = core::mem::offset_of!(bindings::nf_conntrack_expect, lnode);
        // SAFETY: By the type invariants this is the `lnode` of an expectation that is allocated.
        // INVARIANT: One that is taken out still leads to those that were behind it, which were
        // registered then and are so or were taken out since.
        let exp = unsafe {
            self.0 = dereference(&raw mut (*node.as_ptr()).next);
            node.byte_sub(offset).cast()
        };
        // INVARIANT: As above.
        Some(Pending(exp, PhantomData))
    }
}

impl Pending<'_> {
    /// The pointer to the expectation, valid as long as the RCU read side lock is held.
    pub(crate) fn as_ptr(&self) -> *mut bindings::nf_conntrack_expect {
        self.0.as_ptr()
    }

    /// Whether it counts no longer.
    ///
    /// C function: `nf_ct_exp_is_expired`.
    fn is_expired(&self) -> bool {
        // SAFETY: By the type invariants it is allocated; the function reads what may change once.
        unsafe { bindings::nf_ct_exp_is_expired(self.0.as_ptr()) }
    }

    /// The port that is expected, if that is by the same protocol at the same address as `new`.
    fn port_beside(&self, new: &Expectation<'_>) -> Option<u16> {
        // SAFETY: By the type invariants, and those of `Expectation`, both are valid, and tuples do
        // not change once registered. Each field of the unions is made of plain integers, and all of
        // an address is initialised.
        unsafe {
            let (one, other) = (&(*self.0.as_ptr()).tuple.dst, &(*new.as_ptr()).tuple.dst);
            (one.protonum == other.protonum && one.u3.all == other.u3.all)
                .then(|| u16::from_be(one.u.all))
        }
    }

    /// Whether it leads to the same port of the same side as `new`, which has the same master.
    fn leads_where(&self, new: &Expectation<'_>) -> bool {
        // SAFETY: As in `port_beside`.
        unsafe {
            let (one, other) = (self.0.as_ptr(), new.as_ptr());
            (*one).dir == (*other).dir && (*one).saved_proto.all == (*other).saved_proto.all
        }
    }
}

impl Expectation<'_> {
    /// Whether its master `conn` expects, on the port of this one, a connection that leads elsewhere.
    ///
    /// The kernel would silently take the new one for the old one, renewed.
    pub(crate) fn is_promised<S>(&self, conn: &Conn<'_, S>) -> bool {
        let port = self.port();
        pending_of(conn).any(|other| {
            other.port_beside(self) == Some(port) && !other.leads_where(self) && !other.is_expired()
        })
    }

    /// The port on which its master `conn` expects a connection that leads to where this one does.
    pub fn port_told_before<S>(&self, conn: &Conn<'_, S>) -> Option<NonZeroU16> {
        pending_of(conn)
            .filter(|other| other.leads_where(self) && !other.is_expired())
            .find_map(|other| other.port_beside(self))
            .and_then(NonZeroU16::new)
    }

    /// The port that is expected.
    fn port(&self) -> u16 {
        // SAFETY: As in `Pending::port_beside`.
        u16::from_be(unsafe { (*self.as_ptr()).tuple.dst.u.all })
    }
}

/// Holds the lock of all expectations.
///
/// # Invariants
///
/// `nf_conntrack_expect_lock` is held, by this CPU.
struct ExpectLock(());

impl ExpectLock {
    /// C function: `spin_lock_bh`.
    fn lock() -> Self {
        // SAFETY: Helpers run without this lock, and nothing is called while it is held that takes it.
        unsafe { bindings::spin_lock_bh(&raw mut bindings::nf_conntrack_expect_lock) };
        // INVARIANT: It was just taken.
        Self(())
    }
}

impl Drop for ExpectLock {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is held.
        unsafe { bindings::spin_unlock_bh(&raw mut bindings::nf_conntrack_expect_lock) };
    }
}

impl Expectation<'_> {
    /// Takes out an expectation that is in the way of this one, if it is of the same connection: from
    /// the same address, told by the same address and port, and leading to the same port of the same
    /// machine. Tells whether there was one.
    ///
    /// C functions: `__nf_ct_expect_find`, `nf_ct_unlink_expect_report`.
    pub(crate) fn supplant(&self) -> bool {
        let _lock = ExpectLock::lock();
        // SAFETY: By the type invariants the expectation is valid, and its master is that of the packet at
        // hand. What is found is registered, so it is valid as long as the lock is held, and so is its
        // master, of which the expectations go first. The unions are made of plain integers.
        unsafe {
            let (new, master) = (self.as_ptr(), (*self.as_ptr()).master);
            let Some(old) = NonNull::new(bindings::__nf_ct_expect_find(
                bindings::nf_ct_net(master),
                bindings::nf_ct_zone(master),
                &raw const (*new).tuple,
            )) else {
                return false;
            };
            let old = old.as_ptr();
            let is_same = (*old).tuple.src.u3.all == (*new).tuple.src.u3.all
                && (*old).mask.src.u3.all == (*new).mask.src.u3.all
                && (*old).expectfn.is_some() == (*new).expectfn.is_some()
                && (*old).saved_proto.all == (*new).saved_proto.all
                && (*old).dir == (*new).dir
                && announcer(old).all == announcer(new).all;
            if is_same {
                bindings::nf_ct_unlink_expect_report(old, 0, 0);
            }
            is_same
        }
    }
}

/// The address that an expected connection of a translated master is led to, as in
/// `nf_nat_follow_master`.
///
/// # Safety
///
/// `exp` and its master must be valid.
pub(crate) unsafe fn announcer(
    exp: *const bindings::nf_conntrack_expect,
) -> bindings::nf_inet_addr {
    // SAFETY: By the requirements of this function. Tuples do not change once NAT is set up, which is
    // before any helper runs.
    unsafe {
        let [original, reply] = &(*(*exp).master).tuplehash;
        if (*exp).dir == bindings::IP_CT_DIR_ORIGINAL {
            reply.tuple.src.u3
        } else {
            original.tuple.src.u3
        }
    }
}
