// SPDX-License-Identifier: GPL-2.0

//! Module parameters that can be seen and changed in sysfs.
//!
//! The kernel crate's `module!` knows integers and bools that are set at load time and never shown;
//! the parameters of conntrack helpers have always been in sysfs.

use core::{
    sync::atomic::AtomicBool, //
};
use kernel::{
    bindings,
    module_param::KernelParam, //
};

/// Makes the entry that the kernel's parameter code reads for a bool.
///
/// `value` is set by `param_set_bool`, which stores a `bool`; all other uses are atomic loads.
pub(crate) const fn kernel_param(
    name: &'static core::ffi::CStr,
    value: &'static AtomicBool,
    permissions: u16,
) -> KernelParam {
    KernelParam::new(bindings::kernel_param {
        name: kernel::str::as_char_ptr_in_const_context(name),
        mod_: (&raw const bindings::__this_module).cast_mut(),
        ops: &raw const bindings::param_ops_bool,
        perm: permissions,
        level: -1,
        flags: 0,
        __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
            arg: value.as_ptr().cast(),
        },
    })
}

/// The bytes of a string, for a static in section `.modinfo`.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut to = [0; N];
    let mut i = 0;
    while i < N {
        to[i] = text.as_bytes()[i];
        i += 1;
    }
    to
}

/// Declares a bool parameter and makes a static of its name, an `AtomicBool`.
///
/// It shows up in `modinfo`, in `/sys/module/*/parameters` with the given mode, and on the command
/// line of modprobe.
macro_rules! bool_param {
    ($name:ident, $permissions:literal, $default:literal, $description:literal) => {
        #[allow(non_upper_case_globals)]
        static $name: ::core::sync::atomic::AtomicBool =
            ::core::sync::atomic::AtomicBool::new($default);

        const _: () = {
            use $crate::netfilter::param;

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: ::kernel::module_param::KernelParam = param::kernel_param(
                match ::core::ffi::CStr::from_bytes_with_nul(
                    concat!(stringify!($name), "\0").as_bytes(),
                ) {
                    Ok(name) => name,
                    Err(_) => panic!("the name has a NUL byte"),
                },
                &$name,
                $permissions,
            );

            const TEXT: &str = concat!("parm=", stringify!($name), ":", $description, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static PARM: [u8; TEXT.len()] = param::bytes(TEXT);

            const TYPE: &str = concat!("parmtype=", stringify!($name), ":bool\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static PARMTYPE: [u8; TYPE.len()] = param::bytes(TYPE);
        };
    };
}
pub(crate) use bool_param;
