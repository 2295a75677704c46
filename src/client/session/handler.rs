//! The application's side of a request: a handler of events, or a thread that waits for the
//! outcome.

use std::sync::Arc;

use crate::client::delivery;
use crate::protocol::{Event, EventKind};

use super::durable::Durable;
use super::notice::Notice;

/// A thread that waits for the outcome of a request.
pub type Waiter = delivery::Waiter<Event<Receiver>>;

/// The application's side of a request. Dropping the last reference frees what belongs to it, so
/// references are only dropped where the application's code may run: never under a lock.
pub trait EventHandler: Send + Sync {
    /// Tells the application; false if it wants to hear nothing of this kind.
    fn deliver(&self, notice: &Notice) -> bool;

    /// The application has unsubscribed: events that still wait are not for it any more.
    fn end(&self);

    /// True after [`EventHandler::end`].
    fn has_ended(&self) -> bool;

    /// The application hears nothing more, of whatever kind.
    fn silence(&self);

    /// True after [`EventHandler::silence`].
    fn is_silent(&self) -> bool;

    /// Takes in what is not told any more: what it would have lent is given back.
    fn pass_over(&self, notice: &Notice);

    /// The application's pointer, for events that it polls.
    fn user_data(&self) -> usize;
}

/// The receiver of a request's events, which the protocol core keeps with it.
#[derive(Clone)]
pub enum Receiver {
    /// Everything goes to the application.
    App(Arc<dyn EventHandler>),
    /// The outcome goes to a waiting thread.
    Waiter(Arc<Waiter>),
    /// The outcome of the request goes to a waiting thread, what follows to the application.
    Both(Arc<dyn EventHandler>, Arc<Waiter>),
    /// As `App`, through what is re-established after every join.
    Durable(Arc<Durable>),
    /// As `App`, under the id by which the application knows what it is about, whatever the session
    /// calls it.
    Known(Arc<dyn EventHandler>, u64),
}

impl Receiver {
    /// The thread that waits for an event of this kind.
    pub fn waiter(&self, kind: EventKind) -> Option<&Arc<Waiter>> {
        match (self, kind) {
            (Receiver::App(_) | Receiver::Durable(_) | Receiver::Known(..), _)
            | (_, EventKind::Released) => None,
            (Receiver::Waiter(waiter), _) => Some(waiter),
            (
                Receiver::Both(_, waiter),
                EventKind::Subscribed | EventKind::Registered | EventKind::Error,
            ) => Some(waiter),
            (Receiver::Both(..), _) => None,
        }
    }

    /// The application's side, if it has one.
    #[inline]
    pub fn handler(&self) -> Option<&Arc<dyn EventHandler>> {
        match self {
            Receiver::App(handler) | Receiver::Both(handler, _) | Receiver::Known(handler, _) => {
                Some(handler)
            }
            Receiver::Durable(durable) => Some(durable.handler()),
            Receiver::Waiter(_) => None,
        }
    }

    /// True if it hears of `id`, as the application knows it; `local` is what its session says.
    pub(in crate::client) fn hears_of(&self, local: u64, id: u64) -> bool {
        match self {
            Receiver::Durable(durable) => durable.id() == id,
            Receiver::Known(_, durable) => *durable == id,
            Receiver::App(_) | Receiver::Both(..) => local == id,
            Receiver::Waiter(_) => false,
        }
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Receiver::App(_) => "App",
            Receiver::Waiter(_) => "Waiter",
            Receiver::Both(..) => "Both",
            Receiver::Durable(_) => "Durable",
            Receiver::Known(..) => "Known",
        })
    }
}
