// SPDX-License-Identifier: GPL-2.0

//! The ports that expectations of translated connections are on.

use crate::{
    bindings,
    recent::forget_pending,
    Expectation, //
};
use core::{
    num::NonZeroU16,
    ptr::NonNull, //
};
use ip_conntrack_core::{
    netfilter::{
        slot::Tries,
        Conn,
        FIRST_UNPRIVILEGED, //
    },
    proto::Direction,
};
use kernel::prelude::*;

impl Expectation<'_> {
    /// Registers the expectation on `wanted` port, or on another if that is taken by another
    /// expectation: one of another master, or one of `conn`, its own, that leads elsewhere.
    ///
    /// Fails with `EBUSY` if there is none to be had by the tries that its packet has left. A port that needs
    /// privileges is replaced by one that does, others by such.
    pub fn register_on_free_port(
        &self,
        wanted: NonZeroU16,
        conn: &Conn<'_, ()>,
    ) -> Result<NonZeroU16> {
        match self.register_on(wanted, conn) {
            Err(EBUSY) => self.register_behind(wanted, conn, |_| true),
            result => result,
        }
    }

    /// The same where the opener may be able to reach `wanted` only, as the ports of a server behind DNAT
    /// are what firewalls know.
    ///
    /// If another session between the same machines was told that port for the same, and has not used
    /// it, then its expectation gives way: who waits there has said that it is for this session now.
    pub fn register_on_own_port(
        &self,
        wanted: NonZeroU16,
        conn: &Conn<'_, ()>,
    ) -> Result<NonZeroU16> {
        match self.register_on(wanted, conn) {
            Err(EBUSY) if self.supplant() => self.register_on_free_port(wanted, conn),
            Err(EBUSY) => self.register_behind(wanted, conn, |_| true),
            result => result,
        }
    }

    /// The same for an opener that is known to use one port, `source`, for all its connections, where
    /// packets of `direction` of the master come from the announcer.
    ///
    /// It cannot open the same connection twice, so a port that it is connected to is taken, too, and one
    /// that it may be connecting to; except by an earlier connection to the same port of the announcer,
    /// of which the new one takes the place.
    pub fn register_on_unused_port(
        &self,
        wanted: NonZeroU16,
        source: u16,
        conn: &Conn<'_, ()>,
        direction: Direction,
    ) -> Result<NonZeroU16> {
        // SAFETY: By the type invariants the expectation is valid; it is not registered yet.
        let mut tuple = unsafe { (*self.as_ptr()).tuple };
        tuple.src.u.all = source.to_be();
        tuple.dst.u.all = wanted.get().to_be();
        forget_pending(conn);
        self.set_port(wanted);
        let told = self.told();
        // The usual case: nobody has been there.
        if !told.was_for_another() && !self.is_taken(&tuple) {
            match self.register_on(wanted, conn) {
                Ok(port) => {
                    told.remember();
                    return Ok(port);
                }
                Err(EBUSY) => {}
                result => return result,
            }
        }
        let port = self.register_beside(wanted, source, tuple, conn, direction)?;
        self.told().remember();
        Ok(port)
    }

    /// Registers the expectation where the connection `tuple` to it from port `source`, or the
    /// expectation, was found to be taken; `direction` is that of the announcement.
    #[cold]
    #[inline(never)]
    fn register_beside(
        &self,
        wanted: NonZeroU16,
        source: u16,
        mut tuple: bindings::nf_conntrack_tuple,
        conn: &Conn<'_, ()>,
        direction: Direction,
    ) -> Result<NonZeroU16> {
        let announced = conn.tuple(direction);
        let earlier = if self.is_taken(&tuple) {
            let mut inside = tuple;
            inside.dst.u.all = source.to_be();
            inside.src.u3 = announced.src.u3;
            inside.src.u.all = wanted.get().to_be();
            inside.dst.u3 = announced.dst.u3;
            self.find_original(&inside)
        } else {
            None
        };
        if let Some(port) = earlier {
            match self.register_on(port, conn) {
                Err(EBUSY) => {}
                result => return result,
            }
        }
        self.register_behind(earlier.unwrap_or(wanted), conn, |port| {
            tuple.dst.u.all = port.get().to_be();
            self.set_port(port);
            // Better a port like this than none.
            self.tries.is_some_and(Tries::are_few)
                || !self.told().was_for_another() && !self.is_taken(&tuple)
        })
    }

    fn set_port(&self, port: NonZeroU16) {
        // SAFETY: By the type invariants the expectation is valid; it is not registered yet.
        unsafe { (*self.as_ptr()).tuple.dst.u.all = port.get().to_be() };
    }

    /// Registers the expectation on `port`.
    pub(crate) fn register_on(&self, port: NonZeroU16, conn: &Conn<'_, ()>) -> Result<NonZeroU16> {
        self.set_port(port);
        if self.is_promised(conn) {
            return Err(EBUSY);
        }
        self.register().map(|()| port)
    }

    /// Whether there is a connection of which one direction is `tuple`.
    ///
    /// C function: `nf_conntrack_tuple_taken`.
    fn is_taken(&self, tuple: &bindings::nf_conntrack_tuple) -> bool {
        #[cfg(CONFIG_NF_CONNTRACK_ZONES)]
        if self.is_of_tenant() {
            return self.is_connected(tuple);
        }
        // SAFETY: By the type invariants the expectation is valid; its master is that of the packet
        // at hand, so it is valid, too.
        unsafe { bindings::nf_conntrack_tuple_taken(tuple, (*self.as_ptr()).master) != 0 }
    }

    /// Finds the connection of which the reply direction is `reply`, and returns the port that it
    /// was opened to if that was at the address of this expectation.
    ///
    /// C function: `nf_conntrack_find_get`.
    fn find_original(&self, reply: &bindings::nf_conntrack_tuple) -> Option<NonZeroU16> {
        // SAFETY: As in `is_taken`. The connection found is referred to until it is put.
        unsafe {
            let exp = self.as_ptr();
            let master = (*exp).master;
            let found = NonNull::new(bindings::nf_conntrack_find_get(
                bindings::nf_ct_net(master),
                bindings::nf_ct_zone(master),
                reply,
            ))?;
            let ct = bindings::nf_ct_tuplehash_to_ctrack(found.as_ptr());
            let original = (*ct).tuplehash[0].tuple;
            bindings::nf_ct_put(ct);
            (original.dst.u3.all == (*exp).tuple.dst.u3.all)
                .then(|| NonZeroU16::new(u16::from_be(original.dst.u.all)))?
        }
    }

    /// Registers the expectation on the first port behind `wanted` that will do; `is_good` is asked of each.
    #[cold]
    #[inline(never)]
    fn register_behind(
        &self,
        wanted: NonZeroU16,
        conn: &Conn<'_, ()>,
        mut is_good: impl FnMut(NonZeroU16) -> bool,
    ) -> Result<NonZeroU16> {
        let (first, count) = if wanted.get() < FIRST_UNPRIVILEGED {
            (1, FIRST_UNPRIVILEGED - 1)
        } else {
            (FIRST_UNPRIVILEGED, u16::MAX - FIRST_UNPRIVILEGED + 1)
        };
        let mut port = wanted;
        let mut step = 0u16;
        while self.tries.is_some_and(Tries::take) {
            // Steps that grow, so that neighbours who want the same port part ways soon.
            let offset = port
                .get()
                .wrapping_sub(first)
                .wrapping_add(step.wrapping_mul(step))
                .wrapping_add(1);
            step = step.wrapping_add(1);
            port = offset
                .checked_rem(count)
                .and_then(|offset| NonZeroU16::new(offset.wrapping_add(first)))
                .ok_or(EBUSY)?;
            if is_good(port) {
                match self.register_on(port, conn) {
                    Err(EBUSY) => {}
                    result => return result,
                }
            }
        }
        Err(EBUSY)
    }
}
