// SPDX-License-Identifier: GPL-2.0

//! Amanda.

use conntrack_proto::Direction::{
    Original,
    Reply, //
};

use super::Talk;

pub(super) fn talk(talk: &mut Talk<'_>) {
    let kind = talk.mostly("REP", &["PREP", "REQ", "ACK", "rep", "REPX", ""]);
    let header = match talk.mostly("", &["none", "other", "CONNECT "]) {
        "none" => String::new(),
        "other" => "Amanda\n".to_string(),
        before => format!("{before}Amanda 3.5 {kind} HANDLE 000-00010001 SEQ 1700000000\n"),
    };
    let before = talk.mostly(
        "",
        &[
            "OPTIONS features=ffff;\n",
            "x CONNECT y\n",
            "CONNECT \n",
            " ",
            "CONNECTED\n",
        ],
    );
    let word = talk.mostly(
        "CONNECT ",
        &["CONNECT  ", "connect ", "CONNECT", "XCONNECT "],
    );
    let mut line = format!("{header}{before}{word}");
    let mut port = talk.rng.u16(500..65_530).into();
    let count = talk.rng.u8(1..7);
    for usual in ["DATA", "MESG", "INDEX", "STATE", "CMD", "CTL"]
        .iter()
        .take(count.into())
    {
        let name = talk.mostly(
            usual,
            &[
                "DATA", "MESG", "INDEX", "STATE", "CMD", "CTL", "XDATA", "MESGS", "FOO", "",
            ],
        );
        let space = talk.mostly(" ", &["  ", "", " x"]);
        let number = talk.number(port);
        let after = talk.mostly(" ", &["  ", "x ", "\r", ""]);
        line += &format!("{name}{space}{number}{after}");
        port += 1;
    }
    line += talk.mostly("\n", &["\r\n", "", "\nCONNECT DATA 5555 \n"]);
    line += talk.mostly("OPTIONS features=ffff;\n", &["", "DATA 6666 \n"]);
    let direction = if talk.once_in(10) { Original } else { Reply };
    talk.say(direction, line);
}
