//! The WAMP protocol, sans-IO: messages in, messages and events out.
//!
//! Knows no socket, no clock and no thread. [`Session`] is the client's side: commands and
//! received frames change its state, fill its [`crate::codec::Outbox`] and produce [`Event`]s. It
//! is generic over `H`, whatever the application wants back with each event; what that is, and
//! when events reach the application, is left to [`crate::client`].
//!
//! * [`message`]: every message of the protocol, decoded and encoded.
//! * [`session`]: the life of a session, from HELLO to GOODBYE; [`end`]: its ends.
//! * [`challenge`]: who we are, and who the router is. [`features`]: what it can do.
//! * [`pubsub`], [`rpc`]: its requests, and the answers to them. [`cancel`]: calls that are given up.
//! * [`invocations`]: the calls that come in. `targets`: who hears of what.
//! * [`event`]: what a session tells. [`uri`]: URIs and the rules for them.

pub mod cancel;
pub mod challenge;
pub mod end;
pub mod event;
pub mod features;
pub mod ids;
pub mod invocations;
pub mod message;
pub mod pubsub;
pub mod rpc;
pub mod session;
mod targets;
pub mod uri;

#[cfg(test)]
mod tests;

pub use cancel::CancelMode;
pub use challenge::Gate;
pub use end::SessionEnd;
pub use event::{Cause, Event, EventKind, RequestError};
pub use invocations::INVOCATION_ID;
pub use message::Message;
pub use pubsub::SubscriptionInfo;
pub use session::{Config, Phase, Session};
