//! The number of connections that a router has, in all and from each address, and of those that
//! have not joined a session yet.
//!
//! A connection beyond the first two limits is turned away. Beyond the third somebody else has to
//! go: of the address with the most unfinished handshakes the one that began first, so that who
//! opens many and says nothing pushes out its own, and keeps nobody out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::os::lock;

use super::auth::Origin;
use super::rounds::{Party, Place};

/// So many who are turned away are told why, at the same time.
const TOLD: usize = 64;

/// The limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// All connections.
    pub(super) connections: usize,
    /// Those of one address.
    pub(super) per_address: usize,
    /// Those that have not joined yet; one address may have a quarter of them.
    pub(super) handshakes: usize,
}

/// The place that a connection comes from, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// Many may come from there: a Unix socket, this machine, or a trusted proxy, as long as it has
    /// not told for whom it speaks.
    pub(super) is_shared: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    told: Arc<Semaphore>,
}

/// The counts of those who did not get in, or did not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Refused {
    /// Because of `max_connections`.
    pub(super) connections: u64,
    /// Because of `max_connections_per_address`.
    pub(super) per_address: u64,
    /// Because of `max_handshakes`.
    pub(super) handshakes: u64,
}

#[derive(Debug, Default)]
struct State {
    limits: ConnectionLimits,
    connections: usize,
    by_origin: HashMap<Origin, usize>,
    /// Of each origin those that have not joined yet, the first one first.
    handshakes: HashMap<Origin, BTreeMap<u64, Option<AbortHandle>>>,
    unfinished: usize,
    next: u64,
    refused: Refused,
    /// The origins of handshakes that were dropped, and of which nobody has been told.
    dropped: Vec<Origin>,
}

/// A connection that was let in, for as long as this lives.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    source: Source,
    id: u64,
    place: Arc<Place>,
}

/// A limit that a new connection would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("this router has no room for another connection (max_connections)")]
    Connections,
    #[error("this address has as many connections as it may have (max_connections_per_address)")]
    PerAddress,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits { connections: 20_000, per_address: 1000, handshakes: 4096 }
    }
}

impl Gate {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Gate> {
        let told = Arc::new(Semaphore::new(TOLD));
        let state = Mutex::new(State { limits, ..State::default() });
        Arc::new(Gate { state, told })
    }

    /// Has other limits for connections that come.
    pub(super) fn change(&self, limits: ConnectionLimits) {
        lock(&self.state).limits = limits;
    }

    /// Lets a connection in, whose handshakes begin.
    pub(super) fn enter(self: &Arc<Self>, source: Source) -> Result<Pass, Full> {
        let mut state = lock(&self.state);
        let limits = state.limits;
        if state.connections >= limits.connections {
            state.refused.connections += 1;
            return Err(Full::Connections);
        }
        state.add(source, limits.per_address)?;
        state.connections += 1;
        let id = state.next;
        state.next += 1;
        state.make_room(source, limits.handshakes);
        state.handshakes.entry(source.origin).or_default().insert(id, None);
        state.unfinished += 1;
        drop(state);
        let place = Place::new(Party::From(source.origin));
        Ok(Pass { gate: self.clone(), source, id, place })
    }

    /// The leave to tell one why it is turned away.
    pub(super) fn may_tell(&self) -> Option<OwnedSemaphorePermit> {
        self.told.clone().try_acquire_owned().ok()
    }

    /// The origins of the handshakes that were dropped since the last time.
    pub(super) fn take_dropped(&self) -> Vec<Origin> {
        std::mem::take(&mut lock(&self.state).dropped)
    }

    pub(super) fn refused(&self) -> Refused {
        lock(&self.state).refused
    }
}

impl State {
    fn add(&mut self, source: Source, limit: usize) -> Result<(), Full> {
        let count = self.by_origin.entry(source.origin).or_default();
        if *count >= limit && !source.is_shared {
            self.refused.per_address += 1;
            return Err(Full::PerAddress);
        }
        *count += 1;
        Ok(())
    }

    fn remove(&mut self, origin: Origin) {
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }

    /// Takes a handshake off the list; its task can no longer be ended for it.
    fn finish(&mut self, origin: Origin, id: u64) -> Option<Option<AbortHandle>> {
        let ids = self.handshakes.get_mut(&origin)?;
        let task = ids.remove(&id)?;
        if ids.is_empty() {
            self.handshakes.remove(&origin);
        }
        self.unfinished -= 1;
        Some(task)
    }

    /// Ends a handshake where there are as many as there may be.
    fn make_room(&mut self, source: Source, limit: usize) {
        let own = self.handshakes.get(&source.origin).map_or(0, BTreeMap::len);
        let victim = if own >= (limit / 4).max(1) && !source.is_shared {
            self.handshakes.get_key_value(&source.origin)
        } else if self.unfinished >= limit {
            let oldest = |ids: &BTreeMap<u64, _>| ids.keys().next().copied().unwrap_or(u64::MAX);
            let rank = |ids: &BTreeMap<u64, _>| (ids.len(), std::cmp::Reverse(oldest(ids)));
            self.handshakes.iter().max_by_key(|(_, ids)| rank(ids))
        } else {
            None
        };
        let victim = victim.and_then(|(origin, ids)| Some((*origin, *ids.keys().next()?)));
        if let Some((origin, id)) = victim {
            self.refused.handshakes += 1;
            self.dropped.push(origin);
            if let Some(Some(task)) = self.finish(origin, id) {
                task.abort();
            }
        }
    }
}

impl Pass {
    /// The place that it comes from.
    pub(super) fn origin(&self) -> Origin {
        self.source.origin
    }

    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// Says which task is to be ended where there are too many handshakes.
    pub(super) fn is_served_by(gate: &Gate, (origin, id): (Origin, u64), task: AbortHandle) {
        let mut state = lock(&gate.state);
        let ids = state.handshakes.get_mut(&origin);
        if let Some(entry) = ids.and_then(|ids| ids.get_mut(&id)) {
            *entry = Some(task);
        }
    }

    /// Its key for [`Pass::is_served_by`].
    pub(super) fn key(&self) -> (Origin, u64) {
        (self.source.origin, self.id)
    }

    /// Comes from somewhere else, as a trusted proxy has told.
    pub(super) fn comes_from(&mut self, source: Source) -> Result<(), Full> {
        if source == self.source {
            self.may_speak(false);
            return Ok(());
        }
        let mut state = lock(&self.gate.state);
        let limits = state.limits;
        state.add(source, limits.per_address)?;
        state.remove(self.source.origin);
        if let Some(task) = state.finish(self.source.origin, self.id) {
            state.make_room(source, limits.handshakes);
            state.handshakes.entry(source.origin).or_default().insert(self.id, task);
            state.unfinished += 1;
        }
        self.source = source;
        self.may_speak(false);
        Ok(())
    }

    /// May yet say for whom it speaks; or does not.
    pub(super) fn may_speak(&self, for_others: bool) {
        let party = if for_others { Party::Arriving } else { Party::From };
        self.place.join(party(self.source.origin));
    }

    /// The place of its task among those of its thread.
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// The handshakes are over: it has joined.
    pub(super) fn is_in(&self) {
        lock(&self.gate.state).finish(self.source.origin, self.id);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        state.connections -= 1;
        state.finish(self.source.origin, self.id);
        state.remove(self.source.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(host: u8) -> Source {
        Source { origin: Origin::of([192, 0, 2, host].into()), is_shared: false }
    }

    fn gate(connections: usize, per_address: usize, handshakes: usize) -> Arc<Gate> {
        Gate::new(ConnectionLimits { connections, per_address, handshakes })
    }

    #[test]
    fn there_is_room_for_so_many() {
        let gate = gate(3, 2, 100);
        let one = gate.enter(source(1)).unwrap();
        let _other = gate.enter(source(1)).unwrap();
        assert_eq!(gate.enter(source(1)).unwrap_err(), Full::PerAddress);
        let shared = Source { is_shared: true, ..source(1) };
        let third = gate.enter(shared).unwrap();
        assert_eq!(gate.enter(source(2)).unwrap_err(), Full::Connections);
        drop((one, third));
        assert!(gate.enter(source(1)).is_ok() && gate.enter(source(2)).is_ok());
        assert_eq!(gate.refused(), Refused { connections: 1, per_address: 1, handshakes: 0 });
    }

    #[test]
    fn who_comes_from_elsewhere_counts_there() {
        let gate = gate(10, 1, 100);
        let mut pass = gate.enter(source(9)).unwrap();
        pass.comes_from(source(1)).unwrap();
        pass.comes_from(source(1)).unwrap();
        let mut other = gate.enter(source(9)).unwrap();
        assert_eq!(other.comes_from(source(1)), Err(Full::PerAddress));
        assert_eq!(other.origin(), source(9).origin);
        drop(pass);
        assert_eq!(other.comes_from(source(1)), Ok(()));
        drop(other);
        let state = lock(&gate.state);
        assert!(state.by_origin.is_empty() && state.handshakes.is_empty());
        assert_eq!((state.connections, state.unfinished), (0, 0));
    }

    /// A connection whose task goes on until it is ended.
    fn begins(gate: &Arc<Gate>, host: u8) -> tokio::task::JoinHandle<()> {
        let pass = gate.enter(source(host)).unwrap();
        let key = pass.key();
        let task = tokio::spawn(async move {
            let _pass = pass;
            std::future::pending::<()>().await;
        });
        Pass::is_served_by(gate, key, task.abort_handle());
        task
    }

    #[tokio::test]
    async fn who_opens_many_pushes_out_its_own() {
        let gate = gate(1000, 1000, 16);
        let honest = begins(&gate, 1);
        let joined = gate.enter(source(1)).unwrap();
        joined.is_in();
        let attackers: Vec<_> = (0..100).map(|_| begins(&gate, 2)).collect();
        for task in attackers.iter().take(96) {
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        assert!(attackers[96..].iter().all(|task| !task.is_finished()) && !honest.is_finished());
        assert_eq!(gate.refused().handshakes, 96);
        assert_eq!(gate.take_dropped(), [source(2).origin; 96]);
        assert!(gate.take_dropped().is_empty());

        // From many addresses, until there is no room in all.
        let many: Vec<_> = (0..30).map(|number| begins(&gate, 10 + number / 3)).collect();
        let late = begins(&gate, 3);
        while many.iter().filter(|task| task.is_finished()).count() < 16 {
            tokio::task::yield_now().await;
        }
        assert!(!honest.is_finished() && !late.is_finished(), "those who have one are not first");
    }
}
