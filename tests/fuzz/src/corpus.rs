// SPDX-License-Identifier: GPL-2.0

//! The inputs worth keeping, as one file for each target with one input in each line.

/// Reads such a file.
///
/// # Panics
///
/// If it is none.
pub fn read(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(unescape).collect()
}

/// Writes such a file.
pub fn write(inputs: &[Vec<u8>]) -> String {
    let mut lines: Vec<String> = inputs
        .iter()
        .map(|input| format!("{}\n", input.escape_ascii()))
        .collect();
    // The simple ones first.
    lines.sort_by_key(|line| (line.len(), line.clone()));
    lines.dedup();
    lines.concat()
}

fn unescape(line: &str) -> Vec<u8> {
    let mut input = Vec::new();
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        input.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'x') => {
                    let mut digit = || char::from(bytes.next()?).to_digit(16);
                    let digits = digit().zip(digit());
                    let (high, low) = digits.expect("two digits behind \\x");
                    (high * 16 + low) as u8
                }
                Some(other) => other,
                None => panic!("a line ends in a backslash: {line}"),
            },
            other => other,
        });
    }
    input
}
