// SPDX-License-Identifier: GPL-2.0

//! Conntrack helpers: what a module implements and how the kernel comes to call it.
//!
//! `nf_conntrack_helper.destroy` stays null. `destroy_gre_conntrack()` takes the helper of a GRE
//! connection's master for PPTP's if it is set, and follows pointers in the master's 32 bytes, which
//! are ours; and anybody who may use ctnetlink in a namespace of his own can make such a connection.

use super::{
    assign::PickUp,
    count::{
        self,
        Counters,
        ModuleName, //
    },
    Conn,
    Packet,
    Verdict, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings::{
        nlattr,
        sk_buff, //
    },
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::rcu, //
};

/// The protocol that carries the control connection.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum L4Proto {
    /// `IPPROTO_TCP`.
    Tcp = 6,
    /// `IPPROTO_UDP`.
    Udp = 17,
}

impl L4Proto {
    const fn name(self) -> &'static str {
        match self {
            L4Proto::Tcp => "TCP",
            L4Proto::Udp => "UDP",
        }
    }
}

// CAST: Both are small.
const _: () = assert!(
    Verdict::Accept as i32 == bindings::NF_ACCEPT as i32
        && Verdict::Drop as i32 == bindings::NF_DROP as i32,
    "the kernel has other numbers for what becomes of a packet"
);

/// How many expectations one connection may have, and how long each.
///
/// C type: `struct nf_conntrack_expect_policy`.
pub struct ExpectPolicy {
    /// Number of pending expectations, 1 to 255.
    pub max_expected: u32,
    /// Lifetime in seconds.
    pub timeout: u32,
}

/// A conntrack helper.
///
/// The kernel calls it for each packet of the connections that it is attached to, in softirq, with
/// the RCU read side lock held, possibly on several CPUs at once even for one connection.
pub trait Helper: Sized + Sync + 'static {
    /// Name of the helper, as in `-j CT --helper NAME`; at most 15 bytes.
    const NAME: &'static CStr;

    /// The protocol of the control connection.
    const PROTOCOL: L4Proto;

    /// What it counts, as each conntrack half does; see [`helper_module!`](crate::helper_module).
    fn counts() -> &'static count::Conntrack;

    /// What it counts beside that.
    fn counters() -> Counters {
        &[]
    }

    /// What it may expect; asked once, when it is registered.
    fn policy() -> ExpectPolicy;

    /// What is kept for each connection, and shared by those who look at its packets.
    type State: Sync + 'static;

    /// The state of a new connection. The kernel gives us zeroed memory for it, so this must be a
    /// value of which all bytes are zero; that is checked when the helper is compiled.
    const INITIAL: Self::State;

    /// Looks at a packet.
    fn help(packet: Packet<'_>, conn: Conn<'_, Self::State>) -> Verdict;

    /// Prepares the state of a connection that ctnetlink injected, as after a failover.
    fn picked_up(state: &Self::State);

    /// Which TCP connections get it automatically though they are seen in their middle only, as after
    /// the table of connections was flushed; by default none.
    const PICK_UP: Option<PickUp> = None;

    /// What it needs while it is registered, such as a [`Store`](super::stream::Store).
    type Resources: Send + Sync;

    /// Gets that.
    fn resources() -> Result<Self::Resources>;
}

/// Adapter from the kernel's callbacks to a [`Helper`].
struct Adapter<H: Helper>(PhantomData<H>);

impl<H: Helper> Adapter<H> {
    /// Proof that the zeroed `nf_conn_help.data` holds a valid state.
    const CHECK: () = {
        assert!(
            size_of::<H::State>() <= size_of_data(),
            "the state does not fit into the kernel's nf_conn_help.data"
        );
        assert!(
            align_of::<H::State>() <= 8,
            "nf_conn_help.data is aligned to 8 bytes"
        );
        let initial = ManuallyDrop::new(H::INITIAL);
        let bytes = (&raw const initial).cast::<u8>();
        let mut i = 0;
        while i < size_of::<H::State>() {
            // SAFETY: `i` is inside of the value. Reading padding would not compile.
            let byte = unsafe { *bytes.add(i) };
            assert!(byte == 0, "the initial state is not all zero");
            i += 1;
        }
    };

    /// # Safety
    ///
    /// Only the kernel may call it, as `nf_conntrack_helper.help` of the helper `H`.
    unsafe extern "C" fn help(
        skb: *mut sk_buff,
        protoff: u32,
        ct: *mut bindings::nf_conn,
        info: bindings::ip_conntrack_info,
    ) -> c_int {
        // SAFETY: `nf_confirm` gives us a packet that is in nobody else's hands, with `protoff` the
        // offset of the transport header.
        let packet = unsafe { Packet::from_raw(skb, protoff) };
        if packet.is_loopback() {
            // What it says was dealt with, and may have been changed since.
            return Verdict::Accept as c_int;
        }
        // SAFETY: The packet holds a reference to `ct`, and netfilter hooks run under the RCU read
        // side lock. `nf_confirm` found this function in the helper extension. A connection never
        // changes to another helper's callback, and `CHECK` proves that the zeroed data it started
        // with is a valid state.
        let conn = unsafe { Conn::<H::State>::of_helper(ct, info) };
        // CAST: It is one of these.
        H::help(packet, conn) as c_int
    }

    /// # Safety
    ///
    /// Only the kernel may call it, as `nf_conntrack_helper.from_nlattr` of the helper `H`.
    unsafe extern "C" fn from_nlattr(_attr: *mut nlattr, ct: *mut bindings::nf_conn) -> c_int {
        // SAFETY: ctnetlink calls this for a connection that it makes, and then attaches our helper to, or
        // that has our helper, under the RCU read side lock; see `help` for the state.
        match unsafe { Conn::<H::State>::from_raw(ct, bindings::IP_CT_NEW) } {
            Some(conn) => {
                // One that has the helper is changed, by ctnetlink or with a verdict of nfnetlink_queue. What
                // is known of it stays.
                if conn.helper().is_null() {
                    H::picked_up(conn.state());
                }
                0
            }
            None => ENOENT.to_errno(),
        }
    }
}

/// Whether the kernel has a helper of this name and protocol for one of the families: it would not
/// refuse one for any family beside that.
///
/// C function: `__nf_conntrack_helper_find`.
fn is_taken(name: &CStr, protocol: L4Proto) -> bool {
    let _rcu = rcu::read_lock();
    [bindings::NFPROTO_IPV4, bindings::NFPROTO_IPV6]
        .iter()
        .any(|family| {
            // SAFETY: The name is a C string; the RCU read side lock is held. What is found is only
            // compared with null.
            let found = unsafe {
                bindings::__nf_conntrack_helper_find(
                    name.as_char_ptr(),
                    // CAST: `NFPROTO_*` are small.
                    *family as u16,
                    protocol as u8,
                )
            };
            !found.is_null()
        })
}

/// Size of the memory that the kernel has for a helper's state of one connection, in bytes.
const fn size_of_data() -> usize {
    let help = MaybeUninit::<bindings::nf_conn_help>::uninit();
    // SAFETY: Only the size of the field is asked for; nothing is read.
    size_of_val(unsafe { &(*help.as_ptr()).data })
}

/// Keeps a helper registered.
///
/// # Invariants
///
/// The pointer is to the kernel's copy of the helper, which is registered.
pub struct Registration(NonNull<bindings::nf_conntrack_helper>);

// SAFETY: The kernel's functions on a registered helper may be called from any thread, and the
// pointer is not handed out.
unsafe impl Send for Registration {}
// SAFETY: As above.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers the helper for IPv4 and IPv6.
    ///
    /// Fails with `EBUSY` if the kernel has a helper of this name and protocol already, which is
    /// the case while its own module is loaded.
    ///
    /// C function: `nf_ct_helper_init`.
    pub(super) fn new<H: Helper>(module: &'static ThisModule) -> Result<Self> {
        const { Adapter::<H>::CHECK };
        let policy = H::policy();
        let policy = bindings::nf_conntrack_expect_policy {
            max_expected: policy.max_expected,
            timeout: policy.timeout,
            name: [0; 16],
        };
        let mut template = MaybeUninit::<bindings::nf_conntrack_helper>::uninit();
        // SAFETY: All pointers are valid for the call; the function fills in all of the template.
        unsafe {
            bindings::nf_ct_helper_init(
                template.as_mut_ptr(),
                // CAST: 0, for any family.
                bindings::NFPROTO_UNSPEC as u8,
                H::PROTOCOL as u16,
                H::NAME.as_char_ptr(),
                &policy,
                0,
                Some(Adapter::<H>::help),
                Some(Adapter::<H>::from_nlattr),
                module.as_ptr(),
            );
        }
        // SAFETY: It was just initialised.
        unsafe { Self::register(template, H::NAME, H::PROTOCOL, H::counts().module()) }
    }

    /// # Safety
    ///
    /// The template must be initialised.
    ///
    /// C function: `nf_conntrack_helper_register`.
    unsafe fn register(
        mut template: MaybeUninit<bindings::nf_conntrack_helper>,
        name: &'static CStr,
        protocol: L4Proto,
        module: ModuleName,
    ) -> Result<Self> {
        let mut registered = ptr::null_mut();
        let result = if is_taken(name, protocol) {
            Err(EBUSY)
        } else {
            // SAFETY: By the requirements of this function; the kernel copies the template and stores
            // the pointer to the copy.
            to_result(unsafe {
                bindings::nf_conntrack_helper_register(template.as_mut_ptr(), &mut registered)
            })
        };
        match result {
            Ok(()) => {}
            Err(EBUSY) => {
                let protocol = protocol.name();
                module.error(fmt!("another module has registered a helper '{name}' for {protocol} already, most likely nf_conntrack_{name}.\n"));
                module.error(fmt!("Only one can be loaded: unload it (modprobe -r nf_nat_{name} nf_conntrack_{name}) and try again.\n"));
                return Err(EBUSY);
            }
            Err(error) => {
                module.error(fmt!(
                    "the kernel does not register the helper '{name}': {error:?}\n"
                ));
                return Err(error);
            }
        }
        // INVARIANT: The helper was just registered.
        NonNull::new(registered).map(Self).ok_or(ENOMEM)
    }

    /// The pointer to the registered helper.
    pub(super) fn as_ptr(&self) -> *mut bindings::nf_conntrack_helper {
        self.0.as_ptr()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Waits until no CPU runs a function of the helper any more, and ends its expectations.
        // Connections that have the helper stay, without help.
        //
        // SAFETY: By the type invariants the helper is registered.
        unsafe { bindings::nf_conntrack_helper_unregister(self.0.as_ptr()) };
    }
}
