// SPDX-License-Identifier: GPL-2.0

//! A firewall for IRC with a wrong rule.

use conntrack_proto::Direction;

use super::{
    agrees_everywhere,
    disagreements,
    place,
    without_memory,
    Believed, //
};
use crate::{
    conversation::Origin,
    dialogues::Dialogue,
    oracle::{
        stream::{
            lines,
            Behind,
            Line, //
        },
        words::{
            self,
            Foreign, //
        },
    },
    session::Protocol,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    NoRegistrationNeeded,
    NickIsEnough,
    UserIsEnough,
    WelcomeIsIgnored,
    WelcomeOnly,
    AnyNumberIsWelcome,
    ClientWelcomesItself,
    WelcomeAnywhere,
    FirstWordIsIgnored,
    OnlyWordsOfHttp,
    OnlyUpperCase,
    HeadersAreIgnored,
    HeadersForEver,
    WelcomeEndsAllChecks,
    RetransmissionCounts,
    BareNewlineIsBelieved,
    NothingBehindAnother,
    PickedUpIsBegun,
    PickedUpIsInjected,
    InjectedIsPickedUp,
    InjectedIsBegun,
    AnewIsNothing,
}

use Wrong::*;

const ALL: [Wrong; 22] = [
    NoRegistrationNeeded,
    NickIsEnough,
    UserIsEnough,
    WelcomeIsIgnored,
    WelcomeOnly,
    AnyNumberIsWelcome,
    ClientWelcomesItself,
    WelcomeAnywhere,
    FirstWordIsIgnored,
    OnlyWordsOfHttp,
    OnlyUpperCase,
    HeadersAreIgnored,
    HeadersForEver,
    WelcomeEndsAllChecks,
    RetransmissionCounts,
    BareNewlineIsBelieved,
    NothingBehindAnother,
    PickedUpIsBegun,
    PickedUpIsInjected,
    InjectedIsPickedUp,
    InjectedIsBegun,
    AnewIsNothing,
];

#[derive(Clone, Copy, Default)]
struct Firewall {
    is_dead: bool,
    has_command: bool,
    nicks: u32,
    users: u32,
    is_welcome: bool,
    has_crlf: bool,
}

fn believed(dialogue: &Dialogue, wrong: Wrong) -> Believed {
    let mut all = Believed::new();
    let mut firewall = Firewall::default();
    let mut origin = Origin::Begun;
    for (i, connection) in dialogue.connections.iter().enumerate() {
        if i == 0 || wrong != AnewIsNothing {
            firewall = Firewall::default();
            origin = match (wrong, connection.origin) {
                (PickedUpIsBegun, Origin::PickedUp) => Origin::Begun,
                (PickedUpIsInjected, Origin::PickedUp) => Origin::Injected,
                (InjectedIsPickedUp, Origin::Injected) => Origin::PickedUp,
                (InjectedIsBegun, Origin::Injected) => Origin::Begun,
                (_, origin) => origin,
            };
        }
        let lines = if wrong == RetransmissionCounts {
            without_memory(connection)
        } else {
            lines(connection)
        };
        for line in lines.iter().filter(|line| line.is_whole) {
            if firewall.believes(wrong, origin, line) {
                all.insert(place(i, line));
            }
        }
    }
    all
}

impl Firewall {
    fn believes(&mut self, wrong: Wrong, origin: Origin, line: &Line) -> bool {
        let text = line.text.as_slice();
        let mut words = text.split(|byte| b" \r\n".contains(byte));
        let mut word = words.next().unwrap_or_default();
        while word.starts_with(b":") || word.starts_with(b"@") {
            word = words.next().unwrap_or_default();
        }
        let is_welcome = match wrong {
            AnyNumberIsWelcome => word.starts_with(b"00"),
            WelcomeAnywhere => text.windows(3).any(|part| part == b"001"),
            _ => word == b"001",
        };
        let is_registered = match wrong {
            NoRegistrationNeeded => true,
            NickIsEnough => self.nicks > 0 || self.is_welcome,
            UserIsEnough => self.users > 0 || self.is_welcome,
            RetransmissionCounts => self.nicks + self.users > 1 || self.is_welcome,
            WelcomeIsIgnored => self.nicks > 0 && self.users > 0,
            WelcomeOnly => self.is_welcome,
            _ => self.is_welcome || self.nicks > 0 && self.users > 0,
        };
        if line.direction == Direction::Reply || wrong == ClientWelcomesItself {
            self.is_welcome |= is_welcome;
        }
        if line.direction == Direction::Reply {
            return self.verdict(origin, is_registered);
        }
        let is_first = !std::mem::replace(&mut self.has_command, true);
        let is_checked =
            wrong == HeadersForEver || !is_registered || is_first && wrong != WelcomeEndsAllChecks;
        if origin == Origin::Begun && is_checked {
            let upper = word.to_ascii_uppercase();
            let is_known = [
                "NICK", "USER", "PASS", "CAP", "WEBIRC", "PONG", "JOIN", "QUIT",
            ]
            .iter()
            .any(|known| known.as_bytes() == upper);
            let is_request = upper == b"POST" || upper == b"GET";
            let is_bad = match wrong {
                FirstWordIsIgnored => false,
                OnlyWordsOfHttp => is_request && word == upper,
                OnlyUpperCase => !is_known || word != upper,
                _ => !is_known,
            };
            let is_header = words::is_foreign(text) == Foreign::Yes && wrong != HeadersAreIgnored;
            self.is_dead |= is_header && wrong != OnlyWordsOfHttp || is_first && is_bad;
        }
        self.nicks += u32::from(word.eq_ignore_ascii_case(b"NICK"));
        self.users += u32::from(word.eq_ignore_ascii_case(b"USER"));
        let is_slipped = match line.behind {
            Behind::BareLf => self.has_crlf && wrong != BareNewlineIsBelieved,
            Behind::Crlf => wrong == NothingBehindAnother,
            _ => false,
        };
        self.has_crlf |= text.ends_with(b"\r\n");
        self.verdict(origin, is_registered) && !is_slipped
    }

    fn verdict(&self, origin: Origin, is_registered: bool) -> bool {
        match origin {
            Origin::Begun => is_registered && !self.is_dead,
            Origin::PickedUp => false,
            Origin::Injected => true,
        }
    }
}

#[test]
fn right_one_agrees() {
    let found = disagreements(Protocol::Irc, |dialogue| believed(dialogue, Nothing));
    assert_eq!(found, [""; 0]);
}

#[test]
fn right_one_agrees_everywhere() {
    agrees_everywhere(Protocol::Irc, |dialogue| believed(dialogue, Nothing));
}

#[test]
fn wrong_ones_do_not() {
    for wrong in ALL {
        let found = disagreements(Protocol::Irc, |dialogue| believed(dialogue, wrong));
        println!("{wrong:?}: {found:?}");
        assert!(!found.is_empty(), "{wrong:?} is not noticed");
    }
}
