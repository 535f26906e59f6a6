// SPDX-License-Identifier: GPL-2.0

//! What must hold for any conversation: [`check()`] ends in a panic if it does not.
//!
//! The fuzz targets look for such a conversation, and the tests replay those that they found of
//! interest.

pub mod conversation;
pub mod corpus;
pub mod dialogues;
pub mod nat;
mod oracle;
pub mod phrases;
mod properties;
pub mod session;

pub use oracle::{
    announced::verdict_at,
    dialogue::Verdict, //
};
pub use properties::{
    check,
    check_connections,
    check_with, //
};
