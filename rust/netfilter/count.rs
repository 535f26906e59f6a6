// SPDX-License-Identifier: GPL-2.0

//! What a module tells the administrator: counters in debugfs, and lines in the kernel's log.
//!
//! Only rare events are counted, never packets. A counter is shown as a file of its own, which the
//! kernel's code for a plain number reads: none of the module's code runs for it, so the module can
//! go while somebody has the file open. (The kernel crate's `debugfs::File` has the module's
//! functions but, in Linux 7.3, no reference to the module: closing one after that would call into
//! memory that is gone.)
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h).

use super::{
    Conn,
    Outcome, //
};
use crate::{
    bindings,
    proto::Direction, //
};
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};
use kernel::{
    ffi::c_uint,
    prelude::*,
    time::msecs_to_jiffies, //
};

/// For how long after a line in the log the same is not said again, in milliseconds.
const SILENCE: u32 = 5000;

/// The module's name.
pub(super) const MODULE: &CStr = match CStr::from_bytes_with_nul(crate::__LOG_PREFIX) {
    Ok(name) => name,
    Err(_) => panic!("the module's name has a NUL byte"),
};

/// The helper's name, with which the names of both modules end.
const HELPER: &CStr = {
    let name = crate::__LOG_PREFIX;
    let mut start = name.len();
    while name[start - 1] != b'_' {
        start -= 1;
    }
    match CStr::from_bytes_with_nul(name.split_at(start).1) {
        Ok(name) => name,
        Err(_) => MODULE,
    }
};

/// Something that is counted.
pub(crate) struct Counter {
    name: &'static CStr,
    count: AtomicUsize,
    /// When the log spoke of it last, in jiffies.
    said: AtomicUsize,
}

impl Counter {
    /// For [`counters!`].
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            count: AtomicUsize::new(0),
            said: AtomicUsize::new(0),
        }
    }

    /// Counts one.
    #[inline]
    pub(crate) fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one back, for something that there is a number of at a time.
    #[inline]
    pub(crate) fn uncount(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one, and writes `what` into the log with both ends of the control connection, unless
    /// that was done a moment ago, or the log is not for that network namespace.
    #[inline]
    pub(crate) fn warn<S>(&self, conn: Conn<'_, S>, what: &CStr) {
        self.warn_of(conn.beside_packet(), what, c"");
    }

    /// The same with `name` after `what`.
    ///
    /// C function: `_printk`, which knows how to write addresses.
    #[cold]
    #[inline(never)]
    fn warn_of<S>(&self, conn: Conn<'_, S>, what: &CStr, name: &CStr) {
        self.count();
        if !conn.may_be_logged() {
            return;
        }
        // SAFETY: The kernel's clock may be read at any time.
        let now = unsafe { (&raw const kernel::bindings::jiffies).read_volatile() };
        let said = self.said.load(Ordering::Relaxed);
        if now.wrapping_sub(said) < msecs_to_jiffies(SILENCE)
            || self
                .said
                .compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Each as it is, however NAT makes it look to the other.
        let client = &conn.tuple(Direction::Original).src;
        let server = &conn.tuple(Direction::Reply).src;
        // Level "warning".
        let format = if u32::from(client.l3num) == bindings::NFPROTO_IPV4 {
            c"\x014%s: %pI4:%u -> %pI4:%u: %s%s\n"
        } else {
            c"\x014%s: [%pI6c]:%u -> [%pI6c]:%u: %s%s\n"
        };
        // SAFETY: The arguments are what the format asks for: C strings, pointers to addresses of
        // the connection's family, and numbers. (A port is a plain integer in each field of its
        // union.)
        unsafe {
            kernel::bindings::_printk(
                format.as_char_ptr(),
                MODULE.as_char_ptr(),
                &raw const client.u3,
                c_uint::from(u16::from_be(client.u.all)),
                &raw const server.u3,
                c_uint::from(u16::from_be(server.u.all)),
                what.as_char_ptr(),
                name.as_char_ptr(),
            );
        }
    }
}

/// A list of counters.
pub(crate) type Counters = &'static [&'static Counter];

/// Declares counters, as `/// What it counts.` and `name,`, and the list `COUNTERS` of them.
macro_rules! counters {
    ($($(#[doc = $text:literal])+ $name:ident,)*) => {
        $(
            $(#[doc = $text])+
            #[allow(non_upper_case_globals)]
            pub(crate) static $name: $crate::netfilter::count::Counter =
                $crate::netfilter::count::Counter::new(
                    $crate::netfilter::param::c_str(concat!(stringify!($name), "\0")),
                );
        )*

        pub(crate) static COUNTERS: &[&$crate::netfilter::count::Counter] = &[$(&$name),*];
    };
}
pub(crate) use counters;

/// What each conntrack half counts.
pub(crate) mod conntrack {
    super::counters! {
        /// New connections to one of its ports that got the helper without a rule.
        assigned,
        /// Announcements that were understood, acceptable or not.
        announced,
        /// Announced connections that the kernel was told to expect.
        expected,
        /// Not expected: another session has announced the same.
        taken,
        /// Not expected: the kernel's table of expectations is full.
        table_full,
        /// Not expected, or a new connection not helped at all: no memory.
        no_memory,
        /// Expected without translation, as the NAT half is not loaded.
        nat_missing,
    }
}

/// What each NAT half counts.
pub(crate) mod nat {
    super::counters! {
        /// Announcements that were rewritten.
        rewritten,
        /// Not rewritten, not expected: no free port was found.
        no_port,
        /// Not rewritten, not expected: the kernel's table of expectations is full.
        table_full,
        /// Not rewritten, not expected: the packet would become longer than IP allows.
        too_long,
        /// Not rewritten, not expected: the connection has no room for changed sequence numbers.
        no_sequence_adjustment,
        /// Packets dropped: there was no memory to rewrite them.
        no_memory,
    }
}

const TABLE_FULL: &CStr = c"the table of expectations is full, so what was announced will be \
    blocked; raise net.netfilter.nf_conntrack_expect_max";

/// Counts what became of an expectation in the conntrack half.
#[inline]
pub(crate) fn registered<S>(result: Result, conn: Conn<'_, S>) -> Outcome {
    match result {
        Ok(()) => {
            conntrack::expected.count();
            Outcome::Unchanged
        }
        Err(error) => not_registered(error, conn),
    }
}

#[cold]
#[inline(never)]
fn not_registered<S>(error: Error, conn: Conn<'_, S>) -> Outcome {
    match error {
        EMFILE => conntrack::table_full.warn(conn, TABLE_FULL),
        EBUSY | EALREADY => conntrack::taken.count(),
        // The helper is being unregistered.
        _ => {}
    }
    Outcome::Refused
}

/// Counts that the NAT half could not register an expectation.
#[inline]
pub(crate) fn refused<S>(error: Error, conn: Conn<'_, S>) -> Outcome {
    not_registered_by_nat(error, conn);
    Outcome::Refused
}

#[cold]
#[inline(never)]
fn not_registered_by_nat<S>(error: Error, conn: Conn<'_, S>) {
    match error {
        EMFILE => nat::table_full.warn(conn, TABLE_FULL),
        EBUSY | EALREADY => nat::no_port.warn(
            conn,
            c"found no free port, so what was announced will be blocked",
        ),
        _ => {}
    }
}

/// Counts that a translated connection was announced and there is no NAT half.
#[cold]
#[inline(never)]
pub(crate) fn nat_missing<S>(conn: Conn<'_, S>) {
    let direction = conn.direction();
    // Where the client opens the announced connection, too, to an address that is not translated,
    // the rules that translate the client do all that is needed.
    if direction == Direction::Original
        || conn.source(direction) != conn.destination(Direction::Original)
    {
        conntrack::nat_missing.warn_of(
            conn,
            c"is translated, but the NAT half is not loaded, so what was announced will fail; \
              modprobe ip_nat_",
            HELPER,
        );
    }
}

/// The module's folder in debugfs, with a file for each counter.
///
/// # Invariants
///
/// The pointer is a folder that we made, or the error that came of trying.
pub(crate) struct Shown(#[cfg(CONFIG_DEBUG_FS)] *mut kernel::bindings::dentry);

// SAFETY: debugfs' functions may be called from any thread.
unsafe impl Send for Shown {}
// SAFETY: As above.
unsafe impl Sync for Shown {}

#[cfg(CONFIG_DEBUG_FS)]
impl Shown {
    /// Shows the counters. If that cannot be done nobody is the worse for it: by debugfs' rules its
    /// errors are ignored.
    ///
    /// C functions: `debugfs_create_dir`, `debugfs_create_ulong`.
    // Inline, as it then goes when the module is loaded.
    #[inline(always)]
    pub(crate) fn new(lists: [Counters; 2]) -> Self {
        // SAFETY: The name is a C string.
        let folder = unsafe {
            kernel::bindings::debugfs_create_dir(MODULE.as_char_ptr(), core::ptr::null_mut())
        };
        for counters in lists {
            for counter in counters {
                // SAFETY: The name is a C string; `folder` may be an error. The counter is static,
                // and the files are gone before the module is. The kernel only reads it, as the
                // mode says.
                unsafe {
                    kernel::bindings::debugfs_create_ulong(
                        counter.name.as_char_ptr(),
                        0o444,
                        folder,
                        counter.count.as_ptr(),
                    );
                }
            }
        }
        // INVARIANT: That is what `folder` is.
        Self(folder)
    }
}

#[cfg(CONFIG_DEBUG_FS)]
impl Drop for Shown {
    #[inline]
    fn drop(&mut self) {
        // Waits until nobody reads a counter any more.
        //
        // SAFETY: By the type invariants this is our folder, or an error, which is ignored.
        unsafe { kernel::bindings::debugfs_remove(self.0) };
    }
}

#[cfg(not(CONFIG_DEBUG_FS))]
impl Shown {
    /// There is no debugfs to show them in.
    pub(crate) fn new(_lists: [Counters; 2]) -> Self {
        Self()
    }
}
