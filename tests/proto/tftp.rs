// SPDX-License-Identifier: GPL-2.0

//! Requests of TFTP.

use conntrack_proto::{
    tftp::{
        request,
        REQUEST_MAX, //
    },
    Reject, //
};
use proptest::prelude::*;
use regex::bytes::Regex;

/// Where the mode of a request ends; what is before it is needed.
fn end_of_mode(datagram: &[u8]) -> usize {
    let mut zeroes = (2..datagram.len()).filter(|at| datagram[*at] == 0);
    zeroes.nth(1).unwrap() + 1
}

/// Checks a request and each truncation of it.
#[track_caller]
fn is(datagram: &[u8]) {
    let show = datagram.escape_ascii();
    assert_eq!(request(datagram), Ok(()), "{show}");
    for len in 0..datagram.len() {
        let whole = len >= end_of_mode(datagram);
        let wanted = if whole {
            Ok(())
        } else {
            Err(Reject::Incomplete)
        };
        assert_eq!(request(&datagram[..len]), wanted, "{show} at {len}");
    }
}

#[track_caller]
fn rejects(datagram: &[u8], reject: Reject) {
    assert_eq!(
        request(datagram),
        Err(reject),
        "{}",
        datagram.escape_ascii()
    );
}

/// The texts of a request, each with the zero that ends it, behind its opcode.
fn datagram(opcode: u8, texts: &[&str]) -> Vec<u8> {
    let mut datagram = vec![0, opcode];
    for text in texts {
        datagram.extend(text.bytes());
        datagram.push(0);
    }
    datagram
}

#[track_caller]
fn read(texts: &[&str]) {
    is(&datagram(1, texts));
}

#[track_caller]
fn write(texts: &[&str]) {
    is(&datagram(2, texts));
}

/// As clients send them.
#[test]
fn requests_of_clients() {
    // tftp-hpa, without and with options.
    read(&["file", "octet"]);
    read(&["file", "netascii"]);
    write(&["file", "octet"]);
    write(&["dir/file.bin", "octet", "blksize", "1428"]);
    // curl.
    let options = ["blksize", "512", "timeout", "6"];
    read(&[["file", "octet", "tsize", "0"], options].concat());
    write(&[["file", "octet", "tsize", "12345"], options].concat());
    // atftp.
    let options = [
        "tsize",
        "0",
        "blksize",
        "512",
        "timeout",
        "5",
        "multicast",
        "",
    ];
    read(&[["file", "octet"].as_slice(), &options].concat());
    // Intel's PXE ROM, iPXE, U-Boot, GRUB and Windows' boot manager.
    read(&["pxelinux.0", "octet", "tsize", "0"]);
    let options = ["blksize", "1432", "tsize", "0", "windowsize", "4"];
    read(&[["undionly.kpxe", "octet"].as_slice(), &options].concat());
    let options = ["timeout", "5", "tsize", "0", "blksize", "1468"];
    read(&[["C0A80101.img", "octet"].as_slice(), &options].concat());
    let options = ["blksize", "1024", "tsize", "0"];
    read(
        &[
            ["/boot/grub/x86_64-efi/core.efi", "octet"].as_slice(),
            &options,
        ]
        .concat(),
    );
    let options = [
        "tsize",
        "0",
        "blksize",
        "1456",
        "windowsize",
        "4",
        "msftwindow",
        "31416",
    ];
    read(&[["\\Boot\\BCD", "octet"].as_slice(), &options].concat());
    // Cisco's.
    write(&["router-confg", "octet"]);
    read(&["SEPDEADBEEF0001.cnf.xml", "OCTET"]);
    // Padded, cut short and odd behind the mode: for the server to judge.
    read(&["f", "octet", "", "", "", ""]);
    is(b"\0\x01f\0octet\0blksize");
    is(b"\0\x01f\0octet\0\xff\xfe");
}

#[test]
fn modes_and_names() {
    for mode in ["octet", "netascii", "mail", "OCTET", "NetAscii", "Mail"] {
        read(&["f", mode]);
        write(&["f", mode]);
    }
    for mode in [
        "", "oct", "octets", "binary", "ascii", "net", "mails", " octet", "octet ", "x",
    ] {
        rejects(&datagram(1, &["f", mode]), Reject::Malformed);
    }
    // A server says what it thinks of such a name, and from its new port.
    read(&["", "octet"]);
    is(b"\0\x01a b\xff\n\x01\0octet\0");
}

#[test]
fn other_datagrams() {
    for opcode in [0, 3, 4, 5, 6, 7, 0x0100, 0x0101, 0x0200, 0xffff_u16] {
        let datagram = [&opcode.to_be_bytes(), b"file\0octet\0".as_slice()].concat();
        rejects(&datagram, Reject::NotOurs);
        rejects(&datagram[..2], Reject::NotOurs);
    }
    rejects(b"", Reject::Incomplete);
    rejects(b"\0", Reject::Incomplete);
    rejects(b"\0\x01", Reject::Incomplete);
    rejects(b"\0\x01file", Reject::Incomplete);
    rejects(b"\0\x01file\0", Reject::Incomplete);
    rejects(b"\0\x01file\0octet", Reject::Incomplete);
}

/// RFC 2347 limits a request to [`REQUEST_MAX`] bytes; behind them nothing counts.
#[test]
fn limit() {
    assert_eq!(REQUEST_MAX, 512);
    let datagram = |name: usize| [b"\0\x01", vec![b'f'; name].as_slice(), b"\0octet\0"].concat();
    let longest = REQUEST_MAX - 2 - 7;
    is(&datagram(longest));
    rejects(&datagram(longest + 1), Reject::Malformed);
    rejects(&datagram(60_000), Reject::Malformed);
    rejects(&datagram(60_000)[..REQUEST_MAX], Reject::Malformed);
    rejects(&datagram(60_000)[..REQUEST_MAX - 1], Reject::Incomplete);
    let options = [datagram(1), vec![b'x'; 60_000]].concat();
    assert_eq!(request(&options), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is a request, and what may become one, by regular expressions.
    #[test]
    fn agrees_with_oracle(
        opcode in prop_oneof![4 => 1..3u8, 1 => 0..8u8],
        name in "[a-z/.]{0,8}",
        mode in prop_oneof![4 => "octet|netascii|mail|Octet|NETASCII", 1 => "[octenasi]{0,8}"],
        rest in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..20)],
        change in prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut datagram = [&[0, opcode], name.as_bytes(), b"\0", mode.as_bytes(), b"\0", &rest].concat();
        if let Some((at, byte)) = change {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        if let Some(at) = cut {
            datagram.truncate(at.index(datagram.len() + 1));
        }
        let matches = |regex: &str| Regex::new(regex).unwrap().is_match(&datagram);
        let wanted = if matches(r"(?s-u)^\x00[\x01\x02][^\x00]*\x00(?i:octet|netascii|mail)\x00") {
            Ok(())
        } else if datagram.len() < 2 {
            Err(Reject::Incomplete)
        } else if !matches(r"(?s-u)^\x00[\x01\x02]") {
            Err(Reject::NotOurs)
        } else {
            let beginnings = ["octet", "netascii", "mail"]
                .map(|mode| (0..=mode.len()).map(|n| mode[..n].to_string()).collect::<Vec<_>>());
            let beginnings = beginnings.concat().join("|");
            if matches(&format!(r"(?s-u)^..[^\x00]*(?:\x00(?i:{beginnings}))?$")) {
                Err(Reject::Incomplete)
            } else {
                Err(Reject::Malformed)
            }
        };
        prop_assert_eq!(request(&datagram), wanted);
        // Once there is an answer no further byte changes it.
        let more = [datagram.as_slice(), b"\0octet\0"].concat();
        prop_assert!(wanted == Err(Reject::Incomplete) || request(&more) == wanted);
    }
}
