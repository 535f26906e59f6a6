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
    param::c_str,
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
    fmt,
    prelude::*,
    print::{
        call_printk,
        format_strings, //
    },
    time::msecs_to_jiffies, //
};

/// For how long after a line in the log the same is not said again, in milliseconds.
const SILENCE: u32 = 5000;

/// A module, as the log and debugfs know it.
#[derive(Clone, Copy)]
pub struct ModuleName(&'static CStr);

impl ModuleName {
    /// For [`module_name!`].
    #[inline]
    pub const fn new(prefix: &'static [u8]) -> Self {
        match CStr::from_bytes_with_nul(prefix) {
            Ok(name) => Self(name),
            Err(_) => panic!("the module's name has a NUL byte"),
        }
    }

    /// The helper's name, with which the names of both its modules end.
    #[inline]
    const fn helper(self) -> &'static CStr {
        let name = self.0.to_bytes_with_nul();
        let mut start = name.len();
        while start > 0 && name[start - 1] != b'_' {
            start -= 1;
        }
        match CStr::from_bytes_with_nul(name.split_at(start).1) {
            Ok(name) => name,
            Err(_) => self.0,
        }
    }

    /// Writes an error into the kernel's log.
    #[cold]
    pub fn error(self, what: fmt::Arguments<'_>) {
        self.print(&format_strings::ERR, what);
    }

    /// Writes a warning into the kernel's log.
    #[cold]
    pub fn warning(self, what: fmt::Arguments<'_>) {
        self.print(&format_strings::WARNING, what);
    }

    fn print(self, format: &[u8; format_strings::LENGTH], what: fmt::Arguments<'_>) {
        // SAFETY: The format is one of the kernel crate's, and the name ends in NUL.
        unsafe { call_printk(format, self.0.to_bytes_with_nul(), what) };
    }
}

/// The [`ModuleName`] of the module that this is used in.
#[macro_export]
#[allow(clippy::crate_in_macro_def)]
macro_rules! module_name {
    () => {
        $crate::netfilter::count::ModuleName::new(crate::__LOG_PREFIX)
    };
}

/// Something that is counted.
pub struct Counter {
    module: ModuleName,
    name: &'static CStr,
    count: AtomicUsize,
    /// When the log spoke of it last, in jiffies.
    said: AtomicUsize,
}

impl Counter {
    /// For [`counters!`].
    pub const fn new(module: ModuleName, name: &'static CStr) -> Self {
        Self {
            module,
            name,
            count: AtomicUsize::new(0),
            said: AtomicUsize::new(0),
        }
    }

    /// Counts one.
    #[inline]
    pub fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one back, for something that there is a number of at a time.
    #[inline]
    pub fn uncount(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one, and writes `what` into the log with both ends of the control connection, unless
    /// that was done a moment ago, or the log is not for that network namespace.
    #[inline]
    pub fn warn<S>(&self, conn: Conn<'_, S>, what: &CStr) {
        self.warn_of(conn.without_state().beside_packet(), what, c"");
    }

    /// The same with `name` after `what`.
    ///
    /// C function: `_printk`, which knows how to write addresses.
    #[cold]
    #[inline(never)]
    fn warn_of(&self, conn: Conn<'_, ()>, what: &CStr, name: &CStr) {
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
                self.module.0.as_char_ptr(),
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
pub type Counters = &'static [&'static Counter];

/// Declares counters of a module, as `/// What it counts.` and `name,`, and the list `COUNTERS` of them.
#[macro_export]
macro_rules! counters {
    ($($(#[doc = $text:literal])+ $name:ident,)*) => {
        $(
            $(#[doc = $text])+
            #[allow(non_upper_case_globals)]
            pub(crate) static $name: $crate::netfilter::count::Counter =
                $crate::netfilter::count::Counter::new(
                    $crate::module_name!(),
                    $crate::netfilter::param::c_str(concat!(stringify!($name), "\0")),
                );
        )*

        pub(crate) static COUNTERS: &[&$crate::netfilter::count::Counter] = &[$(&$name),*];
    };
}

/// Declares the counters that modules of a kind have in common, each its own.
macro_rules! common_counters {
    ($(#[$doc:meta])+ $kind:ident, $($(#[doc = $text:literal])+ $name:ident,)*) => {
        $(#[$doc])+
        pub struct $kind {
            module: ModuleName,
            $(
                $(#[doc = $text])+
                pub $name: Counter,
            )*
        }

        impl $kind {
            /// Those of `module`, for a static.
            #[inline]
            pub const fn new(module: ModuleName) -> Self {
                Self {
                    module,
                    $($name: Counter::new(module, c_str(concat!(stringify!($name), "\0"))),)*
                }
            }

            /// All of them.
            pub(super) fn all(&'static self) -> [&'static Counter; [$(stringify!($name)),*].len()] {
                [$(&self.$name),*]
            }

            /// The module that they are of.
            pub const fn module(&self) -> ModuleName {
                self.module
            }
        }
    };
}

common_counters! {
    /// What each conntrack half counts.
    Conntrack,
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

common_counters! {
    /// What each NAT half counts.
    Nat,
    /// Announcements that were rewritten.
    rewritten,
    /// Not rewritten, not expected: no free port was found by the tries that a packet has.
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

const TABLE_FULL: &CStr = c"the table of expectations is full, so what was announced will be \
    blocked; raise net.netfilter.nf_conntrack_expect_max";

impl Conntrack {
    /// Counts what became of an expectation in the conntrack half.
    #[inline]
    pub fn registered<S>(&self, result: Result, conn: Conn<'_, S>) -> Outcome {
        match result {
            Ok(()) => {
                self.expected.count();
                Outcome::Unchanged
            }
            Err(error) => self.not_registered(error, conn.without_state()),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_registered(&self, error: Error, conn: Conn<'_, ()>) -> Outcome {
        match error {
            EMFILE => self.table_full.warn(conn, TABLE_FULL),
            EBUSY | EALREADY => self.taken.count(),
            // The helper is being unregistered.
            _ => {}
        }
        Outcome::Refused
    }

    /// Counts that a translated connection was announced and there is no NAT half.
    #[cold]
    #[inline(never)]
    pub(super) fn nat_is_missing(&self, conn: Conn<'_, ()>) {
        let direction = conn.direction();
        // Where the client opens the announced connection, too, to an address that is not translated,
        // the rules that translate the client do all that is needed.
        if direction == Direction::Original
            || conn.source(direction) != conn.destination(Direction::Original)
        {
            self.nat_missing.warn_of(
                conn,
                c"is translated, but the NAT half is not loaded, so what was announced will fail; \
                  modprobe ip_nat_",
                self.module.helper(),
            );
        }
    }
}

impl Nat {
    /// Counts that the NAT half could not register an expectation.
    #[inline]
    pub fn refused(&self, error: Error, conn: Conn<'_, ()>) -> Outcome {
        self.not_registered(error, conn.beside_packet());
        Outcome::Refused
    }

    #[cold]
    #[inline(never)]
    fn not_registered(&self, error: Error, conn: Conn<'_, ()>) {
        match error {
            EMFILE => self.table_full.warn(conn, TABLE_FULL),
            EBUSY | EALREADY => self.no_port.warn(
                conn,
                c"found no free port, so what was announced will be blocked",
            ),
            _ => {}
        }
    }
}

/// The module's folder in debugfs, with a file for each counter.
///
/// # Invariants
///
/// The pointer is a folder that we made, or the error that came of trying.
pub struct Shown(#[cfg(CONFIG_DEBUG_FS)] *mut kernel::bindings::dentry);

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
    fn new(module: ModuleName, lists: [&[&'static Counter]; 2]) -> Self {
        // SAFETY: The name is a C string.
        let folder = unsafe {
            kernel::bindings::debugfs_create_dir(module.0.as_char_ptr(), core::ptr::null_mut())
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

impl Shown {
    /// Those of a conntrack half, and `counters`.
    pub(super) fn of_conntrack(common: &'static Conntrack, counters: Counters) -> Self {
        Self::new(common.module, [&common.all(), counters])
    }

    /// Those of a NAT half.
    pub fn of_nat(common: &'static Nat) -> Self {
        Self::new(common.module, [&common.all(), &[]])
    }
}

#[cfg(CONFIG_DEBUG_FS)]
impl Drop for Shown {
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
    fn new(_module: ModuleName, _lists: [&[&'static Counter]; 2]) -> Self {
        Self()
    }
}
