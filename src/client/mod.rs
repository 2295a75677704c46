//! The client: connections with their tasks, sessions, the queue of events, the hidden runtime.
//!
//! Puts [`crate::protocol`] on [`crate::transport`] and hands what happens to the application.
//! What an application *is* is left open: it is a [`Target`] per request, which [`crate::ffi`]
//! makes of C callbacks.
//!
//! ```text
//!   application thread                     I/O thread                        dispatching thread
//!   ------------------                     ----------                        ------------------
//!   Session::call ... --> protocol, outbox --(doorbell)--> Pump: writes
//!                                          Pump: reads --> protocol --> Dispatcher --> Target
//!   Waiter::wait  <------------------------------ directly ------+
//! ```
//!
//! * [`connection`]: what survives sessions: options, [`callbacks`], state. [`attempts`]: its task,
//!   [`life`]: what that does to it, [`pump`]: the I/O while a session lasts, `silence`: who pings, [`end`]: how it ended.
//! * [`retry`]: when to try again. [`hook`]: the application's word before an attempt.
//! * [`session`]: one session, its [`requests`], and the way of its events ([`hand_over`]). [`target`]:
//!   who hears of their outcome. [`login`]: the answers to challenges.
//! * [`durable`]: what is re-established after every join. [`prefixes`]: URI shortcuts.
//! * [`notice`], [`dispatch`]: what the application is told, the queue of it, and the three ways of
//!   delivery. `barrier`: which callback runs; `quiesce`: no more of them. `scope`: whom a thread
//!   is working for.
//! * [`options`]: the table of connection options. [`runtime`]: the hidden threads.
//! * [`passthru`]: payloads that routers carry without a look inside. [`stats`]: numbers and the trace.
//! * [`status`]: the outcomes that the application sees. [`log`]: as its name says.

pub mod attempts;
mod barrier;
pub mod callbacks;
pub mod connection;
pub mod dispatch;
pub mod durable;
pub mod end;
pub mod hand_over;
pub mod hook;
pub mod life;
pub mod log;
pub mod login;
pub mod notice;
pub mod options;
pub mod passthru;
pub mod prefixes;
pub mod pump;
mod quiesce;
pub mod request_options;
pub mod requests;
pub mod retry;
pub mod runtime;
pub mod scope;
pub mod session;
mod silence;
pub mod stats;
pub mod status;
pub mod target;

use tokio::sync::Notify;

pub use connection::Connection;
pub use dispatch::{Dispatcher, Mode};
pub use notice::{Notice, NoticeKind};
pub use options::Options;
pub use session::Session;
pub use status::{Failure, Status};
pub use target::{Receiver, Target};

pub(crate) use crate::os::lock;

/// Wakes who waits there. Where the program has closed descriptors that are not its own the runtime
/// panics in that, and is about to be replaced: see [`runtime::suspect`].
pub(crate) fn notify(task: &Notify) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.notify_one()));
}
