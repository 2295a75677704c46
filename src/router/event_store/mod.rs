//! The publications that a realm keeps: the retained one of each topic, and the last ones of all
//! topics (advanced profile, "Event Retention", "Event History").
//!
//! Both are bounded, and lost with their realm: where there is no room for another one, the oldest
//! go. Publications for certain sessions alone are not kept: nobody who comes later could belong to
//! those.
//!
//! * here: what is kept, and what goes.
//! * [`recall`]: what is retained, for a new subscriber.
//! * [`history`]: past events, for those who ask, by a [`query`].

mod history;
mod query;
mod recall;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::uri;

use super::budget::{self, Budget};
use super::limits::Limits;
use super::publication::{OwnPublication, Publication};
use super::request::{NO_MEMORY, Refusal, is_reserved};
use super::spread::SpreadIds;
use super::turn::{ACT, Turn};

pub(super) use history::History;
pub(super) use query::Query;
pub(super) use recall::Recall;

/// The publications that a realm keeps.
#[derive(Debug)]
pub(super) struct EventStore {
    /// By topic.
    retained: BTreeMap<Arc<str>, Arc<Kept>>,
    /// Their topics in the order in which they came: the oldest goes first.
    ages: BTreeMap<u64, Arc<str>>,
    retained_bytes: usize,
    /// In the order in which they came.
    past: VecDeque<Arc<Kept>>,
    /// The numbers of past publications, by their ids.
    numbers: SpreadIds<u64>,
    past_bytes: usize,
    /// The number of past publications that are kept.
    limit: usize,
    kept: u64,
    limits: Limits,
    /// The part of the router's memory that all this has.
    memory: budget::Kept,
}

/// A publication that is kept.
#[derive(Debug)]
struct Kept {
    /// Counts in the order in which they came.
    number: u64,
    time: SystemTime,
    publication: Arc<OwnPublication>,
}

impl EventStore {
    /// Keeps the last `limit` publications.
    pub(super) fn new(limit: usize, limits: Limits, budget: &Arc<Budget>) -> EventStore {
        EventStore {
            retained: BTreeMap::new(),
            ages: BTreeMap::new(),
            retained_bytes: 0,
            past: VecDeque::new(),
            numbers: SpreadIds::default(),
            past_bytes: 0,
            limit,
            kept: 0,
            limits,
            memory: budget.keeper(),
        }
    }

    /// Keeps as many from now on; those that are too many go by [`EventStore::trim`].
    pub(super) fn adopt(&mut self, limit: usize, limits: &Limits) {
        self.limit = limit;
        self.limits = limits.clone();
    }

    /// Lets go of what is too much; false if that is more than the work of this turn.
    pub(super) fn trim(&mut self, turn: &mut Turn) -> bool {
        let Limits { max_retained_topics, max_retained_bytes, max_history_bytes, .. } =
            &self.limits;
        let (topics, bytes) = (max_retained_topics.most(), max_retained_bytes.most());
        let (number, past_bytes) = (self.limit, max_history_bytes.most());
        while !turn.is_over() {
            turn.spend(ACT);
            let is_retained = self.retained_bytes > bytes || self.retained.len() > topics;
            let is_past = self.past_bytes > past_bytes || self.past.len() > number;
            let is_enough =
                !(is_retained && self.drop_oldest_retained() || is_past && self.drop_oldest_past());
            if is_enough {
                return true;
            }
            self.count();
        }
        false
    }

    /// True for a publication that is to be kept. One that is larger than all room is refused.
    #[inline]
    pub(super) fn is_wanted(&self, publication: &Publication<'_>) -> Result<bool, Refusal> {
        Ok((self.limit > 0 || publication.retain) && self.can_keep(publication)?)
    }

    fn can_keep(&self, publication: &Publication<'_>) -> Result<bool, Refusal> {
        let audience = publication.audience.as_ref();
        if is_reserved(publication.topic) || audience.is_some_and(|all| all.names_sessions()) {
            return Ok(false);
        }
        if publication.retain {
            let Limits { max_retained_topics, max_retained_bytes, .. } = &self.limits;
            max_retained_topics.check(0)?;
            max_retained_bytes.check(publication.size().saturating_sub(1))?;
        }
        if self.has_memory(publication.size()) || !self.past.is_empty() {
            return Ok(true);
        }
        // What others keep does not go for this one.
        match publication.retain && self.retained.is_empty() {
            true => Err(Refusal::new(uri::UNAVAILABLE, NO_MEMORY.to_owned())),
            false => Ok(publication.retain),
        }
    }

    /// True if there is memory for another one, as it is or as what it may take the place of.
    fn has_memory(&self, size: usize) -> bool {
        self.memory.budget().can_keep(size * 2)
    }

    /// Makes room for a publication of so many bytes: the oldest go. False if that is more than the
    /// work of this turn.
    pub(super) fn make_room(&mut self, retain: bool, size: usize, turn: &mut Turn) -> bool {
        while self.drop_oldest(retain, size) {
            self.count();
            turn.spend(ACT);
            if turn.is_over() {
                return false;
            }
        }
        true
    }

    /// Drops the oldest of what is too much, with a publication of so many bytes; false if nothing
    /// is.
    fn drop_oldest(&mut self, retain: bool, size: usize) -> bool {
        let lacks_memory = !self.has_memory(size);
        let bytes = self.limits.max_history_bytes.most().saturating_sub(size);
        let is_too_much = self.past_bytes > bytes || self.past.len() >= self.limit.max(1);
        if (is_too_much || lacks_memory) && self.drop_oldest_past() {
            return true;
        }
        let bytes = self.limits.max_retained_bytes.most().saturating_sub(size);
        let topics = self.limits.max_retained_topics.most().saturating_sub(1);
        let is_too_much = self.retained_bytes > bytes || self.retained.len() > topics;
        retain && (is_too_much || lacks_memory) && self.drop_oldest_retained()
    }

    fn drop_oldest_retained(&mut self) -> bool {
        let Some((_, oldest)) = self.ages.pop_first() else {
            return false;
        };
        let gone = self.retained.remove(&oldest);
        self.retained_bytes -= gone.map_or(0, |gone| gone.publication.size());
        true
    }

    fn drop_oldest_past(&mut self) -> bool {
        let Some(oldest) = self.past.pop_front() else {
            return false;
        };
        self.numbers.remove(&oldest.publication.id);
        self.past_bytes -= oldest.publication.size();
        true
    }

    /// Counts what is kept as memory of the router.
    fn count(&mut self) {
        self.memory.resize(self.retained_bytes + self.past_bytes);
    }

    /// Keeps a publication for which there is room.
    pub(super) fn keep(&mut self, publication: &Arc<OwnPublication>) {
        self.kept += 1;
        let (publication, size) = (publication.clone(), publication.size());
        let kept = Kept { number: self.kept, time: SystemTime::now(), publication };
        let kept = Arc::new(kept);
        if self.limit > 0 && size <= self.limits.max_history_bytes.most() {
            self.past_bytes += size;
            self.numbers.insert(kept.publication.id, kept.number);
            self.past.push_back(kept.clone());
        }
        if kept.publication.retain {
            let topic = kept.publication.topic.clone();
            self.retained_bytes += size;
            self.ages.insert(kept.number, topic.clone());
            if let Some(former) = self.retained.insert(topic, kept) {
                self.ages.remove(&former.number);
                self.retained_bytes -= former.publication.size();
            }
        }
        self.count();
    }

    /// The number of topics with retained events, and the bytes of all.
    pub(super) fn amounts(&self) -> (usize, usize, usize) {
        (self.retained.len(), self.retained_bytes, self.past_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Dict, PayloadRef};
    use crate::router::publication::PublishOptions;

    /// Retains a publication with these options, which ask for that.
    fn retain(store: &mut EventStore, topic: &str, options: &str, payload: &str) {
        let options = PublishOptions::read(Dict::from_checked(options.as_bytes())).unwrap();
        let payload = PayloadRef::args(payload);
        let publication = Publication::new(topic, payload, options, None, None);
        assert_eq!(store.is_wanted(&publication), Ok(true));
        let own = Arc::new(publication.to_own());
        while !store.make_room(own.retain, own.size(), &mut Turn::default()) {}
        store.keep(&own);
    }

    #[test]
    fn all_that_is_kept_counts() {
        let names: Vec<_> = (0..1000).map(|number| format!("name-{number:05}")).collect();
        let names = serde_json::to_string(&names).unwrap();
        let long = format!("\"{}\"", "x".repeat(10_000));
        for (option, value, least) in [
            ("ppt_scheme", &*long, 10_000),
            ("exclude_authid", &*names, 10_000 + 1000 * size_of::<String>()),
            ("exclude_authrole", &*names, 10_000 + 1000 * size_of::<String>()),
            ("eligible_authid", &*names, 10_000 + 1000 * size_of::<String>()),
            ("eligible_authrole", &*names, 10_000 + 1000 * size_of::<String>()),
        ] {
            let mut store = EventStore::new(10, Limits::default(), &Budget::new(1 << 30));
            let options = format!("{{\"retain\":true,\"{option}\":{value}}}");
            retain(&mut store, "com.topic", &options, "[]");
            assert!(store.retained_bytes > least, "{option}: {}", store.retained_bytes);
            assert_eq!(store.past_bytes, store.retained_bytes, "{option}");
            retain(&mut store, "com.topic", r#"{"retain":true}"#, "[]");
            assert!(store.retained_bytes < 1000, "{option}: {}", store.retained_bytes);
        }
    }

    /// To look through all of them for the oldest would take hours here.
    #[test]
    fn it_is_quick_when_it_is_full() {
        let mut limits = Limits::default();
        limits.max_retained_topics.set(usize::MAX);
        let max_bytes = limits.max_retained_bytes.most();
        let mut store = EventStore::new(0, limits, &Budget::new(1 << 30));
        retain(&mut store, "com.topic.0000000", r#"{"retain":true}"#, "[]");
        let most = max_bytes / store.retained_bytes;
        for number in 0..most + 200_000 {
            retain(&mut store, &format!("com.topic.{number:07}"), r#"{"retain":true}"#, "[]");
        }
        assert!(store.retained_bytes <= max_bytes);
        assert_eq!((store.retained.len(), store.ages.len()), (most, most));
        assert!(store.retained.contains_key("com.topic.0200000"), "the newest are there");
        assert!(!store.retained.contains_key("com.topic.0199999"), "the oldest have gone");

        // A newer one of the same topic takes the place of the older, and is young again.
        retain(&mut store, "com.topic.0200000", r#"{"retain":true}"#, "[]");
        retain(&mut store, "com.topic.another", r#"{"retain":true}"#, "[]");
        assert_eq!((store.retained.len(), store.ages.len()), (most, most));
        assert!(store.retained.contains_key("com.topic.0200000"));
        assert!(!store.retained.contains_key("com.topic.0200001"));
    }

    #[test]
    fn nothing_is_kept_beyond_the_memory_of_the_router() {
        let payload = format!("[\"{}\"]", "x".repeat(1000));
        let budget = Budget::new(40_000);
        let mut stores = [10, 0].map(|past| EventStore::new(past, Limits::default(), &budget));
        for number in 0..100 {
            for store in &mut stores {
                retain(store, &format!("com.topic.{number}"), r#"{"retain":true}"#, &payload);
                assert!(budget.used() <= 20_000);
            }
        }
        let kept: usize = stores.iter().map(|store| store.retained.len()).sum();
        assert!(kept > 10, "{kept}");
        let [first, second] = stores;
        drop(first);
        assert_eq!(budget.used(), second.retained_bytes);
        // Another realm keeps all that there is memory for.
        let mut other = budget.keeper();
        drop(second);
        other.resize(20_000);
        let store = EventStore::new(10, Limits::default(), &budget);
        let wanted = |options: &str| {
            let options = PublishOptions::read(Dict::from_checked(options.as_bytes())).unwrap();
            let payload = PayloadRef::args(&payload);
            store.is_wanted(&Publication::new("com.topic", payload, options, None, None))
        };
        assert_eq!(wanted(r#"{"retain":true}"#).unwrap_err().parts().0, uri::UNAVAILABLE);
        assert_eq!(wanted("{}"), Ok(false), "it is delivered, and not kept");
    }
}
