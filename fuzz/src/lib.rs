//! What is done with the bytes that a fuzzer makes up: a function for each target.
//!
//! A body takes any bytes and panics where the library breaks a promise. libFuzzer calls it in
//! `fuzz_targets/`, and `tests/fuzz_bodies.rs` of the library, of which these files are a part too,
//! calls it with the seeds and with mutations of them.
//!
//! * [`auth`]: challenges, their answers, and keys.
//! * [`message`]: messages as a client reads them.
//! * [`options`], [`url`]: what applications write; cookies too.
//! * [`websocket`], [`rawsocket`], [`longpoll`], [`proxy`]: handshakes and what comes after them,
//!   with [`wire`] on their other end.
//! * [`session`]: what a client's session makes of a router's messages.
//! * [`transcode`], [`value`]: values in all encodings, the lens over them, and the builder.
//! * [`tree`]: what the others do with a value.

pub mod auth;
pub mod longpoll;
pub mod message;
pub mod options;
pub mod proxy;
pub mod rawsocket;
pub mod session;
pub mod transcode;
mod tree;
pub mod url;
pub mod value;
pub mod websocket;
mod wire;

use wamp::codec::Encoding;

/// A function that takes any bytes.
pub type Body = fn(&[u8]);

/// All targets: the names of the programs in `fuzz_targets/`, and of the folders in `seeds/`.
pub const TARGETS: &[(&str, Body)] = &[
    ("auth", auth::run),
    ("longpoll", longpoll::run),
    ("message", message::run),
    ("options", options::run),
    ("proxy", proxy::run),
    ("rawsocket", rawsocket::run),
    ("session", session::run),
    ("transcode", transcode::run),
    ("url", url::run),
    ("value", value::run),
    ("websocket", websocket::run),
];

/// The encoding that the first byte stands for, and the rest.
fn encoding(data: &[u8]) -> Option<(Encoding, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Encoding::ALL[usize::from(first % 3)], rest))
}
