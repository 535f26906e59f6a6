// SPDX-License-Identifier: GPL-2.0

//! Automatic assignment: attaching a helper to new connections to its ports.
//!
//! Mainline once did this inside of conntrack. Here it is a netfilter hook that runs when NAT is
//! settled and the connection is not confirmed yet; its helper is called first right after. It
//! acts only where conntrack has been already and never turns it on. An explicit choice
//! (`-j CT --helper`, nft `ct helper set`, `NOTRACK`) was made earlier, and wins.

use super::{
    count,
    helper::{
        L4Proto,
        Registration, //
    },
    param::Ports,
    Helper,
    Packet, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr,
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        AtomicU32,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings::{
        callback_head,
        list_head,
        net,
        pernet_operations,
        register_pernet_subsys,
        sk_buff,
        unregister_pernet_subsys, //
    },
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// A helper that is attached to new connections to its ports; see [`auto_assign!`].
pub(crate) trait AutoAssign: Helper {
    /// The ports of the server that make a connection one of the helper's.
    fn ports() -> &'static Ports;

    /// Whether it is to be attached at all.
    fn is_wanted() -> bool;

    /// A static of the module, for nothing else.
    fn shared() -> &'static Shared;
}

/// Whether a connection of TCP that conntrack first sees in its middle gets the helper. `packet` is the one
/// that it is seen by, from the client.
pub(crate) type PickUp = fn(packet: &Packet<'_>) -> bool;

/// What the kernel's callbacks, which get no pointer of ours, find in a static.
///
/// # Invariants
///
/// While an [`Assignment`] exists, `helper` is null or the registered helper, `hooks` points to the
/// records of [`HOOKS`]`.len()` hooks, and each namespace has an [`OfNet`] under the number `id`.
pub(crate) struct Shared {
    helper: AtomicPtr<bindings::nf_conntrack_helper>,
    hooks: AtomicPtr<bindings::nf_hook_ops>,
    id: AtomicU32,
    /// Whether the log spoke of a namespace without room for hooks.
    said: AtomicBool,
}

/// What is kept for each namespace; all zero when it begins.
struct OfNet {
    /// Whether the hooks are in place there.
    is_hooked: AtomicBool,
}

impl Shared {
    /// Empty, for the static.
    pub(crate) const fn new() -> Self {
        Self {
            helper: AtomicPtr::new(ptr::null_mut()),
            hooks: AtomicPtr::new(ptr::null_mut()),
            id: AtomicU32::new(0),
            said: AtomicBool::new(false),
        }
    }
}

/// Declares the parameters `ports` and `auto_assign` of a helper's module, and implements
/// [`AutoAssign`] with them.
macro_rules! auto_assign {
    ($helper:ty, ports = $default:literal, $whose:literal) => {
        $crate::netfilter::param::module_param!(
            ports: ports = $default,
            0o444,
            concat!(
                "Ports of ", $whose, ", up to 16; new connections to them get the helper (default: ",
                stringify!($default), ")"
            )
        );
        $crate::netfilter::param::module_param!(
            auto_assign: bool = true,
            0o444,
            "Attach the helper to new connections to ports; off: only where a rule says so (default: on)"
        );

        impl $crate::netfilter::assign::AutoAssign for $helper {
            fn ports() -> &'static $crate::netfilter::param::Ports {
                &ports
            }

            fn is_wanted() -> bool {
                auto_assign.load(::core::sync::atomic::Ordering::Relaxed)
            }

            fn shared() -> &'static $crate::netfilter::assign::Shared {
                static SHARED: $crate::netfilter::assign::Shared =
                    $crate::netfilter::assign::Shared::new();
                &SHARED
            }
        }
    };
}
pub(crate) use auto_assign;

/// Where the hooks are: the last stops of a connection's first packet before it is confirmed.
///
/// What a bridge delivers to this machine comes to that of IP. What br_netfilter gives to that of IP at
/// POST_ROUTING comes here first, before NAT, which then sees to the sequence numbers
/// (`nf_nat_setup_info`).
// CAST: `NFPROTO_*` are small.
const HOOKS: [(u8, c_uint); 4 + cfg!(CONFIG_NETFILTER_FAMILY_BRIDGE) as usize] = [
    (bindings::NFPROTO_IPV4 as u8, bindings::NF_INET_LOCAL_IN),
    (bindings::NFPROTO_IPV4 as u8, bindings::NF_INET_POST_ROUTING),
    (bindings::NFPROTO_IPV6 as u8, bindings::NF_INET_LOCAL_IN),
    (bindings::NFPROTO_IPV6 as u8, bindings::NF_INET_POST_ROUTING),
    #[cfg(CONFIG_NETFILTER_FAMILY_BRIDGE)]
    (bindings::NFPROTO_BRIDGE as u8, bindings::NF_BR_POST_ROUTING),
];

/// Behind all rules, since nft can set a helper in a chain of any priority, but for one as late as the
/// two that follow: the SYN proxy, and the confirmation, which calls the helper.
const PRIORITY: c_int = bindings::NF_IP_PRI_CONNTRACK_CONFIRM - 2;

/// Keeps the hooks in place, in all network namespaces.
///
/// # Invariants
///
/// `pernet` is registered, and `hooks` in each namespace that has room for them.
pub(crate) struct Assignment<H: AutoAssign> {
    pernet: KBox<Opaque<pernet_operations>>,
    _hooks: KBox<[bindings::nf_hook_ops; HOOKS.len()]>,
    _helper: PhantomData<H>,
}

// SAFETY: Nothing of it is touched by us while it is registered.
unsafe impl<H: AutoAssign> Send for Assignment<H> {}
// SAFETY: As above.
unsafe impl<H: AutoAssign> Sync for Assignment<H> {}

impl<H: AutoAssign> Assignment<H> {
    /// Puts the hooks in place. Only one may exist at a time.
    ///
    /// To be called before the helper is registered, which is the last that may fail: from then on anybody
    /// may hold the module by a rule, and the kernel frees a module whose initialisation fails all the same.
    ///
    /// C functions: `register_pernet_subsys`, `nf_register_net_hooks`.
    pub(super) fn new() -> Result<Self> {
        let mut hooks = KBox::new(
            HOOKS.map(|(pf, hooknum)| {
                let null = list_head {
                    next: ptr::null_mut(),
                    prev: ptr::null_mut(),
                };
                bindings::nf_hook_ops {
                    list: null,
                    rcu: callback_head {
                        next: ptr::null_mut(),
                        func: None,
                    },
                    hook: Some(hook::<H>),
                    dev: ptr::null_mut(),
                    priv_: ptr::null_mut(),
                    pf,
                    _bitfield_align_1: [],
                    _bitfield_1: Default::default(),
                    hooknum,
                    priority: PRIORITY,
                }
            }),
            GFP_KERNEL,
        )?;
        let pernet = KBox::new(
            Opaque::new(pernet_operations {
                init: Some(net_init::<H>),
                exit: Some(net_exit::<H>),
                id: H::shared().id.as_ptr(),
                size: size_of::<OfNet>(),
                ..pernet_operations::default()
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: Set before the first callback can run.
        H::shared()
            .hooks
            .store(hooks.as_mut_ptr(), Ordering::Release);
        // SAFETY: `pernet` is initialised and stays where it is until `drop` has unregistered it.
        if let Err(error) = to_result(unsafe { register_pernet_subsys(pernet.get()) }) {
            // Some namespaces may have had the hooks already.
            wait_for_hooks();
            return Err(error);
        }
        Ok(Self {
            pernet,
            _hooks: hooks,
            _helper: PhantomData,
        })
    }

    /// Starts to attach the helper. The registration must outlive this.
    pub(super) fn start(&self, registration: &Registration<H>) {
        // INVARIANT: It is the registered one.
        H::shared()
            .helper
            .store(registration.as_ptr(), Ordering::Release);
    }
}

impl<H: AutoAssign> Drop for Assignment<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is registered.
        unsafe { unregister_pernet_subsys(self.pernet.get()) };
        wait_for_hooks();
    }
}

/// Waits until no packet is in a hook any more that was taken out, and nobody looks at its record, as
/// `nft list hooks` does.
fn wait_for_hooks() {
    // SAFETY: An FFI call with no additional requirements; modules are loaded and unloaded in process
    // context.
    unsafe { kernel::bindings::synchronize_rcu() };
}

/// # Safety
///
/// Only the kernel may call it, as `init` of a registered `pernet_operations`.
unsafe extern "C" fn net_init<H: AutoAssign>(net: *mut net) -> c_int {
    let shared = H::shared();
    let hooks = shared.hooks.load(Ordering::Acquire);
    // SAFETY: `net` is valid; by the invariants of `Shared` so are the hooks.
    let result = unsafe { bindings::nf_register_net_hooks(net, hooks, HOOKS.len() as c_uint) };
    if result == 0 {
        // SAFETY: As above, it has an `OfNet`.
        unsafe { of_net::<H>(net) }
            .is_hooked
            .store(true, Ordering::Relaxed);
    } else if !shared.said.swap(true, Ordering::Relaxed) {
        // Whoever has a namespace may fill it with chains: that is no reason not to load for all others.
        pr_warn!(
            "a network namespace has no room for hooks ({result}): ports= does nothing there, rules do.\n"
        );
    }
    0
}

/// # Safety
///
/// `net` must be valid, and have an [`OfNet`].
unsafe fn of_net<'a, H: AutoAssign>(net: *mut net) -> &'a OfNet {
    // SAFETY: By the requirements of this function.
    unsafe { &*bindings::net_generic(net, H::shared().id.load(Ordering::Relaxed)).cast::<OfNet>() }
}

/// # Safety
///
/// Only the kernel may call it, as `exit` of a registered `pernet_operations`.
unsafe extern "C" fn net_exit<H: AutoAssign>(net: *mut net) {
    // SAFETY: `net` is valid and has an `OfNet`.
    if !unsafe { of_net::<H>(net) }
        .is_hooked
        .load(Ordering::Relaxed)
    {
        return;
    }
    let hooks = H::shared().hooks.load(Ordering::Acquire);
    // SAFETY: `net` is valid; by the invariants of `Shared` so are the hooks, which are in place.
    unsafe { bindings::nf_unregister_net_hooks(net, hooks, HOOKS.len() as c_uint) };
}

/// # Safety
///
/// Only the kernel may call it, as a netfilter hook.
unsafe extern "C" fn hook<H: AutoAssign>(
    _priv: *mut c_void,
    skb: *mut sk_buff,
    _state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: Netfilter hooks are given a valid packet.
    let nfct = unsafe { (*skb)._nfct };
    // What `nf_ct_get` does: the low bits tell the packet's relation, the others are the pointer.
    let info = nfct & 7;
    let ct = (nfct & !7) as *mut bindings::nf_conn;
    if info == bindings::IP_CT_NEW as usize && !ct.is_null() {
        // SAFETY: The packet holds a reference to `ct`.
        unsafe { assign::<H>(skb, ct) };
    }
    bindings::NF_ACCEPT
}

/// Attaches the helper to a connection if it is a new one to one of the helper's ports.
///
/// # Safety
///
/// `skb` and `ct` must be valid, and the RCU read side lock held.
#[inline(never)]
unsafe fn assign<H: AutoAssign>(skb: *mut sk_buff, ct: *mut bindings::nf_conn) {
    const DECIDED: u32 = bindings::IPS_CONFIRMED
        | bindings::IPS_TEMPLATE
        | bindings::IPS_HELPER
        | bindings::IPS_EXPECTED;
    // SAFETY: `ct` is valid by the requirements of this function; `status` is a word of atomic bits,
    // which others may set if the connection has been confirmed.
    let status = unsafe { AtomicUsize::from_ptr(&raw mut (*ct).status) };
    // CAST: All bits of interest are in the lower half.
    let status = status.load(Ordering::Relaxed) as u32;
    // SAFETY: As above. The tuples do not change behind NAT.
    let reply = unsafe { (*ct).tuplehash[1].tuple };
    // The server as it sees itself: DNAT is undone in the reply direction.
    //
    // SAFETY: Each field of the union is a plain integer.
    let port = u16::from_be(unsafe { reply.src.u.all });
    if status & DECIDED != 0
        || reply.dst.protonum != H::PROTOCOL as u8
        || !H::ports().contains(port)
    {
        return;
    }
    let helper = H::shared().helper.load(Ordering::Acquire);
    if helper.is_null() {
        return;
    }
    // SAFETY: Both are valid by the requirements of this function.
    if matches!(H::PROTOCOL, L4Proto::Tcp) && !unsafe { begins(skb, ct, H::PICK_UP) } {
        return;
    }
    // SAFETY: An unconfirmed connection belongs to the one packet that we have at hand, so it may
    // be extended. What was found before extending it is not used after, since it may move.
    unsafe {
        if !bindings::nfct_help(ct).is_null() {
            return;
        }
        if status & bindings::IPS_NAT_MASK != 0 && bindings::nfct_seqadj(ct).is_null() {
            // Without it rewrites that change a length are not done.
            bindings::nfct_seqadj_ext_add(ct);
        }
        let help = bindings::nf_ct_helper_ext_add(ct, kernel::bindings::GFP_ATOMIC);
        if help.is_null() {
            count::conntrack::no_memory.count();
            return;
        }
        if bindings::refcount_inc_not_zero(&raw mut (*helper).ct_refcnt) {
            // `rcu_assign_pointer`: others see the helper only once it is complete.
            (*(&raw mut (*help).helper).cast::<AtomicPtr<bindings::nf_conntrack_helper>>())
                .store(helper, Ordering::Release);
            count::conntrack::assigned.count();
        }
    }
}

/// Whether a TCP connection that conntrack sees for the first time begins now, or is one that `pick_up` takes
/// in its middle.
///
/// # Safety
///
/// `skb` and `ct` must be valid, and `ct` be of TCP.
unsafe fn begins(skb: *mut sk_buff, ct: *mut bindings::nf_conn, pick_up: Option<PickUp>) -> bool {
    // SAFETY: `ct` is valid by the requirements of this function; any number is a valid state. Nobody else
    // has this connection yet.
    let state = unsafe { (*ct).proto.tcp.state };
    if u32::from(state) == kernel::bindings::tcp_conntrack_TCP_CONNTRACK_SYN_SENT {
        return true;
    }
    let Some(pick_up) = pick_up else {
        return false;
    };
    // SAFETY: `skb` is valid, and in a netfilter hook begins with its network header; it is ours for now.
    let packet = unsafe { Packet::of_tcp(skb) };
    packet.is_some_and(|packet| pick_up(&packet))
}
