// SPDX-License-Identifier: GPL-2.0

//! Conversations made of phrases: each byte of the input chooses the next one. That way most of
//! what a fuzzer tries is a session, and not a first line that is no command.

use crate::{
    conversation::{
        AGAIN,
        ANEW,
        CUT,
        INJECTED,
        LONGER,
        PICKED_UP,
        SWAP,
        SWITCH, //
    },
    session::Protocol,
};

/// At the beginning of an input: what follows chooses phrases.
pub const PHRASES: u8 = 0xf7;

/// What an FTP client says.
const FTP_CLIENT: [&str; 44] = [
    "PASV\r\n",
    "EPSV\r\n",
    "PASV\r\n",
    "EPSV 2\r\n",
    "SPSV\r\n",
    "CPSV\r\n",
    "P@SW\r\n",
    "pasv \r\n",
    "PASV\n",
    "PORT 10,0,0,1,4,#\r\n",
    "PORT 10,0,0,1,4,#\r\n",
    "PORT 10,0,0,1,4,#\n",
    "port  10,0,0,1,4,# \r\n",
    "EPRT |1|10.0.0.1|12#|\r\n",
    "EPRT |2|2001:db8::1|12#|\r\n",
    "USER a\r\n",
    "PASS b\r\n",
    "USER a\r\nPASS b\r\nTYPE I\r\n",
    "TYPE I\r\n",
    "CWD x\r\n",
    "CWD x\n",
    "MKD 227 x (10,0,0,2,4,#)\r\n",
    "STOR PASV\r\n",
    "RETR x\r\n",
    "STAT\r\n",
    "FEAT\r\n",
    "NOOP\r\n",
    "NOOP\r\nNOOP\r\nNOOP\r\n",
    "EPSV ALL\r\n",
    "epsv  all\r\n",
    "EPSV ALLES\r\n",
    "REIN\r\n",
    "AUTH TLS\r\n",
    "AUTH GSSAPI\r\n",
    "ADAT abcd\r\n",
    "CCC\r\n",
    "\r\n",
    "QUIT\r\n",
    "Host: a\r\n",
    "POST / HTTP/1.1\r\n",
    "STAT / HTTP/1.1\r\n",
    "FOO\r\n",
    "\x16\x03\x01\r\n",
    "\x17\x03\x03xyz",
];

/// What an FTP server says.
const FTP_SERVER: [&str; 46] = [
    "220 ready\r\n",
    "220-Welcome\r\n",
    "220 \r\n",
    "120 wait\r\n",
    "227 ok (10,0,0,2,4,#)\r\n",
    "227 ok (10,0,0,2,4,#)\r\n",
    "227 ok (10,0,0,2,4,#)\r\n",
    "229 ok (|||12#|)\r\n",
    "229 ok (|||12#|)\r\n",
    "229 ok (|||12#|)\r\n",
    "227-ok (10,0,0,2,4,#)\r\n",
    "227-ok\r\n",
    "229-ok (|||12#|)\r\n",
    "227 done\r\n",
    "227\r\n",
    "229 done\r\n",
    "200 ok\r\n",
    "200 ok\r\n",
    "200 ok\r\n200 ok\r\n200 ok\r\n",
    "230 in\r\n",
    "331 password\r\n",
    "331 User 229 x (|||12#|) OK\r\n",
    "350 go on\r\n",
    "150 here\r\n",
    "226 done\r\n",
    "250 ok\r\n",
    "211-Status\r\n",
    "211 End\r\n",
    "550-x\r\n",
    "550 no\r\n",
    "530 no\r\n",
    "500 what\r\n",
    "500\r\n",
    "425 no\r\n",
    "421 gone\r\n",
    "234 go on\r\n",
    "234\r\n",
    "334 go on\r\n",
    "235 ok\r\n",
    " 227 x (10,0,0,2,4,#)\r\n",
    "a text\r\n",
    "\r\n",
    "\u{feff}",
    "HTTP/1.1 200 OK\r\n",
    "SSH-2.0-x\r\n",
    "\x17\x03\x03\r\n",
];

/// What an IRC client says.
const IRC_CLIENT: [&str; 26] = [
    "NICK a\r\n",
    "NICK a\r\n",
    "USER a 0 * :A\r\n",
    "USER a 0 * :A\r\n",
    "user a 0 * :A\n",
    "PASS b\r\n",
    "CAP LS 302\r\n",
    "CAP END\r\n",
    "PONG :USER a\r\n",
    "JOIN #c\r\n",
    "QUIT\r\n",
    "PRIVMSG b :\x01DCC SEND f 167772161 50# 1\x01\r\n",
    "PRIVMSG b :\x01DCC SEND f 167772161 50# 1\x01\r\n",
    "PRIVMSG b :\x01DCC SEND f 167772161 50# 1\x01\r\n",
    "PRIVMSG b :\x01DCC SEND \"f g\" 167772161 50# 1\x01\n",
    "NOTICE b :\x01DCC CHAT chat 167772161 50#\x01\r\n",
    "PRIVMSG b :\x01DCC SEND f 1 50# 1\x01\x01DCC CHAT chat 1 51#\x01\r\n",
    "PRIVMSG b :\x01DCC ACCEPT f 50# 1\x01\r\n",
    "@a=b PRIVMSG b :\x01DCC SEND f 167772161 50# 1\x01\r\n",
    "PRIVMSG b :text\r\n",
    "NICKS\r\n",
    ":s 001 a\r\n",
    "POST / HTTP/1.1\r\n",
    "NICK / HTTP/1.1\r\n",
    "Host: a\r\n",
    "\r\n",
];

/// What an IRC server says.
const IRC_SERVER: [&str; 10] = [
    ":s 001 a :Welcome\r\n",
    "@t=1 :s 001 a :Welcome\r\n",
    ":s 002 a :001\r\n",
    ":s NOTICE * :001\r\n",
    ":s 433 a :in use\r\n",
    "PING :1\r\n",
    ":b PRIVMSG a :\x01DCC RESUME f 50# 1\x01\r\n",
    ":b PRIVMSG a :\x01DCC RESUME f 50# 1\x01\r\n",
    "HTTP/1.1 400 Bad\r\n",
    "\r\n",
];

/// Returns the input that `data` chooses.
pub fn expand(protocol: Protocol, data: &[u8]) -> Option<Vec<u8>> {
    let choices = data.strip_prefix(&[PHRASES])?;
    let phrases: [&[&str]; 2] = match protocol {
        Protocol::Ftp => [&FTP_CLIENT, &FTP_SERVER],
        Protocol::Irc => [&IRC_CLIENT, &IRC_SERVER],
        Protocol::Tftp | Protocol::Amanda => return None,
    };
    let (first, choices) = choices.split_first()?;
    let mut all = match first % 8 {
        0 => vec![PICKED_UP],
        1 => vec![INJECTED],
        _ => Vec::new(),
    };
    let mut side = 0;
    let login: [&[u8]; 2] = match protocol {
        Protocol::Ftp => [
            b"\xff220 ready\r\n\xffUSER a\r\n\xff331 password\r\n\xffPASS b\r\n\xff230 in\r\n\xff",
            b"\xff220 ready\r\n\xff",
        ],
        _ => [b"NICK a\r\nUSER a 0 * :A\r\n\xfe", b"NICK a\r\n\xfe"],
    };
    match first / 8 % 4 {
        0 | 1 => all.extend(login[0]),
        2 => all.extend(login[1]),
        _ => {}
    }
    for (i, choice) in choices.iter().enumerate() {
        // A bit more than 200 are left for the phrases.
        let mark = match choice {
            0xff..=0xff => ANEW,
            0xfc..=0xfe => AGAIN,
            0xf9..=0xfb => LONGER,
            0xf7..=0xf8 => SWAP,
            0xf4..=0xf6 => {
                // In the middle of the last phrase, where it is no mark.
                let at = all.len() - (usize::from(*choice) % 6).min(all.len());
                let is_inside = all[at..].iter().all(|byte| *byte < PHRASES);
                if is_inside {
                    all.insert(at, CUT);
                }
                continue;
            }
            0xe0..=0xf3 => CUT,
            0xc0..=0xdf => SWITCH,
            _ => 0,
        };
        if mark != 0 {
            side = match mark {
                SWITCH => 1 - side,
                ANEW => 0,
                _ => side,
            };
            all.push(mark);
            continue;
        }
        let phrases = phrases[side];
        let phrase = phrases[usize::from(*choice) % phrases.len()];
        let port = (10 + i % 90).to_string();
        all.extend(phrase.replace('#', &port).bytes());
        // Most wait for what the other side says.
        if *choice < 0x80 {
            side = 1 - side;
            all.push(SWITCH);
        }
    }
    Some(all)
}

/// Returns an input that chooses any phrases, the same for each `seed`.
pub fn any(seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1);
    let choices = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    });
    let mut all = vec![PHRASES];
    all.extend(choices.skip(8).take(3 + seed as usize % 24));
    all
}

#[test]
fn makes_sessions() {
    let data = [PHRASES, 2, 0, 4, 0x85, 0x84, 0xc0, 0xfc];
    let expanded = expand(Protocol::Ftp, &data).expect("an input");
    let text = expanded.escape_ascii().to_string();
    assert!(text.ends_with(
        r"\xff230 in\r\n\xffPASV\r\n\xff227 ok (10,0,0,2,4,11)\r\n\xffEPSV\r\nPASV\r\n\xff\xfd"
    ));
    assert_eq!(expand(Protocol::Ftp, b"PASV"), None);
}
