//! Tests of the whole router: [`memory`] and its likes, one for each subject, without sockets,
//! [`pair`] with the client's own sessions, [`sockets`] with a real client, [`wire`] with our own
//! transports and bare bytes.

mod auth;
mod calls;
mod certificates;
mod client;
mod crowds;
mod dribblers;
mod hooks;
mod large;
mod late_input;
mod limits;
mod listeners;
mod log;
mod memory;
mod meta;
mod nothing;
mod numbers;
mod pages;
mod pair;
mod parts;
mod patterns;
mod procedures;
mod pubsub;
mod quotas;
mod random;
mod reload;
mod reloads;
mod request_ids;
mod rights;
mod shared;
mod sockets;
mod strangers;
mod timing;
mod transports;
mod wire;
mod work;

/// The HELLO of a client of all roles.
const HELLO: &str =
    r#"[1,"realm1",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]"#;
