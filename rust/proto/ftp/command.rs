// SPDX-License-Identifier: GPL-2.0

//! Commands of the client.

use super::super::Reject;

/// What a command of the client means for the dialogue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// It asks where to connect to.
    Passive,
    /// `EPSV ALL`.
    EpsvAll,
    /// `AUTH` with the name of a mechanism, RFC 4217. It does not matter which: only a reply that it is
    /// accepted does.
    Auth,
    /// `REIN`.
    Reinitialize,
    /// Another one.
    Other,
}

// As one word each, so that a line costs a few compares.
const PASV: u32 = u32::from_le_bytes(*b"pasv");
/// What routers make of `PASV` that do not want it understood, and servers take for it; the `@` as
/// [`LOWER`] makes it.
const P_SW: u32 = u32::from_le_bytes(*b"p`sw");
const SPSV: u32 = u32::from_le_bytes(*b"spsv");
const CPSV: u32 = u32::from_le_bytes(*b"cpsv");
const EPSV: u32 = u32::from_le_bytes(*b"epsv");
const AUTH: u32 = u32::from_le_bytes(*b"auth");
const REIN: u32 = u32::from_le_bytes(*b"rein");
/// Makes capitals small. Other bytes may change, but none becomes a letter.
const LOWER: u32 = u32::from_le_bytes([0x20; 4]);

/// Tells whether a line of the client that begins with `word` may be of interest: `PORT`, `EPRT`, or one
/// that [`command`] knows. Few others look like them.
#[inline(always)]
pub(super) fn seems_of_interest(word: u32) -> bool {
    const RT: u32 = u32::from_le_bytes(*b"rt\0\0");
    const SV: u32 = u32::from_le_bytes(*b"sv\0\0");
    const SW: u32 = u32::from_le_bytes(*b"sw\0\0");
    const TH: u32 = u32::from_le_bytes(*b"th\0\0");
    const IN: u32 = u32::from_le_bytes(*b"in\0\0");
    matches!((word | LOWER) >> 16, RT | SV | SW | TH | IN)
}

/// Tells what the command at the beginning of `line` means.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early to know.
pub(super) fn command(line: &[u8]) -> Result<Command, Reject> {
    let Some((word, rest)) = line.split_first_chunk::<4>() else {
        return if line.contains(&b'\n') {
            Ok(Command::Other)
        } else {
            Err(Reject::Incomplete)
        };
    };
    let command = match u32::from_le_bytes(*word) | LOWER {
        // `SPSV` shares a port among transfers and `CPSV` is for a transfer between two servers; the
        // reply to both is 227.
        PASV | SPSV | CPSV | EPSV => Command::Passive,
        P_SW if word.get(1) == Some(&b'@') => Command::Passive,
        AUTH => Command::Auth,
        REIN => Command::Reinitialize,
        _ => return Ok(Command::Other),
    };
    match rest.first() {
        Some(b' ' | b'\r' | b'\n') => {}
        // Other commands may begin the same.
        Some(_) => return Ok(Command::Other),
        None => return Err(Reject::Incomplete),
    }
    if u32::from_le_bytes(*word) | LOWER == EPSV && says(rest, b"all")? {
        return Ok(Command::EpsvAll);
    }
    Ok(command)
}

/// Whether `rest` is spaces, `word` in whatever case, and the end of the line.
fn says(rest: &[u8], word: &[u8]) -> Result<bool, Reject> {
    let mut rest = rest;
    while let [b' ', tail @ ..] = rest {
        rest = tail;
    }
    for letter in word {
        let (byte, tail) = rest.split_first().ok_or(Reject::Incomplete)?;
        if byte.to_ascii_lowercase() != *letter {
            return Ok(false);
        }
        rest = tail;
    }
    match rest.first() {
        Some(byte) => Ok(matches!(byte, b' ' | b'\r' | b'\n')),
        None => Err(Reject::Incomplete),
    }
}

/// The longest line that is looked at to the end, in bytes.
const LINE_MAX: usize = 256;

/// Names of commands with spaces behind them: RFC 959 and its successors as IANA has registered them, and
/// some that clients are known to send.
#[rustfmt::skip]
const COMMANDS: [[u8; 4]; 76] = [
    *b"abor", *b"acct", *b"adat", *b"algs", *b"allo", *b"appe", *b"auth", *b"avbl",
    *b"ccc ", *b"cdup", *b"clnt", *b"conf", *b"cpsv", *b"csid", *b"cwd ", *b"dele",
    *b"dsiz", *b"enc ", *b"eprt", *b"epsv", *b"esta", *b"estp", *b"feat", *b"help",
    *b"host", *b"lang", *b"list", *b"lprt", *b"lpsv", *b"mdtm", *b"mfct", *b"mff ",
    *b"mfmt", *b"mic ", *b"mkd ", *b"mlsd", *b"mlst", *b"mode", *b"nlst", *b"noop",
    *b"opts", *b"pass", *b"pasv", *b"pbsz", *b"port", *b"prot", *b"pwd ", *b"quit",
    *b"rein", *b"rest", *b"retr", *b"rmd ", *b"rmda", *b"rnfr", *b"rnto", *b"site",
    *b"size", *b"smnt", *b"spsv", *b"sscn", *b"stat", *b"stor", *b"stou", *b"stru",
    *b"syst", *b"thmb", *b"type", *b"user", *b"xcrc", *b"xcup", *b"xcwd", *b"xmd5",
    *b"xmkd", *b"xpwd", *b"xrmd", *b"xsha",
];

/// Tells whether `line`, which is early in a session, may be one of an FTP client: the first must begin with
/// a command, and no other may look like one of HTTP or of mail.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early to know.
pub(super) fn is_of_client(line: &[u8], is_first: bool) -> Result<bool, Reject> {
    let newline = line.iter().take(LINE_MAX).position(|&byte| byte == b'\n');
    let Some(text) = line.get(..newline.unwrap_or(LINE_MAX)) else {
        return Err(Reject::Incomplete);
    };
    if is_header(text) || text.windows(6).any(|part| part == b" HTTP/") {
        return Ok(false);
    }
    let end = |byte: &u8| matches!(byte, b' ' | b'\r');
    let word_len = text.iter().position(end).unwrap_or(text.len());
    Ok(!is_first || is_known(text.get(..word_len).unwrap_or_default()))
}

/// Tells whether `text` begins with a name and a colon, as a field of HTTP or of mail does (a token, RFC 9110
/// section 5.6.2).
fn is_header(text: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let name_len = text.iter().take_while(|byte| is_token(byte)).count();
    name_len > 0 && text.get(name_len) == Some(&b':')
}

/// Tells whether `bytes` are one whole line with a command, or nothing: as far as they go, they may be part
/// of a client's side of a session.
pub fn is_command(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [line @ .., b'\n'] if !line.contains(&b'\n') => {
            let end = |byte: &u8| matches!(byte, b' ' | b'\r');
            let word = line.iter().position(end).unwrap_or(line.len());
            is_known(line.get(..word).unwrap_or_default())
        }
        _ => false,
    }
}

fn is_known(word: &[u8]) -> bool {
    let mut name = *b"    ";
    if word.len() < 3 || word.len() > name.len() {
        return false;
    }
    for (to, from) in name.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    name == *b"p@sw" || COMMANDS.contains(&name)
}
