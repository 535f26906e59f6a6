// SPDX-License-Identifier: GPL-2.0

//! A NAT half: which port the other side is told, and by which text.

use std::{
    net::{
        IpAddr,
        Ipv4Addr, //
    },
    num::NonZeroU16, //
};

use conntrack_proto::{
    ftp,
    irc,
    stream::LineSession,
    Text, //
};

use super::limit::Told;
use crate::session::{
    Found,
    Talk, //
};

/// What is wrong with a NAT, for the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// It asks for a port anew when an announcement is sent again.
    ForgetsPorts,
    /// It rewrites what has no place in the dialogue.
    BelievesAll,
    /// Growth is said to be one more than it is.
    MiscountsGrowth,
    /// The kernel is not told of growth.
    TellsNoGrowth,
    /// It rewrites one byte behind.
    RewritesBehind,
    /// What cannot be rewritten now passes as it is.
    PassesWithoutMemory,
    /// Nothing is held back.
    HoldsNothing,
    /// A packet that was dropped comes to the other side all the same, as it was.
    DropsNothing,
    /// A packet in which something was rewritten never comes.
    DropsWhatIsRewritten,
    /// What is sent again is not rewritten.
    RewritesOnce,
    /// It says that a line that had to give way never was.
    HidesLoss,
}

impl Wrong {
    /// All that is wrong.
    pub const ALL: [Self; 11] = [
        Self::ForgetsPorts,
        Self::BelievesAll,
        Self::MiscountsGrowth,
        Self::TellsNoGrowth,
        Self::RewritesBehind,
        Self::PassesWithoutMemory,
        Self::HoldsNothing,
        Self::DropsNothing,
        Self::DropsWhatIsRewritten,
        Self::RewritesOnce,
        Self::HidesLoss,
    ];
}

/// Ports, and who has them.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Which are others', see [`Self::is_others`].
    others: u8,
    /// Those of this session: the port that is told, and where it leads.
    own: Vec<(u16, u16)>,
    /// How many it may have at a time.
    most: usize,
    /// They have changed.
    pub have_changed: bool,
}

/// How often another port is tried.
const ATTEMPTS: u16 = 16;

impl Ports {
    /// For a session that may have so many.
    pub fn new(most: usize, others: u8) -> Self {
        Self {
            others,
            own: Vec::new(),
            most,
            have_changed: false,
        }
    }

    /// Others take ports, and give them back.
    pub fn change(&mut self, others: u8) {
        self.have_changed |= self.others != others;
        self.others = others;
    }

    fn is_others(&self, port: u16) -> bool {
        match self.others {
            1 => port % 2 == 0,
            2 => port % 3 != 0,
            3 => true,
            4 => port < 10_000,
            5 => port % 16 != 15,
            _ => false,
        }
    }

    /// Takes a port for what leads to `target`, `wanted` if that can be had.
    pub fn take(&mut self, wanted: u16, target: u16) -> Option<u16> {
        let is_own = |port: u16, own: &(u16, u16)| own.0 == port && own.1 != target;
        let mut ports = (0..ATTEMPTS).map(|by| wanted.checked_add(by).unwrap_or(1024 + by));
        let port = ports.find(|port| {
            self.own.contains(&(*port, target))
                || !self.is_others(*port) && !self.own.iter().any(|own| is_own(*port, own))
        })?;
        self.own.retain(|own| *own != (port, target));
        if self.own.len() >= self.most {
            self.own.remove(0);
        }
        self.own.push((port, target));
        Some(port)
    }

    /// The port that was taken for what leads to `target`.
    pub fn told(&self, target: u16) -> Option<u16> {
        let own = self.own.iter().find(|own| own.1 == target);
        own.map(|own| own.0)
    }

    /// Gives back the port that was taken last.
    pub fn give_back(&mut self) {
        self.own.pop();
    }
}

/// What is done about an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passes as it is.
    Leave,
    /// It passes as it is, and is not expected since there is no port.
    Refuse,
    /// It is replaced by this text, after a port was taken, or not.
    Replace(Vec<u8>, IsNew),
}

/// Whether a port was taken for it now.
pub type IsNew = bool;

/// An announcement that was replaced.
pub(super) struct Remembered<'a> {
    /// It.
    pub what: &'a Found,
    /// The port that was told.
    pub port: u16,
    /// What was found since then.
    pub newer: &'a [Told],
}

/// A protocol's NAT half.
pub(super) trait Half: LineSession + Talk {
    /// Decides what is to be done about `found` at `seq`, which was described as `what`.
    fn decide(&self, found: &Self::Found, seq: u32, what: &Found, nat: &mut Nat) -> Decision;

    /// Whether it is known that `replaced`, of the announcements that were replaced, is told when it is sent
    /// again.
    fn is_remembered(&self, nat: &Nat, replaced: &Remembered<'_>) -> bool;

    /// Whether it has come to be one in which nothing is read any more.
    fn is_silent_now(&self) -> bool;

    /// Notes that it was replaced, and the other side told `port`.
    fn done(&self, found: &Self::Found, seq: u32, what: &Found, port: u16);
}

/// What it needs for that.
pub struct Nat {
    /// The ports.
    pub ports: Ports,
    /// The address by which the other side knows the announcer.
    pub outside: IpAddr,
    /// What is wrong.
    pub wrong: Wrong,
    /// The port that was decided on.
    pub port: u16,
}

impl Nat {
    /// Addresses of different lengths.
    pub fn outside(choice: u8) -> IpAddr {
        let address = match choice % 4 {
            0 => Ipv4Addr::new(203, 0, 113, 254),
            1 => Ipv4Addr::new(192, 0, 2, 1),
            // As long as those inside, and shorter.
            2 => Ipv4Addr::new(10, 0, 0, 9),
            _ => Ipv4Addr::new(0, 0, 0, 1),
        };
        address.into()
    }
}

fn port(port: u16) -> NonZeroU16 {
    NonZeroU16::new(port).expect("none is 0")
}

/// Whether a policy would refuse it: a port of the system.
fn is_refused(what: &Found) -> bool {
    what.port < 1024
}

impl Half for ftp::Session {
    fn decide(&self, f: &ftp::Announcement, seq: u32, what: &Found, nat: &mut Nat) -> Decision {
        let text = |port: u16, nat: &mut Nat| {
            nat.port = port;
            let mut text = Text::new();
            let text = ftp::emit(f.kind, nat.outside, self::port(port), &mut text);
            text.map(<[u8]>::to_vec)
        };
        if f.kind == ftp::Kind::Deferred {
            // Nobody can be told another one.
            nat.ports.take(f.port.get(), f.port.get());
            return Decision::Leave;
        }
        if what.is_early {
            return match text(f.port.get(), nat).filter(|_| !is_refused(what)) {
                Some(text) => Decision::Replace(text, false),
                None => Decision::Leave,
            };
        }
        let is_believed = what.is_admitted || nat.wrong == Wrong::BelievesAll;
        if !is_believed || is_refused(what) {
            return Decision::Leave;
        }
        let told = self.told(f.kind, seq);
        match told.filter(|_| nat.wrong != Wrong::ForgetsPorts) {
            Some(Some(port)) => match text(port.get(), nat) {
                Some(text) => Decision::Replace(text, false),
                None => Decision::Leave,
            },
            Some(None) => Decision::Leave,
            None => {
                let Some(port) = nat.ports.take(f.port.get(), f.port.get()) else {
                    self.tell(f.kind, seq, None);
                    return Decision::Refuse;
                };
                match text(port, nat) {
                    Some(text) => Decision::Replace(text, true),
                    None => {
                        nat.ports.give_back();
                        self.tell(f.kind, seq, None);
                        Decision::Leave
                    }
                }
            }
        }
    }

    /// The last one is remembered, and that of one side only.
    fn is_remembered(&self, _: &Nat, replaced: &Remembered<'_>) -> bool {
        let mut newer = replaced.newer.iter();
        newer.all(|told| told.port.is_none() && !told.what.is_admitted)
    }

    fn is_silent_now(&self) -> bool {
        self.take_news().is_some()
    }

    fn done(&self, f: &ftp::Announcement, seq: u32, what: &Found, told: u16) {
        if !what.is_early {
            self.tell(f.kind, seq, Some(port(told)));
        }
    }
}

impl Half for irc::Session {
    fn decide(&self, f: &irc::Announcement, _: u32, what: &Found, nat: &mut Nat) -> Decision {
        let text = |port: u16, nat: &mut Nat| {
            nat.port = port;
            let mut text = Text::new();
            irc::emit(f.kind, nat.outside, self::port(port), &mut text).to_vec()
        };
        if f.kind != irc::Kind::Offer {
            return match f.instead {
                Some(port) => Decision::Replace(text(port.get(), nat), false),
                None => Decision::Leave,
            };
        }
        let is_believed = f.may_count || nat.wrong == Wrong::BelievesAll;
        if !is_believed || is_refused(what) {
            return Decision::Leave;
        }
        let told = f.instead.filter(|_| nat.wrong != Wrong::ForgetsPorts);
        let wanted = told.unwrap_or(f.port);
        match nat.ports.take(wanted.get(), f.port.get()) {
            Some(port) => Decision::Replace(text(port, nat), true),
            None => Decision::Refuse,
        }
    }

    /// The last two ports are remembered that were changed, and the others as long as nobody takes them.
    fn is_remembered(&self, nat: &Nat, replaced: &Remembered<'_>) -> bool {
        let is_changed = |told: &&Told| told.port.is_some_and(|port| port != told.what.port);
        let newer = replaced.newer.iter().filter(is_changed).count();
        let is_same = |told: &Told| told.what.port == replaced.what.port;
        let is_promised = nat.ports.told(replaced.what.port) == Some(replaced.port);
        let is_known = replaced.what.port == replaced.port || newer < 2;
        is_promised && is_known && !replaced.newer.iter().any(is_same)
    }

    fn is_silent_now(&self) -> bool {
        self.take_news().is_some()
    }

    fn done(&self, f: &irc::Announcement, _: u32, _: &Found, told: u16) {
        if f.kind == irc::Kind::Offer {
            self.tell(f.port, port(told));
        }
    }
}
