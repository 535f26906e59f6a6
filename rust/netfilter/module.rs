// SPDX-License-Identifier: GPL-2.0

//! The kernel modules: what is done when one is loaded, and undone when it goes.

use super::{
    assign::{
        Assignment,
        AutoAssign, //
    },
    count::{
        self,
        Shown, //
    },
    nat::{
        self,
        NatHelper, //
    },
    param,
    Registration, //
};
use kernel::prelude::*;

/// Of which build the module is, for `modinfo`; see [`nat`].
const BUILD: &str = concat!("build=", env!("NF_BUILD"), "\0");
const _: () = assert!(
    env!("NF_BUILD").len() == 16,
    "Kbuild could not hash the sources"
);
#[link_section = ".modinfo"]
#[used(compiler)]
static MODINFO: [u8; BUILD.len()] = param::bytes(BUILD);

/// The module of a helper, for `module! { type: … }`.
pub(crate) struct HelperModule<H: AutoAssign> {
    // Dropped in this order.
    _assignment: Option<Assignment<H>>,
    _registration: Registration<H>,
    _resources: H::Resources,
    _shown: Shown,
}

impl<H: AutoAssign> kernel::Module for HelperModule<H> {
    fn init(module: &'static ThisModule) -> Result<Self> {
        H::ports().check()?;
        let resources = H::resources()?;
        let assignment = if H::is_wanted() {
            Some(Assignment::new()?)
        } else {
            None
        };
        // The last that may fail, see `Assignment::new`.
        let registration = Registration::new(module)?;
        if let Some(assignment) = &assignment {
            assignment.start(&registration);
        }
        Ok(Self {
            _assignment: assignment,
            _registration: registration,
            _resources: resources,
            _shown: Shown::new([count::conntrack::COUNTERS, H::counters()]),
        })
    }
}

/// The module of the NAT half of a helper, for `module! { type: … }`.
pub(crate) struct NatModule<N: NatHelper> {
    // Dropped in this order.
    _registration: nat::Registration<N>,
    _shown: Shown,
}

impl<N: NatHelper> kernel::Module for NatModule<N> {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: nat::Registration::new(module)?,
            _shown: Shown::new([count::nat::COUNTERS, &[]]),
        })
    }
}
