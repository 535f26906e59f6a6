// SPDX-License-Identifier: GPL-2.0

//! Automatic assignment: attaching a helper to new connections to its ports.
//!
//! Mainline once did this inside of conntrack. Here it is a netfilter hook that runs when NAT is
//! settled and the connection is not confirmed yet; its helper is called first right after. It
//! acts only where conntrack has been already and never turns it on. An explicit choice
//! (`-j CT --helper`, nft `ct helper set`, `NOTRACK`) was made earlier, and wins.
//!
//! There is one hook for all helpers, in place while any of them wants connections. Which of them gets a
//! connection says [`PORTS`], a table by protocol and port that is read under RCU and changed under
//! [`USERS`]. So a packet pays the same however many helpers there are.

use super::{
    count,
    helper::{
        L4Proto,
        Registration, //
    },
    param::Ports,
    per_net::{
        OfNet,
        PerNet, //
    },
    Helper,
    Packet, //
};
use crate::bindings;
use core::{
    array,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
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
        net,
        sk_buff, //
    },
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    sync::global_lock, //
};

/// A helper that is attached to new connections to its ports; see [`auto_assign!`](crate::auto_assign).
pub trait AutoAssign: Helper {
    /// The ports of the server that make a connection one of the helper's.
    fn ports() -> &'static Ports;

    /// Whether it is to be attached at all.
    fn is_wanted() -> bool;
}

/// Whether a connection of TCP that conntrack first sees in its middle gets the helper. `packet` is the one
/// that it is seen by, from the client.
pub type PickUp = fn(packet: &Packet<'_>) -> bool;

/// Declares the parameters `ports` and `auto_assign` of a helper's module, and implements
/// [`AutoAssign`] with them.
#[macro_export]
macro_rules! auto_assign {
    ($helper:ty, ports = $default:literal, $whose:literal) => {
        $crate::module_param!(
            ports: ports = $default,
            0o444,
            concat!(
                "Ports of ", $whose, ", up to 16; new connections to them get the helper (default: ",
                stringify!($default), ")"
            )
        );
        $crate::module_param!(
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
        }
    };
}

/// A port of a helper, in one of the lists of [`PORTS`].
struct Entry {
    /// The next of the list; null for none.
    next: AtomicPtr<Entry>,
    key: Key,
    candidate: Candidate,
}

/// A helper that wants connections.
#[derive(Clone, Copy)]
struct Candidate {
    helper: *mut bindings::nf_conntrack_helper,
    pick_up: Option<PickUp>,
    counts: &'static count::Conntrack,
}

/// A protocol and a port of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key(u32);

impl Key {
    fn new(protocol: u8, port: u16) -> Self {
        Self(u32::from(protocol) << 16 | u32::from(port))
    }

    /// The list that an entry of this key is in.
    fn list(self) -> &'static AtomicPtr<Entry> {
        let [first, ..] = &PORTS;
        // CAST: `usize` has at least 32 bits.
        PORTS.get(self.0 as usize % PORTS.len()).unwrap_or(first)
    }
}

/// The ports of all helpers: by a few bits of the port the first entry of a list, or null.
///
/// An entry is complete before it is put in. It stays valid for a grace period after it was taken out.
static PORTS: [AtomicPtr<Entry>; 64] = [const { AtomicPtr::new(ptr::null_mut()) }; 64];

/// Finds the helper that a connection gets.
///
/// # Safety
///
/// For `'a` the RCU read side lock must be held.
unsafe fn find<'a>(key: Key) -> Option<&'a Candidate> {
    // Acquire: pairs with the release in `Assignment::put`, before which the entry is complete.
    let mut next = key.list().load(Ordering::Acquire);
    // SAFETY: By what is said of `PORTS`, and the requirements of this function.
    while let Some(entry) = unsafe { next.as_ref() } {
        if entry.key == key {
            return Some(&entry.candidate);
        }
        next = entry.next.load(Ordering::Acquire);
    }
    None
}

/// How many helpers want connections, and the hooks that are in place meanwhile.
struct Users {
    count: usize,
    hooks: Option<PerNet<Hooked>>,
}

global_lock! {
    // SAFETY: `init` is called when the module is loaded.
    unsafe(uninit) static USERS: Mutex<Users> = Users { count: 0, hooks: None };
}

/// Makes ready for assignments.
///
/// # Safety
///
/// To be called once, before anything else here.
pub(super) unsafe fn init() {
    // SAFETY: By the requirements of this function.
    unsafe { USERS.init() };
}

/// Keeps the hooks in place, in all network namespaces that have room for them, and a helper's ports in
/// the table.
pub struct Assignment {
    /// In the table once [`Self::start`] was called, and initialised then: the first `count`.
    entries: KBox<[MaybeUninit<Entry>; Ports::MAX]>,
    count: usize,
}

// SAFETY: The entries are shared by those who read the table; what they point to may be used from any thread.
unsafe impl Send for Assignment {}
// SAFETY: As above.
unsafe impl Sync for Assignment {}

impl Assignment {
    /// Puts the hooks in place, if nobody has yet.
    ///
    /// To be called before the helper is registered, which is the last that may fail: from then on anybody
    /// may hold the module by a rule, and the kernel frees a module whose initialisation fails all the same.
    pub(super) fn new() -> Result<Self> {
        let entries = KBox::new(array::from_fn(|_| MaybeUninit::uninit()), GFP_KERNEL)?;
        let mut users = USERS.lock();
        if users.hooks.is_none() {
            SAID.store(false, Ordering::Relaxed);
            match PerNet::new() {
                Ok(hooks) => users.hooks = Some(hooks),
                Err(error) => {
                    // Some namespaces may have had the hooks already.
                    wait_for_hooks();
                    return Err(error);
                }
            }
        }
        users.count = users.count.saturating_add(1);
        Ok(Self { entries, count: 0 })
    }

    /// Starts to attach the helper. The registration must outlive this.
    pub(super) fn start<H: AutoAssign>(&mut self, registration: &Registration) {
        let candidate = Candidate {
            helper: registration.as_ptr(),
            pick_up: H::PICK_UP,
            counts: H::counts(),
        };
        self.put(H::PROTOCOL, H::ports(), candidate);
    }

    fn put(&mut self, protocol: L4Proto, ports: &Ports, candidate: Candidate) {
        let _users = USERS.lock();
        for (place, port) in self.entries.iter_mut().zip(ports.iter()) {
            let entry = place.write(Entry {
                next: AtomicPtr::new(ptr::null_mut()),
                key: Key::new(protocol as u8, port),
                candidate,
            });
            let list = entry.key.list();
            *entry.next.get_mut() = list.load(Ordering::Relaxed);
            // Release: pairs with the acquire in `find`.
            list.store(entry, Ordering::Release);
            self.count = self.count.saturating_add(1);
        }
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        let mut users = USERS.lock();
        for entry in self.entries.iter().take(self.count) {
            // SAFETY: That many were put in.
            take_out(unsafe { entry.assume_init_ref() });
        }
        users.count = users.count.saturating_sub(1);
        if users.count == 0 {
            users.hooks = None;
        }
        drop(users);
        wait_for_hooks();
    }
}

/// Takes `entry` out of its list; [`USERS`] must be locked.
fn take_out(entry: &Entry) {
    let mut place = entry.key.list();
    // SAFETY: What is in a list is valid, as it goes only after it was taken out, and nobody else takes
    // any out meanwhile.
    while let Some(found) = unsafe { place.load(Ordering::Relaxed).as_ref() } {
        if ptr::eq(found, entry) {
            // Release: whoever finds the next one this way must find it complete, as before.
            place.store(entry.next.load(Ordering::Relaxed), Ordering::Release);
            return;
        }
        place = &found.next;
    }
}

/// Waits until no packet is in a hook any more that was taken out, and nobody looks at its record, as
/// `nft list hooks` does, or at an entry of the table that was.
fn wait_for_hooks() {
    // SAFETY: An FFI call with no additional requirements; modules are loaded and unloaded in process
    // context.
    unsafe { kernel::bindings::synchronize_rcu() };
}

/// The hooks, for the kernel.
#[repr(transparent)]
struct Hooks([bindings::nf_hook_ops; 4 + cfg!(CONFIG_NETFILTER_FAMILY_BRIDGE) as usize]);

// SAFETY: The kernel only reads it.
unsafe impl Sync for Hooks {}

/// Where the hooks are: the last stops of a connection's first packet before it is confirmed.
///
/// What a bridge delivers to this machine comes to that of IP. What br_netfilter gives to that of IP at
/// POST_ROUTING comes here first, before NAT, which then sees to the sequence numbers
/// (`nf_nat_setup_info`).
static HOOKS: Hooks = Hooks([
    hook_at(bindings::NFPROTO_IPV4, bindings::NF_INET_LOCAL_IN),
    hook_at(bindings::NFPROTO_IPV4, bindings::NF_INET_POST_ROUTING),
    hook_at(bindings::NFPROTO_IPV6, bindings::NF_INET_LOCAL_IN),
    hook_at(bindings::NFPROTO_IPV6, bindings::NF_INET_POST_ROUTING),
    #[cfg(CONFIG_NETFILTER_FAMILY_BRIDGE)]
    hook_at(bindings::NFPROTO_BRIDGE, bindings::NF_BR_POST_ROUTING),
]);

/// Behind all rules, since nft can set a helper in a chain of any priority, but for one as late as the
/// two that follow: the SYN proxy, and the confirmation, which calls the helper.
const PRIORITY: c_int = bindings::NF_IP_PRI_CONNTRACK_CONFIRM - 2;

const fn hook_at(family: u32, hook_number: c_uint) -> bindings::nf_hook_ops {
    // SAFETY: All zero is valid: integers, and pointers that may be null.
    let mut ops: bindings::nf_hook_ops = unsafe { MaybeUninit::zeroed().assume_init() };
    ops.hook = Some(hook);
    // CAST: `NFPROTO_*` are small.
    ops.pf = family as u8;
    ops.hooknum = hook_number;
    ops.priority = PRIORITY;
    ops
}

/// Whether the log spoke of a namespace without room for hooks since they were put in place.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether the hooks are in place in a namespace.
struct Hooked(AtomicBool);

// SAFETY: It is a bool, and the static is used for nothing else.
unsafe impl OfNet for Hooked {
    fn id() -> &'static AtomicU32 {
        static ID: AtomicU32 = AtomicU32::new(0);
        &ID
    }

    /// C function: `nf_register_net_hooks`.
    fn begin(&self, net: NonNull<net>) {
        let hooks = HOOKS.0.as_ptr();
        // SAFETY: `net` is valid, and the hooks are; the kernel only reads them.
        let result = unsafe {
            bindings::nf_register_net_hooks(net.as_ptr(), hooks, HOOKS.0.len() as c_uint)
        };
        if result == 0 {
            self.0.store(true, Ordering::Relaxed);
        } else if !SAID.swap(true, Ordering::Relaxed) {
            // Whoever has a namespace may fill it with chains: that is no reason not to load for all others.
            pr_warn!(
                "a network namespace has no room for hooks ({result}): ports= does nothing there, rules do.\n"
            );
        }
    }

    unsafe fn end(&self, net: NonNull<net>) {
        if self.0.load(Ordering::Relaxed) {
            let hooks = HOOKS.0.as_ptr();
            // SAFETY: As above, and they are in place.
            unsafe {
                bindings::nf_unregister_net_hooks(net.as_ptr(), hooks, HOOKS.0.len() as c_uint)
            };
        }
    }
}

/// # Safety
///
/// Only the kernel may call it, as a netfilter hook.
unsafe extern "C" fn hook(
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
        // SAFETY: The packet holds a reference to `ct`; hooks run under the RCU read side lock.
        unsafe { assign(skb, ct) };
    }
    bindings::NF_ACCEPT
}

/// Attaches a helper to a connection if it is a new one to one of the helper's ports.
///
/// # Safety
///
/// `skb` and `ct` must be valid, and the RCU read side lock held.
#[inline(never)]
unsafe fn assign(skb: *mut sk_buff, ct: *mut bindings::nf_conn) {
    const DECIDED: u32 = bindings::IPS_CONFIRMED
        | bindings::IPS_TEMPLATE
        | bindings::IPS_HELPER
        | bindings::IPS_EXPECTED;
    // SAFETY: `ct` is valid by the requirements of this function; `status` is a word of atomic bits,
    // which others may set if the connection has been confirmed.
    let status = unsafe { AtomicUsize::from_ptr(&raw mut (*ct).status) };
    // CAST: All bits of interest are in the lower half.
    let status = status.load(Ordering::Relaxed) as u32;
    if status & DECIDED != 0 {
        return;
    }
    // SAFETY: As above. The tuples do not change behind NAT.
    let reply = unsafe { &(*ct).tuplehash[1].tuple };
    let protocol = reply.dst.protonum;
    // The server as it sees itself: DNAT is undone in the reply direction.
    //
    // SAFETY: Each field of the union is a plain integer.
    let port = u16::from_be(unsafe { reply.src.u.all });
    // SAFETY: By the requirements of this function.
    let Some(candidate) = (unsafe { find(Key::new(protocol, port)) }) else {
        return;
    };
    // SAFETY: Both are valid by the requirements of this function.
    if protocol == L4Proto::Tcp as u8 && !unsafe { begins(skb, ct, candidate.pick_up) } {
        return;
    }
    // SAFETY: An unconfirmed connection belongs to the one packet that we have at hand, so it may
    // be extended. What was found before extending it is not used after, since it may move. The helper
    // is valid as long as its entry in the table.
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
            candidate.counts.no_memory.count();
            return;
        }
        if bindings::refcount_inc_not_zero(&raw mut (*candidate.helper).ct_refcnt) {
            // `rcu_assign_pointer`: others see the helper only once it is complete.
            (*(&raw mut (*help).helper).cast::<AtomicPtr<bindings::nf_conntrack_helper>>())
                .store(candidate.helper, Ordering::Release);
            candidate.counts.assigned.count();
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
