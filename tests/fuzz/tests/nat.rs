// SPDX-License-Identifier: GPL-2.0

//! Sessions through a NAT.

use std::{
    fs,
    panic::catch_unwind, //
};

use conntrack_fuzz::{
    corpus,
    nat::{
        self,
        Wrong, //
    },
    session::Protocol, //
};

const ALL: [(&str, Protocol); 3] = [
    ("ftp_nat", Protocol::Ftp),
    ("irc_nat", Protocol::Irc),
    ("amanda_nat", Protocol::Amanda),
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    corpus::read(&fs::read_to_string(path).unwrap())
}

#[test]
fn properties_hold_for_the_corpus() {
    for (name, protocol) in ALL {
        let inputs = corpus(name);
        println!("{name}: {} inputs", inputs.len());
        for input in inputs {
            let result = catch_unwind(|| nat::check(protocol, &input));
            assert!(result.is_ok(), "{name}: {}", input.escape_ascii());
        }
    }
}

#[test]
fn properties_hold_for_sessions_of_phrases() {
    let sessions = std::env::var("SESSIONS").map_or(3000, |text| text.parse().unwrap());
    let mut wrong = Vec::new();
    for (name, protocol) in &ALL[..2] {
        for seed in 0..sessions {
            let data = nat::any(seed);
            if catch_unwind(|| nat::check(*protocol, &data)).is_err() {
                wrong.push((format!("{name} {seed}"), data.escape_ascii().to_string()));
            }
        }
    }
    wrong.sort_by_key(|(_, data)| data.len());
    wrong.truncate(10);
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

/// The control: a NAT with something wrong in it is noticed.
#[test]
fn notices_what_is_wrong() {
    std::panic::set_hook(Box::new(|_| {}));
    for wrong in Wrong::ALL {
        let is_noticed = |(name, protocol): &(&str, Protocol)| {
            let other = corpus(name.trim_end_matches("_nat"));
            let inputs = other.into_iter().chain(corpus(name));
            let inputs = inputs.chain((0..3000).map(nat::any));
            let is_wrong = |input: Vec<u8>| {
                catch_unwind(|| nat::check_wrong(*protocol, &input, wrong)).is_err()
            };
            inputs.into_iter().any(is_wrong)
        };
        let noticed: Vec<&str> = ALL
            .iter()
            .filter(|all| is_noticed(all))
            .map(|all| all.0)
            .collect();
        println!("{wrong:?}: {noticed:?}");
        assert!(!noticed.is_empty(), "{wrong:?} is not noticed");
    }
}

/// Shows what happens in a session: `SEED='ftp_nat 7'`.
#[test]
fn shows_a_session() {
    let Ok(seed) = std::env::var("SEED") else {
        return;
    };
    let (name, seed) = seed.split_once(' ').unwrap();
    nat::show();
    let protocol = ALL.iter().find(|known| known.0 == name).unwrap().1;
    nat::check(protocol, &nat::any(seed.parse().unwrap()));
}
