//! Who hears of the outcome of a request: the application, or a thread that waits for it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::os::unpoisoned;
use crate::protocol::{Event, EventKind};

use super::durable::Durable;
use super::lock;
use super::notice::Notice;

/// The application's side of a request. Dropping the last reference frees what belongs to it, so
/// references are only dropped where the application's code may run: never under a lock.
pub trait Target: Send + Sync {
    /// Tells the application; false if it wants to hear nothing of this kind.
    fn deliver(&self, notice: &Notice) -> bool;

    /// The application has unsubscribed: events that still wait are not for it any more.
    fn end(&self);

    /// True after [`Target::end`].
    fn has_ended(&self) -> bool;

    /// The application hears nothing more, of whatever kind.
    fn silence(&self);

    /// True after [`Target::silence`].
    fn is_silent(&self) -> bool;

    /// Takes in what is not told any more: what it would have lent is given back.
    fn pass_over(&self, notice: &Notice);

    /// What the application wants to see in events that it polls.
    fn user_data(&self) -> usize;
}

/// What the protocol core keeps with each request.
#[derive(Clone)]
pub enum Receiver {
    /// Everything goes to the application.
    App(Arc<dyn Target>),
    /// The outcome goes to a waiting thread.
    Waiter(Arc<Waiter>),
    /// The outcome of the request goes to a waiting thread, what follows to the application.
    Both(Arc<dyn Target>, Arc<Waiter>),
    /// As `App`, through what is re-established after every join.
    Durable(Arc<Durable>),
    /// As `App`, under the id by which the application knows what it is about, whatever the session calls it.
    Known(Arc<dyn Target>, u64),
}

impl Receiver {
    /// The thread that waits for an event of this kind.
    pub fn waiter(&self, kind: EventKind) -> Option<&Arc<Waiter>> {
        match (self, kind) {
            (Receiver::App(_) | Receiver::Durable(_) | Receiver::Known(..), _)
            | (_, EventKind::Gone) => None,
            (Receiver::Waiter(waiter), _) => Some(waiter),
            (
                Receiver::Both(_, waiter),
                EventKind::Subscribed | EventKind::Registered | EventKind::Error,
            ) => Some(waiter),
            (Receiver::Both(..), _) => None,
        }
    }

    /// The application's side, if it has one.
    pub fn app(&self) -> Option<&Arc<dyn Target>> {
        match self {
            Receiver::App(target) | Receiver::Both(target, _) | Receiver::Known(target, _) => {
                Some(target)
            }
            Receiver::Durable(durable) => Some(durable.target()),
            Receiver::Waiter(_) => None,
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

/// A thread that waits for one event. It is woken by the I/O thread itself.
#[derive(Debug, Default)]
pub struct Waiter {
    outcome: Mutex<Option<Event<Receiver>>>,
    told: Condvar,
}

impl Waiter {
    /// Hands the outcome over.
    pub fn tell(&self, event: Event<Receiver>) {
        *lock(&self.outcome) = Some(event);
        self.told.notify_one();
    }

    /// Waits for the outcome; `None` when the time is up.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Event<Receiver>> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut outcome = lock(&self.outcome);
        while outcome.is_none() {
            outcome = wait_on(&self.told, outcome, deadline)?;
        }
        outcome.take()
    }
}

/// Waits on a condition variable; `None` when the deadline has passed.
pub(crate) fn wait_on<'m, T>(
    condition: &Condvar,
    guard: std::sync::MutexGuard<'m, T>,
    deadline: Option<Instant>,
) -> Option<std::sync::MutexGuard<'m, T>> {
    let Some(deadline) = deadline else {
        return Some(unpoisoned(condition.wait(guard)));
    };
    let rest = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())?;
    let waited = unpoisoned(condition.wait_timeout(guard, rest));
    Some(waited.0)
}
