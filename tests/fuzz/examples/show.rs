// SPDX-License-Identifier: GPL-2.0

//! Shows what is found in an input: `cargo run --example show -- PROTOCOL FILE`.

use conntrack_fuzz::{
    conversation::{
        self,
        Origin, //
    },
    phrases,
    session::{
        self,
        Options,
        Protocol, //
    },
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, file] = arguments.as_slice() else {
        panic!("usage: show PROTOCOL FILE");
    };
    let named = Protocol::ALL.iter().find(|known| known.0 == name);
    let protocol = named.expect("no such protocol").1;
    let data = std::fs::read(file).unwrap();
    let data = phrases::expand(protocol, &data).unwrap_or(data);
    let conversations = conversation::read(&data);
    for is_in_windows in [false, true] {
        let options = Options {
            origin: conversations[0].origin,
            is_in_windows,
        };
        println!("{options:?}");
        let mut session = session::Conversation::new(protocol, options);
        for conversation in &conversations {
            if conversation.origin == Origin::Begun {
                println!("SYN, SYN-ACK");
                session.begin(conversation.seqs);
            }
            for packet in &conversation.packets {
                println!("{packet:?}");
                for found in session.segment(packet.direction, packet.seq, &packet.bytes) {
                    let start = found.seq.wrapping_sub(packet.seq) as i32;
                    println!("    {start}: {found:?}");
                }
            }
        }
    }
}
