// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for all lines of IRC, with a second parser written with regular
//! expressions.

#[path = "common/irc.rs"]
mod common;
#[path = "common/irc_oracle.rs"]
mod oracle;

use std::{
    net::IpAddr,
    num::NonZeroU16, //
};

use common::{
    direction,
    injected,
    rest,
    segment,
    session,
    whole, //
};
use conntrack_proto::{
    irc::{
        emit,
        parse,
        Kind,
        LINE_MAX, //
    },
    stream::{
        LineSession, //
    },
    Direction,
    Reject,
    Text, //
};
use oracle::{
    a_direction,
    a_kind,
    a_line,
    a_port,
    an_address,
    expected,
    oracle,
    oracle_all, //
};
use proptest::{
    prelude::*,
    sample::Index, //
};

fn a_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(a_line(), 0..8).prop_map(|lines| lines.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_inverts_emit(kind in a_kind(), address in an_address(), port in a_port(), quoted in any::<bool>()) {
        let mut text = Text::new();
        let text = emit(kind, address, port, &mut text);
        let command = match kind {
            Kind::Offer => "SEND",
            Kind::Accept => "ACCEPT",
            Kind::Resume => "RESUME",
        };
        let name = if quoted { "\"a b\"" } else { "f" };
        let before = format!("PRIVMSG nick :\x01DCC {command} {name} ");
        let line = [before.as_bytes(), text, b" 1\x01\r\n"].concat();
        let found = parse(direction(kind), &line).unwrap();
        prop_assert_eq!(found.kind, kind);
        prop_assert_eq!(found.address, (kind == Kind::Offer).then_some(address));
        prop_assert_eq!(found.port, port);
        prop_assert_eq!(found.span.of(&line), Some(text));
        prop_assert_eq!(found.span.start(), before.len());
    }

    /// Nothing is announced that is not there, and nothing is missed.
    #[test]
    fn agrees_with_oracle(direction in a_direction(), payload in a_payload()) {
        let found = segment(&mut session(), direction, 0, &payload);
        prop_assert_eq!(expected(&found, 0), oracle_all(direction, &payload, true));
    }

    /// What is parsed of a line is the first that a session finds in it.
    #[test]
    fn parses_the_first(direction in a_direction(), line in a_line()) {
        let end = line.iter().position(|b| *b == b'\n').map_or(line.len(), |at| at + 1);
        let wanted = oracle(direction, &line[..end]).into_iter().next().filter(|found| found.2 != 0);
        let found = parse(direction, &line).ok();
        prop_assert_eq!(found.map(|found| expected(&[found], 0)[0]), wanted);
    }

    /// The bytes of a span announce the same again.
    #[test]
    fn span_holds_what_was_announced(direction in a_direction(), payload in a_payload()) {
        for found in segment(&mut session(), direction, 0, &payload) {
            let text = found.span.of(&payload).unwrap();
            let before: &[u8] = match found.kind {
                Kind::Offer => b"NOTICE a :\x01DCC CHAT c ",
                Kind::Accept => b"NOTICE a :\x01DCC ACCEPT f ",
                Kind::Resume => b"NOTICE a :\x01DCC RESUME f ",
            };
            let line = [before, text, b"\n"].concat();
            let again = parse(direction, &line).unwrap();
            prop_assert_eq!(
                (again.kind, again.address, again.port, again.span.of(&line)),
                (found.kind, found.address, found.port, Some(text))
            );
        }
    }

    /// Once there is an answer no further byte changes it, and the end of the line always gives
    /// one.
    #[test]
    fn determined_by_prefix(direction in a_direction(), line in a_line(), more in a_payload()) {
        let whole = [line.as_slice(), &more].concat();
        let mut answer = Err(Reject::Incomplete);
        for len in 0..=whole.len() {
            let parsed = parse(direction, &whole[..len]);
            if answer != Err(Reject::Incomplete) {
                prop_assert_eq!(parsed, answer, "changes at {} of {:?}", len, whole);
            }
            answer = parsed;
            if whole[..len].contains(&b'\n') {
                prop_assert_ne!(answer, Err(Reject::Incomplete), "{} of {:?}", len, whole);
            }
        }
    }

    /// A payload in windows announces what it does in one piece.
    #[test]
    fn windows(
        direction in a_direction(),
        lines in prop::collection::vec(a_line(), 0..40),
        sizes in prop::collection::vec(LINE_MAX..LINE_MAX + 200, 1..8),
    ) {
        let payload = lines.concat();
        let session = session();
        let start = session.enter(direction, whole(0, &payload));
        let (mut cursor, mut base, mut found) = (start, 0, Vec::new());
        for size in sizes.iter().cycle() {
            let end = payload.len().min(base + size);
            let window = &payload[base..end];
            found.extend(expected(&rest(&session, direction, window, &mut cursor), base));
            if end == payload.len() {
                break;
            }
            let by = cursor.offset();
            prop_assert!(by > 0);
            cursor.slide(by);
            base += by;
        }
        let mut cursor = start;
        prop_assert_eq!(found, expected(&rest(&session, direction, &payload, &mut cursor), 0));
    }

    /// A stream cut anywhere into segments, each of them sent one to three times.
    #[test]
    fn segments(
        direction in a_direction(),
        payload in a_payload(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        at_lines in any::<bool>(),
        seq in prop_oneof![any::<u32>(), u32::MAX - 300..=u32::MAX, 0..2u32],
        times in 1..4,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(payload.len() + 1)).collect();
        if at_lines {
            // Behind the newline before.
            for cut in &mut cuts {
                *cut = payload[..*cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            }
        }
        cuts.extend([0, payload.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut session = session();
        for cut in cuts.windows(2) {
            let bytes = &payload[cut[0]..cut[1]];
            let begins_a_line = cut[0] == 0 || payload[cut[0] - 1] == b'\n';
            let seq = seq.wrapping_add(u32::try_from(cut[0]).unwrap());
            let wanted = oracle_all(direction, bytes, begins_a_line);
            for _ in 0..times {
                prop_assert_eq!(&expected(&segment(&mut session, direction, seq, bytes), 0), &wanted);
            }
        }
    }

    /// The changed ports that are known, beside a plain list of them.
    #[test]
    fn changed_ports(pairs in prop::collection::vec((1..6u16, 1..6u16), 0..12)) {
        let session = injected();
        let mut list: Vec<(u16, u16)> = Vec::new();
        for (offered, told) in pairs {
            session.tell(offered.try_into().unwrap(), told.try_into().unwrap());
            list.retain(|pair| pair.0 != offered && pair.1 != told);
            if offered != told {
                list.insert(0, (offered, told));
            }
            list.truncate(2);
            for port in 1..6u16 {
                // Of the first segment, as this is for each copy of the session.
                let instead = |direction, dcc: String| {
                    let line = format!("PRIVMSG a :\x01DCC {dcc}\x01\n");
                    let found = segment(&mut session.clone(), direction, 0, line.as_bytes());
                    found.first().map(|found| found.instead.map(NonZeroU16::get))
                };
                let told = list.iter().find(|pair| pair.0 == port).map(|pair| pair.1);
                let offered = list.iter().find(|pair| pair.1 == port).map(|pair| pair.0);
                let out = Direction::Original;
                prop_assert_eq!(instead(out, format!("SEND f 1 {port}")), Some(told));
                prop_assert_eq!(instead(out, format!("ACCEPT f {port}")), Some(told));
                let resume = instead(Direction::Reply, format!("RESUME f {port}"));
                prop_assert_eq!(resume, (!list.is_empty()).then_some(offered));
            }
        }
    }
}

/// The properties above see enough of what they are about.
#[test]
fn generators_reach_announcements() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 8];
    for _ in 0..4000 {
        let line = a_line().new_tree(&mut runner).unwrap().current();
        for direction in [Direction::Original, Direction::Reply] {
            let all = oracle(direction, &line);
            counts[7] += usize::from(all.len() > 1);
            for (kind, address, port, ..) in all {
                counts[match (kind, address) {
                    _ if port == 0 => 0,
                    (Kind::Offer, Some(IpAddr::V4(_))) => 1,
                    (Kind::Offer, _) => 2,
                    (Kind::Accept, _) => 3,
                    (Kind::Resume, _) => 4,
                }] += 1;
            }
            counts[5] += usize::from(line.contains(&b'"') && !oracle(direction, &line).is_empty());
            counts[6] += usize::from(line.len() > 600 && !oracle(direction, &line).is_empty());
        }
    }
    assert!(counts.iter().all(|n| *n >= 20), "{counts:?}");
}
