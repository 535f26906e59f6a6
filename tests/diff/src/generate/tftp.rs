// SPDX-License-Identifier: GPL-2.0

//! TFTP.

use conntrack_proto::Direction::{
    Original,
    Reply, //
};

use super::Talk;

pub(super) fn talk(talk: &mut Talk<'_>) {
    let opcode = talk.mostly(
        "\0\x01",
        &["\0\x02", "\0\x03", "\0\x04", "\x01\x01", "\0\0", "\0\x01\0"],
    );
    let name = if talk.once_in(24) {
        "n".repeat(talk.rng.usize(480..530))
    } else {
        talk.mostly("file\0", &["\0", "a", "x/y z\0", "\u{e9}\0"])
            .to_string()
    };
    let mode = talk.mostly(
        "octet\0",
        &[
            "netascii\0",
            "OCTET\0",
            "mail\0",
            "octets\0",
            "octet",
            "",
            "hex\0",
        ],
    );
    let options = talk.mostly("", &["blksize\x001428\0", "x", "\0"]);
    let direction = if talk.once_in(8) { Reply } else { Original };
    talk.say(direction, format!("{opcode}{name}{mode}{options}"));
}
