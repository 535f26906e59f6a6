// SPDX-License-Identifier: GPL-2.0

//! What client and server say until the client has registered, RFC 2812 section 3.1 and IRCv3.

use super::{
    super::{
        reader::Reader,
        Reject, //
    },
    LINE_MAX, //
};

/// A line of a client that registers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub(super) struct Client {
    /// Its command; [`None`] if the line is empty.
    pub(super) command: Option<Command>,
    /// Whether a carriage return stands before its newline.
    pub(super) ends_in_crlf: bool,
}

/// A command of a client that registers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub(super) enum Command {
    /// `NICK`.
    Nick,
    /// `USER`.
    User,
    /// Another one.
    Other,
}

/// What a server says of a client that registers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(MODULE), derive(Debug))]
pub(super) enum Server {
    /// It has registered, `RPL_WELCOME`.
    Welcome,
    /// What follows is TLS, `RPL_STARTTLS`.
    Tls,
    /// Something else.
    Other,
}

/// The longest command's length.
const COMMAND_MAX: usize = 12;

/// Parses the line of a client that `line` begins with.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end before the line does; else it is not one of a client that
/// registers.
pub(super) fn client(line: &[u8]) -> Result<Client, Reject> {
    of_line(line, |reader| {
        head(reader)?;
        let command = command(reader)?;
        let before = *reader;
        reader.skip(|byte| byte != b'\n')?;
        let rest = reader.consumed(&before);
        // A method of HTTP may have the name of a command.
        let is_request = |word: &[u8]| word.starts_with(b"HTTP/");
        if rest
            .split(|&byte| byte == b' ')
            .last()
            .is_some_and(is_request)
        {
            return Err(Reject::NotOurs);
        }
        Ok(Client {
            command,
            ends_in_crlf: rest.last() == Some(&b'\r'),
        })
    })
}

/// Parses the line of a server that `line` begins with, as far as it matters.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early to know.
pub(super) fn server(line: &[u8]) -> Result<Server, Reject> {
    of_line(line, |reader| {
        head(reader)?;
        let before = *reader;
        reader.skip(|byte| byte.is_ascii_digit())?;
        Ok(match (reader.consumed(&before), reader.peek()?) {
            (b"001", b' ') => Server::Welcome,
            (b"670", b' ') => Server::Tls,
            _ => Server::Other,
        })
    })
}

/// Has `parse` read a line, as if it had [`LINE_MAX`] bytes at most.
fn of_line<T>(
    line: &[u8],
    parse: impl Fn(&mut Reader<'_>) -> Result<T, Reject>,
) -> Result<T, Reject> {
    let (mut reader, is_cut) = Reader::new(line, 0, LINE_MAX);
    match parse(&mut reader) {
        Err(Reject::Incomplete) if is_cut => Err(Reject::Malformed),
        parsed => parsed,
    }
}

/// Consumes what may stand before a command or a numeric: message tags and a prefix.
fn head(reader: &mut Reader<'_>) -> Result<(), Reject> {
    for mark in [b'@', b':'] {
        reader.skip(|byte| byte == b' ')?;
        if reader.peek()? == mark {
            reader.skip(|byte| !matches!(byte, b' ' | b'\r' | b'\n'))?;
            reader.skip(|byte| byte == b' ')?;
        }
    }
    Ok(())
}

/// Consumes a command; [`None`] if there is none in this line.
fn command(reader: &mut Reader<'_>) -> Result<Option<Command>, Reject> {
    let mut name = [0; COMMAND_MAX];
    let mut room = name.iter_mut();
    while reader.peek()?.is_ascii_alphabetic() {
        *room.next().ok_or(Reject::NotOurs)? = reader.peek()?.to_ascii_uppercase();
        reader.bump();
    }
    if !matches!(reader.peek()?, b' ' | b'\r' | b'\n') {
        return Err(Reject::NotOurs);
    }
    let len = name.iter().take_while(|&&byte| byte != 0).count();
    match name.get(..len).unwrap_or_default() {
        b"NICK" => Ok(Some(Command::Nick)),
        b"USER" => Ok(Some(Command::User)),
        // irssi says `JOIN :` before all, which only a server of IRC answers as it should.
        b"ADMIN" | b"AUTHENTICATE" | b"CAP" | b"HELP" | b"INFO" | b"ISON" | b"JOIN" | b"LIST"
        | b"LUSERS" | b"MODE" | b"MOTD" | b"PASS" | b"PING" | b"PONG" | b"PROTOCTL" | b"QUIT"
        | b"SERVICE" | b"STARTTLS" | b"USERHOST" | b"VERSION" | b"WEBIRC" | b"WHO" | b"WHOIS" => {
            Ok(Some(Command::Other))
        }
        b"" if reader.peek()? != b' ' => Ok(None),
        _ => Err(Reject::NotOurs),
    }
}
