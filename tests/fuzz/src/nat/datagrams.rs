// SPDX-License-Identifier: GPL-2.0

//! Amanda: each datagram for itself.

use std::num::NonZeroU16;

use conntrack_proto::{
    amanda,
    Direction,
    Text, //
};

use super::{
    accident::{
        Accidents,
        Trouble, //
    },
    half::{
        Ports,
        Wrong, //
    },
};
use crate::{
    conversation,
    oracle,
    session::Kind, //
};

/// Checks the datagrams in `data`, each of which may come twice.
pub(super) fn check(data: &[u8], mut accidents: Accidents<'_>, wrong: Wrong) {
    let mut ports = Ports::new(amanda::Stream::COUNT as usize, accidents.choose() % 8);
    for connection in conversation::read(data) {
        for packet in &connection.packets {
            if packet.direction != Direction::Reply {
                continue;
            }
            let mut before = None;
            for _ in 0..2 {
                let trouble = accidents.trouble();
                if let Trouble::PortsChange(others) = trouble {
                    ports.change(others);
                    before = None;
                }
                let (passed, told) = pass(&packet.bytes, &mut ports, wrong);
                let wanted = wanted(&packet.bytes, &told);
                assert_eq!(
                    passed.escape_ascii().to_string(),
                    wanted.escape_ascii().to_string(),
                    "{told:?}"
                );
                let before = before.get_or_insert_with(|| passed.clone());
                assert_eq!(*before, passed, "it reads otherwise when it comes again");
            }
        }
    }
}

/// A port announced at this offset, and what the other side is told instead, if that is another.
type Told = (usize, Option<u16>);

/// What becomes of a datagram, and which ports are told.
fn pass(bytes: &[u8], ports: &mut Ports, wrong: Wrong) -> (Vec<u8>, Vec<Told>) {
    let (mut out, mut all) = (bytes.to_vec(), Vec::new());
    let mut grown = 0;
    let mut reply = amanda::Reply::new();
    while let Some(found) = reply.next(&out) {
        assert!(all.len() < amanda::Stream::COUNT as usize);
        let at = found.span.start();
        let offset = (at as isize - grown) as usize;
        let offered = found.port.get();
        let wanted = match wrong {
            Wrong::ForgetsPorts => offered,
            _ => ports.told(offered).unwrap_or(offered),
        };
        let told = ports.take(wanted, offered).filter(|told| *told != offered);
        all.push((offset, told));
        let Some(told) = told.and_then(NonZeroU16::new) else {
            continue;
        };
        let mut text = Text::new();
        let text = amanda::emit(told, &mut text);
        let by = usize::from(wrong == Wrong::RewritesBehind);
        let end = (at + by + found.span.len()).min(out.len());
        out.splice(at + by..end, text.iter().copied());
        grown += text.len() as isize - found.span.len() as isize;
    }
    (out, all)
}

/// What should become of it.
fn wanted(bytes: &[u8], told: &[Told]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut done = 0;
    let mut told = told.iter();
    for expected in oracle::amanda::datagram(bytes) {
        assert!(matches!(expected.kind, Kind::Amanda(_)));
        let (at, port) = told.next().expect("it is found");
        assert_eq!(*at, expected.start, "{told:?}");
        if let Some(port) = port {
            all.extend(&bytes[done..expected.start]);
            all.extend(port.to_string().bytes());
            done = expected.start + expected.len;
        }
    }
    assert!(told.next().is_none(), "something else is found");
    all.extend(&bytes[done..]);
    all
}
