// SPDX-License-Identifier: GPL-2.0

//! Module parameters that can be seen and changed in sysfs.
//!
//! The kernel crate's `module!` knows integers and bools that are set at load time and never shown;
//! the parameters of conntrack helpers have always been in sysfs.

use super::count::ModuleName;
use core::{
    ffi::CStr,
    sync::atomic::{
        AtomicBool,
        AtomicU16,
        AtomicU32,
        Ordering, //
    },
};
use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int, //
    },
    module_param::KernelParam,
    prelude::*, //
};

/// Up to [`Ports::MAX`] port numbers, for a static that is a module parameter.
///
/// The kernel's parameter code writes it when the module is loaded and reads it for sysfs.
#[repr(C)]
pub struct Ports {
    list: [AtomicU16; Self::MAX],
    count: AtomicU32,
}

impl Ports {
    /// How many there may be.
    pub const MAX: usize = 16;

    /// One port, the default.
    pub const fn new(default: u16) -> Self {
        let mut list = [const { AtomicU16::new(0) }; Self::MAX];
        list[0] = AtomicU16::new(default);
        Self {
            list,
            count: AtomicU32::new(1),
        }
    }

    /// The ports, in host byte order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        // CAST: At most `MAX`.
        let count = self.count.load(Ordering::Relaxed) as usize;
        let known = self.list.get(..count).unwrap_or_default();
        known.iter().map(|port| port.load(Ordering::Relaxed))
    }

    /// Refuses what is no port.
    pub(super) fn check(&self, module: ModuleName) -> Result {
        if self.iter().any(|port| port == 0) {
            module.error(fmt!(
                "ports=0 is no port; give up to {} numbers from 1 to 65535, as in ports=21,2121.\n",
                Self::MAX
            ));
            return Err(EINVAL);
        }
        Ok(())
    }

    /// The record that `param_array_ops` works with.
    pub const fn array(&'static self) -> Array {
        Array(bindings::kparam_array {
            max: Self::MAX as u32,
            elemsize: size_of::<u16>() as u32,
            num: self.count.as_ptr(),
            ops: &raw const bindings::param_ops_ushort,
            elem: (&raw const self.list).cast_mut().cast(),
        })
    }
}

/// A `kparam_array` in a static.
#[repr(transparent)]
pub struct Array(bindings::kparam_array);

// SAFETY: The kernel's parameter code serialises all access; we have none.
unsafe impl Sync for Array {}

/// Makes the entry that the kernel's parameter code reads for a bool.
///
/// `value` is set by `param_set_bool`, which stores a `bool`; all other uses are atomic loads.
pub const fn bool_entry(
    name: &'static CStr,
    value: &'static AtomicBool,
    permissions: u16,
) -> KernelParam {
    let target = bindings::kernel_param__bindgen_ty_1 {
        arg: value.as_ptr().cast(),
    };
    entry(
        name,
        &raw const bindings::param_ops_bool,
        target,
        permissions,
    )
}

/// The longest time that a parameter may name, some 24 days.
///
/// Conntrack's clock has 32 bits and counts up to 1,000 times a second; what lies half of its range
/// ahead is taken for the past.
// CAST: It is positive.
pub const SECONDS_MAX: u32 = i32::MAX as u32 / 1000;

/// What the kernel's parameter code does with a number from `MIN` to `MAX`.
struct Bounded<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    const OPS: &'static bindings::kernel_param_ops = &bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(bindings::param_get_uint),
        free: None,
    };

    /// Stores the number; says what it may be if it is another.
    ///
    /// C functions: `param_set_uint_minmax`, `_printk`.
    ///
    /// # Safety
    ///
    /// Only the kernel may call it, as `kernel_param_ops.set` of a parameter whose `arg` is an
    /// [`AtomicU32`].
    unsafe extern "C" fn set(value: *const c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: The kernel gives us a text or null, and the parameter that it is for.
        let result = unsafe { bindings::param_set_uint_minmax(value, param, MIN, MAX) };
        if result != 0 {
            // Level "error".
            let format = c"\x013%s: %s must be from %u to %u.\n";
            // SAFETY: The arguments are what the format asks for: C strings, see `entry` for the
            // parameter's module and name, and numbers.
            unsafe {
                bindings::_printk(
                    format.as_char_ptr(),
                    (&raw const (*(*param).mod_).name).cast::<c_char>(),
                    (*param).name,
                    MIN,
                    MAX,
                );
            }
        }
        result
    }
}

/// Makes the entry that the kernel's parameter code reads for a number from `MIN` to `MAX`.
///
/// `value` is set by `param_set_uint_minmax`; all other uses are atomic loads.
pub const fn u32_entry<const MIN: u32, const MAX: u32>(
    name: &'static CStr,
    value: &'static AtomicU32,
    permissions: u16,
) -> KernelParam {
    let target = bindings::kernel_param__bindgen_ty_1 {
        arg: value.as_ptr().cast(),
    };
    entry(name, Bounded::<MIN, MAX>::OPS, target, permissions)
}

/// Makes the entry that the kernel's parameter code reads for a list of ports.
pub const fn ports_entry(
    name: &'static CStr,
    array: &'static Array,
    permissions: u16,
) -> KernelParam {
    let target = bindings::kernel_param__bindgen_ty_1 {
        arr: &raw const array.0,
    };
    entry(
        name,
        &raw const bindings::param_array_ops,
        target,
        permissions,
    )
}

const fn entry(
    name: &'static CStr,
    ops: *const bindings::kernel_param_ops,
    target: bindings::kernel_param__bindgen_ty_1,
    perm: u16,
) -> KernelParam {
    KernelParam::new(bindings::kernel_param {
        name: kernel::str::as_char_ptr_in_const_context(name),
        mod_: (&raw const bindings::__this_module).cast_mut(),
        ops,
        perm,
        level: -1,
        flags: 0,
        __bindgen_anon_1: target,
    })
}

/// The bytes of a string, for a static in section `.modinfo`.
#[inline]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut to = [0; N];
    let mut i = 0;
    while i < N {
        to[i] = text.as_bytes()[i];
        i += 1;
    }
    to
}

/// A C string out of a text that ends in NUL.
// Inline, as the others that may panic: they run when a module is compiled, and are in none.
#[inline]
pub const fn c_str(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name has a NUL byte"),
    }
}

/// Declares a module parameter and makes a static of its name.
///
/// - `name: bool = default` makes an `AtomicBool`,
/// - `name: u32 = default, MIN..=MAX` makes an `AtomicU32`; another number is refused,
/// - `name: ports = default` makes a [`Ports`].
///
/// It shows up in `modinfo`, with the given mode in `/sys/module/*/parameters`, and on the command
/// line of modprobe.
#[macro_export]
macro_rules! module_param {
    ($name:ident: bool = $default:literal, $permissions:literal, $description:expr) => {
        $crate::module_param!(
            @scalar $name, AtomicBool, $default, $crate::netfilter::param::bool_entry, $permissions, "bool", $description
        );
    };
    ($name:ident: u32 = $default:literal, $min:literal..=$max:expr, $permissions:literal,
     $description:expr) => {
        $crate::module_param!(
            @scalar $name, AtomicU32, $default, $crate::netfilter::param::u32_entry::<{ $min }, { $max }>, $permissions, "uint",
            $description
        );
    };
    ($name:ident: ports = $default:literal, $permissions:literal, $description:expr) => {
        #[allow(non_upper_case_globals)]
        static $name: $crate::netfilter::param::Ports =
            $crate::netfilter::param::Ports::new($default);

        const _: () = {
            static ARRAY: $crate::netfilter::param::Array = $name.array();
            $crate::module_param!(
                @entry $name, $crate::netfilter::param::ports_entry, &ARRAY, $permissions, "array of ushort", $description
            );
        };
    };
    (@scalar $name:ident, $atomic:ident, $default:literal, $entry:expr, $permissions:literal,
     $type:literal, $description:expr) => {
        #[allow(non_upper_case_globals)]
        static $name: ::core::sync::atomic::$atomic =
            ::core::sync::atomic::$atomic::new($default);

        const _: () = {
            $crate::module_param!(
                @entry $name, $entry, &$name, $permissions, $type, $description
            );
        };
    };
    (@entry $name:ident, $entry:expr, $value:expr, $permissions:literal, $type:literal,
     $description:expr) => {
        use $crate::netfilter::param;

        #[link_section = "__param"]
        #[used(compiler)]
        static PARAM: ::kernel::module_param::KernelParam = $entry(
            param::c_str(concat!(stringify!($name), "\0")),
            $value,
            $permissions,
        );

        const TEXT: &str = concat!("parm=", stringify!($name), ":", $description, "\0");
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static PARM: [u8; TEXT.len()] = param::bytes(TEXT);

        const TYPE: &str = concat!("parmtype=", stringify!($name), ":", $type, "\0");
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static PARMTYPE: [u8; TYPE.len()] = param::bytes(TYPE);
    };
}
