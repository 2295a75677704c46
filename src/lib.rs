//! libwamp: a complete WAMP v2 client behind a C ABI.
#![deny(unsafe_code)]

pub mod auth;
pub mod client;
pub mod codec;
pub mod ffi;
mod os;
pub mod protocol;
pub mod router;
pub mod transport;
