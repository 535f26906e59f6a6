// SPDX-License-Identifier: GPL-2.0

//! What was said in an FTP connection so far that matters for what counts later.

use std::sync::LazyLock;

use conntrack_proto::Direction;
use regex::bytes::Regex;

static QUESTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?mi-u)^(?:PASV|SPSV|CPSV|EPSV)[ \r\n]").unwrap());
static EPSV_ALL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?mi-u)^EPSV +ALL[ \r\n]").unwrap());
static AUTH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?mi-u)^AUTH[ \r\n]").unwrap());
static ACCEPTED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m-u)^234 ").unwrap());
static DONE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m-u)^2.. ").unwrap());
static REFUSED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m-u)^[45].. ").unwrap());

#[derive(Default)]
pub struct Said {
    /// All, of the client and of the server.
    text: [Vec<u8>; 2],
    last: Option<(Direction, u32)>,
    /// The packet at hand has been there before.
    pub is_again: bool,
    /// Questions for a port that have an answer.
    answered: usize,
    pub is_epsv_all: bool,
    /// The server may still refuse that.
    is_epsv_all_open: bool,
    pub is_encrypted: bool,
}

impl Said {
    /// Listens to a packet.
    pub fn packet(&mut self, direction: Direction, seq: u32, payload: &[u8]) {
        self.is_again = self.last.replace((direction, seq)) == Some((direction, seq));
        if self.is_again {
            return;
        }
        let text = &mut self.text[usize::from(direction == Direction::Reply)];
        let before = text.len();
        text.extend(payload);
        let is_new = |regex: &Regex| regex.find_iter(text).any(|found| found.end() > before);
        match direction {
            Direction::Original => {
                self.is_epsv_all |= is_new(&EPSV_ALL);
                self.is_epsv_all_open |= is_new(&EPSV_ALL);
            }
            Direction::Reply => {
                self.is_epsv_all &= !(self.is_epsv_all_open && is_new(&REFUSED));
                self.is_epsv_all_open &= !is_new(&REFUSED) && !is_new(&DONE);
                self.is_encrypted |= is_new(&ACCEPTED) && AUTH.is_match(&self.text[0]);
            }
        }
    }

    fn asked(&self) -> usize {
        let count = |regex: &Regex| regex.find_iter(&self.text[0]).count();
        count(&QUESTION) - count(&EPSV_ALL)
    }

    /// Whether there is no question for the server to answer.
    pub fn is_unasked(&self) -> bool {
        self.asked() <= self.answered
    }

    /// Notes the answers that counted; a port of the client's own is an answer to all.
    pub fn opened(&mut self, direction: Direction, count: usize) {
        match direction {
            Direction::Original if count > 0 => self.answered = self.asked(),
            Direction::Original => {}
            Direction::Reply => self.answered += count,
        }
    }
}
