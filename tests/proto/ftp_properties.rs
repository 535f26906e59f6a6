// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for all lines, with a second parser written with regular expressions from
//! the RFCs.

mod common;

use std::{
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    },
    num::NonZeroU16,
    sync::LazyLock, //
};

use common::{
    direction,
    injected,
    rest,
    segment, //
};
use conntrack_proto::{
    ftp::{
        emit,
        parse,
        Kind,
        LINE_MAX, //
    },
    stream::{
        LineSession,
        Segment, //
    },
    Direction,
    Reject,
    Text, //
};
use proptest::{
    prelude::*,
    sample::select, //
};
use regex::bytes::Regex;

/// Kind, address, port, start and end of an announcement.
type Expected = (Kind, Option<IpAddr>, u16, usize, usize);

fn numbers<T: std::str::FromStr>(text: &[u8], separator: char) -> Option<Vec<T>> {
    let text = std::str::from_utf8(text).ok()?;
    text.split(separator).map(|n| n.parse().ok()).collect()
}

fn six(kind: Kind, text: &[u8], start: usize) -> Option<Expected> {
    let n: Vec<u8> = numbers(text, ',')?;
    let n: [u8; 6] = n.try_into().ok()?;
    let address = Ipv4Addr::new(n[0], n[1], n[2], n[3]);
    let port = u16::from(n[4]) * 256 + u16::from(n[5]);
    Some((kind, Some(address.into()), port, start, start + text.len()))
}

/// What `line` announces; it may lack its end but has nothing behind it.
fn oracle(direction: Direction, line: &[u8]) -> Option<Expected> {
    static PORT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?-u)^(?i:PORT) +([0-9,]+) *[\r\n]").unwrap());
    static EPRT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?-u)^(?i:EPRT) +([!-/:-~])([12])").unwrap());
    static RUN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?-u)[0-9][0-9,]*").unwrap());
    static EPSV: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?-u)^\(([!-/:-~])").unwrap());

    let found = match direction {
        Direction::Original => {
            if let Some(found) = PORT.captures(line) {
                let text = found.get(1)?;
                six(Kind::Port, text.as_bytes(), text.start())?
            } else {
                let found = EPRT.captures(line)?;
                let delimiter = found.get(1)?;
                let start = delimiter.start();
                let delimiter = delimiter.as_bytes()[0];
                let rest = line[start + 2..].strip_prefix(&[delimiter])?;
                let address = if &found[2] == b"1" {
                    // The delimiter may be a dot.
                    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
                        Regex::new(r"(?-u)^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+").unwrap()
                    });
                    ADDRESS.find(rest)?.as_bytes()
                } else {
                    rest.split(|b| *b == delimiter).next()?
                };
                let rest = rest[address.len()..].strip_prefix(&[delimiter])?;
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                if rest.get(digits) != Some(&delimiter) {
                    return None;
                }
                let port = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
                let address = if &found[2] == b"1" {
                    let n: Vec<u8> = numbers(address, '.')?;
                    IpAddr::V4(Ipv4Addr::new(n[0], n[1], n[2], n[3]))
                } else {
                    IpAddr::V6(std::str::from_utf8(address).ok()?.parse().ok()?)
                };
                let end = line.len() - rest.len() + digits + 1;
                (Kind::Eprt, Some(address), port, start, end)
            }
        }
        Direction::Reply => {
            if line.starts_with(b"227 ") {
                RUN.find_iter(&line[4..])
                    .filter(|run| run.end() + 4 < line.len())
                    .find_map(|run| six(Kind::Pasv, run.as_bytes(), run.start() + 4))?
            } else if line.starts_with(b"229 ") {
                (4..line.len()).find_map(|at| {
                    let found = EPSV.captures(&line[at..])?;
                    let delimiter = &found[1];
                    let rest = line[at + 1..].strip_prefix([delimiter; 3].concat().as_slice())?;
                    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                    if rest.get(digits) != Some(&delimiter[0]) {
                        return None;
                    }
                    let port = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
                    Some((Kind::Epsv, None, port, at + 1, at + 1 + 3 + digits + 1))
                })?
            } else {
                return None;
            }
        }
    };
    (found.2 != 0).then_some(found)
}

/// What all lines of `payload` announce, of which the first counts only if it `begins_a_line`.
fn oracle_all(direction: Direction, payload: &[u8], begins_a_line: bool) -> Vec<Expected> {
    oracle_within(direction, payload, begins_a_line, &mut None)
}

/// The same, with the code of the reply of several lines that the payload is in.
fn oracle_within(
    direction: Direction,
    payload: &[u8],
    begins_a_line: bool,
    within: &mut Option<(Vec<u8>, bool)>,
) -> Vec<Expected> {
    let mut start = 0;
    let mut all = Vec::new();
    // RFC 959 section 4.2: from `ddd-` on nothing is a reply until `ddd ` with the same code.
    for line in payload.split_inclusive(|b| *b == b'\n') {
        if start > 0 || begins_a_line {
            let mut said = line.to_vec();
            let mut counts = true;
            if direction == Direction::Reply {
                let is_reply = line.len() >= 4
                    && line[..3].iter().all(u8::is_ascii_digit)
                    && (b'1'..=b'5').contains(&line[0]);
                // Announcements that are not whole are kept elsewhere until they are.
                let mut one = line.to_vec();
                if let Some(behind) = one.get_mut(3).filter(|behind| **behind == b'-') {
                    *behind = b' ';
                }
                let is_kept = !line.ends_with(b"\n")
                    && (line.starts_with(b"227") || line.starts_with(b"229"))
                    && parse(direction, &one) == Err(Reject::Incomplete);
                let is_reply = is_reply && !is_kept;
                let is_first = is_reply && line[3] == b'-';
                let is_last = is_reply && b" \r\n".contains(&line[3]);
                match &*within {
                    // It announces once.
                    Some((code, has_announced)) if is_last && line.starts_with(code) => {
                        counts = !has_announced;
                        *within = None;
                    }
                    Some(_) => counts = false,
                    None if is_first => {
                        said[3] = b' ';
                        let has_announced = oracle(direction, &said).is_some();
                        *within = Some((line[..3].to_vec(), has_announced));
                    }
                    None => counts = is_last,
                }
            }
            all.extend(
                oracle(direction, &said)
                    .filter(|_| counts)
                    .map(|(k, a, p, s, e)| (k, a, p, s + start, e + start)),
            );
        }
        start += line.len();
    }
    all
}

fn expected(found: &[conntrack_proto::ftp::Announcement], base: usize) -> Vec<Expected> {
    found
        .iter()
        .map(|f| {
            (
                f.kind,
                f.address,
                f.port.get(),
                base + f.span.start(),
                base + f.span.end(),
            )
        })
        .collect()
}

fn an_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::V4),
        any::<Ipv6Addr>().prop_map(IpAddr::V6),
        // With many zeroes, as they are abbreviated.
        prop::collection::vec(select(vec![0, 0, 1, 0xff, 0xfe80]), 8).prop_map(|groups| {
            let groups: [u16; 8] = groups.try_into().unwrap();
            IpAddr::V6(groups.into())
        }),
    ]
}

fn a_port() -> impl Strategy<Value = NonZeroU16> {
    prop_oneof![
        any::<NonZeroU16>(),
        select(vec![1, 255, 256, 1023, 1024, 65279, 65280, 65535])
            .prop_map(|p| p.try_into().unwrap())
    ]
}

fn a_kind() -> impl Strategy<Value = Kind> {
    select(vec![Kind::Port, Kind::Eprt, Kind::Pasv, Kind::Epsv])
}

fn a_direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Original, Direction::Reply])
}

/// A number in or near the limits.
fn a_number() -> impl Strategy<Value = String> {
    prop_oneof![
        24 => (0..=255_u32).prop_map(|n| n.to_string()),
        1 => (0..=70_000_u32).prop_map(|n| n.to_string()),
        1 => select(vec!["", "00", "007", "255", "256", "65535", "65536", "4294967296"])
            .prop_map(str::to_string),
    ]
}

fn some_numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(a_number(), 6),
        1 => prop::collection::vec(a_number(), 1..9),
    ]
    .prop_map(|numbers| numbers.join(","))
}

/// A line that is an announcement, nearly one, or none.
fn a_line() -> impl Strategy<Value = Vec<u8>> {
    let delimiter = || prop_oneof![4 => Just('|'), 1 => (33..=126_u8).prop_map(char::from)];
    let end = || select(vec!["\r\n", "\r\n", "\n", " \r\n", "x\r\n", "\r", ""]);
    let text = || {
        select(vec![
            "",
            "Entering Passive Mode ",
            "mode 1 (",
            "(",
            "=",
            "(((",
            "1,2 ",
            ",",
            "(|||",
        ])
    };
    let port = (
        select(vec!["PORT ", "port ", "pOrT  ", "PORT", "POST "]),
        some_numbers(),
        end(),
    )
        .prop_map(|(verb, numbers, end)| format!("{verb}{numbers}{end}"));
    let address = prop_oneof![
        3 => an_address().prop_map(|a| a.to_string()),
        1 => prop::collection::vec(a_number(), 4).prop_map(|n| n.join(".")),
        1 => "[0-9a-f:.]{0,20}",
    ];
    let eprt = (
        select(vec!["EPRT ", "eprt ", "ePrT  ", "EPRT"]),
        delimiter(),
        select(vec!["1", "1", "2", "2", "3", ""]),
        address,
        a_number(),
        end(),
    )
        .prop_map(|(verb, d, family, address, port, end)| {
            format!("{verb}{d}{family}{d}{address}{d}{port}{d}{end}")
        });
    let pasv = (
        select(vec!["227 ", "227 ", "227-", "226 "]),
        text(),
        some_numbers(),
        text(),
        some_numbers(),
        end(),
    )
        .prop_map(|(code, before, numbers, after, more, end)| {
            format!("{code}{before}{numbers}{after}{more}{end}")
        });
    let epsv = (
        select(vec!["229 ", "229 ", "229-", "22"]),
        text(),
        delimiter(),
        a_number(),
        text(),
        end(),
    )
        .prop_map(|(code, before, d, port, after, end)| {
            format!("{code}{before}({d}{d}{d}{port}{d}){after}{end}")
        });
    let noise = "[PORTEportINabc 0-9,.|()\r\n-]{0,40}";
    let line = prop_oneof![port, eprt, pasv, epsv, noise, "(NOOP|200 ok|TYPE I)\r\n"]
        .prop_map(String::into_bytes);
    // Most are left as they are, some get a byte changed, left out or doubled.
    (line, 0..12, any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut line, change, at, byte)| {
            if !line.is_empty() {
                let at = at.index(line.len());
                match change {
                    0 => line[at] = byte,
                    1 => drop(line.remove(at)),
                    2 => line.insert(at, line[at]),
                    3 => line[at] = line[at].swap_case(),
                    _ => {}
                }
            }
            line
        },
    )
}

trait SwapCase {
    fn swap_case(self) -> Self;
}

impl SwapCase for u8 {
    fn swap_case(self) -> Self {
        self ^ 0x20
    }
}

fn a_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(a_line(), 0..12).prop_map(|lines| lines.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_inverts_emit(kind in a_kind(), address in an_address(), port in a_port(), lf in any::<bool>()) {
        let mut text = Text::new();
        let Some(text) = emit(kind, address, port, &mut text) else {
            prop_assert!(matches!(kind, Kind::Port | Kind::Pasv) && address.is_ipv6());
            return Ok(());
        };
        prop_assert!(text.len() <= 49);
        let (before, after) = match kind {
            Kind::Port => ("PORT ", ""),
            Kind::Eprt => ("EPRT ", ""),
            Kind::Pasv => ("227 Entering Passive Mode (", ")."),
            Kind::Epsv => ("229 Entering Extended Passive Mode (", ")"),
            Kind::Deferred => unreachable!("emit knows no text for it"),
        };
        let end = if lf { "\n" } else { "\r\n" };
        let line = [before.as_bytes(), text, after.as_bytes(), end.as_bytes()].concat();
        let found = parse(direction(kind), &line).unwrap();
        prop_assert_eq!(found.kind, kind);
        prop_assert_eq!(found.address, (kind != Kind::Epsv).then_some(address));
        prop_assert_eq!(found.port, port);
        prop_assert_eq!(found.span.of(&line), Some(text));
        prop_assert_eq!(found.span.start(), before.len());
    }

    /// Nothing is announced that is not there, and nothing is missed.
    #[test]
    fn agrees_with_oracle(direction in a_direction(), payload in a_payload()) {
        let found = segment(&mut injected(), direction, 0, &payload);
        prop_assert_eq!(expected(&found, 0), oracle_all(direction, &payload, true));
    }

    /// The bytes of a span announce the same again.
    #[test]
    fn span_holds_what_was_announced(direction in a_direction(), payload in a_payload()) {
        for found in segment(&mut injected(), direction, 0, &payload) {
            let text = found.span.of(&payload).unwrap();
            prop_assert!(!text.contains(&b'\n'));
            let line = match found.kind {
                Kind::Port => [b"PORT ", text, b"\r\n"].concat(),
                Kind::Eprt => [b"EPRT ", text, b"\r\n"].concat(),
                Kind::Pasv => [b"227 ", text, b"\r\n"].concat(),
                Kind::Epsv => [b"229 (", text, b")\r\n"].concat(),
                Kind::Deferred => unreachable!(),
            };
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
            if whole[..len].contains(&b'\n') || len >= LINE_MAX {
                prop_assert_ne!(answer, Err(Reject::Incomplete), "{} of {:?}", len, whole);
            }
        }
    }

    /// Of the texts that look like an IPv6 address those are one that are one for `core`.
    #[test]
    fn ipv6(text in "[0-9a-fA-F:]{0,8}(:[0-9a-f]{0,5}){0,8}(::)?[0-9.:]{0,9}|([0-9a-f]{1,4}:){6}[0-9]{1,3}(\\.[0-9]{1,3}){3}|((:?:[0-9a-f]{1,2}){0,8}:?)") {
        let line = format!("EPRT |2|{text}|80|\r\n");
        let found = parse(Direction::Original, line.as_bytes()).ok().and_then(|found| found.address);
        prop_assert_eq!(found, text.parse().ok().map(IpAddr::V6));
    }

    /// A payload in windows announces what it does in one piece.
    #[test]
    fn windows(
        direction in a_direction(),
        lines in prop::collection::vec(a_line(), 0..60),
        sizes in prop::collection::vec(LINE_MAX..LINE_MAX + 200, 1..8),
    ) {
        let payload = lines.concat();
        let mut session = injected();
        let whole = Segment { seq: 0, len: payload.len(), ends_in_newline: payload.last() == Some(&b'\n') };
        let start = session.enter(direction, whole);
        let (mut cursor, mut base, mut found) = (start, 0, Vec::new());
        for size in sizes.iter().cycle() {
            let end = payload.len().min(base + size);
            let window = &payload[base..end];
            found.extend(expected(&rest(&mut session, direction, window, &mut cursor), base));
            if end == payload.len() {
                break;
            }
            let by = cursor.offset();
            prop_assert!(by > 0);
            cursor.slide(by);
            base += by;
        }
        let mut session = injected();
        let mut cursor = start;
        prop_assert_eq!(found, expected(&rest(&mut session, direction, &payload, &mut cursor), 0));
    }

    /// A stream cut anywhere into segments, each of them sent one to three times.
    #[test]
    fn segments(
        direction in a_direction(),
        payload in a_payload(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        at_lines in any::<bool>(),
        seq in prop_oneof![any::<u32>(), u32::MAX - 300..=u32::MAX],
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
        let mut session = injected();
        let mut within = None;
        for cut in cuts.windows(2) {
            let bytes = &payload[cut[0]..cut[1]];
            let begins_a_line = cut[0] == 0 || payload[cut[0] - 1] == b'\n';
            let seq = seq.wrapping_add(u32::try_from(cut[0]).unwrap());
            let wanted = oracle_within(direction, bytes, begins_a_line, &mut within);
            for time in 0..times {
                let found = segment(&mut session, direction, seq, bytes);
                if time == 0 {
                    prop_assert_eq!(&expected(&found, 0), &wanted);
                    continue;
                }
                // All that was found is found again, and what else there is does not count.
                let again = expected(&found, 0);
                prop_assert!(wanted.iter().all(|one| again.contains(one)));
                prop_assert!(found.iter().all(|found| !found.may_count));
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
    let mut counts = [0; 4];
    for _ in 0..4000 {
        let line = a_line().new_tree(&mut runner).unwrap().current();
        for direction in [Direction::Original, Direction::Reply] {
            match oracle(direction, &line).map(|found| found.0) {
                Some(Kind::Port) => counts[0] += 1,
                Some(Kind::Eprt) => counts[1] += 1,
                Some(Kind::Pasv) => counts[2] += 1,
                Some(Kind::Epsv) => counts[3] += 1,
                Some(Kind::Deferred) | None => {}
            }
        }
    }
    assert!(counts.iter().all(|n| *n > 100), "{counts:?}");
}
