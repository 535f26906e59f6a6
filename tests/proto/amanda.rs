// SPDX-License-Identifier: GPL-2.0

//! Replies of Amanda.

#[path = "common/amanda.rs"]
mod common;

use common::{
    all,
    HEADER, //
};
use conntrack_proto::{
    amanda::{
        emit,
        Announcement,
        Reply,
        Stream::{
            self,
            Cmd,
            Ctl,
            Data,
            Index,
            Mesg,
            State, //
        },
        LINE_MAX, //
    },
    Text, //
};
/// Checks what stands in `datagram`, and in what order.
#[track_caller]
fn announces(datagram: &str, wanted: &[(Stream, u16, &str)]) {
    let bytes = datagram.as_bytes();
    let found = all(bytes);
    let short = |f: &Announcement| (f.stream, f.port.get(), f.span.of(bytes).unwrap());
    let found: Vec<_> = found.iter().map(short).collect();
    let wanted: Vec<_> = wanted.iter().map(|w| (w.0, w.1, w.2.as_bytes())).collect();
    assert_eq!(found, wanted, "{datagram:?}");
}

#[track_caller]
fn announces_nothing(datagram: &str) {
    announces(datagram, &[]);
}

const THREE: [(Stream, u16, &str); 3] = [
    (Data, 11000, "11000"),
    (Mesg, 11001, "11001"),
    (Index, 11002, "11002"),
];

/// As Amanda writes them.
#[test]
fn replies() {
    let options = "OPTIONS features=ffffffff9efefbffffffffff3f;hostname=client.example.org;\n";
    // 2.4, 2.6, 3.3; 3.5 with what the server asks for.
    for header in [
        "Amanda 2.4 REP HANDLE 000-00010001 SEQ 1015700000\n",
        "Amanda 2.6 REP HANDLE 00D-00003456 SEQ 1215700000\n",
        "Amanda 3.3 REP HANDLE 000-00000000 SEQ 1415700000\n",
        "Amanda 3.5 PREP HANDLE 000-00000000 SEQ 1415700000\n",
    ] {
        let line = "CONNECT DATA 11000 MESG 11001 INDEX 11002\n";
        announces(&format!("{header}{line}{options}"), &THREE);
    }
    announces(
        &format!("{HEADER}CONNECT DATA 1 MESG 2 INDEX 3 STATE 4 CMD 5\n{options}"),
        &[
            (Data, 1, "1"),
            (Mesg, 2, "2"),
            (Index, 3, "3"),
            (State, 4, "4"),
            (Cmd, 5, "5"),
        ],
    );
    // What a backup server says to amrecover, with one blank line behind; what a machine says to
    // amfetchdump, which restores to it; and to amdump_client.
    announces(
        &format!("{HEADER}CONNECT CTL 10081 DATA 10082 STATE 10083\n\n"),
        &[
            (Ctl, 10081, "10081"),
            (Data, 10082, "10082"),
            (State, 10083, "10083"),
        ],
    );
    announces(
        &format!("{HEADER}CONNECT CTL 10 DATA 11 MESG 12 STATE 13\n{options}"),
        &[
            (Ctl, 10, "10"),
            (Data, 11, "11"),
            (Mesg, 12, "12"),
            (State, 13, "13"),
        ],
    );
    announces(
        &format!("{HEADER}CONNECT CTL 65535\n\n"),
        &[(Ctl, 65535, "65535")],
    );
    // Without an index.
    announces(
        &format!("{HEADER}CONNECT DATA 65535 MESG 65534 INDEX -1 STATE 65533\n{options}"),
        &[
            (Data, 65535, "65535"),
            (Mesg, 65534, "65534"),
            (State, 65533, "65533"),
        ],
    );
    // Behind another line, as with Kerberos.
    announces(
        &format!("{HEADER}KENCRYPT\nCONNECT DATA 11000 MESG 11001 INDEX 11002\n"),
        &THREE,
    );
}

#[test]
fn liberal() {
    for line in [
        "CONNECT DATA 11000 MESG 11001 INDEX 11002 \n",
        "CONNECT   DATA   11000   MESG 11001 INDEX 11002\r\n",
        "CONNECT FOO 1 DATA 11000 BAR MESG 11001 INDEX 11002 BAZ\n",
        "CONNECT DATA 11000 DATA 7 MESG 11001 INDEX 11002 INDEX 9\n",
        "\nCONNECT DATA 11000 MESG 11001 INDEX 11002\nCONNECT DATA 1 STATE 2\n",
    ] {
        announces(&format!("{HEADER}{line}"), &THREE);
    }
    announces(
        &format!("{HEADER}CONNECT INDEX 0080 DATA 00009\n"),
        &[(Index, 80, "0080"), (Data, 9, "00009")],
    );
}

/// A port that is none does not become one, and the others are found all the same.
#[test]
fn limits() {
    for port in [
        "0",
        "00000",
        "65536",
        "70000",
        "110000",
        "4294967296",
        "4294978296",
        "18446744073709562616",
        "-1",
        "+1",
        "0x10",
        "11000x",
        "x",
        "1,2",
    ] {
        announces(
            &format!("{HEADER}CONNECT DATA {port} MESG 11001 INDEX {port} STATE 1\n"),
            &[(Mesg, 11001, "11001"), (State, 1, "1")],
        );
        announces_nothing(&format!("{HEADER}CONNECT DATA {port}\n"));
    }
    // What follows too many digits or other bytes is no name.
    announces_nothing(&format!("{HEADER}CONNECT DATA 70000MESG 22\n"));
    announces_nothing(&format!("{HEADER}CONNECT DATA 7MESG 22\n"));
    announces_nothing(&format!("{HEADER}CONNECT DATA MESG 22\n"));
}

#[test]
fn others() {
    let line = "CONNECT DATA 11000 MESG 11001 INDEX 11002\n";
    for header in [
        "Amanda 3.5 REQ HANDLE 000-00010001 SEQ 1700000000\n",
        "Amanda 3.5 ACK HANDLE 000-00010001 SEQ 1700000000\n",
        "Amanda 3.5 NAK HANDLE 000-00010001 SEQ 1700000000\n",
        "Amanda 3.5 REPX HANDLE 000-00010001 SEQ 1700000000\n",
        "Amanda 3.5 PPREP HANDLE 000-00010001 SEQ 1700000000\n",
        "Amanda 3.5\n REP HANDLE 000-00010001 SEQ 1700000000\n",
        "AmandaX 3.5 REP HANDLE 000-00010001 SEQ 1700000000\n",
        "REP\n",
        "\n",
        "",
    ] {
        announces_nothing(&format!("{header}{line}"));
    }
    for line in [
        "ERROR [CONNECT DATA 11000 MESG 11001 INDEX 11002]\n",
        " CONNECT DATA 11000 MESG 11001 INDEX 11002\n",
        "CONNECTDATA 11000 MESG 11001 INDEX 11002\n",
        "CONNECT\nDATA 11000 MESG 11001 INDEX 11002\n",
        "CONNECT \nDATA 11000 MESG 11001 INDEX 11002\n",
        "CONNECT \rDATA 11000 MESG 11001 INDEX 11002\n",
        "CONNECT XDATA 11000 MESGX 11001 INDE 11002 X\n",
        "OPTIONS features=ff;\nOK /bin/tar\n",
        "\n\n\n",
        "",
    ] {
        announces_nothing(&format!("{HEADER}{line}"));
    }
    // In the first line itself.
    let header = HEADER.replace("HANDLE", "CONNECT DATA 1 HANDLE");
    announces_nothing(&header);
    announces_nothing("");
}

/// Each truncation announces those ports that are followed by something.
#[test]
fn truncations() {
    let datagram = format!("{HEADER}CONNECT DATA 1 MESG 22 INDEX 333 STATE 4444 CMD 55555\nOK\n");
    let whole = all(datagram.as_bytes());
    assert_eq!(whole.len(), 5);
    for len in 0..datagram.len() {
        let is_whole = |found: &&Announcement| found.span.end() < len;
        let wanted: Vec<_> = whole.iter().filter(is_whole).copied().collect();
        assert_eq!(all(&datagram.as_bytes()[..len]), wanted, "at {len}");
    }
}

/// However long the texts before it have become, each port is found and rewritten.
#[test]
fn rewriting() {
    for ports in [
        [1, 2, 3, 4],
        [65535, 65534, 65533, 65532],
        [9, 10000, 9, 10000],
    ] {
        let line = "CONNECT CMD 9 DATA 11000 INDEX -1 DATA 5  MESG 11001 STATE 10000\n";
        let mut bytes = format!("{HEADER}{line}OK\n").into_bytes();
        let mut reply = Reply::new();
        let mut seen = Vec::new();
        while let Some(found) = reply.next(&bytes) {
            let mut text = Text::new();
            let port = ports[seen.len()].try_into().unwrap();
            let text = emit(port, &mut text);
            bytes.splice(found.span.start()..found.span.end(), text.iter().copied());
            seen.push((found.stream, found.port.get()));
        }
        assert_eq!(
            seen,
            [(Cmd, 9), (Data, 11000), (Mesg, 11001), (State, 10000)]
        );
        let [a, b, c, d] = ports;
        let line = format!("CONNECT CMD {a} DATA {b} INDEX -1 DATA 5  MESG {c} STATE {d}\n");
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("{HEADER}{line}OK\n")
        );
    }
}

/// When nothing more can be found no further window is asked for.
#[test]
fn windows_end() {
    let offset = |datagram: &str| {
        let mut reply = Reply::new();
        while reply.next(datagram.as_bytes()).is_some() {}
        reply.offset()
    };
    assert_eq!(offset(&format!("{HEADER}CONNECT DATA 1\nOK\nOK\n")), 0);
    assert_eq!(offset(&format!("{HEADER}CONNECT \n")), 0);
    assert_eq!(offset(&HEADER.replace("REP", "ACK")), 0);
    let long = "X".repeat(LINE_MAX);
    assert_eq!(offset(&format!("{HEADER}CONNECT DATA 1 {long}")), 0);
    assert_eq!(offset(&format!("Amanda {long}")), 0);
    // But for what is not whole there is one, from there on.
    assert_eq!(offset("Amanda 3.5 RE"), 0);
    let line = format!("{HEADER}OK and more\n");
    assert_eq!(offset(&line), line.len());
    assert_eq!(offset(&format!("{line}CONN")), line.len());
    assert_eq!(offset(&format!("{line}CONNECT DATA 1")), line.len());
    assert_eq!(
        offset(&format!("{line}CONNECT DATA 1 MESG 2")),
        line.len() + 13
    );
}

#[test]
fn long_lines() {
    let line = |name: usize| format!("{HEADER}CONNECT {} 1 DATA 2 \n", "X".repeat(name));
    // Up to the byte behind the port.
    let longest = LINE_MAX - 8 - 10;
    announces(&line(longest), &[(Data, 2, "2")]);
    announces_nothing(&line(longest + 1));
    let header = |version: usize| {
        let version = "1".repeat(version);
        format!("Amanda {version} REP HANDLE\nCONNECT DATA 2 \n")
    };
    announces(&header(LINE_MAX - 13), &[(Data, 2, "2")]);
    announces_nothing(&header(LINE_MAX - 12));
    let lines = "OK /some/path\n".repeat(4000);
    announces(
        &format!("{HEADER}{lines}CONNECT DATA 2\n"),
        &[(Data, 2, "2")],
    );
}
