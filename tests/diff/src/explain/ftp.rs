// SPDX-License-Identifier: GPL-2.0

//! FTP.

use std::{
    net::{
        IpAddr,
        Ipv6Addr, //
    },
    str, //
};

use conntrack_proto::{
    ftp::LINE_MAX,
    Direction, //
};

use super::{
    Begins,
    Case, //
};
use crate::{
    class::Class,
    mainline::Opened, //
};

pub(super) fn only_ours(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let before = case.before(opened);
    if !case.text(opened).is_empty() && names_another(case, opened) {
        return Some(Class::AtServer);
    }
    if before.starts_with(b"227-") || before.starts_with(b"229-") {
        return Some(Class::Several);
    }
    if before.contains(&b'\n') {
        return Some(Class::LaterLine);
    }
    if case.begins == Begins::First {
        return Some(Class::FirstSegment);
    }
    let (word, gap) = before.split_at_checked(4)?;
    let word = word.to_ascii_uppercase();
    if word == b"227 " && gap.iter().any(u8::is_ascii_digit) {
        return Some(Class::DigitsBefore);
    }
    // Mainline looks at it and fails.
    if !case.mainline.is_dropped {
        return None;
    }
    match word.as_slice() {
        b"229 " if gap.iter().filter(|b| **b == b'(').count() > 1 => Some(Class::DigitsBefore),
        b"PORT" if gap.len() > 1 || case.after(opened).first() != Some(&b'\r') => {
            Some(Class::Spelling)
        }
        // Or its delimiter is the dot that is in the address, too.
        b"EPRT" if gap.len() > 1 || case.text(opened).starts_with(b".") => Some(Class::Spelling),
        _ => None,
    }
}

/// Whether a reply 227 names another address than what was opened.
fn names_another(case: &Case<'_>, opened: &Opened) -> bool {
    let numbers = case.text(opened).split(|byte| *byte == b',');
    let octets: Vec<u8> = numbers
        .filter_map(|text| str::from_utf8(text).ok()?.parse().ok())
        .collect();
    match octets.first_chunk::<4>() {
        Some(octets) => {
            case.direction == Direction::Reply && opened.address != IpAddr::from(*octets)
        }
        None => false,
    }
}

pub(super) fn only_mainline(case: &Case<'_>, opened: &Opened) -> Option<Class> {
    let before = case.before(opened);
    let text = case.text(opened);
    if before.contains(&b'\n') || text.contains(&b'\n') {
        return Some(Class::OtherLine);
    }
    if !case.has_its_place(opened) {
        return Some(Class::NoPlace);
    }
    // A line of more than 256 bytes is not taken for the first one in clear.
    let said = &case.conversation.streams[1];
    if said.windows(4).any(|code| code == b"234 ") {
        return Some(Class::Encrypted);
    }
    if opened.port == 0 {
        return Some(Class::PortZero);
    }
    if opened.start + opened.len >= LINE_MAX {
        return Some(Class::Overlong);
    }
    let (word, gap) = before.split_at_checked(4)?;
    let word = word.to_ascii_uppercase();
    let is_command = matches!(word.as_slice(), b"PORT" | b"EPRT");
    if is_command && (gap.is_empty() || gap.iter().any(|b| *b != b' ')) {
        return Some(Class::Keyword);
    }
    let is_six = matches!(word.as_slice(), b"PORT" | b"227 ");
    if is_six && !case.parties.client.is_ipv4() {
        return Some(Class::MixedFamilies);
    }
    if is_six && text.split(|b| *b == b',').any(<[u8]>::is_empty) {
        return Some(Class::EmptyNumber);
    }
    if word == b"EPRT" {
        let delimiter = *text.first()?;
        let address = text.get(3..)?.split(|b| *b == delimiter).next()?;
        if case.parties.client.is_ipv4() {
            if address.split(|b| *b == b'.').any(<[u8]>::is_empty) {
                return Some(Class::EmptyNumber);
            }
        } else if str::from_utf8(address).map_or(true, |s| s.parse::<Ipv6Addr>().is_err()) {
            return Some(Class::Grammar);
        }
    }
    None
}
