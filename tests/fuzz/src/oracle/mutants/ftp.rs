// SPDX-License-Identifier: GPL-2.0

//! A firewall for FTP with a wrong rule.

use conntrack_proto::Direction;

use super::{
    agrees_everywhere,
    disagreements,
    place,
    without_memory,
    Believed, //
};
use crate::{
    conversation::Origin,
    dialogues::Dialogue,
    oracle::{
        stream::{
            lines,
            Behind,
            Line, //
        },
        words::{
            self,
            Foreign, //
        },
    },
    session::Protocol,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    NoGreetingNeeded,
    WaitIsGreeting,
    RefusalIsForgotten,
    BannerIsForeign,
    OtherProtocolIsBanner,
    BlankBeforeGreetingIsForeign,
    EarlyIsForgotten,
    EarlyIsBelievedAtOnce,
    FirstEarlyCounts,
    OnlyWordsOfHttp,
    OnlyUpperCase,
    HeadersAreIgnored,
    HeadersForEver,
    RefusalLeavesQuestion,
    OkLeavesQuestion,
    AnswerLeavesQuestion,
    AnyAnswerAfterAnyQuestion,
    LastIsAnswered,
    AllMustBeAnswered,
    WaitingIsAnswer,
    RetransmissionCounts,
    LinesInsideCount,
    AnyNumberEnds,
    FirstOfSeveralIsIgnored,
    TwiceInOneReply,
    RefusalOfSeveralLeavesQuestion,
    BareNewlineIsBelieved,
    NothingBehindAnother,
    EpsvAllIsIgnored,
    RefusedEpsvAllStays,
    AnyRefusalEndsEpsvAll,
    ReinEndsNothing,
    RefusedReinEnds,
    TlsIsRead,
    TlsNeedsText,
    TlsUnasked,
    TlsForEver,
    PickedUpIsInjected,
    PickedUpIsBegun,
    PickedUpBeginsLine,
    InjectedIsPickedUp,
    DoubtForEver,
    AnewIsNothing,
    ReplaysOfRoutersAreUnknown,
    ThreeQuestions,
}

use Wrong::*;

const ALL: [Wrong; 45] = [
    NoGreetingNeeded,
    WaitIsGreeting,
    RefusalIsForgotten,
    BannerIsForeign,
    OtherProtocolIsBanner,
    BlankBeforeGreetingIsForeign,
    EarlyIsForgotten,
    EarlyIsBelievedAtOnce,
    FirstEarlyCounts,
    OnlyWordsOfHttp,
    OnlyUpperCase,
    HeadersAreIgnored,
    HeadersForEver,
    RefusalLeavesQuestion,
    OkLeavesQuestion,
    AnswerLeavesQuestion,
    AnyAnswerAfterAnyQuestion,
    LastIsAnswered,
    AllMustBeAnswered,
    WaitingIsAnswer,
    RetransmissionCounts,
    LinesInsideCount,
    AnyNumberEnds,
    FirstOfSeveralIsIgnored,
    TwiceInOneReply,
    RefusalOfSeveralLeavesQuestion,
    BareNewlineIsBelieved,
    NothingBehindAnother,
    EpsvAllIsIgnored,
    RefusedEpsvAllStays,
    AnyRefusalEndsEpsvAll,
    ReinEndsNothing,
    RefusedReinEnds,
    TlsIsRead,
    TlsNeedsText,
    TlsUnasked,
    TlsForEver,
    PickedUpIsInjected,
    PickedUpIsBegun,
    PickedUpBeginsLine,
    InjectedIsPickedUp,
    DoubtForEver,
    AnewIsNothing,
    ReplaysOfRoutersAreUnknown,
    ThreeQuestions,
];

#[derive(Clone, Default)]
struct Firewall {
    origin: Origin,
    is_greeted: bool,
    is_dead: bool,
    has_command: bool,
    is_established: bool,
    pending: Vec<&'static str>,
    code: Option<[u8; 3]>,
    is_greeting: bool,
    has_announced: bool,
    has_asked: bool,
    has_doubt: bool,
    epsv_all: bool,
    is_secret: [bool; 2],
    early: Option<(usize, usize, usize)>,
    believed: Believed,
}

const QUESTIONS: [&str; 5] = ["PASV", "SPSV", "CPSV", "P@SW", "EPSV"];
const FIRST: [&str; 24] = [
    "USER", "PASS", "TYPE", "PORT", "EPRT", "PASV", "EPSV", "AUTH", "FEAT", "HOST", "CLNT", "STAT",
    "CWD", "NOOP", "STOR", "REIN", "CCC", "QUIT", "ADAT", "MKD", "RETR", "SPSV", "CPSV", "P@SW",
];

fn believed(dialogue: &Dialogue, wrong: Wrong) -> Believed {
    let mut all = Believed::new();
    let mut firewall = Firewall::default();
    for (i, connection) in dialogue.connections.iter().enumerate() {
        let mut connection = connection.clone();
        connection.origin = match (wrong, connection.origin) {
            (PickedUpIsInjected, Origin::PickedUp) => Origin::Injected,
            (PickedUpIsBegun, Origin::PickedUp) => Origin::Begun,
            (InjectedIsPickedUp, Origin::Injected) => Origin::PickedUp,
            (_, origin) => origin,
        };
        if i == 0 || wrong != AnewIsNothing {
            firewall = Firewall {
                origin: connection.origin,
                is_greeted: connection.origin != Origin::Begun || wrong == NoGreetingNeeded,
                has_doubt: connection.origin == Origin::Injected,
                has_command: connection.origin != Origin::Begun,
                is_established: connection.origin != Origin::Begun,
                ..Firewall::default()
            };
        }
        let all_lines = match wrong {
            RetransmissionCounts => without_memory(&connection),
            PickedUpBeginsLine if connection.origin == Origin::PickedUp => {
                connection.origin = Origin::Injected;
                lines(&connection)
            }
            _ => lines(&connection),
        };
        for line in all_lines.iter().filter(|line| line.is_whole) {
            firewall.hear(wrong, i, line);
        }
        all.append(&mut firewall.believed);
    }
    all
}

impl Firewall {
    fn hear(&mut self, wrong: Wrong, connection: usize, line: &Line) {
        let side = usize::from(line.direction == Direction::Reply);
        if self.is_dead || line.is_in_middle && !self.is_secret[side] {
            return;
        }
        if self.is_secret[side] && wrong != TlsIsRead {
            if line.is_text() && !line.is_in_record && wrong != TlsForEver {
                self.is_secret[side] = line.text.starts_with(b"227");
            }
            return;
        }
        if line.direction == Direction::Original {
            self.client(wrong, connection, line);
        } else if self.server(wrong, line) {
            self.believed.insert(place(connection, line));
        }
    }

    fn client(&mut self, wrong: Wrong, connection: usize, line: &Line) {
        let text = line.text.as_slice();
        let is_header = words::is_foreign(text) == Foreign::Yes && wrong != HeadersAreIgnored;
        if is_header && (!self.is_established || wrong == HeadersForEver) {
            self.is_dead = true;
            return;
        }
        let word = String::from_utf8_lossy(&words::command(text)).into_owned();
        if !std::mem::replace(&mut self.has_command, true) {
            let is_upper = text.starts_with(word.as_bytes());
            self.is_dead = match wrong {
                OnlyWordsOfHttp => ["GET", "POST"].contains(&word.as_str()),
                OnlyUpperCase => !FIRST.contains(&word.as_str()) || !is_upper,
                _ => !FIRST.contains(&word.as_str()),
            };
            if self.is_dead {
                return;
            }
        }
        let is_all = word == "EPSV" && text.to_ascii_uppercase().ends_with(b" ALL\r\n");
        let known = QUESTIONS.iter().find(|known| **known == word && !is_all);
        self.has_asked |= known.is_some();
        let open = self.pending.iter().filter(|word| QUESTIONS.contains(word));
        let is_asked = known.is_some()
            && (wrong != ReplaysOfRoutersAreUnknown || word != "P@SW")
            && (wrong != ThreeQuestions || open.count() < 3);
        self.pending.push(match (known, word.as_str()) {
            (Some(known), _) if is_asked => known,
            (_, "EPSV") if is_all => "ALL",
            (_, "AUTH") => "AUTH",
            (_, "REIN") => "REIN",
            _ => "",
        });
        if !["PORT", "EPRT"].contains(&word.as_str()) {
            return;
        }
        let is_behind = match line.behind {
            Behind::BareLf => wrong != BareNewlineIsBelieved,
            Behind::Crlf => wrong == NothingBehindAnother,
            _ => false,
        };
        let is_off = self.epsv_all && wrong != EpsvAllIsIgnored;
        // A firewall that takes that for the beginning believes active transfers.
        if is_behind || is_off || self.origin == Origin::PickedUp {
            return;
        }
        let place = place(connection, line);
        if self.is_greeted || wrong == EarlyIsBelievedAtOnce {
            self.believed.insert(place);
        } else if wrong != EarlyIsForgotten && (wrong != FirstEarlyCounts || self.early.is_none()) {
            self.early = Some(place);
        }
    }

    /// Whether an announcement in `line` is believed.
    fn server(&mut self, wrong: Wrong, line: &Line) -> bool {
        let mut text = line.text.as_slice();
        if !self.is_greeted && self.code.is_none() && wrong != BlankBeforeGreetingIsForeign {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            text = text.trim_ascii_start();
        }
        let (code, rest) = match text.split_first_chunk::<3>() {
            Some((code, rest)) if code.iter().all(u8::is_ascii_digit) => (*code, rest),
            _ => (*b"000", text),
        };
        let is_reply = code != *b"000" && matches!(rest.first(), Some(b' ' | b'-' | b'\r' | b'\n'));
        let has_more = rest.first() == Some(&b'-');
        if let Some(open) = self.code {
            let is_end = is_reply && !has_more && (code == open || wrong == AnyNumberEnds);
            if !is_end {
                return wrong == LinesInsideCount && self.answers(wrong, code);
            }
            self.code = None;
            if std::mem::take(&mut self.is_greeting) {
                return false;
            }
            let is_left = wrong == RefusalOfSeveralLeavesQuestion && open[0] == b'5';
            let is_believed = self.answers(wrong, open);
            if !is_left {
                self.close(wrong, open, rest);
            }
            return is_believed && (!self.has_announced || wrong == TwiceInOneReply);
        }
        if !self.is_greeted {
            self.greet(wrong, text, code, is_reply, has_more);
            return false;
        }
        if !is_reply {
            return false;
        }
        let had_doubt = self.has_doubt;
        let is_believed = self.answers(wrong, code);
        if has_more {
            self.has_doubt = had_doubt && !line.text.contains(&b'(');
            self.code = Some(code);
            self.has_announced = is_believed && line.text.contains(&b'(');
            return is_believed && wrong != FirstOfSeveralIsIgnored;
        }
        self.close(wrong, code, rest);
        is_believed
    }

    fn greet(&mut self, wrong: Wrong, text: &[u8], code: [u8; 3], is_reply: bool, has_more: bool) {
        let others: [&[u8]; 5] = [b"HTTP/", b"SSH-", b"+OK", b"* OK", b":"];
        if !is_reply {
            let is_other = others.iter().any(|other| text.starts_with(other));
            self.is_dead = is_other && wrong != OtherProtocolIsBanner
                || !text.is_empty() && wrong == BannerIsForeign
                || text.starts_with(b" ") && wrong == BlankBeforeGreetingIsForeign;
            return;
        }
        self.is_dead = matches!(code[0], b'3'..=b'5') && wrong != RefusalIsForgotten;
        if has_more {
            self.code = Some(code);
            self.is_greeting = true;
        }
        if &code == b"220" || code[0] == b'1' && wrong == WaitIsGreeting {
            self.is_greeted = true;
            self.believed.extend(self.early.take());
        }
    }

    fn answers(&mut self, wrong: Wrong, code: [u8; 3]) -> bool {
        if !matches!(&code, b"227" | b"229") {
            return false;
        }
        if self.epsv_all && &code == b"227" && wrong != EpsvAllIsIgnored {
            return false;
        }
        let mut pending = self.pending.iter();
        let at = pending.position(|word| QUESTIONS.contains(word));
        if wrong == AnyAnswerAfterAnyQuestion && self.has_asked {
            return true;
        }
        match at {
            Some(0) => true,
            Some(_) => wrong != AllMustBeAnswered,
            None if wrong == DoubtForEver => self.origin == Origin::Injected,
            None => std::mem::take(&mut self.has_doubt),
        }
    }

    fn close(&mut self, wrong: Wrong, code: [u8; 3], rest: &[u8]) {
        if code[0] == b'1' && wrong != WaitingIsAnswer {
            return;
        }
        self.is_established |= code[0] == b'2';
        let is_answer = matches!(&code, b"227" | b"229");
        let question = self
            .pending
            .iter()
            .position(|word| QUESTIONS.contains(word));
        let at = match (question, self.pending.len()) {
            (Some(at), _) if is_answer => at,
            (_, 0) => {
                if wrong == TlsUnasked && &code == b"234" {
                    self.is_secret = [true; 2];
                }
                if wrong == AnyRefusalEndsEpsvAll && code[0] == b'5' {
                    self.epsv_all = false;
                }
                return;
            }
            (_, len) if wrong == LastIsAnswered => len - 1,
            _ => 0,
        };
        let command = self.pending[at];
        let is_question = QUESTIONS.contains(&command);
        let is_left = is_question
            && match wrong {
                RefusalLeavesQuestion => matches!(code[0], b'4' | b'5'),
                OkLeavesQuestion => code[0] == b'2' && !is_answer,
                AnswerLeavesQuestion => is_answer,
                _ => false,
            };
        if !is_left {
            self.pending.drain(..=at);
        }
        let is_positive = code[0] == b'2';
        match command {
            "ALL" if is_positive || wrong == RefusedEpsvAllStays => self.epsv_all = true,
            "ALL" => {}
            "REIN" if (is_positive || wrong == RefusedReinEnds) && wrong != ReinEndsNothing => {
                self.epsv_all = false;
            }
            "AUTH" if &code == b"234" && (wrong != TlsNeedsText || rest.starts_with(b" ")) => {
                self.is_secret = [true; 2];
                self.pending.clear();
            }
            _ if wrong == AnyRefusalEndsEpsvAll && code[0] == b'5' => self.epsv_all = false,
            _ => {}
        }
    }
}

#[test]
fn right_one_agrees() {
    let found = disagreements(Protocol::Ftp, |dialogue| believed(dialogue, Nothing));
    assert_eq!(found, [""; 0]);
}

#[test]
fn right_one_agrees_everywhere() {
    agrees_everywhere(Protocol::Ftp, |dialogue| believed(dialogue, Nothing));
}

#[test]
fn wrong_ones_do_not() {
    for wrong in ALL {
        let found = disagreements(Protocol::Ftp, |dialogue| believed(dialogue, wrong));
        println!("{wrong:?}: {found:?}");
        assert!(!found.is_empty(), "{wrong:?} is not noticed");
    }
}
