// SPDX-License-Identifier: GPL-2.0

//! Which announcements of an FTP connection have their place in its dialogue, told line by line in
//! the order in which both sides speak.

use conntrack_proto::{
    ftp::Kind,
    Direction, //
};

/// The end of what can be told: the connection is encrypted from here on.
pub struct Encrypted;

/// The dialogue so far.
pub struct Dialogue {
    /// The server has not said anything.
    is_silent: bool,
    /// The client has not said anything.
    is_first: bool,
    is_foreign: bool,
    /// Questions for a port without an answer.
    asked: u32,
    /// One answer may be to a question that was not heard.
    is_in_doubt: bool,
    tls_asked: bool,
    epsv_all: bool,
    /// The server has not answered it yet.
    epsv_all_asked: bool,
}

impl Dialogue {
    /// A new one, or one that was not listened to from the beginning on.
    pub fn new(is_picked_up: bool) -> Self {
        Self {
            is_silent: !is_picked_up,
            is_first: !is_picked_up,
            is_foreign: false,
            asked: 0,
            is_in_doubt: is_picked_up,
            tls_asked: false,
            epsv_all: false,
            epsv_all_asked: false,
        }
    }

    /// Listens to a line, of which the end may be missing.
    pub fn line(&mut self, direction: Direction, line: &[u8]) -> Result<(), Encrypted> {
        // A shorter one says nothing.
        if self.is_foreign || line.len() < 4 || line[..3].contains(&b'\n') {
            return Ok(());
        }
        match direction {
            Direction::Original => {
                self.client(line);
                Ok(())
            }
            Direction::Reply => self.server(line),
        }
    }

    fn client(&mut self, line: &[u8]) {
        if std::mem::take(&mut self.is_first) {
            const HTTP: [&[u8]; 8] = [
                b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"CONN", b"PATC", b"TRAC",
            ];
            let is_binary = line[0] < b' ' && !line[0].is_ascii_whitespace();
            self.is_foreign = is_binary || HTTP.contains(&&line[..4]);
            if self.is_foreign {
                return;
            }
        }
        // A word ends at a space, and at the end of the line, which must be there then.
        let is_end = |byte: &u8| b" \r\n".contains(byte);
        let mut words = line.split_inclusive(is_end).map(|word| {
            let has_end = word.last().is_some_and(is_end);
            has_end.then(|| word[..word.len() - 1].to_ascii_uppercase())
        });
        let Some(Some(command)) = words.next() else {
            return;
        };
        match command.as_slice() {
            b"PASV" | b"SPSV" | b"CPSV" => self.ask(),
            b"EPSV" if line[4] != b' ' => self.ask(),
            b"EPSV" => {
                let rest = &line[4..];
                let rest = &rest[super::count(rest, |byte| *byte == b' ')..];
                let same = rest.iter().zip(b"all ").take_while(|(a, b)| {
                    a.eq_ignore_ascii_case(b) || **b == b' ' && b" \r\n".contains(a)
                });
                match same.count() {
                    4 => {
                        self.epsv_all = true;
                        self.epsv_all_asked = true;
                    }
                    // It may still become that.
                    n if n == rest.len() => {}
                    _ => self.ask(),
                }
            }
            b"AUTH" => self.tls_asked = true,
            _ => {}
        }
    }

    fn ask(&mut self) {
        self.asked = (self.asked + 1).min(3);
        self.is_in_doubt = false;
    }

    fn server(&mut self, line: &[u8]) -> Result<(), Encrypted> {
        let is_last = line[3] == b' ';
        if std::mem::take(&mut self.is_silent) {
            let is_number = line[1].is_ascii_digit() && line[2].is_ascii_digit();
            let is_greeting =
                matches!(line[0], b'1' | b'2') && is_number && b" -\r\n".contains(&line[3]);
            self.is_foreign = !is_greeting;
        } else if self.tls_asked && line.starts_with(b"234 ") {
            return Err(Encrypted);
        } else if is_last && matches!(line[0], b'4' | b'5') {
            self.tls_asked = false;
            if std::mem::take(&mut self.epsv_all_asked) {
                self.epsv_all = false;
            }
        } else if is_last && line[0] == b'2' {
            self.epsv_all_asked = false;
        }
        Ok(())
    }

    /// Whether anything is looked at.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// Whether an announcement of `kind` has its place here.
    pub fn admits(&mut self, kind: Kind) -> bool {
        if self.is_silent || self.is_foreign || self.epsv_all && kind != Kind::Epsv {
            return false;
        }
        match kind {
            Kind::Port | Kind::Eprt => {
                self.asked = 0;
                true
            }
            Kind::Pasv | Kind::Epsv if self.asked > 0 => {
                self.asked -= 1;
                true
            }
            Kind::Pasv | Kind::Epsv => std::mem::take(&mut self.is_in_doubt),
        }
    }
}
