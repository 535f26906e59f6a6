// SPDX-License-Identifier: GPL-2.0

//! The kernel modules: what is done when one is loaded, and undone when it goes.

use super::{
    assign::{
        self,
        Assignment,
        AutoAssign, //
    },
    count::Shown,
    Registration, //
};
use kernel::prelude::*;

/// The version of all modules, for `modinfo` and `/sys/module/*/version`: what `MODULE_VERSION` writes in C,
/// and `module!` has no key for. `CHANGELOG.md` says what is in it.
pub const VERSION: &str = "version=1.0\0";

/// Tells `modinfo` of which version and which build a module is.
///
/// The build is the hash of all sources, see Kbuild. It is part of the names of what the modules export,
/// too, so the kernel refuses one that is not of the same build as those it needs.
#[macro_export]
macro_rules! build_info {
    () => {
        const _: () = {
            use $crate::netfilter::{
                module::VERSION,
                param::bytes, //
            };

            const BUILD: &str = concat!("build=", env!("NF_BUILD"), "\0");
            assert!(
                env!("NF_BUILD").len() == 16,
                "Kbuild could not hash the sources"
            );
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_VERSION: [u8; VERSION.len()] = bytes(VERSION);
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_BUILD: [u8; BUILD.len()] = bytes(BUILD);
        };
    };
}

/// Declares the module of a helper: `helper: Type`, and then what `module!` takes.
///
/// Makes the static `COUNTS`, for [`Helper::counts`](super::Helper::counts).
#[macro_export]
macro_rules! helper_module {
    (helper: $helper:ty, $($info:tt)*) => {
        ::kernel::prelude::module! {
            type: Module,
            $($info)*
        }
        $crate::build_info!();

        static COUNTS: $crate::netfilter::count::Conntrack =
            $crate::netfilter::count::Conntrack::new($crate::module_name!());

        struct Module {
            _helper: $crate::netfilter::HelperModule<$helper>,
        }

        impl ::kernel::Module for Module {
            fn init(module: &'static ::kernel::ThisModule) -> ::kernel::error::Result<Self> {
                Ok(Self {
                    _helper: $crate::netfilter::HelperModule::new(module)?,
                })
            }
        }
    };
}

/// What a loaded helper holds.
pub struct HelperModule<H: AutoAssign> {
    // Dropped in this order.
    _assignment: Option<Assignment>,
    _registration: Registration,
    _resources: H::Resources,
    _shown: Shown,
}

impl<H: AutoAssign> HelperModule<H> {
    /// Registers the helper.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        H::ports().check(H::counts().module())?;
        let resources = H::resources()?;
        let mut assignment = if H::is_wanted() {
            Some(Assignment::new()?)
        } else {
            None
        };
        // The last that may fail, see `Assignment::new`.
        let registration = Registration::new::<H>(module)?;
        if let Some(assignment) = &mut assignment {
            assignment.start::<H>(&registration);
        }
        Ok(Self {
            _assignment: assignment,
            _registration: registration,
            _resources: resources,
            _shown: Shown::of_conntrack(H::counts(), H::counters()),
        })
    }
}

/// The module that the helpers' modules need.
pub struct Core;

impl kernel::Module for Core {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The kernel calls this once, before it loads a module that needs this one.
        unsafe { assign::init() };
        Ok(Self)
    }
}
