//! Delivery: how what happens reaches the application's code, whatever it is.
//!
//! * [`queue`]: events on their way, and the three modes in which they are delivered; `work`: the
//!   mode `thread`; `worker`: a turn of it; `fill`: its bytes; `backlog`: the part that its lock
//!   guards. [`owner`]: what a queue asks of its owner, and of what is queued.
//! * `barrier`: which callback runs, and which must not begin any more.
//! * [`waiter`]: a thread that waits for one outcome.
//!
//! Knows no connection, no session and no message: what is queued is a type parameter, and who owns
//! the queue says how an item is told. That is left to [`super::session`].

mod backlog;
pub(super) mod barrier;
mod fill;
pub mod owner;
pub mod queue;
pub mod waiter;
mod work;
mod worker;

pub use owner::{Item, Owner, Sleeper, Wakeup};
pub use queue::EventQueue;
pub use waiter::Waiter;
