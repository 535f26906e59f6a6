// SPDX-License-Identifier: GPL-2.0

//! Gives the same made-up packets to mainline's helpers and to the protocol core, and counts where
//! they differ, by class. A difference of no class ends the run with an error.
//!
//! ```text
//! conntrack_diff INPUTS [SEED [CLASS]]
//! ```
//!
//! A CLASS given is not one of them in this run: what it stands for must then end in an error.

mod class;
mod explain;
mod generate;
mod mainline;
mod parties;

use std::{
    collections::{
        BTreeMap,
        HashSet, //
    },
    env,
    process::ExitCode, //
};

use class::Class;
use conntrack_fuzz::{
    conversation::{
        self,
        Origin, //
    },
    session::{
        Conversation,
        Options,
        Protocol, //
    },
};
use conntrack_proto::Direction;
use explain::{
    Begins,
    Case, //
};
use fastrand::Rng;
use generate::{
    Input,
    SEQS, //
};
use mainline::Opened;

/// How many unexplained differences are shown.
const SHOWN: u64 = 10;

/// Where lines begin in one direction, as far as the packets so far tell.
#[derive(Default)]
struct Lines {
    first: Option<u32>,
    starts: HashSet<u32>,
}

impl Lines {
    fn packet(&mut self, seq: u32, payload: &[u8]) -> Begins {
        let first = *self.first.get_or_insert(seq);
        let begins = if self.starts.contains(&seq) {
            Begins::Line
        } else if seq == first {
            Begins::First
        } else {
            Begins::Middle
        };
        if payload.last() == Some(&b'\n') {
            self.starts.insert(seq.wrapping_add(payload.len() as u32));
        }
        begins
    }
}

#[derive(Default)]
struct Counts {
    packets: u64,
    opened_by_both: u64,
    classes: BTreeMap<(Class, &'static str), u64>,
    differing: u64,
    unexplained: u64,
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Ftp => "ftp",
        Protocol::Irc => "irc",
        Protocol::Tftp => "tftp",
        Protocol::Amanda => "amanda",
    }
}

fn compare(input: &Input, unknown: Option<&str>, counts: &mut Counts) {
    let mut core = Conversation::new(
        input.protocol,
        Options {
            origin: input.origin,
            ..Options::default()
        },
    );
    let mut mainline = mainline::Connection::new(input.protocol, input.parties, input.loose);
    let mut conversation = conversation::Conversation {
        origin: input.origin,
        seqs: SEQS,
        ..Default::default()
    };
    if input.origin == Origin::Begun {
        core.begin(SEQS);
    }
    let mut last = None;
    let mut lines = [Lines::default(), Lines::default()];
    for (count, (direction, seq, payload)) in input.packets.iter().enumerate() {
        counts.packets += 1;
        let begins = lines[usize::from(*direction == Direction::Reply)].packet(*seq, payload);
        let offset = seq.wrapping_sub(SEQS[usize::from(*direction == Direction::Reply)]);
        conversation.say_at(*direction, offset as isize, payload);
        let is_again = last.replace((*direction, *seq)) == Some((*direction, *seq));
        let answer = mainline.packet(*direction, *seq, payload);
        let found = core.segment(*direction, *seq, payload);
        let ours: Vec<Opened> = found
            .iter()
            .filter_map(|f| {
                let start = f.seq.wrapping_sub(*seq) as usize;
                input.parties.believe(*direction, input.loose, start, f)
            })
            .collect();
        let case = Case {
            protocol: input.protocol,
            parties: input.parties,
            direction: *direction,
            begins,
            conversation: &conversation,
            is_again,
            payload,
            ours: &ours,
            mainline: &answer,
        };
        counts.opened_by_both += ours.iter().filter(|o| answer.opened.contains(o)).count() as u64;
        let mut classes = explain::explain(&case);
        for class in &mut classes {
            *class = class.filter(|class| unknown != Some(&format!("{class:?}")));
        }
        counts.differing += u64::from(!classes.is_empty());
        if classes.contains(&None) {
            counts.unexplained += 1;
            if counts.unexplained <= SHOWN {
                println!(
                    "no class of difference: {} {begins:?}",
                    name(input.protocol)
                );
                for (direction, seq, payload) in &input.packets[..=count] {
                    println!("  {direction:?} at {seq}: \"{}\"", payload.escape_ascii());
                }
                println!("  core {ours:?}\n  mainline {answer:?}\n");
            }
        }
        for class in classes.into_iter().flatten() {
            *counts
                .classes
                .entry((class, name(input.protocol)))
                .or_default() += 1;
        }
        if answer.is_dropped {
            // For mainline this packet never was, so nothing can be compared after it.
            break;
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let mut number = || arguments.next().map(|text| text.parse::<u64>());
    let (Some(Ok(inputs)), Ok(seed)) = (number(), number().unwrap_or(Ok(1))) else {
        eprintln!("usage: conntrack_diff INPUTS [SEED [CLASS]]");
        return ExitCode::FAILURE;
    };
    let unknown = arguments.next();
    let mut rng = Rng::with_seed(seed);
    let mut counts = Counts::default();
    while counts.packets < inputs {
        compare(&generate::input(&mut rng), unknown.as_deref(), &mut counts);
    }
    for ((class, protocol), count) in &counts.classes {
        println!("{count:>9}  {protocol:<6}  {}", class.text());
    }
    println!(
        "{} inputs (seed {seed}): {} opened alike, {} with differences of {} classes, {} with an unknown one",
        counts.packets,
        counts.opened_by_both,
        counts.differing,
        counts.classes.keys().map(|(class, _)| class).collect::<HashSet<_>>().len(),
        counts.unexplained
    );
    if counts.unexplained > 0 || counts.opened_by_both == 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
