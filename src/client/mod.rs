//! The client: connections with their tasks, sessions, the queue of events, the hidden runtime.
//!
//! Puts [`crate::protocol`] on [`crate::transport`] and hands what happens to the application. What
//! an application *is* is left open: it is an [`EventHandler`] per request, which [`crate::ffi`]
//! makes of C callbacks.
//!
//! ```text
//!   application thread                     I/O thread                        dispatching thread
//!   ------------------                     ----------                        ------------------
//!   Session::call ... --> protocol, outbox --(doorbell)--> Pump: writes
//!                                          Pump: reads --> protocol --> EventQueue --> handler
//!   Waiter::wait  <------------------------------ directly ------+
//! ```
//!
//! Three parts, of which each may import those below it, and none those above:
//!
//! * [`connection`]: what the application has in hand: attempts, I/O, its state.
//! * [`session`]: one session: requests, events, their handlers, and what is placed again after a
//!   join.
//! * [`delivery`]: the queue of events and its three modes, whatever is in it.
//!
//! And what all of them use, which imports none of them:
//!
//! * [`options`]: the table of connection options; [`request_options`]: those of requests.
//! * [`runtime`]: the hidden threads; `io_thread`: one of them. [`scope`]: whether a thread is
//!   inside a callback. `sync`: locks.
//! * [`login`]: the answers to challenges. [`on_connect`]: the application's word before an
//!   attempt.
//! * [`retry`]: when to try again; `awake`: a wait that goes on while the machine sleeps.
//!   `keepalive`: when to ping, and when a peer counts as lost.
//! * [`prefixes`]: URI shortcuts. [`payload_codec`]: the application's own encoding of payloads.
//!   [`stats`]: numbers and the trace. [`status`]: outcomes.

mod awake;
pub mod connection;
pub mod delivery;
mod io_thread;
mod keepalive;
pub mod login;
pub mod on_connect;
pub mod options;
pub mod payload_codec;
pub mod prefixes;
pub mod request_options;
pub mod retry;
pub mod runtime;
pub mod scope;
pub mod session;
pub mod stats;
pub mod status;
mod sync;

pub use connection::Connection;
pub use options::{Mode, Options};
pub use session::callbacks;
pub use session::durable;
pub use session::{EventHandler, Notice, NoticeKind, Receiver, Session};
pub use status::{Failure, Status};

pub(crate) use sync::lock;
