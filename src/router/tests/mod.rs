//! Tests of the whole router: [`memory`] without sockets, [`pair`] with the client's own sessions,
//! [`sockets`] with a real client.

mod memory;
mod pair;
mod sockets;

/// The HELLO of a client of all roles.
const HELLO: &str =
    r#"[1,"realm1",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]"#;
