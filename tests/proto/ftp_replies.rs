// SPDX-License-Identifier: GPL-2.0

//! Replies 227 and 229.

mod common;

use common::{
    announces,
    rejects, //
};
use conntrack_proto::{
    ftp::{
        Kind,
        LINE_MAX, //
    },
    Direction,
    Reject, //
};

#[track_caller]
fn pasv(line: &str, address: &str, port: u16, text: &str) {
    announces(Kind::Pasv, line, Some(address), port, text);
}

#[track_caller]
fn epsv(line: &str, port: u16, text: &str) {
    announces(Kind::Epsv, line, None, port, text);
}

#[track_caller]
fn malformed(line: &str) {
    rejects(Direction::Reply, line, Reject::Malformed);
}

#[track_caller]
fn not_ours(line: &str) {
    rejects(Direction::Reply, line, Reject::NotOurs);
}

#[track_caller]
fn incomplete(line: &str) {
    rejects(Direction::Reply, line, Reject::Incomplete);
}

#[test]
fn pasv_of_servers() {
    for (server, text) in [
        (
            "vsftpd, ProFTPD, IIS 7, Twisted, MikroTik",
            "Entering Passive Mode (@).",
        ),
        (
            "Pure-FTPd, wu-ftpd, BSD, FileZilla, NcFTPd, Serv-U, glFTPd, z/OS",
            "Entering Passive Mode (@)",
        ),
        ("pyftpdlib", "Entering passive mode (@)."),
        ("publicfile", "=@"),
        ("RFC 959 page 43", "Entering Passive Mode. @"),
        ("RFC 1123: no parentheses", "Entering Passive Mode @"),
        ("with a comma before", "Entering Passive Mode,@"),
        ("nothing else", "@"),
        ("brackets", "Entering Passive Mode [@]"),
        ("a number before", "Passive mode 1 (@)"),
        ("an address before", "192.168.1.2: Passive Mode (@)"),
        (
            "numbers of another count before",
            "Modes 1,2,3,4,5 and 1,2,3,4,5,6,7 but (@)",
        ),
        ("numbers too large before", "1,2,3,4,5,256 (@)"),
        ("empty numbers before", "1,,3,4,5,6 1,2,3,4,5, (@)"),
        ("text behind", "Entering Passive Mode (@) 0 0, so there"),
        ("more behind", "Entering Passive Mode (@) (6,5,4,3,2,1)"),
        ("not ASCII", "Passiver Modus f\u{fc}r Sie (@)"),
        ("two spaces", " ok (@)"),
    ] {
        for (numbers, address, port) in [
            ("192,168,1,2,195,80", "192.168.1.2", 50000),
            ("10,0,0,1,4,5", "10.0.0.1", 1029),
            ("255,255,255,255,255,255", "255.255.255.255", 65535),
            ("0,0,0,0,0,1", "0.0.0.0", 1),
            ("010,000,0,1,04,005", "10.0.0.1", 1029),
        ] {
            for end in ["\r\n", "\n"] {
                let line = format!("227 {}{end}", text.replace('@', numbers));
                eprintln!("{server}: {line:?}");
                pasv(&line, address, port, numbers);
            }
        }
    }
}

#[test]
fn pasv_rejects() {
    for line in [
        "227 \r\n",
        "227 Entering Passive Mode\r\n",
        "227 Entering Passive Mode (1,2,3,4,5)\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,6,7)\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,6,)\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,256)\r\n",
        "227 Entering Passive Mode (256,2,3,4,5,6)\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,65536)\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,4294967297)\r\n",
        "227 Entering Passive Mode (1,2,3,,5,6)\r\n",
        "227 Entering Passive Mode (1, 2, 3, 4, 5, 6)\r\n",
        "227 Entering Passive Mode (1.2.3.4,5,6)\r\n",
        "227 Entering Passive Mode (1,2,3\r\n227 ,4,5,6)\r\n",
        "227 Entering Passive Mode (|||5|)\r\n",
        // A reply of several lines announces with its last.
        "227-Entering Passive Mode (1,2,3,4,5,6)\r\n",
        "227\r\n",
        "227_(1,2,3,4,5,6)\r\n",
        "227(1,2,3,4,5,6)\r\n",
        " 227 (1,2,3,4,5,6)\r\n",
        "226 (1,2,3,4,5,6)\r\n",
        "228 (1,2,3,4,5,6)\r\n",
        "127 (1,2,3,4,5,6)\r\n",
        "\u{12}27 (1,2,3,4,5,6)\r\n",
        "PORT 1,2,3,4,5,6\r\n",
        "\r\n",
        "\n",
        "2\n27 (1,2,3,4,5,6)\r\n",
    ] {
        not_ours(line);
    }
    malformed("227 Entering Passive Mode (1,2,3,4,0,0)\r\n");
    for line in [
        "",
        "2",
        "22",
        "227",
        "227 ",
        "227 Ent",
        "227 (1,2,3,4,5,6",
        "227 =1,2,3,4,5,",
        "227 \r",
    ] {
        incomplete(line);
    }
}

#[test]
fn epsv_of_servers() {
    for (server, text) in [
        (
            "vsftpd, ProFTPD, IIS, FileZilla, NcFTPd, tnftpd, z/OS",
            "Entering Extended Passive Mode (@)",
        ),
        (
            "Twisted, later vsftpd",
            "Entering Extended Passive Mode (@).",
        ),
        ("Pure-FTPd", "Extended Passive mode OK (@)"),
        ("pyftpdlib", "Entering extended passive mode (@)."),
        ("Apache", "Entering Passive Mode (@)"),
        ("nothing else", "(@)"),
        (
            "no closing parenthesis",
            "Entering Extended Passive Mode (@",
        ),
        (
            "another parenthesis before",
            "Entering (Extended) Passive Mode (@)",
        ),
        ("many of them", "Ent((er)ing (((12 (|| (|||| (!!!1| ((@)"),
        ("a port too large before", "(|||65536|) (@)"),
        ("more behind", "Entering (@) (|||1|)"),
    ] {
        for port in [1, 21, 6446, 50000, 65535] {
            for number in [format!("{port}"), format!("{port:08}")] {
                for d in ["|", "!", "#", "~", "a", ")"] {
                    let place = format!("{d}{d}{d}{number}{d}");
                    for end in ["\r\n", "\n"] {
                        let line = format!("229 {}{end}", text.replace('@', &place));
                        eprintln!("{server}: {line:?}");
                        epsv(&line, port, &place);
                    }
                }
            }
        }
    }
}

#[test]
fn epsv_delimiters() {
    for byte in 0..=127_u8 {
        let d = char::from(byte);
        let place = format!("{d}{d}{d}6446{d}");
        let line = format!("229 Entering ({place})\r\n");
        if (33..=126).contains(&byte) && !byte.is_ascii_digit() {
            epsv(&line, 6446, &place);
        } else {
            not_ours(&line);
        }
    }
}

#[test]
fn epsv_rejects() {
    for line in [
        "229 \r\n",
        "229 Entering Extended Passive Mode\r\n",
        "229 Entering Extended Passive Mode |||6446|\r\n",
        "229 Entering Extended Passive Mode (||6446|)\r\n",
        "229 Entering Extended Passive Mode (||||6446|)\r\n",
        "229 Entering Extended Passive Mode (|||6446)\r\n",
        "229 Entering Extended Passive Mode (|||6446!)\r\n",
        "229 Entering Extended Passive Mode (|!|6446|)\r\n",
        "229 Entering Extended Passive Mode (!||6446|)\r\n",
        "229 Entering Extended Passive Mode (||||)\r\n",
        "229 Entering Extended Passive Mode (|||-1|)\r\n",
        "229 Entering Extended Passive Mode ( |||6446|)\r\n",
        "229 Entering Extended Passive Mode (|||6446 |)\r\n",
        "229 Entering Extended Passive Mode (|1|1.2.3.4|6446|)\r\n",
        "229 Entering Extended Passive Mode (|||65536|)\r\n",
        "229 Entering Extended Passive Mode (|||4294967297|)\r\n",
        "229 Entering Extended Passive Mode (|||18446744073709551617|)\r\n",
        "229 Entering Extended Passive Mode (|||6\r\n446|)\r\n",
        "229 Entering Extended Passive Mode (1,2,3,4,5,6)\r\n",
        "229 (\n(|||6446|)\r\n",
        "229 (|\n||6446|)\r\n",
        "229-Entering Extended Passive Mode (|||6446|)\r\n",
        "229\r\n",
        "228 Entering Long Passive Mode (|||6446|)\r\n",
        "EPRT |||6446|\r\n",
    ] {
        not_ours(line);
    }
    malformed("229 Entering Extended Passive Mode (|||0|)\r\n");
    malformed("229 Entering Extended Passive Mode (|||00000|)\r\n");
    for line in [
        "229",
        "229 ",
        "229 Ent",
        "229 (",
        "229 (|",
        "229 (|||",
        "229 (|||6446",
        "229 \r",
    ] {
        incomplete(line);
    }
}

#[test]
fn line_max() {
    for (mode, place) in [("227", "1,2,3,4,5,6"), ("229", "|||1286|")] {
        let line = |fill: usize| format!("{mode} {}({place})\r\n", "x".repeat(fill));
        let fits = LINE_MAX - format!("{mode} ({place}").len() - usize::from(mode == "227");
        match mode {
            "227" => pasv(&line(fits), "1.2.3.4", 1286, place),
            _ => epsv(&line(fits), 1286, place),
        }
        malformed(&line(fits + 1));
        malformed(&line(100_000));
    }
}
