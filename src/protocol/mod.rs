//! The WAMP protocol, sans-IO: messages in, messages and events out.
//!
//! Knows no socket, no clock and no thread. [`Session`] is the client's side: commands and
//! received frames change its state, fill its [`crate::codec::Outbox`] and produce [`Event`]s. It
//! is generic over `H`, whatever the application wants back with each event; what that is, and
//! when events reach the application, is left to [`crate::client`].
//!
//! The session keeps the phase of its life, and leads commands and messages to its parts. Each part
//! has its own tables and messages, and works over the `Link`, which the session lends it:
//!
//! ```text
//!   session ──┬─► subscriptions                          ┐
//!             ├─► publications                           │
//!             ├─► calls ──► limits                       ├─► link ──► requests, ids, features
//!             ├─► invocations ──► registrations          │            outbox and events
//!             └─► challenges                             ┘
//! ```
//!
//! * [`session`]: the life of a session, from HELLO to GOODBYE; [`end`]: its ends.
//! * `link`: what parts send and emit through; `requests`: what waits for an answer; [`ids`].
//! * [`challenges`]: who we are, and who the router is. [`features`]: what it can do.
//! * `publications`, `subscriptions`, `calls`, `registrations`: requests and the answers to them;
//!   `revocation`: ends that the router decides. `limits`: the time that calls have. `info`: lists.
//! * [`invocations`]: the calls that come in.
//! * [`event`]: what a session tells; [`error`]: what it refuses. [`options`]: what it reads of the
//!   options of requests. [`uri`]: URIs and the rules for them.
//! * [`message`]: every message of the protocol, decoded and encoded.

mod calls;
pub mod challenges;
pub mod end;
pub mod error;
pub mod event;
pub mod features;
pub mod ids;
mod info;
pub mod invocations;
mod limits;
mod link;
pub mod message;
pub mod options;
mod publications;
mod registrations;
mod requests;
mod revocation;
pub mod session;
mod subscriptions;
pub mod uri;

#[cfg(test)]
mod tests;

pub use challenges::Gate;
pub use end::SessionEnd;
pub use error::RequestError;
pub use event::{Cause, Event, EventKind};
pub use info::SubscriptionInfo;
pub use invocations::INVOCATION_ID;
pub use message::Message;
pub use options::CancelMode;
pub use session::{Config, Phase, Session};
