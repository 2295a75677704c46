//! libwamp: a complete WAMP v2 client behind a C ABI.
//!
//! The product is the C library: `libwamp.so`, `libwamp.a` and `wamp.h`, which README.md tells how
//! to use. The modules here are no public API of Rust: they are visible for the tests and the fuzz
//! targets, and change without notice.
//!
//! A guided tour, from the bytes up to C; ARCHITECTURE.md has the drawing, and what each may
//! import:
//!
//! * [`codec`]: messages as bytes: JSON, MsgPack and CBOR, and payloads as slices of what came in.
//! * [`auth`]: authentication as pure functions, both sides of it.
//! * [`protocol`]: a WAMP session without sockets, clocks and threads. Begin with
//!   [`protocol::Session`]: its text says how it is called.
//! * [`transport`]: WebSocket, RawSocket and long-poll behind one trait, [`transport::Transport`].
//! * [`client`]: connections, sessions and the delivery of events, on the hidden runtime.
//! * [`ffi`]: the C functions, and the one place with `unsafe`, beside `os`.
//! * [`router`]: the embedded router.
//! * [`facade`]: the door for the programs in `tools/`.
//! * `log`: lines for whoever asks for them. `os`: what depends on the operating system. `parts`:
//!   what a build may leave out.
#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::semicolon_if_nothing_returned)]
#![deny(clippy::allow_attributes, clippy::allow_attributes_without_reason)]
// The door for the programs in tools/ is there with the router alone.
#![cfg_attr(feature = "router", deny(unreachable_pub))]
#![cfg_attr(
    not(all(feature = "longpoll", feature = "router", feature = "tls")),
    expect(
        dead_code,
        reason = "what only a part that is left out needs; a whole build is looked at"
    )
)]

#[doc(hidden)]
pub mod auth;
#[doc(hidden)]
pub mod client;
#[doc(hidden)]
pub mod codec;
#[cfg(feature = "router")]
#[doc(hidden)]
pub mod facade;
#[doc(hidden)]
pub mod ffi;
mod log;
mod os;
mod parts;
#[doc(hidden)]
pub mod protocol;
#[cfg(feature = "router")]
#[doc(hidden)]
pub mod router;
#[cfg(not(feature = "router"))]
#[doc(hidden)]
#[path = "router/left_out.rs"]
pub mod router;
#[doc(hidden)]
pub mod transport;
