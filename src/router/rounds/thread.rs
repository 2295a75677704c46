//! The rounds of one thread: a task that begins them as long as somebody waits, and the calls.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::os::lock;
use crate::transport::{begin_round, round_time, yield_turn};

use super::queue::{Queue, ROUND};
use super::{Party, Place};

/// As many as come with one look at the sockets where there are more behind them, whom nobody knows
/// yet, and who may have less to do: then the round is as short as can be.
const CROWD: usize = 40;

thread_local! {
    static HERE: Arc<Rounds> = Arc::default();
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    state: Mutex<State>,
    /// The number of those who wait and have little to do.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue<Party, Waiter>,
    /// Somebody was called whose turn is not over.
    is_called: bool,
    /// The number of those who have come since the last round began.
    new: usize,
    host: Host,
}

/// The task that begins rounds.
#[derive(Debug, Default)]
enum Host {
    #[default]
    None,
    /// Until somebody waits.
    Asleep(Waker),
    /// Sockets are to be looked at before the next round.
    Woken,
    /// The next time that it runs a round begins.
    Ready,
}

/// A task that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    place: Arc<Place>,
    waker: Waker,
}

impl Waiter {
    pub(super) fn new(place: &Arc<Place>, waker: &Waker) -> Waiter {
        Waiter { place: place.clone(), waker: waker.clone() }
    }
}

impl Rounds {
    /// Those of this thread; of a thread that ends, some that nobody else has.
    pub(super) fn of_this_thread() -> Arc<Rounds> {
        HERE.try_with(Arc::clone).unwrap_or_default()
    }

    /// True if nobody waits but those who have much to do.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Adds a task that is to wait.
    pub(super) fn add(self: &Arc<Self>, party: Party, waiter: Waiter, is_busy: bool) {
        let mut state = lock(&self.state);
        if !is_busy {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        state.queue.add(party, waiter, is_busy);
        state.new += 1;
        let host = match &state.host {
            Host::Woken | Host::Ready => return,
            Host::None | Host::Asleep(_) => std::mem::replace(&mut state.host, Host::Woken),
        };
        // A runtime that ends drops the task at once.
        drop(state);
        match host {
            Host::Asleep(waker) => waker.wake(),
            _ => drop(tokio::spawn(Hosting(self.clone()))),
        }
    }

    /// Calls the next one: somebody of this party has had a turn.
    pub(super) fn go_on(&self, party: Party, time: Duration) {
        let mut state = lock(&self.state);
        state.queue.charge(&party, time);
        state.is_called = false;
        self.call(state);
    }

    /// Calls the next one, unless somebody's turn goes on.
    fn call(&self, mut state: MutexGuard<'_, State>) {
        let mut gone = Vec::new();
        while !state.is_called
            && let Some((waiter, is_busy)) = state.queue.next(round_time())
        {
            if !is_busy {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            state.is_called = waiter.place.call();
            gone.push(waiter);
        }
        let next = if state.is_called { gone.pop() } else { None };
        // Whoever is gone may take a task along, which must not find the lock taken.
        drop(state);
        if let Some(next) = next {
            next.waker.wake();
        }
    }
}

/// The task that begins rounds.
struct Hosting(Arc<Rounds>);

impl Future for Hosting {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        let rounds = &self.0;
        let mut state = lock(&rounds.state);
        if !matches!(state.host, Host::Ready) {
            state.host = Host::Ready;
            yield_turn(cx);
            return Poll::Pending;
        }
        let had = if std::mem::take(&mut state.new) < CROWD { Duration::ZERO } else { ROUND };
        begin_round(had);
        state.queue.begin_round();
        rounds.call(state);
        let mut state = lock(&rounds.state);
        if state.queue.is_empty() {
            state.host = Host::Asleep(cx.waker().clone());
        } else {
            yield_turn(cx);
        }
        Poll::Pending
    }
}

impl Drop for Hosting {
    /// The runtime ends, and with it all who wait.
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        let gone = std::mem::take(&mut *state);
        self.0.waiting.store(0, Ordering::Relaxed);
        drop(state);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Instant;

    use tokio::runtime::Builder;
    use tokio::task::LocalSet;

    use super::super::{Party, Place, in_turn};
    use super::*;
    use crate::router::auth::Origin;

    fn place(host: u8) -> Arc<Place> {
        Place::new(Party::From(Origin::of([192, 0, 2, host].into())))
    }

    fn work(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, test);
    }

    /// A hundred tasks of one party, each with a turn of a millisecond for ever, and one task of
    /// another that has a little to do again and again: between two of its turns there are a few of
    /// theirs, and not a hundred.
    #[test]
    fn many_tasks_of_one_party_delay_others_by_a_turn() {
        run(async {
            let turns = Rc::new(RefCell::new(0_usize));
            for _ in 0..100 {
                let (place, turns) = (place(1), turns.clone());
                tokio::task::spawn_local(in_turn(place.clone(), async move {
                    loop {
                        work(Duration::from_millis(1));
                        *turns.borrow_mut() += 1;
                        place.let_others().await;
                    }
                }));
            }
            let mut between = Vec::new();
            let own = place(2);
            let task = async {
                while *turns.borrow() < 10 {
                    own.let_others().await;
                }
                for _ in 0..20 {
                    let before = *turns.borrow();
                    tokio::task::yield_now().await;
                    between.push(*turns.borrow() - before);
                }
            };
            in_turn(own.clone(), task).await;
            let most = between.iter().max().copied();
            assert!(most <= Some(4), "{between:?}");
        });
    }

    /// Where many come at once, the sockets are looked at again before more than one of them has
    /// had a turn.
    #[test]
    fn a_crowd_makes_a_short_round() {
        run(async {
            let turns = Rc::new(RefCell::new(0_usize));
            for _ in 0..2 * CROWD {
                let (place, turns) = (place(1), turns.clone());
                tokio::task::spawn_local(in_turn(place.clone(), async move {
                    place.let_others().await;
                    *turns.borrow_mut() += 1;
                    work(Duration::from_micros(20));
                }));
            }
            while *turns.borrow() == 0 {
                tokio::task::yield_now().await;
            }
            let first = *turns.borrow();
            assert!(first <= 2, "{first}");
            while *turns.borrow() < 2 * CROWD {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Whoever ends while it waits, or after it was called, keeps nobody from going on.
    #[test]
    fn tasks_that_are_ended_keep_nobody_waiting() {
        run(async {
            let tasks: Vec<_> = (0..50)
                .map(|number| {
                    let place = place(number % 3);
                    tokio::task::spawn_local(in_turn(place.clone(), async move {
                        loop {
                            work(Duration::from_micros(300));
                            place.let_others().await;
                        }
                    }))
                })
                .collect();
            for task in tasks {
                let own = place(9);
                for _ in 0..3 {
                    in_turn(own.clone(), own.let_others()).await;
                }
                task.abort();
            }
            let own = place(9);
            in_turn(own.clone(), own.let_others()).await;
        });
    }

    /// The rounds of a thread serve one runtime after the other.
    #[test]
    fn a_runtime_that_ends_takes_those_who_wait_along() {
        for _ in 0..3 {
            run(async {
                for _ in 0..3 {
                    let place = place(1);
                    tokio::task::spawn_local(in_turn(place.clone(), async move {
                        loop {
                            work(Duration::from_millis(1));
                            place.let_others().await;
                        }
                    }));
                }
                let own = place(2);
                for _ in 0..10 {
                    in_turn(own.clone(), own.let_others()).await;
                }
            });
        }
    }
}
