//! The C surface: thin. Handles, argument checks, a guard against panics.
//!
//! Everything real happens in [`crate::client`] and below. `unsafe` stands here, each time with its
//! reason: C gives pointers that only its own promise makes valid.
//!
//! Each layer imports those above it in this list, and none of those below:
//!
//! * [`types`]: the public structs, constants and opaque names. `slab`: slots with generations.
//!   `last_error`: the texts of failures; `statuses`: which may be answered.
//! * `guard`: the first and last steps of every function. `args`: the rules of pointers, by
//!   which they are read.
//! * `objects`: what handles lead to; `handles`: the registry of them; `loan`: those that events
//!   lend; `event_handles`: all that one event lends.
//! * `router_host`: the questions of a router on their way to the program.
//! * `view`: events as C sees them. `target`: C callbacks as the client knows them. `requests`:
//!   the common part of a session's requests.
//! * [`library`], [`setup`], [`connection`], [`durable`], [`attempt`], [`challenge`], [`codec`],
//!   [`session`], [`pubsub`], [`rpc`], [`invocation`], [`event`], [`arg`], [`report`], [`value`],
//!   [`builder`], [`question`], [`router`], [`router_reload`], [`router_events`], [`auth`]: the
//!   functions, one file per object.
#![expect(unsafe_code, reason = "C calls these functions with pointers")]
#![expect(non_camel_case_types, reason = "types are named as C has them")]

pub mod arg;
mod args;
pub mod attempt;
pub mod auth;
pub mod builder;
pub mod challenge;
pub mod codec;
pub mod connection;
pub mod durable;
pub mod event;
mod event_handles;
mod guard;
mod handles;
pub mod invocation;
mod last_error;
mod lens;
pub mod library;
mod loan;
mod objects;
mod polled;
pub mod pubsub;
pub mod question;
pub mod report;
mod requests;
pub mod router;
pub mod router_events;
mod router_host;
pub mod router_reload;
pub mod rpc;
pub mod session;
pub mod setup;
mod slab;
#[cfg(debug_assertions)]
mod statuses;
mod tag;
mod target;
pub mod types;
pub mod value;
mod view;
