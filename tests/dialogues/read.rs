// SPDX-License-Identifier: GPL-2.0

//! Reads tables of dialogues.
//!
//! ```text
//! # A comment.
//! [begun] what is shown              begun, picked-up or injected; until the next such line
//! S 220 ready                        the server says a line, in a segment of its own
//! C CWD x\nPORT 10,0,0,1,4,1\r\n     two lines in one: CRLF is added only if there is no \n at the end
//! C PA\                              not even then
//! C=                                 the client's last segment comes again
//! C+ NOOP\r\n                        the same, with this behind it
//! C@12 NOOP                          at that place in what the client says
//! anew                               SYN and SYN-ACK, on the same ports
//! login                              a greeting, USER and PASS, and the replies
//! = yes 1025                         what announces this port is believed by now (no: it never is;
//!                                    either: both is right)
//! ```

#![allow(dead_code)]

/// What is known of the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    Begun,
    PickedUp,
    Injected,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A segment.
    Says {
        is_client: bool,
        /// Where it begins in what this side says.
        at: isize,
        bytes: Vec<u8>,
    },
    /// The client connects anew.
    Anew,
    /// Whether an announcement is believed.
    Expect {
        port: u16,
        /// [`None`] if both is right.
        is_believed: Option<bool>,
    },
}

/// A dialogue.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub name: String,
    pub beginning: Beginning,
    pub steps: Vec<Step>,
    /// How far each side has come, and its last segment.
    ends: [(isize, Option<Step>); 2],
}

const LOGIN: [&str; 5] = [
    "S 220 ready",
    "C USER a",
    "S 331 password",
    "C PASS b",
    "S 230 in",
];

/// Reads a table.
///
/// # Panics
///
/// If it is none.
pub fn read(text: &str) -> Vec<Dialogue> {
    let mut all: Vec<Dialogue> = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (beginning, name) = rest.split_once("] ").expect(line);
            all.push(Dialogue {
                name: name.to_string(),
                beginning: match beginning {
                    "begun" => Beginning::Begun,
                    "picked-up" => Beginning::PickedUp,
                    "injected" => Beginning::Injected,
                    _ => panic!("{line}"),
                },
                steps: Vec::new(),
                ends: [(0, None), (0, None)],
            });
            continue;
        }
        let dialogue = all.last_mut().expect("a name");
        if line == "login" {
            LOGIN.iter().for_each(|line| dialogue.step(line));
        } else {
            dialogue.step(line);
        }
    }
    all
}

impl Dialogue {
    fn step(&mut self, line: &str) {
        if line == "anew" {
            self.ends = [(0, None), (0, None)];
            self.steps.push(Step::Anew);
            return;
        }
        if let Some(rest) = line.strip_prefix("= ") {
            let (verdict, port) = rest.split_once(' ').expect(line);
            self.steps.push(Step::Expect {
                port: port.parse().expect(line),
                is_believed: match verdict {
                    "yes" => Some(true),
                    "no" => Some(false),
                    "either" => None,
                    _ => panic!("{line}"),
                },
            });
            return;
        }
        let (side, rest) = line.split_at(1);
        let is_client = match side {
            "C" => true,
            "S" => false,
            _ => panic!("{line}"),
        };
        let (end, last) = &mut self.ends[usize::from(!is_client)];
        let before = |last: &Option<Step>| match last {
            Some(Step::Says { at, bytes, .. }) => (*at, bytes.clone()),
            _ => panic!("nothing was said before {line}"),
        };
        let (how, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let (at, bytes) = match how {
            "" => (*end, said(text)),
            "=" => before(last),
            "+" => {
                let (at, mut bytes) = before(last);
                bytes.extend(said(text));
                (at, bytes)
            }
            _ => (
                how.strip_prefix('@')
                    .and_then(|at| at.parse().ok())
                    .expect(line),
                said(text),
            ),
        };
        let step = Step::Says {
            is_client,
            at,
            bytes: bytes.clone(),
        };
        *end = (*end).max(at + bytes.len() as isize);
        *last = Some(step.clone());
        self.steps.push(step);
    }
}

/// What `text` stands for.
fn said(text: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        all.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [bytes.next(), bytes.next()].map(|digit| digit.expect(text));
                    u8::from_str_radix(std::str::from_utf8(&digits).expect(text), 16).expect(text)
                }
                None => return all,
                _ => panic!("{text}"),
            },
            byte => byte,
        });
    }
    if all.last() != Some(&b'\n') {
        all.extend(b"\r\n");
    }
    all
}
