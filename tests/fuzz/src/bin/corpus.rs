// SPDX-License-Identifier: GPL-2.0

//! Between the corpus of a target as it is kept and the folder that a fuzzer wants, which begins with the
//! tables of dialogues, too.
//!
//! ```text
//! corpus unpack FILE FOLDER
//! corpus pack FOLDER FILE
//! ```

use std::{
    env,
    fs,
    io::Result,
    path::Path, //
};

use conntrack_fuzz::{
    corpus,
    dialogues,
    nat,
    phrases,
    session::Protocol, //
};

/// What a fuzzer begins with, too: the dialogues of the tables, and some of phrases; with NAT also some
/// with accidents.
fn begun_with(file: &str) -> Vec<Vec<u8>> {
    let name = Path::new(file).file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    if let Some(name) = name.strip_suffix("_nat") {
        let accidents = (0..300).map(nat::any);
        return begun_with(name).into_iter().chain(accidents).collect();
    }
    let is_it = |known: &&(&str, Protocol)| name == known.0;
    match Protocol::ALL.iter().find(is_it) {
        Some((_, protocol @ (Protocol::Ftp | Protocol::Irc))) => {
            let table = dialogues::table(*protocol);
            let inputs = table.iter().filter_map(dialogues::Dialogue::input);
            inputs.chain((0..100).map(phrases::any)).collect()
        }
        _ => Vec::new(),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["unpack", file, folder] => {
            fs::create_dir_all(folder)?;
            // A target that is new has none.
            let kept = corpus::read(&fs::read_to_string(file).unwrap_or_default());
            for (i, input) in kept.iter().chain(&begun_with(file)).enumerate() {
                fs::write(Path::new(folder).join(format!("kept-{i}")), input)?;
            }
        }
        ["pack", folder, file] => {
            let inputs: Result<Vec<Vec<u8>>> = fs::read_dir(folder)?
                .map(|entry| fs::read(entry?.path()))
                .collect();
            fs::write(file, corpus::write(&inputs?))?;
        }
        _ => panic!("usage: corpus unpack FILE FOLDER | corpus pack FOLDER FILE"),
    }
    Ok(())
}
