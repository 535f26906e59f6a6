// SPDX-License-Identifier: GPL-2.0

//! NAT halves: what a module implements, and what is done when one is loaded and when it goes.

use crate::{
    bindings,
    Expectation, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU16, //
};
use ip_conntrack_core::{
    netfilter::{
        self,
        count::{
            self,
            Shown, //
        },
        slot::{
            NatFns,
            Task, //
        },
        Conn,
        Outcome,
        Packet,
        Slot, //
    },
    proto::Direction,
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    ffi::c_char,
    prelude::*,
    types::Opaque, //
};

/// The NAT half of a helper.
pub trait NatHelper: Sized + 'static {
    /// Name of the module, `ip_nat_` and the helper's; at most 15 bytes.
    const NAME: &'static CStr;

    /// What the conntrack half found.
    type Announcement: Copy + 'static;

    /// The conntrack half's slot.
    fn slot() -> &'static Slot<Self::Announcement>;

    /// What it counts; see [`nat_helper_module!`](crate::nat_helper_module).
    fn counts() -> &'static count::Nat;

    /// Rewrites `found`, which begins at offset `at` of the packet, and registers
    /// the expectation accordingly, on `wanted` port if that can be had.
    fn nat(
        packet: &mut Packet<'_>,
        conn: &Conn<'_, ()>,
        at: usize,
        found: &Self::Announcement,
        wanted: NonZeroU16,
        expectation: Expectation<'_>,
    ) -> Outcome;

    /// Puts `port` in the place of the one that `found` names, where nothing is expected.
    fn rename(
        _packet: &mut Packet<'_>,
        _conn: &Conn<'_, ()>,
        _at: usize,
        _found: &Self::Announcement,
        _port: NonZeroU16,
    ) -> Outcome {
        Outcome::Unchanged
    }
}

/// Declares the module of a NAT half: `helper: Type`, and then what `module!` takes.
///
/// Makes the static `COUNTS`, for [`NatHelper::counts`].
#[macro_export]
macro_rules! nat_helper_module {
    (helper: $helper:ty, $($info:tt)*) => {
        ::kernel::prelude::module! {
            type: Module,
            $($info)*
        }
        ::ip_conntrack_core::build_info!();

        static COUNTS: ::ip_conntrack_core::netfilter::count::Nat =
            ::ip_conntrack_core::netfilter::count::Nat::new(::ip_conntrack_core::module_name!());

        struct Module {
            _half: $crate::NatModule<$helper>,
        }

        impl ::kernel::Module for Module {
            fn init(module: &'static ::kernel::ThisModule) -> ::kernel::error::Result<Self> {
                Ok(Self {
                    _half: $crate::NatModule::new(module)?,
                })
            }
        }
    };
}

/// What a loaded NAT half holds.
pub struct NatModule<N: NatHelper> {
    // Dropped in this order.
    _registration: Registration<N>,
    _shown: Shown,
}

impl<N: NatHelper> NatModule<N> {
    /// Registers the NAT half.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: Registration::new(module)?,
            _shown: Shown::of_nat(N::counts()),
        })
    }
}

/// Keeps the NAT half of a helper registered: in its slot and by its name.
///
/// # Invariants
///
/// The slot of `N` holds its functions.
struct Registration<N: NatHelper> {
    _name: Name,
    _helper: PhantomData<N>,
}

impl<N: NatHelper> Registration<N> {
    fn new(module: &'static ThisModule) -> Result<Self> {
        let name = Name::new(const { padded(N::NAME) }, module)?;
        // SAFETY: `drop` takes it out and waits.
        unsafe { N::slot().fill(Fns::<N>::ALL) };
        // INVARIANT: It was just put in.
        Ok(Self {
            _name: name,
            _helper: PhantomData,
        })
    }
}

impl<N: NatHelper> Drop for Registration<N> {
    fn drop(&mut self) {
        N::slot().empty();
        // The grace period comes when the name goes, after this.
    }
}

/// `name` as the kernel keeps it.
#[inline]
const fn padded(name: &CStr) -> [c_char; 16] {
    let name = name.to_bytes();
    let mut padded = [0; 16];
    let mut i = 0;
    while i < name.len() {
        // CAST: The kernel's `char` is unsigned.
        padded[i] = name[i] as c_char;
        i += 1;
    }
    // An end there must be.
    assert!(padded[15] == 0);
    padded
}

/// Keeps a name in the kernel's list of NAT halves, by which it asks for their modules.
///
/// # Invariants
///
/// It is in the list.
struct Name(KBox<Opaque<bindings::nf_conntrack_nat_helper>>);

// SAFETY: The list entry is touched by the kernel only, under its own lock.
unsafe impl Send for Name {}
// SAFETY: As above.
unsafe impl Sync for Name {}

impl Name {
    /// C function: `nf_nat_helper_register`.
    fn new(name: [c_char; 16], module: &'static ThisModule) -> Result<Self> {
        let helper = bindings::nf_conntrack_nat_helper {
            list: kernel::bindings::list_head {
                next: core::ptr::null_mut(),
                prev: core::ptr::null_mut(),
            },
            mod_name: name,
            module: module.as_ptr(),
        };
        let entry = KBox::new(Opaque::new(helper), GFP_KERNEL)?;
        // SAFETY: The entry is initialised, and stays where it is until `drop` has taken it out.
        unsafe { bindings::nf_nat_helper_register(entry.get()) };
        // INVARIANT: It was just put in.
        Ok(Self(entry))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the entry is in the list.
        unsafe { bindings::nf_nat_helper_unregister(self.0.get()) };
        // Until no packet is in a function of the module any more, and nobody looks at the entry.
        //
        // SAFETY: An FFI call with no additional requirements; modules are unloaded in process
        // context.
        unsafe { kernel::bindings::synchronize_rcu() };
    }
}

/// The functions of a NAT half, as its conntrack half calls them.
struct Fns<N>(PhantomData<N>);

impl<N: NatHelper> Fns<N> {
    const ALL: &'static NatFns<N::Announcement> = &NatFns {
        nat: Self::nat,
        rename: Self::rename,
        expect_at: Self::expect_at,
    };

    fn nat(
        packet: &mut Packet<'_>,
        conn: Conn<'_, ()>,
        task: &Task<'_, N::Announcement>,
    ) -> Outcome {
        let expectation = Expectation::new(task.expectation, task.tries);
        N::nat(packet, &conn, task.at, task.found, task.wanted, expectation)
    }

    fn rename(
        packet: &mut Packet<'_>,
        conn: Conn<'_, ()>,
        at: usize,
        found: &N::Announcement,
        port: NonZeroU16,
    ) -> Outcome {
        N::rename(packet, &conn, at, found, port)
    }

    fn expect_at(
        conn: Conn<'_, ()>,
        opener: Direction,
        port: NonZeroU16,
        expectation: &netfilter::Expectation,
    ) -> Outcome {
        let expectation = Expectation::new(expectation, None);
        expectation.register_at(port, opener, conn, N::counts())
    }
}

impl Expectation<'_> {
    /// See [`NatFns::expect_at`].
    #[cold]
    #[inline(never)]
    fn register_at(
        self,
        port: NonZeroU16,
        opener: Direction,
        conn: Conn<'_, ()>,
        counts: &count::Nat,
    ) -> Outcome {
        self.follow_master(opener, port.get());
        match self.register_on(port, &conn) {
            Ok(_) => Outcome::Unchanged,
            Err(error) => counts.refused(error, conn),
        }
    }
}
