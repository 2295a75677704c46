//! Retained events of the topics of a new subscription, for its subscriber.
//!
//! Topics are sorted: a pattern is looked for among those that begin as it does. First all are
//! found, then they are sent in the order in which they were published, each unless it has been
//! replaced meanwhile: then the subscriber got the new one as an event.

use std::ops::Bound;
use std::sync::Arc;

use crate::protocol::message::Event;
use crate::protocol::uri::Match;

use super::super::pattern::{Entry, matches};
use super::super::peer::{Peer, WakeList};
use super::super::turn::{LOOK, Turn};
use super::super::variants::{ToMake, Variants};
use super::{EventStore, Kept};

/// Retained events on their way to a new subscriber.
#[derive(Debug)]
pub(in crate::router) struct Recall {
    subscription: u64,
    pattern: Arc<str>,
    matching: Match,
    peer: Arc<Peer>,
    /// The number of the subscriber in the subscription.
    subscriber: u64,
    /// The number of the last publication before the subscription.
    last: u64,
    /// The topic from which on the search goes on; none when it has ended.
    search: Option<Arc<str>>,
    found: Vec<Arc<Kept>>,
    is_sorted: bool,
    /// The number of those that are sent.
    sent: usize,
    variants: Variants,
    to_make: Option<ToMake>,
}

impl Recall {
    /// Everything that is retained for this subscriber, by its number.
    pub(in crate::router) fn new<T>(
        entry: &Entry<T>,
        peer: &Arc<Peer>,
        subscriber: u64,
        events: &EventStore,
    ) -> Recall {
        Recall {
            subscription: entry.id,
            pattern: entry.uri.clone(),
            matching: entry.matching,
            peer: peer.clone(),
            subscriber,
            last: events.kept,
            search: Some(beginning(&entry.uri, entry.matching).into()),
            found: Vec::new(),
            is_sorted: false,
            sent: 0,
            variants: Variants::default(),
            to_make: None,
        }
    }

    /// The session of the subscriber.
    pub(in crate::router) fn session(&self) -> u64 {
        self.peer.id()
    }

    /// The subscription.
    pub(in crate::router) fn subscription(&self) -> u64 {
        self.subscription
    }

    /// True if that is still its number in the subscription.
    pub(in crate::router) fn is_for(&self, subscriber: Option<u64>) -> bool {
        subscriber == Some(self.subscriber)
    }

    /// Does what needs no lock, before the next turn.
    pub(in crate::router) fn prepare(&mut self) {
        if self.search.is_none() && !self.is_sorted {
            self.found.sort_unstable_by_key(|kept| kept.number);
            self.is_sorted = true;
        }
        if let Some(to_make) = self.to_make.take()
            && let Some(kept) = self.found.get(self.sent)
        {
            self.variants.make(kept.publication.payload(), to_make);
        }
    }
}

/// The text with which all that a pattern matches begins.
fn beginning(pattern: &str, matching: Match) -> &str {
    match matching {
        Match::Exact | Match::Prefix => pattern,
        Match::Wildcard => {
            let open = if pattern.starts_with('.') { Some(0) } else { pattern.find("..") };
            let end = open.map(|at| if at == 0 { 0 } else { at + 1 });
            // An open component at the end leaves a dot.
            &pattern[..end.unwrap_or(pattern.len())]
        }
    }
}

/// The number of events that may be sorted under the lock.
const FEW: usize = 1000;

impl EventStore {
    /// Goes on with a recall; false if more is left.
    pub(in crate::router) fn recall(
        &self,
        recall: &mut Recall,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> bool {
        if !self.search(recall, turn) {
            return false;
        }
        if !recall.is_sorted {
            if recall.found.len() > FEW {
                return false;
            }
            recall.prepare();
        }
        while let Some(kept) = recall.found.get(recall.sent) {
            if turn.is_over() {
                return false;
            }
            if self.is_current(kept) && kept.publication.is_for(&recall.peer) {
                if let Err(to_make) = send(recall, kept, wakes, turn) {
                    recall.to_make = Some(to_make);
                    return false;
                }
            } else {
                turn.spend(LOOK);
            }
            recall.sent += 1;
            recall.variants = Variants::default();
        }
        true
    }

    /// Goes on with the search; false if more is left.
    fn search(&self, recall: &mut Recall, turn: &mut Turn) -> bool {
        let Some(from) = recall.search.take() else {
            return true;
        };
        if recall.matching == Match::Exact {
            recall.found.extend(self.retained.get(&from).cloned());
            return true;
        }
        let beginning = beginning(&recall.pattern, recall.matching);
        let range = (Bound::Included(&*from), Bound::Unbounded);
        for (topic, kept) in self.retained.range::<str, _>(range) {
            if !topic.starts_with(beginning) {
                break;
            }
            if turn.is_over() {
                recall.search = Some(topic.clone());
                return false;
            }
            turn.spend(LOOK);
            // Later ones have come as events.
            if kept.number <= recall.last && matches(&recall.pattern, recall.matching, topic) {
                recall.found.push(kept.clone());
            }
        }
        true
    }

    /// True if this one is still retained.
    fn is_current(&self, kept: &Kept) -> bool {
        let present = self.retained.get(&kept.publication.topic);
        present.is_some_and(|present| present.number == kept.number)
    }
}

fn send(recall: &Recall, kept: &Kept, wakes: &mut WakeList, turn: &mut Turn) -> Result<(), ToMake> {
    let payload = kept.publication.payload_in(recall.peer.encoding(), &recall.variants)?;
    let Some(payload) = payload else {
        return Ok(());
    };
    turn.send(payload.len());
    let mut details = kept.publication.details_for(recall.matching);
    details.flag("retained");
    let details = details.finish();
    let event = Event {
        subscription: recall.subscription,
        publication: kept.publication.id,
        details: details.dict(),
        payload,
    };
    // Who cannot be sent it, for its encoding or its size, goes without.
    let _ = recall.peer.try_send(wakes, |out| event.write(out));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_beginnings() {
        for (pattern, expected) in [
            ("com..x", "com."),
            ("com.a.", "com.a."),
            ("com.a", "com.a"),
            ("..x", ""),
            (".", ""),
            ("", ""),
            ("com...", "com."),
        ] {
            assert_eq!(beginning(pattern, Match::Wildcard), expected, "{pattern}");
        }
        assert_eq!(beginning("com.a", Match::Prefix), "com.a");
    }
}
