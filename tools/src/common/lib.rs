//! The common parts of `wampd` and `wampcat`, so that they feel alike.
//!
//! * [`arguments`]: the command line, read or refused in one sentence.
//! * [`failure`]: a sentence on standard error and an exit status.
//! * [`paint`]: colour, where a terminal is.
//! * [`output`]: standard output that may be closed at any time.
//! * [`pages`]: the manual page and completions, made of the command line's description.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::semicolon_if_nothing_returned)]
#![deny(clippy::allow_attributes, clippy::allow_attributes_without_reason)]

pub mod arguments;
pub mod failure;
pub mod output;
pub mod pages;
pub mod paint;

pub use failure::{Failure, Status, run};
