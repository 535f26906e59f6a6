// SPDX-License-Identifier: GPL-2.0

//! Whose offers count: those of a client that was seen to register with a server of IRC.

#[path = "common/stream.rs"]
mod stream;

use std::{
    num::NonZeroU16,
    str, //
};

use conntrack_proto::{
    irc::{
        Announcement,
        Session, //
    },
    stream::{
        LineSession,
        News, //
    },
    Direction::{
        self,
        Original,
        Reply, //
    },
};
use stream::{
    Firewall,
    Found, //
};

impl Found for Session {
    /// 1 if it does not count.
    fn port(found: &Announcement) -> NonZeroU16 {
        if found.may_count {
            found.port
        } else {
            NonZeroU16::MIN
        }
    }

    fn replacement(&self, _: &Announcement, _: u32) -> Option<Vec<u8>> {
        None
    }
}

const OFFER: &str = "PRIVMSG a :\x01DCC SEND f 3221225994 5000 9\x01\r\n";
const NICK: &str = "NICK me\r\n";
const USER: &str = "USER me 0 * :Me Myself\r\n";
const WELCOME: &str = ":irc.example.net 001 me :Welcome\r\n";
const NONE: [u16; 0] = [];
const REFUSED: [u16; 1] = [1];

/// A connection of which both sides are seen, from its handshake on.
struct Connection {
    firewall: Firewall<Session>,
    /// Where each side goes on.
    next: [u32; 2],
}

impl Connection {
    fn new() -> Self {
        let mut firewall = Firewall::new(false);
        firewall.session = Session::new();
        firewall.session.begin(1000, u32::MAX - 5);
        Self {
            firewall,
            next: [1000, u32::MAX - 5],
        }
    }

    /// One that conntrack saw in its middle first.
    fn in_the_middle() -> Self {
        let connection = Self::new();
        let mut firewall = connection.firewall;
        firewall.session = Session::new();
        Self {
            firewall,
            ..connection
        }
    }

    /// `text` is said in one segment.
    fn say(&mut self, direction: Direction, text: &str) -> &mut Self {
        let next = &mut self.next[usize::from(direction == Reply)];
        let passed = self.firewall.pass(direction, *next, text.as_bytes());
        assert_eq!(passed.as_deref(), Some(text.as_bytes()));
        *next = next.wrapping_add(text.len().try_into().unwrap());
        self
    }

    fn client(&mut self, text: &str) -> &mut Self {
        self.say(Original, text)
    }

    fn server(&mut self, text: &str) -> &mut Self {
        self.say(Reply, text)
    }

    /// The ports of offers, 1 for those that do not count.
    fn ports(&self) -> Vec<u16> {
        self.firewall.ports()
    }

    fn is_foreign(&self) -> bool {
        self.firewall.session.take_news() == Some(News::Foreign)
    }
}

#[test]
fn as_clients_register() {
    for said in [
        // RFC 2812, with a password, from a gateway, with its own spelling.
        vec![NICK, USER],
        vec!["PASS secret\r\n", NICK, USER],
        vec!["WEBIRC pass cgiirc host 192.0.2.10\r\nNICK me\r\nUSER me 0 * :x\r\n"],
        vec!["nick me\nuser me 0 * :x\n"],
        vec![USER, NICK],
        vec!["\r\n", "\r\n  \r\nNICK me\r\n", "  USER me 0 * :x\r\n"],
        // IRCv3; irssi.
        vec!["CAP LS 302\r\n", "JOIN :\r\n", NICK, USER],
        vec![
            "CAP LS 302\r\nNICK me\r\nUSER me 0 * :x\r\n",
            "CAP REQ :sasl\r\n",
            "AUTHENTICATE PLAIN\r\n",
        ],
        vec![
            "CAP LS\r\n",
            NICK,
            USER,
            "AUTHENTICATE AAAA\r\n",
            "CAP END\r\n",
        ],
        vec![
            "PING 1\r\n",
            "PROTOCTL NAMESX\r\n",
            NICK,
            "PONG :1\r\n",
            "@label=1 :me USER me 0 * :x\r\n",
        ],
    ] {
        let mut connection = Connection::new();
        for text in &said {
            connection.client(text);
        }
        connection.client(OFFER);
        assert_eq!(connection.ports(), [5000], "{said:?}");
        assert!(!connection.is_foreign(), "{said:?}");
    }
    // All at once, with the offer.
    let mut connection = Connection::new();
    connection.client(&format!("{NICK}{USER}{OFFER}"));
    assert_eq!(connection.ports(), [5000]);
}

/// The server's word is enough where one of the client's lines was missed.
#[test]
fn as_servers_welcome() {
    for welcome in [
        WELCOME,
        "001 me :Welcome\r\n",
        ":irc NOTICE AUTH :*** Looking up\r\n:irc 001 me :Welcome\r\n",
        "@time=2026-01-01T00:00:00Z :irc 001 me :Welcome\r\n",
        "\r\n:irc 001 me",
    ] {
        let mut connection = Connection::new();
        connection.client(NICK).server(welcome).client(OFFER);
        assert_eq!(connection.ports(), [5000], "{welcome:?}");
    }
    // In pieces of any size.
    for size in 1..WELCOME.len() {
        let mut connection = Connection::new();
        connection.client(NICK);
        for piece in WELCOME.as_bytes().chunks(size) {
            connection.server(str::from_utf8(piece).unwrap());
        }
        connection.client(OFFER);
        assert_eq!(connection.ports(), [5000], "{size}");
        assert!(!connection.firewall.is_keeping());
    }
    for other in [
        ":irc 0010 me :Welcome\r\n",
        ":irc 002 me :Your host\r\n",
        ":irc NOTICE me :001 me :Welcome\r\n",
        "NOTICE 001 :x\r\n",
        "x\r:irc 001 me :Welcome\r\n",
    ] {
        let mut connection = Connection::new();
        connection.client(NICK).server(other).client(OFFER);
        assert_eq!(connection.ports(), NONE, "{other:?}");
        assert!(connection.is_foreign(), "{other:?}");
    }
}

/// Afterwards the server is not listened to, until NAT has changed a port.
#[test]
fn servers_are_ignored_once_it_is_known() {
    for who in [0, 1] {
        let mut connection = Connection::new();
        connection.client(NICK);
        assert!(!connection.firewall.session.ignores(Reply));
        if who == 0 {
            connection.server(WELCOME);
        } else {
            // Its next segment tells that nothing of it is waited for.
            connection.server(":irc 00").client(USER).server("2 me\r\n");
        }
        assert!(connection.firewall.session.ignores(Reply));
        assert!(!connection.firewall.session.ignores(Original));
        assert!(!connection.firewall.is_keeping());
        // The client that connects anew, from the same port, has yet to register.
        connection.firewall.session.may_begin();
        assert!(!connection.firewall.session.ignores(Reply));
        connection.firewall.session.begin(7, 70);
        connection.next = [7, 70];
        connection.client(OFFER);
        assert_eq!(connection.ports(), NONE);
    }
}

/// What a browser or another client can be made to say to a port of IRC.
#[test]
fn other_protocols() {
    for said in [
        vec!["POST / HTTP/1.1\r\nHost: x\r\n\r\nNICK a\r\nUSER a 0 * :a\r\n"],
        vec!["post / HTTP/1.1\r\n", NICK, USER],
        vec!["DELETE / HTTP/1.1\r\n", NICK, USER],
        // A method of one's own, as `fetch()` takes.
        vec!["NICK / HTTP/1.1\r\n", USER],
        vec!["USER / HTTP/1.1\r\nNICK: a\r\n", NICK],
        vec!["PASS /\r\nHost: x\r\n", NICK, USER],
        vec!["GET /", "AAAA", " HTTP/1.1\r\n", NICK, USER],
        vec!["EHLO x\r\n", NICK, USER],
        vec!["REGISTER sip:x SIP/2.0\r\n", NICK, USER],
        vec!["\x16\x03\x01\x02\x00\x01\x00\n", NICK, USER],
        vec!["\x00\x03\x00\x08\n", NICK, USER],
        vec!["NICKNAME me\r\n", NICK, USER],
        vec!["NICK: me\r\n", NICK, USER],
        vec!["AUTHENTICATEX\r\n", NICK, USER],
        vec![NICK, OFFER, USER],
        vec!["NOTICE a :b\r\n", NICK, USER],
    ] {
        let mut connection = Connection::new();
        for text in &said {
            connection.client(text);
        }
        // Nor does the server's word help, which may be the attacker's.
        connection.server(WELCOME).client(OFFER);
        assert_eq!(connection.ports(), NONE, "{said:?}");
        assert!(connection.is_foreign(), "{said:?}");
        assert!(!connection.is_foreign(), "said once");
    }
    // Too long to be a line.
    let mut connection = Connection::new();
    connection
        .client(&format!("PASS {}", "x".repeat(600)))
        .client("\r\n");
    connection.client(NICK).client(USER).client(OFFER);
    assert_eq!(connection.ports(), NONE);
    assert!(connection.is_foreign());
}

/// The server's word before the client has said anything.
#[test]
fn welcomed_too_soon() {
    let mut connection = Connection::new();
    connection.server(WELCOME).client(OFFER);
    assert_eq!(connection.ports(), NONE);
    assert!(connection.is_foreign());
}

/// Nobody knows who opened it, so neither side's word counts.
#[test]
fn picked_up_in_the_middle() {
    let mut connection = Connection::in_the_middle();
    connection.client("a text\r\n").client(OFFER);
    assert_eq!(connection.ports(), REFUSED);
    connection
        .client(NICK)
        .client(USER)
        .server(WELCOME)
        .client(OFFER);
    assert_eq!(connection.ports(), [1, 1]);
    assert!(!connection.is_foreign());
    // Injected by ctnetlink, that is as it was on the other machine.
    connection.firewall.session.pick_up();
    connection.client(OFFER);
    assert_eq!(connection.ports(), [1, 1, 5000]);
}

/// What is encrypted is not looked at.
#[test]
fn starttls() {
    let mut connection = Connection::new();
    connection.client("STARTTLS\r\n");
    connection.server(":irc 670 * :STARTTLS successful, go ahead\r\n");
    assert_eq!(
        connection.firewall.session.take_news(),
        Some(News::Encrypted)
    );
    connection
        .client(NICK)
        .client(USER)
        .server(WELCOME)
        .client(OFFER)
        .client("\x16\x03\x01");
    assert_eq!(connection.ports(), NONE);
    assert_eq!(connection.firewall.session.take_news(), None);
    assert!(!connection.firewall.is_keeping());
    // Where it is refused the session goes on in clear.
    let mut connection = Connection::new();
    connection
        .client("STARTTLS\r\n")
        .server(":irc 691 * :STARTTLS failed\r\n");
    connection.client(NICK).client(USER).client(OFFER);
    assert_eq!(connection.ports(), [5000]);
}

/// An injected line break is a newline alone, in a client that ends its lines otherwise.
#[test]
fn behind_a_bare_newline() {
    for before in [
        "JOIN #c\n",
        "JOIN #c\n\n",
        "JOIN #c\r\nPRIVMSG b :x\n",
        "@a=b\n",
        "PRIVMSG b :\x01DCC CHAT chat 1 2\x01\n",
        "PRIVMSG b :\x01DCC CHAT chat 1 2\n",
        "PRIVMSG b :\x01DCC CHAT chat 1 2\x01 x\n",
        "PRIVMSG b :\x01PING\x01\n",
    ] {
        let last = |connection: &Connection| *connection.ports().last().unwrap();
        let text = format!("{before}{OFFER}");
        let mut connection = Connection::new();
        connection.client(NICK).client(USER).client(&text);
        assert_eq!(last(&connection), 1, "{text:?}");
        // The next segment is the client's own.
        connection.client(OFFER);
        assert_eq!(last(&connection), 5000, "{text:?}");
        // Injected into an earlier line, too.
        let mut connection = Connection::new();
        connection.client("NICK me\nUSER me\r\n").client(&text);
        assert_eq!(last(&connection), 1, "{text:?}");
        let mut connection = Connection::new();
        connection.firewall.session.pick_up();
        connection.client(&text);
        assert_eq!(last(&connection), 1, "{text:?}");
        // In pieces: only what comes in one segment is injected.
        for cut in 1..text.len() {
            // What stood before a newline that begins a segment nobody knows.
            if cut + 1 == before.len() {
                continue;
            }
            let mut connection = Connection::new();
            connection.client(NICK).client(USER);
            connection.client(&text[..cut]).client(&text[cut..]);
            let expected = if cut == before.len() { 5000 } else { 1 };
            assert_eq!(last(&connection), expected, "{text:?} cut at {cut}");
        }
        // A client that ends all lines so.
        let mut connection = Connection::new();
        connection
            .client("NICK me\n")
            .client("USER me 0 * :x\n")
            .client(&text);
        assert_eq!(last(&connection), 5000, "{text:?}");
        // And lines that end as they should.
        let text = text.replace('\n', "\r\n").replace("\r\r", "\r");
        let mut connection = Connection::new();
        connection.client(NICK).client(USER).client(&text);
        assert_eq!(last(&connection), 5000, "{text:?}");
    }
}

/// However the client's side is cut, and repeated.
#[test]
fn in_pieces() {
    let text = format!("CAP LS 302\r\n{NICK}{USER}{OFFER}");
    for size in 1..text.len() {
        let mut connection = Connection::new();
        for piece in text.as_bytes().chunks(size) {
            let piece = str::from_utf8(piece).unwrap();
            let at = connection.next;
            connection.client(piece);
            connection.next = at;
            connection.client(piece);
        }
        let mut ports = connection.ports();
        ports.dedup();
        assert_eq!(ports, [5000], "{size}");
        assert!(!connection.firewall.is_keeping());
    }
    // One segment is overtaken by the next.
    for (a, b) in [(NICK, USER), (USER, NICK), ("NI", "CK me\r\n")] {
        let rest = if a == "NI" { USER } else { "" };
        let mut connection = Connection::new();
        let [start, reply] = connection.next;
        connection.next = [start + a.len() as u32, reply];
        connection.client(b);
        connection.next = [start, reply];
        connection.client(a);
        connection.next = [start + (a.len() + b.len()) as u32, reply];
        connection.client(rest).client(OFFER);
        assert_eq!(connection.ports(), [5000], "{a:?} {b:?}");
    }
}
