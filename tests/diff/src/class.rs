// SPDX-License-Identifier: GPL-2.0

//! The ways in which the core and mainline may differ. Each is a decision that docs/behaviour.md tells of;
//! a difference that is none of them is a mistake.

macro_rules! classes {
    ($($name:ident: $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class {
            $($name,)*
        }

        impl Class {
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

classes! {
    // Opened here, not by mainline.
    LaterLine: "opened only here: it is not in the first line of its packet",
    Split: "opened only here: it began in an earlier packet",
    LaterDcc: "opened only here: it is not the first DCC of its message",
    FirstSegment: "opened only here: it is in the first segment of its direction",
    DigitsBefore: "opened only here: there are digits or brackets before the address",
    AtServer: "opened only here: a port at the server, which names another address",
    Several: "opened only here: in the first line of a reply of several",
    Spelling: "opened only here: more spaces, a line that ends in LF, small letters",
    NoNewline: "opened only here: the line does not end in this packet",
    Message: "opened only here: NOTICE, a prefix, message tags",
    Quoted: "opened only here: the name of the file is quoted",
    Literal: "opened only here: the address is a literal",
    AmandaCmd: "opened only here: streams CMD and CTL",
    AfterBadPort: "opened only here: another stream's port is none",
    // Opened by mainline, not here.
    Truncated: "opened only by mainline: a number does not fit and is truncated",
    Privileged: "opened only by mainline: a port below 1024",
    NoPlace: "opened only by mainline: it has no place in the dialogue",
    Encrypted: "opened only by mainline: in clear again behind TLS, which was not noticed yet",
    BareNewline: "opened only by mainline: behind a newline alone, which is no client's own",
    Again: "opened only by mainline: a packet that comes again and ends in the middle of a line",
    PortZero: "opened only by mainline: port 0",
    EmptyNumber: "opened only by mainline: one of the numbers has no digits",
    Keyword: "opened only by mainline: it is another command, which begins like it",
    OtherLine: "opened only by mainline: the numbers are in another line",
    GoesOn: "opened only by mainline: something follows the number at once",
    MiddleOfLine: "opened only by mainline: the packet does not begin a line",
    Grammar: "opened only by mainline: it only resembles an announcement",
    MixedFamilies: "opened only by mainline: four bytes of an IPv4 address in an IPv6 one",
    Overlong: "opened only by mainline: the line is too long",
    NotFromClient: "opened only by mainline: a request from the server",
    NotARequest: "opened only by mainline: not a whole request",
    NotAReply: "opened only by mainline: not a reply of Amanda",
    NotItsLine: "Amanda's CONNECT that does not begin a line",
    BehindPacket: "mainline reads behind the packet, and what it finds there decides",
    // Nothing is dropped here.
    DroppedUnfinished: "dropped by mainline: the line does not end in this packet",
    DroppedText: "dropped by mainline: a line that announces nothing, or in another form",
}
