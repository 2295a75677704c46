//! The publications that a realm keeps: the retained one of each topic, and the last ones of all
//! topics (advanced profile, "Event Retention", "Event History").
//!
//! Both are bounded, and lost with their realm. Publications for certain sessions alone are not
//! kept: nobody who comes later could belong to those.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::codec::{DictWriter, Encoding, PayloadRef, Rules, Timestamp, transcode};
use crate::protocol::message::Event;
use crate::protocol::uri::{self, Match};

use super::options::whole;
use super::pattern::{Entry, matches};
use super::peer::{Peer, Subscribers, WakeList};
use super::publication::{Audience, Publication};
use super::request::{Fault, is_reserved};

/// The bytes that retained publications may have together, and those that past ones may.
const MAX_BYTES: usize = 64 << 20;

/// The publications that a realm keeps.
#[derive(Debug, Default)]
pub(super) struct EventStore {
    /// By topic.
    retained: HashMap<Arc<str>, Kept>,
    /// Their topics in the order in which they came: the oldest goes first.
    ages: BTreeMap<u64, Arc<str>>,
    retained_bytes: usize,
    /// In the order in which they came.
    past: VecDeque<Kept>,
    past_bytes: usize,
    /// The number of past publications that are kept.
    limit: usize,
    kept: u64,
}

/// A publication that outlives its delivery.
#[derive(Debug)]
struct Kept {
    /// Counts in the order in which they came.
    number: u64,
    publication: u64,
    time: SystemTime,
    topic: Arc<str>,
    details: DictWriter,
    args: Option<Box<[u8]>>,
    kwargs: Option<Box<[u8]>>,
    encoding: Encoding,
    audience: Option<Arc<Audience>>,
}

/// A selection from the events of a history.
#[derive(Debug, Default)]
pub(super) struct Query {
    limit: Option<usize>,
    reverse: bool,
    topic: Option<String>,
    /// `from`, `after`, `before`, `until`, in times and in publications.
    times: [Option<SystemTime>; 4],
    publications: [Option<u64>; 4],
}

/// The names of the limits of a [`Query`].
const BOUNDS: [&str; 4] = ["from", "after", "before", "until"];

impl EventStore {
    /// Keeps the last `limit` publications.
    pub(super) fn new(limit: usize) -> EventStore {
        EventStore { limit, ..EventStore::default() }
    }

    /// Keeps a publication, where that is wanted; tells whether it has.
    #[inline]
    pub(super) fn keep(&mut self, publication: &Publication<'_>) -> bool {
        (self.limit > 0 || publication.retain) && self.keep_it(publication)
    }

    fn keep_it(&mut self, publication: &Publication<'_>) -> bool {
        let audience = publication.audience.as_ref();
        if is_reserved(publication.topic) || audience.is_some_and(|all| all.names_sessions()) {
            return false;
        }
        self.kept += 1;
        if publication.retain {
            self.retain(Kept::new(self.kept, publication));
        }
        if self.limit > 0 {
            let kept = Kept::new(self.kept, publication);
            self.past_bytes += kept.size();
            self.past.push_back(kept);
            while self.past.len() > self.limit || self.past_bytes > MAX_BYTES {
                let Some(oldest) = self.past.pop_front() else { break };
                self.past_bytes -= oldest.size();
            }
        }
        true
    }

    /// Retains a publication. Where there is no room for another one, the oldest goes.
    fn retain(&mut self, kept: Kept) {
        self.retained_bytes += kept.size();
        self.ages.insert(kept.number, kept.topic.clone());
        if let Some(former) = self.retained.insert(kept.topic.clone(), kept) {
            self.ages.remove(&former.number);
            self.retained_bytes -= former.size();
        }
        while self.retained_bytes > MAX_BYTES {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            if let Some(gone) = self.retained.remove(&oldest) {
                self.retained_bytes -= gone.size();
            }
        }
    }

    /// Sends a new subscriber what is retained of its topics.
    pub(super) fn recall(
        &self,
        entry: &Entry<Subscribers>,
        peer: &Arc<Peer>,
        wakes: &mut WakeList,
    ) {
        let mut found: Vec<&Kept> = match entry.matching {
            Match::Exact => self.retained.get(&*entry.uri).into_iter().collect(),
            matching => self
                .retained
                .values()
                .filter(|kept| matches(&entry.uri, matching, &kept.topic))
                .collect(),
        };
        found.sort_unstable_by_key(|kept| kept.number);
        for kept in found.into_iter().filter(|kept| kept.is_for(peer)) {
            let mut details = kept.details_for(entry.matching);
            details.flag("retained");
            let details = details.finish();
            let event = Event {
                subscription: entry.id,
                publication: kept.publication,
                details: details.dict(),
                payload: PayloadRef {
                    args: kept.args.as_deref(),
                    kwargs: kept.kwargs.as_deref(),
                    encoding: kept.encoding,
                },
            };
            let _ = peer.try_send(wakes, |out| event.write(out));
        }
    }

    /// The past events of a subscription that `peer` may see, as an encoded list.
    pub(super) fn events(&self, entry: &Entry<Subscribers>, query: &Query, peer: &Peer) -> Vec<u8> {
        let number = |publication: u64| {
            let found = self.past.iter().find(|kept| kept.publication == publication);
            // A publication that is not here any more came before all that are.
            found.map_or(0, |kept| kept.number)
        };
        let numbers = query.publications.map(|bound| bound.map(number));
        let wanted = |kept: &&Kept| {
            matches(&entry.uri, entry.matching, &kept.topic)
                && kept.is_for(peer)
                && query.topic.as_ref().is_none_or(|topic| **topic == *kept.topic)
                && is_within(&query.times, kept.time)
                && is_within(&numbers, kept.number)
        };
        let mut out = vec![b'['];
        let limit = query.limit.unwrap_or(usize::MAX);
        let mut write = |kept: &Kept| {
            if out.len() > 1 {
                out.push(b',');
            }
            kept.write(entry, &mut out);
        };
        if query.reverse {
            self.past.iter().rev().filter(wanted).take(limit).for_each(&mut write);
        } else {
            self.past.iter().filter(wanted).take(limit).for_each(&mut write);
        }
        out.push(b']');
        out
    }
}

impl Kept {
    fn new(number: u64, publication: &Publication<'_>) -> Kept {
        Kept {
            number,
            publication: publication.id,
            time: SystemTime::now(),
            topic: publication.topic.into(),
            details: publication.details.clone(),
            args: publication.payload.args.map(Into::into),
            kwargs: publication.payload.kwargs.map(Into::into),
            encoding: publication.payload.encoding,
            audience: publication.audience.clone(),
        }
    }

    fn size(&self) -> usize {
        let payload = [&self.args, &self.kwargs];
        let payload: usize = payload.into_iter().flatten().map(|part| part.len()).sum();
        let audience = self.audience.as_ref().map_or(0, |audience| audience.size());
        size_of::<Kept>() + self.topic.len() + self.details.size() + payload + audience
    }

    fn is_for(&self, peer: &Peer) -> bool {
        self.audience.as_ref().is_none_or(|audience| audience.has(peer))
    }

    fn details_for(&self, matching: Match) -> DictWriter {
        let mut details = self.details.clone();
        if matching != Match::Exact {
            details.text("topic", &self.topic);
        }
        details
    }

    fn write(&self, entry: &Entry<Subscribers>, out: &mut Vec<u8>) {
        let details = self.details_for(entry.matching).finish();
        let mut event = DictWriter::default();
        event
            .text("timestamp", &Timestamp::from(self.time).millis_text())
            .uint("subscription", entry.id)
            .uint("publication", self.publication)
            .raw(b"details", details.dict().as_bytes());
        for (key, part) in [("args", &self.args), ("kwargs", &self.kwargs)] {
            let Some(part) = part else { continue };
            let mut json = Vec::new();
            // What JSON cannot carry is left out.
            let done = transcode(part, self.encoding, Encoding::Json, Rules::Tolerant, &mut json);
            if done.is_ok() {
                event.raw(key.as_bytes(), &json);
            }
        }
        out.extend_from_slice(event.finish().dict().as_bytes());
    }
}

impl Query {
    /// Reads the kwargs of `wamp.subscription.get_events`.
    pub(super) fn read(kwargs: &Map<String, Value>) -> Result<Query, Fault> {
        let mut query = Query::default();
        for (key, value) in kwargs.iter().filter(|(_, value)| !value.is_null()) {
            let wrong = |wanted: &str| {
                let why = format!("\"{key}\" must be {wanted}");
                Fault::refused(uri::INVALID_ARGUMENT, why)
            };
            match key.as_str() {
                "limit" => {
                    let limit = value.as_number().and_then(whole).filter(|limit| *limit > 0);
                    let limit = limit.ok_or_else(|| wrong("a whole number above 0"))?;
                    query.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
                }
                "reverse" => {
                    query.reverse = value.as_bool().ok_or_else(|| wrong("true or false"))?;
                }
                "topic" => {
                    let topic =
                        value.as_str().filter(|topic| uri::check(topic, Match::Exact).is_ok());
                    query.topic = Some(topic.ok_or_else(|| wrong("a topic"))?.to_owned());
                }
                _ => {
                    let Some((bound, kind)) = key.split_once('_') else { continue };
                    let Some(at) = BOUNDS.iter().position(|name| *name == bound) else { continue };
                    if kind == "time" {
                        let time = value.as_str().and_then(Timestamp::parse_nearest);
                        let time = time.and_then(Timestamp::system_time);
                        let time = time.ok_or_else(|| wrong("a time as of RFC 3339"))?;
                        query.times[at] = Some(time);
                    } else if kind == "publication" {
                        let id = value.as_number().and_then(whole);
                        query.publications[at] = Some(id.ok_or_else(|| wrong("a publication id"))?);
                    }
                }
            }
        }
        Ok(query)
    }
}

fn is_within<T: PartialOrd + Copy>([from, after, before, until]: &[Option<T>; 4], at: T) -> bool {
    from.is_none_or(|from| at >= from)
        && after.is_none_or(|after| at > after)
        && before.is_none_or(|before| at < before)
        && until.is_none_or(|until| at <= until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Dict;
    use crate::router::publication::PublishOptions;

    /// Retains a publication with these options, which ask for that.
    fn retain(store: &mut EventStore, topic: &str, options: &str, payload: &str) {
        let options = PublishOptions::read(Dict::from_checked(options.as_bytes())).unwrap();
        let payload = PayloadRef::args(payload);
        store.keep(&Publication::new(topic, payload, options, None, None));
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
            let mut store = EventStore::new(10);
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
        let mut store = EventStore::default();
        retain(&mut store, "com.topic.0000000", r#"{"retain":true}"#, "[]");
        let most = MAX_BYTES / store.retained_bytes;
        for number in 0..most + 200_000 {
            retain(&mut store, &format!("com.topic.{number:07}"), r#"{"retain":true}"#, "[]");
        }
        assert!(store.retained_bytes <= MAX_BYTES);
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
}
