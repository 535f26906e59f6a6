// SPDX-License-Identifier: GPL-2.0

//! Sessions through a NAT that rewrites what is announced, over a network that loses packets, delays them and
//! brings them twice.
//!
//! What the receiver puts together must be what the sender said, with the announcements replaced, and all of it
//! must get there.

mod accident;
mod datagrams;
mod firewall;
mod half;
mod limit;
mod link;
mod network;
mod properties;

use std::sync::atomic::{
    AtomicBool,
    Ordering::Relaxed, //
};

use crate::{
    phrases,
    session::Protocol, //
};

pub use self::{
    accident::{
        Accidents,
        SCHEDULE, //
    },
    half::Wrong, //
};

/// What happens is shown.
static SHOWS: AtomicBool = AtomicBool::new(false);

/// Shows what happens from now on.
pub fn show() {
    SHOWS.store(true, Relaxed);
}

/// Checks all properties for the session and the accidents in `data`.
///
/// # Panics
///
/// If one does not hold.
pub fn check(protocol: Protocol, data: &[u8]) {
    check_wrong(protocol, data, Wrong::Nothing);
}

/// Does the same with something wrong in the NAT, for the control.
///
/// # Panics
///
/// If one does not hold.
pub fn check_wrong(protocol: Protocol, data: &[u8], wrong: Wrong) {
    let (accidents, data) = Accidents::read(data);
    match protocol {
        Protocol::Ftp | Protocol::Irc => network::check(protocol, data, accidents, wrong),
        Protocol::Amanda => datagrams::check(data, accidents, wrong),
        // Nothing of it is rewritten.
        Protocol::Tftp => {}
    }
}

/// Returns a session of any phrases with any accidents, the same for each `seed`.
pub fn any(seed: u64) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(seed + 1);
    let bytes = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    });
    let count = seed as usize / 7 % 40;
    let mut all: Vec<u8> = bytes.skip(8).take(count).collect();
    all.retain(|byte| *byte != SCHEDULE);
    all.push(SCHEDULE);
    all.extend(phrases::any(seed));
    all
}
