// SPDX-License-Identifier: GPL-2.0

//! Which announcements have their place in the dialogue.

mod common;

use common::segment;
use conntrack_proto::{
    ftp::{
        Refusal,
        Session, //
    },
    stream::{
        Glance,
        LineSession, //
    },
    Direction::{
        self,
        Original,
        Reply, //
    },
};

/// A session with both sides' sequence numbers.
struct Talk {
    session: Session,
    seq: [u32; 2],
}

impl Talk {
    /// One that was picked up in its middle.
    fn picked_up() -> Self {
        Self {
            session: Session::NEW,
            seq: [1, 1],
        }
    }

    /// One from its first packet on.
    fn fresh() -> Self {
        let talk = Self::picked_up();
        talk.session.begin(1, 1);
        talk
    }

    /// One that was injected by ctnetlink.
    fn injected() -> Self {
        let talk = Self::picked_up();
        talk.session.pick_up();
        talk
    }

    fn greeted() -> Self {
        let mut talk = Self::fresh();
        talk.server("220 Welcome\r\n");
        talk.client("USER anonymous\r\n");
        talk.server("331 Password?\r\n");
        talk
    }

    /// Says something, and returns what becomes of each announcement in it.
    fn say(&mut self, direction: Direction, text: &str) -> Vec<Result<u16, Refusal>> {
        let at = &mut self.seq[usize::from(direction == Reply)];
        let seq = *at;
        *at = at.wrapping_add(u32::try_from(text.len()).unwrap());
        self.say_at(direction, seq, text)
    }

    fn say_at(&mut self, direction: Direction, seq: u32, text: &str) -> Vec<Result<u16, Refusal>> {
        let is_plain = self.session.glance(direction, text.as_bytes(), || seq) == Glance::Plain;
        if is_plain || self.session.is_plain(direction, seq, text.as_bytes()) {
            return Vec::new();
        }
        let found = segment(&mut self.session, direction, seq, text.as_bytes());
        let judge = |found: &conntrack_proto::ftp::Announcement| {
            let seq = seq.wrapping_add(u32::try_from(found.span.start()).unwrap());
            let admitted = self.session.admit(found, seq);
            if admitted == Err(Refusal::Early) {
                self.session.defer(found.kind, seq, found.port);
            }
            admitted.map(|()| found.port.get())
        };
        found.iter().map(judge).collect()
    }

    fn client(&mut self, text: &str) -> Vec<Result<u16, Refusal>> {
        self.say(Original, text)
    }

    fn server(&mut self, text: &str) -> Vec<Result<u16, Refusal>> {
        self.say(Reply, text)
    }
}

const PORT: &str = "PORT 10,0,0,1,4,1\r\n";
const PASV: &str = "227 Entering Passive Mode (10,0,0,1,4,2).\r\n";
const EPSV: &str = "229 Entering Extended Passive Mode (|||1027|)\r\n";
const EARLY: [Result<u16, Refusal>; 1] = [Err(Refusal::Early)];
const UNASKED: [Result<u16, Refusal>; 1] = [Err(Refusal::Unasked)];
const EPSV_ALL: [Result<u16, Refusal>; 1] = [Err(Refusal::EpsvAll)];

#[test]
fn replies_need_a_question() {
    for question in [
        "PASV\r\n",
        "EPSV\r\n",
        "epsv 2\r\n",
        "pasv \r\n",
        "SPSV\r\n",
        "CPSV\n",
        "EPSV 1\r\n",
    ] {
        for (answer, port) in [(PASV, 1026), (EPSV, 1027)] {
            let mut talk = Talk::greeted();
            assert_eq!(talk.server(answer), UNASKED, "{question:?}");
            assert_eq!(talk.client(question), []);
            assert_eq!(talk.server(answer), [Ok(port)], "{question:?}");
            // One answer to one question.
            assert_eq!(talk.server(answer), UNASKED, "{question:?}");
        }
    }
    for other in [
        "PASVX\r\n",
        "XPASV\r\n",
        "NOOP\r\n",
        " PASV\r\n",
        "STOR PASV\r\n",
        "EPSVX\r\n",
    ] {
        let mut talk = Talk::greeted();
        talk.client(other);
        assert_eq!(talk.server(PASV), UNASKED, "{other:?}");
    }
}

/// Stream injection: a server repeats in an error message what an attacker had a victim ask for.
#[test]
fn echoed_lines_do_not_count() {
    let mut talk = Talk::greeted();
    talk.client("PASV\r\n");
    assert_eq!(talk.server(PASV), [Ok(1026)]);
    talk.client("RETR x\r\n");
    assert_eq!(
        talk.server(&format!("550-x\r\n{EPSV}550 No such file\r\n")),
        []
    );
    assert_eq!(talk.server(EPSV), UNASKED);
}

/// NAT slipstreaming: a browser is made to send a form to a port of the helper.
#[test]
fn other_protocols_are_left_alone() {
    let form = "POST / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut talk = Talk::fresh();
    talk.server("220 pretends to be one\r\n");
    assert_eq!(talk.client(&format!("{form}{PORT}")), []);
    assert_eq!(talk.client(PORT), []);
    for greeting in [
        "SSH-2.0-OpenSSH\r\n",
        "421 Too many\r\n",
        "530 No\r\n",
        "Hello\r\n530 No\r\n",
        "HTTP/1.1 200\r\n",
        "+OK ready\r\n",
        "* OK ready\r\n",
        ":server NOTICE x\r\n",
    ] {
        let mut talk = Talk::fresh();
        assert_eq!(talk.server(greeting), []);
        assert_eq!(talk.client("USER a\r\n"), []);
        assert_eq!(talk.client(PORT), [], "{greeting:?}");
        talk.client("PASV\r\n");
        assert_eq!(talk.server(PASV), [], "{greeting:?}");
    }
    // The client does not wait for the greeting.
    let mut talk = Talk::fresh();
    assert_eq!(talk.client(PORT), EARLY);
    assert_eq!(talk.server("220-Welcome\r\n"), []);
    assert_eq!(talk.server("220 to this server\r\n"), [Ok(1025)]);
    assert_eq!(talk.client(PORT), [Ok(1025)]);
    // What never greets is none.
    for text in [",1\r\n", "22\r\n", "331 password\r\n", "OK ready\r\n"] {
        let mut talk = Talk::fresh();
        assert_eq!(talk.server(text), []);
        assert_eq!(talk.client(PORT), EARLY, "{text:?}");
        talk.client("PASV\r\n");
        assert_eq!(talk.server(PASV), UNASKED, "{text:?}");
    }
    for greeting in ["220\r\n", "220\n", "220-\r\n220 \r\n"] {
        let mut talk = Talk::fresh();
        talk.server(greeting);
        assert_eq!(talk.client(PORT), [Ok(1025)], "{greeting:?}");
    }
    let mut talk = Talk::fresh();
    talk.server("120 Ready in 3 minutes\r\n");
    talk.server("220 Ready\r\n");
    assert_eq!(talk.client(PORT), [Ok(1025)]);
}

/// Nobody knows what was said before.
#[test]
fn benefit_of_the_doubt_once() {
    let mut talk = Talk::injected();
    assert_eq!(talk.server(PASV), [Ok(1026)]);
    assert_eq!(talk.server(PASV), UNASKED);
    let mut talk = Talk::injected();
    assert_eq!(talk.client(PORT), [Ok(1025)]);
    talk.client("PASV\r\n");
    assert_eq!(talk.server(EPSV), [Ok(1027)]);
    assert_eq!(talk.server(EPSV), UNASKED);
}

#[test]
fn sent_again_is_believed_again() {
    let mut talk = Talk::greeted();
    talk.client("PASV\r\n");
    let seq = talk.seq[1];
    assert_eq!(talk.server(PASV), [Ok(1026)]);
    for _ in 0..3 {
        assert_eq!(talk.say_at(Reply, seq, PASV), [Ok(1026)]);
    }
    assert_eq!(talk.server(PASV), UNASKED);
}

#[test]
fn question_sent_again_is_one() {
    let mut talk = Talk::greeted();
    let seq = talk.seq[0];
    talk.client("PASV\r\n");
    for _ in 0..3 {
        talk.say_at(Original, seq, "PASV\r\n");
    }
    assert_eq!(talk.server(PASV), [Ok(1026)]);
    assert_eq!(talk.server(PASV), UNASKED);
}

/// Several questions at once, as of clients that do not wait for the answer.
#[test]
fn pipelined() {
    let mut talk = Talk::greeted();
    talk.client("TYPE I\r\nSIZE x\r\nPASV\r\n");
    talk.server("200 ok\r\n550 no\r\n");
    assert_eq!(talk.server(PASV), [Ok(1026)]);
    talk.client("EPSV\r\nPASV\r\n");
    assert_eq!(talk.server(&format!("500 no\r\n{PASV}")), [Ok(1026)]);
    // The client gave up on the question that was refused.
    assert_eq!(talk.client(PORT), [Ok(1025)]);
    assert_eq!(talk.server(PASV), UNASKED);
}

#[test]
fn after_epsv_all_only_epsv() {
    for all in ["EPSV ALL\r\n", "epsv  all \r\n"] {
        let mut talk = Talk::greeted();
        talk.client(all);
        talk.server("200 ok\r\n");
        assert_eq!(talk.client(PORT), EPSV_ALL);
        talk.client("PASV\r\n");
        assert_eq!(talk.server(PASV), EPSV_ALL);
        talk.client("EPSV\r\n");
        assert_eq!(talk.server(EPSV), [Ok(1027)]);
    }
    // Refused: nothing has changed.
    let mut talk = Talk::greeted();
    talk.client("EPSV ALL\r\n");
    talk.server("501 what?\r\n");
    assert_eq!(talk.client(PORT), [Ok(1025)]);
    let mut talk = Talk::greeted();
    talk.client("EPSV ALLES\r\n");
    talk.server("200 ok\r\n");
    assert_eq!(talk.client(PORT), [Ok(1025)]);
}

#[test]
fn tls_is_not_looked_at() {
    for auth in ["AUTH TLS\r\n", "AUTH SSL\r\n", "auth TLS-C\r\n"] {
        let mut talk = Talk::greeted();
        talk.client(auth);
        talk.server("234 Go on\r\n");
        // Whatever the bytes look like.
        assert_eq!(talk.client(&format!("\x16\x03\x01\r\n{PORT}")), []);
        assert_eq!(talk.server(&format!("\x17\x03\x03\x01\n{PASV}")), []);
        assert_eq!(talk.server(""), []);
        // Ciphertext that does not end like a line, either.
        assert_eq!(talk.server("\x17\x03\x03"), []);
        // After `CCC`, which nobody can read, there are lines again. Where the first of each side begins is
        // not known.
        assert_eq!(talk.client("PASV\r\n"), []);
        assert_eq!(talk.server(PASV), []);
        assert_eq!(talk.client("PASV\r\n"), []);
        assert_eq!(talk.server(PASV), [Ok(1026)]);
        assert_eq!(talk.client(PORT), [Ok(1025)]);
    }
    // Refused.
    let mut talk = Talk::greeted();
    talk.client("AUTH TLS\r\n");
    talk.server("502 no\r\n");
    assert_eq!(talk.client(PORT), [Ok(1025)]);
    assert_eq!(talk.server("234 nobody asked\r\n"), []);
    assert_eq!(talk.client(PORT), [Ok(1025)]);
}

/// Lines that decide something, cut short.
#[test]
fn cut_lines_decide_nothing_yet() {
    let mut talk = Talk::fresh();
    assert_eq!(talk.server("22"), []);
    assert_eq!(talk.client(PORT), EARLY);
    let mut talk = Talk::greeted();
    for cut in ["PA", "EPSV", "EPSV ", "EPSV A", "EPSV ALL", "AUTH", "P"] {
        talk.client(cut);
        talk.client("\r\n");
        assert_eq!(talk.client(PORT), [Ok(1025)], "{cut:?}");
    }
}

/// An empty line before the greeting says nothing, however it comes.
#[test]
fn empty_line_before_the_greeting() {
    for greeting in [&["\r\n220 Welcome\r\n"][..], &["\r\n", "220 Welcome\r\n"]] {
        let mut talk = Talk::fresh();
        for text in greeting {
            talk.server(text);
        }
        talk.client("PASV\r\n");
        assert_eq!(talk.server(PASV), [Ok(1026)], "{greeting:?}");
    }
}

/// A reply of several lines that announces is the answer to its question, as one of one line is. What was before
/// that has no reply, and what is behind it is not left open by that.
#[test]
fn reply_of_several_lines_is_counted_for_its_question() {
    let mut talk = Talk::greeted();
    talk.server("230 in\r\n");
    talk.client("EPSV ALL\r\nEPSV\r\n");
    assert_eq!(talk.server("229-ok (|||1027|)\r\n"), [Ok(1027)]);
    talk.server("229 end\r\n");
    talk.client("PASV\r\n");
    talk.server("530 no\r\n");
    talk.client("STAT\r\n");
    assert_eq!(talk.server(PASV), UNASKED);
}

/// More questions at a time than numbers can tell apart: once all have their replies none is open.
#[test]
fn no_question_is_left_of_many() {
    for many in 1..80 {
        let mut talk = Talk::greeted();
        for _ in 0..many {
            talk.client("PASV\r\n");
        }
        // The first is to the command before.
        for _ in 0..=many {
            talk.server("500 no\r\n");
        }
        talk.client("STAT\r\n");
        assert_eq!(talk.server(PASV), UNASKED, "{many}");
    }
}
