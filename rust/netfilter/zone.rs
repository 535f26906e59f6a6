// SPDX-License-Identifier: GPL-2.0

//! Conntrack zones of one direction.
//!
//! Where tenants have the same addresses, `ct original zone set` puts what comes from a tenant into its
//! zone; what comes to it is in none. So is a connection that others open to it, and that is expected in
//! the default zone: there the expectations of all tenants are side by side. Whether two of them clash
//! the kernel asks by the zones of their masters (`expect_clash`), so of those of two tenants it never
//! finds that they do, and the last one would get the connection. It is asked here.

use super::{
    expect::dereference,
    Expectation, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::{
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// `NF_CT_ZONE_DIR_REPL`: the zone is that of packets in the reply direction, too.
const OF_REPLIES: u8 = 2;

/// Whether a zone is that of packets in the original direction only.
#[inline]
fn is_of_original(zone: &bindings::nf_conntrack_zone) -> bool {
    zone.dir & OF_REPLIES == 0
}

/// Makes the zone of a master the one in which to expect what opens in `direction` of it.
///
/// Only its number is read then (`nf_ct_exp_zone_equal_any`, in which an expectation's zone has its only
/// reader).
#[inline]
pub(super) fn turn(zone: &mut bindings::nf_conntrack_zone, direction: Direction) {
    if matches!(direction, Direction::Reply) && is_of_original(zone) {
        // CAST: It is 0.
        zone.id = bindings::NF_CT_DEFAULT_ZONE_ID as u16;
    }
}

impl Expectation {
    /// Whether its master is in a zone of one direction, so that other tenants may expect the same.
    #[inline]
    pub fn is_of_tenant(&self) -> bool {
        // SAFETY: By the type invariants the expectation is valid.
        is_of_original(unsafe { &(*self.as_ptr()).zone })
    }

    /// Whether there is a connection in its zone of which one direction is `tuple`.
    ///
    /// C function: `nf_conntrack_find_get`.
    #[cold]
    #[inline(never)]
    pub fn is_connected(&self, tuple: &bindings::nf_conntrack_tuple) -> bool {
        // SAFETY: By the type invariants the expectation is valid, and its master is that of the packet at
        // hand. The connection found is referred to until it is put.
        unsafe {
            let exp = self.as_ptr();
            let net = bindings::nf_ct_net((*exp).master);
            let found = bindings::nf_conntrack_find_get(net, &raw const (*exp).zone, tuple);
            if found.is_null() {
                return false;
            }
            bindings::nf_ct_put(bindings::nf_ct_tuplehash_to_ctrack(found));
            true
        }
    }
}

/// Registers an expectation of which the master is in a zone of one direction, unless another master
/// expects the same.
///
/// Fails with `EBUSY` if one does. If one does by other masks, or since a moment ago, it fails with
/// `EALREADY`, and the expectation cannot be registered any more.
///
/// # Safety
///
/// `exp` must be valid, its master that of the packet at hand, and not registered.
#[cold]
#[inline(never)]
pub(super) unsafe fn register(exp: NonNull<bindings::nf_conntrack_expect>) -> Result {
    // SAFETY: By the requirements of this function; helpers run without the expectation lock.
    unsafe {
        let exp = exp.as_ptr();
        if is_claimed(exp) {
            return Err(EBUSY);
        }
        to_result(bindings::nf_ct_expect_related_report(exp, 0, 0, 0))?;
        if follows_another(exp) {
            bindings::nf_ct_unexpect_related(exp);
            return Err(EALREADY);
        }
    }
    Ok(())
}

/// Whether another master expects the connection that an expectation tells of.
///
/// C function: `__nf_ct_expect_find`.
///
/// # Safety
///
/// As for [`register`].
unsafe fn is_claimed(exp: *const bindings::nf_conntrack_expect) -> bool {
    // SAFETY: By the requirements of this function. Helpers run under the RCU read side lock, and what
    // is found is allocated as long as that is held.
    unsafe {
        let found = bindings::__nf_ct_expect_find(
            bindings::nf_ct_net((*exp).master),
            &raw const (*exp).zone,
            &raw const (*exp).tuple,
        );
        !found.is_null() && (*found).master != (*exp).master
    }
}

/// Whether another master's expectation clashes with this one, and was there first: then it is behind this
/// one in its list of the kernel's table, since `nf_ct_expect_insert` alone adds to that, at its head.
///
/// C type: `nf_conntrack_expect.hnode`.
///
/// # Safety
///
/// `exp` must be valid, and have been registered under the RCU read side lock that is held still.
unsafe fn follows_another(exp: *mut bindings::nf_conntrack_expect) -> bool {
    let offset = offset_of!(bindings::nf_conntrack_expect, hnode);
    // SAFETY: By the requirements of this function. What is taken out of the list (`hlist_del_rcu`) still
    // leads to what was behind it, and `nf_ct_expect_put` frees only after a grace period.
    unsafe {
        let mut node = dereference(&raw mut (*exp).hnode.next);
        while !node.is_null() {
            if clash(exp, node.byte_sub(offset).cast()) {
                return true;
            }
            node = dereference(&raw mut (*node).next);
        }
    }
    false
}

/// Whether the connections that two masters expect may be the same one.
///
/// C function: `expect_clash`.
///
/// # Safety
///
/// Both must be allocated and have been registered.
unsafe fn clash(
    new: *const bindings::nf_conntrack_expect,
    old: *const bindings::nf_conntrack_expect,
) -> bool {
    // SAFETY: By the requirements of this function. What is read does not change once registered, but for
    // what `nf_ct_exp_is_expired` reads once. The unions are made of plain integers.
    unsafe {
        let (a, b) = (&(*new).tuple, &(*old).tuple);
        let masks = (*new)
            .mask
            .src
            .u3
            .all
            .into_iter()
            .zip((*old).mask.src.u3.all);
        let sources = a.src.u3.all.into_iter().zip(b.src.u3.all);
        (*new).master != (*old).master
            && (*new).zone.id == (*old).zone.id
            && (&raw const (*new).net.net).read() == (&raw const (*old).net.net).read()
            && a.src.l3num == b.src.l3num
            && a.dst.protonum == b.dst.protonum
            && a.dst.u.all == b.dst.u.all
            && a.dst.u3.all == b.dst.u3.all
            && sources
                .zip(masks)
                .all(|((a, b), (one, other))| (a ^ b) & one & other == 0)
            && !bindings::nf_ct_exp_is_expired(old)
    }
}
