//! Rounds: who of the clients that one I/O thread serves goes on next.
//!
//! A runtime runs its tasks in the order in which they were woken: who has a hundred connections
//! has a hundred turns before anybody else's next one. Here the tasks of clients go on at once only
//! while nobody waits and the *round* of their thread is short, which is all that happens between
//! two looks at its sockets. Otherwise they wait, and are called one after the other in those that
//! follow: of each *party*, which is the address that they come from, as many as fit into its
//! share, and first those of parties that had nobody waiting. A party that has used more than its
//! share is passed over until others had theirs. (Routers of the Internet do so with packets: RFC
//! 8290.)
//!
//! A client that has more to do than fits into a turn waits in any case, behind those that have
//! just come. So the delay that anybody feels is that of the turn that goes on, and of one for each
//! party that has much to do, whatever the number of its connections.
//!
//! A round is short when many have come with the last look at the sockets, so that those behind
//! them are seen soon.
//!
//! [`in_turn`] makes a task wait; its [`Place`] says for whom, and is told that it has more to do.
//!
//! * `queue`: those who wait, and their order. `thread`: the rounds of a thread.

mod queue;
mod thread;

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::os::lock;
use crate::transport::round_time;

use super::auth::Origin;

use queue::LONG_ROUND;
use thread::{Rounds, Waiter};

/// Those who share their turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Party {
    /// The clients that come from there.
    From(Origin),
    /// Connections of that proxy that may yet say for whom they speak.
    Arriving(Origin),
    /// The work that clients leave behind whose connections have ended.
    Departed,
}

/// The place of a task among those of its thread.
#[derive(Debug)]
pub(super) struct Place {
    party: Mutex<Party>,
    state: AtomicU8,
    has_more: AtomicBool,
    /// Those of the thread on which it runs.
    rounds: Arc<Rounds>,
}

/// The states of a place: it has not begun, it does not wait, it waits to be called, it has been
/// called.
const NEW: u8 = 0;
const FREE: u8 = 1;
const WAITING: u8 = 2;
const CALLED: u8 = 3;

impl Place {
    /// A place on this thread.
    pub(super) fn new(party: Party) -> Arc<Place> {
        Arc::new(Place {
            party: Mutex::new(party),
            state: AtomicU8::new(NEW),
            has_more: AtomicBool::new(false),
            rounds: Rounds::of_this_thread(),
        })
    }

    /// Belongs to another party from now on.
    pub(super) fn join(&self, party: Party) {
        *lock(&self.party) = party;
    }

    /// Notes that the task has more to do, and returns so that others have their turn.
    pub(super) fn has_more(&self) {
        self.has_more.store(true, Ordering::Relaxed);
    }

    /// Lets others have their turn.
    pub(super) async fn let_others(&self) {
        let mut had_theirs = false;
        poll_fn(|_| {
            if mem::replace(&mut had_theirs, true) {
                return Poll::Ready(());
            }
            self.has_more();
            Poll::Pending
        })
        .await;
    }

    /// True if the task may go on now; else it is woken when it may.
    #[inline]
    fn may_go_on(self: &Arc<Self>, cx: &mut Context<'_>) -> bool {
        match self.state.load(Ordering::Acquire) {
            // The turn of whoever has begun it goes on.
            NEW => {
                self.state.store(FREE, Ordering::Relaxed);
                true
            }
            FREE if self.rounds.is_idle() && round_time() < LONG_ROUND => true,
            FREE => {
                self.wait(cx, false);
                false
            }
            state => state == CALLED,
        }
    }

    #[cold]
    fn wait(self: &Arc<Self>, cx: &mut Context<'_>, is_busy: bool) {
        self.state.store(WAITING, Ordering::Release);
        let party = *lock(&self.party);
        self.rounds.add(party, Waiter::new(self, cx.waker()), is_busy);
    }

    /// Calls the task; false if it does not wait any more.
    fn call(&self) -> bool {
        let state = &self.state;
        state.compare_exchange(WAITING, CALLED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Ends the turn for which the task was called.
    fn end_turn(&self, time: Duration) {
        self.state.store(FREE, Ordering::Release);
        let party = *lock(&self.party);
        self.rounds.go_on(party, time);
    }
}

/// A task that goes on when it is its turn.
pub(super) fn in_turn<F: Future<Output = ()>>(place: Arc<Place>, task: F) -> InTurn<F> {
    InTurn { place, task: Some(Box::pin(task)) }
}

/// See [`in_turn`].
#[derive(Debug)]
pub(super) struct InTurn<F> {
    place: Arc<Place>,
    task: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for InTurn<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let InTurn { place, task } = &mut *self;
        if !place.may_go_on(cx) {
            return Poll::Pending;
        }
        let is_called = place.state.load(Ordering::Relaxed) == CALLED;
        let began = is_called.then(Instant::now);
        let done = task.as_mut().is_none_or(|task| task.as_mut().poll(cx).is_ready());
        if done {
            // To take leave of what it has is a part of its turn.
            *task = None;
        }
        if let Some(began) = began {
            place.end_turn(began.elapsed());
        }
        if done {
            return Poll::Ready(());
        }
        if place.has_more.load(Ordering::Relaxed) {
            place.has_more.store(false, Ordering::Relaxed);
            place.wait(cx, true);
        }
        Poll::Pending
    }
}

impl<F> Drop for InTurn<F> {
    fn drop(&mut self) {
        if self.place.state.swap(FREE, Ordering::AcqRel) == CALLED {
            self.place.end_turn(Duration::ZERO);
        }
    }
}
