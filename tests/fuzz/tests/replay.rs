// SPDX-License-Identifier: GPL-2.0

//! The properties hold for all inputs that the fuzzers have found of interest.

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    sync::Mutex, //
};

use conntrack_fuzz::{
    check, check_with, corpus,
    session::{
        Found,
        Protocol, //
    },
};

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    corpus::read(&fs::read_to_string(path).unwrap())
}

#[test]
fn replay() {
    for (name, protocol) in Protocol::ALL {
        let inputs = corpus(name);
        println!("{name}: {} inputs", inputs.len());
        for input in inputs {
            let result = catch_unwind(|| check(protocol, &input));
            assert!(result.is_ok(), "{name}: {}", input.escape_ascii());
        }
    }
}

/// They have announcements of all kinds.
#[test]
fn reaches_announcements() {
    for (name, protocol) in Protocol::ALL {
        let kinds = Mutex::new(BTreeSet::new());
        for input in corpus(name) {
            check_with(protocol, &input, |found| {
                let mut kinds = kinds.lock().unwrap();
                kinds.extend(found.iter().map(|found| format!("{:?}", found.kind)));
            });
        }
        let wanted = match protocol {
            Protocol::Ftp => 4,
            Protocol::Irc => 3,
            Protocol::Tftp => 1,
            Protocol::Amanda => 6,
        };
        let kinds = kinds.into_inner().unwrap();
        assert_eq!(kinds.len(), wanted, "{kinds:?}");
    }
}

type Change = fn(&mut Vec<Found>);

/// The control: something wrong in what the core finds is noticed.
#[test]
fn notices_what_is_wrong() {
    let changes: [(&str, Change); 4] = [
        ("one is missed", |all| {
            all.truncate(all.len().saturating_sub(1))
        }),
        ("one is invented", |all| all.extend(all.last().copied())),
        ("another port", |all| {
            all.iter_mut().for_each(|found| found.port ^= 1)
        }),
        ("another place", |all| {
            all.iter_mut().for_each(|found| found.seq ^= 1)
        }),
    ];
    std::panic::set_hook(Box::new(|_| {}));
    for (what, change) in changes {
        for (name, protocol) in Protocol::ALL {
            let is_noticed =
                |input: &Vec<u8>| catch_unwind(|| check_with(protocol, input, change)).is_err();
            assert!(corpus(name).iter().any(is_noticed), "{name}: {what}");
        }
    }
}
