//! Past events of a subscription, for those who ask.
//!
//! They are found under the lock, and written while nobody waits for that.

use std::sync::Arc;

use crate::codec::{DictWriter, Encoding, Rules, Timestamp, transcode};
use crate::protocol::uri::Match;

use super::super::pattern::{Entry, matches};
use super::super::peer::Peer;
use super::super::turn::{ACT, LOOK, Turn};
use super::query::is_within;
use super::{EventStore, Kept, Query};

/// The answer to a query, as far as it has come.
#[derive(Debug)]
pub(in crate::router) struct History {
    subscription: u64,
    pattern: Arc<str>,
    matching: Match,
    query: Query,
    /// The bounds of the query, by publications, as numbers.
    numbers: [Option<u64>; 4],
    /// The number of the event that is looked at next.
    next: u64,
    found: Vec<Arc<Kept>>,
    /// The number that were found.
    count: usize,
    out: Vec<u8>,
    is_complete: bool,
}

/// The bytes of events that are found in one turn, for they are written before the next one.
const BYTES: usize = 1 << 20;

impl EventStore {
    /// Begins an answer.
    pub(in crate::router) fn history<T>(&self, entry: &Entry<T>, query: Query) -> History {
        // A publication that is not here any more came before all that are.
        let number = |id: u64| self.numbers.get(&id).copied().unwrap_or(0);
        History {
            subscription: entry.id,
            pattern: entry.uri.clone(),
            matching: entry.matching,
            numbers: query.publications.map(|bound| bound.map(number)),
            next: if query.reverse { self.kept } else { 0 },
            query,
            found: Vec::new(),
            count: 0,
            out: vec![b'['],
            is_complete: false,
        }
    }

    /// Goes on with the search; [`History::write`] is to follow.
    pub(in crate::router) fn look_up(&self, history: &mut History, peer: &Peer, turn: &mut Turn) {
        let mut bytes = 0;
        let reverse = history.query.reverse;
        let start = self.past.partition_point(|kept| {
            kept.number < history.next || reverse && kept.number == history.next
        });
        let forward = self.past.range(if reverse { 0..0 } else { start..self.past.len() });
        let backward = self.past.range(if reverse { 0..start } else { 0..0 }).rev();
        let limit = history.query.limit.unwrap_or(usize::MAX);
        for kept in forward.chain(backward) {
            if history.count >= limit {
                break;
            }
            history.next = kept.number;
            if turn.is_over() || bytes > BYTES {
                return;
            }
            turn.spend(LOOK);
            if history.wants(kept, peer) {
                turn.spend(ACT);
                bytes += kept.publication.size();
                history.count += 1;
                history.found.push(kept.clone());
            }
        }
        history.is_complete = true;
    }
}

impl History {
    /// Writes what was found in the last turn.
    pub(in crate::router) fn write(&mut self) {
        for kept in std::mem::take(&mut self.found) {
            if self.out.len() > 1 {
                self.out.push(b',');
            }
            self.write_one(&kept);
        }
    }

    /// True if few bytes are to be written, which may be done under the lock.
    pub(in crate::router) fn is_short(&self) -> bool {
        self.found.iter().map(|kept| kept.publication.size()).sum::<usize>() < BYTES / 16
    }

    /// The number of bytes that are written.
    pub(in crate::router) fn len(&self) -> usize {
        self.out.len()
    }

    /// True when all are found.
    pub(in crate::router) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The events as an encoded list, when all are found and written.
    pub(in crate::router) fn finish(&mut self) -> Vec<u8> {
        self.write();
        self.out.push(b']');
        std::mem::take(&mut self.out)
    }

    fn wants(&self, kept: &Kept, peer: &Peer) -> bool {
        let topic = &kept.publication.topic;
        matches(&self.pattern, self.matching, topic)
            && kept.publication.is_for(peer)
            && self.query.topic.as_ref().is_none_or(|wanted| **wanted == **topic)
            && is_within(&self.query.times, kept.time)
            && is_within(&self.numbers, kept.number)
    }

    fn write_one(&mut self, kept: &Kept) {
        let publication = &kept.publication;
        let details = publication.details_for(self.matching).finish();
        let mut event = DictWriter::default();
        event
            .text("timestamp", &Timestamp::from(kept.time).millis_text())
            .uint("subscription", self.subscription)
            .uint("publication", publication.id)
            .raw(b"details", details.dict().as_bytes());
        let payload = publication.payload();
        for (key, part) in [("args", payload.args), ("kwargs", payload.kwargs)] {
            let Some(part) = part else { continue };
            let mut json = Vec::new();
            // What JSON cannot carry is left out.
            let done =
                transcode(part, payload.encoding, Encoding::Json, Rules::Tolerant, &mut json);
            if done.is_ok() {
                event.raw(key.as_bytes(), &json);
            }
        }
        self.out.extend_from_slice(event.finish().dict().as_bytes());
    }
}
