// SPDX-License-Identifier: GPL-2.0

//! Between the corpus of a target as it is kept and the folder that a fuzzer wants.
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

use conntrack_fuzz::corpus;

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
            for (i, input) in corpus::read(&fs::read_to_string(file)?).iter().enumerate() {
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
