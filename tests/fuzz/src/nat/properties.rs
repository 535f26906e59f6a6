// SPDX-License-Identifier: GPL-2.0

//! What must hold.

use conntrack_proto::{
    irc,
    Direction, //
};

use super::{
    half::Half,
    network::Network, //
};
use crate::{
    conversation::{
        Conversation,
        Origin, //
    },
    properties::{
        lines,
        Place, //
    },
    session::{
        Kind,
        Protocol, //
    },
};

/// The dialogue's oracle is asked about sessions of so many packets.
const LONGEST: usize = 40;

/// Checks all of them for a connection.
pub(super) fn check<S: Half>(protocol: Protocol, network: &Network<'_, '_, S>) {
    if network.limit.is_none() {
        reads_what_was_said(network);
    }
    believes_what_is_in_place(protocol, network);
}

/// Each side has read what the other said, with nothing changed but what was announced.
fn reads_what_was_said<S: Half>(network: &Network<'_, '_, S>) {
    for (link, stream) in network.links.iter().zip(&network.said.streams) {
        let (read, wanted) = (link.read(), link.wanted(stream));
        assert_eq!(
            read.escape_ascii().to_string(),
            wanted.escape_ascii().to_string(),
            "{:?}",
            network.seen
        );
    }
}

/// What was replaced, or expected, is what has its place in the dialogue, as far as the NAT saw that.
fn believes_what_is_in_place<S: Half>(protocol: Protocol, network: &Network<'_, '_, S>) {
    let seen = &network.seen;
    let all = &network.found;
    for (direction, link) in [Direction::Original, Direction::Reply]
        .iter()
        .zip(&network.links)
    {
        for replaced in &link.replaced {
            let is_it = |place: &&Place| {
                place.direction == *direction && place.expected.start as isize == replaced.at
            };
            let is_early = network.early.contains(&(replaced.at as usize));
            let mut found = all.iter().filter(is_it);
            assert!(
                found.any(|place| place.is_admitted || is_early),
                "{replaced:?} was replaced, and not believed: {seen:?}"
            );
        }
    }
    // What was not put together, or not kept, is an answer all the same, and its question stays.
    let firewall = &network.firewall;
    // The oracle's time grows fast, and it has been asked about long sessions without NAT.
    let is_short = seen.packets.len() <= LONGEST;
    let is_smooth =
        is_short && firewall.given_up == 0 && !firewall.has_stopped && !firewall.had_trouble;
    if is_smooth && !network.has_no_order && !network.has_overtaking && network.limit.is_none() {
        lines::check_where(protocol, seen, all, |expected| {
            // They are of interest only if a port was changed.
            !matches!(
                expected.kind,
                Kind::Irc(irc::Kind::Accept | irc::Kind::Resume)
            )
        });
    } else if seen.origin != Origin::PickedUp {
        // Of a session picked up without a newline nobody knows what comes again.
        let said = Conversation {
            streams: network.said.streams.clone(),
            ..seen.clone()
        };
        lines::is_sound(protocol, &said, all);
    }
}
