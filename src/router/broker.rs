//! The broker of a realm: who subscribes to what, and the way of an event.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{Dict, MAX_ID};
use crate::protocol::ids::IdMap;
use crate::protocol::message::{
    Event, Publish, Published, Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};
use crate::protocol::uri;

use super::peer::{Peer, Rings};
use super::request::{Fault, check_option, check_own_uri, check_uri};

/// All subscriptions of a realm.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// By topic: what PUBLISH looks for.
    subscriptions: HashMap<Arc<str>, Subscription>,
    /// The topic of each subscription.
    topics: IdMap<Arc<str>>,
    /// The subscriptions of each session, with their topics.
    sessions: IdMap<IdMap<Arc<str>>>,
    last_subscription: u64,
    /// An event that goes to several subscribers is encoded once, here.
    encoded: Vec<u8>,
}

/// One topic, shared by all its subscribers.
#[derive(Debug)]
struct Subscription {
    id: u64,
    subscribers: IdMap<Arc<Peer>>,
}

impl Broker {
    /// SUBSCRIBE: a session that subscribes again gets the same id, and each event once.
    pub(super) fn subscribe(
        &mut self,
        from: &Arc<Peer>,
        message: &Subscribe<'_>,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        check_option(message.options, "match", "exact")?;
        check_uri(&message.topic)?;
        let subscription = self.subscription(&message.topic);
        subscription.subscribers.entry(from.id()).or_insert_with(|| from.clone());
        let id = subscription.id;
        let topic = self.topics[&id].clone();
        self.sessions.entry(from.id()).or_default().insert(id, topic);
        let answer = Subscribed { request: message.request, subscription: id };
        from.send(rings, |out| answer.write(out));
        Ok(())
    }

    /// UNSUBSCRIBE
    pub(super) fn unsubscribe(
        &mut self,
        from: &Arc<Peer>,
        message: &Unsubscribe,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        let id = message.subscription;
        let own = self.sessions.get_mut(&from.id());
        let Some(topic) = own.and_then(|own| own.remove(&id)) else {
            let why = format!("this session has no subscription {id}");
            return Err(Fault::refused(uri::NO_SUCH_SUBSCRIPTION, why));
        };
        self.remove(from, &topic);
        let answer = Unsubscribed { request: message.request, details: None };
        from.send(rings, |out| answer.write(out));
        Ok(())
    }

    /// PUBLISH: without `acknowledge` the publisher hears nothing, not even of an error.
    pub(super) fn publish(
        &mut self,
        from: &Arc<Peer>,
        message: &Publish<'_>,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        let options = PublishOptions::read(message.options)?;
        if let Err(refused) = check_own_uri(&message.topic) {
            return if options.acknowledge { Err(refused) } else { Ok(()) };
        }
        let publication = fastrand::u64(1..=MAX_ID);
        let excluded = options.exclude_me.then(|| from.id());
        self.deliver(excluded, message, publication, rings);
        if options.acknowledge {
            let answer = Published { request: message.request, publication };
            from.send(rings, |out| answer.write(out));
        }
        Ok(())
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, from: &Arc<Peer>) {
        let own = self.sessions.remove(&from.id()).unwrap_or_default();
        for topic in own.values() {
            self.remove(from, topic);
        }
    }

    fn deliver(
        &mut self,
        excluded: Option<u64>,
        message: &Publish<'_>,
        publication: u64,
        rings: &mut Rings,
    ) {
        let Some(subscription) = self.subscriptions.get(&*message.topic) else {
            return;
        };
        let event = Event {
            subscription: subscription.id,
            publication,
            details: Dict::EMPTY,
            payload: message.payload,
        };
        let mut receivers = subscription
            .subscribers
            .iter()
            .filter(|(id, _)| Some(**id) != excluded)
            .map(|(_, peer)| peer);
        let Some(first) = receivers.next() else {
            return;
        };
        first.send(rings, |out| event.write(out));
        let Some(second) = receivers.next() else {
            return;
        };
        self.encoded.clear();
        event.write(&mut self.encoded);
        for receiver in std::iter::once(second).chain(receivers) {
            receiver.send(rings, |out| out.extend_from_slice(&self.encoded));
        }
        // One large event is no reason to keep a large buffer.
        self.encoded.clear();
        self.encoded.shrink_to(64 * 1024);
    }

    /// The subscription for `topic`, made if there is none.
    fn subscription(&mut self, topic: &str) -> &mut Subscription {
        if !self.subscriptions.contains_key(topic) {
            self.last_subscription += 1;
            self.topics.insert(self.last_subscription, topic.into());
        }
        let id = self.last_subscription;
        self.subscriptions
            .entry(topic.into())
            .or_insert_with(|| Subscription { id, subscribers: IdMap::default() })
    }

    /// Takes a subscriber away, and the subscription with the last one.
    fn remove(&mut self, from: &Arc<Peer>, topic: &Arc<str>) {
        let Some(subscription) = self.subscriptions.get_mut(topic) else {
            return;
        };
        subscription.subscribers.remove(&from.id());
        if subscription.subscribers.is_empty() {
            self.topics.remove(&subscription.id);
            self.subscriptions.remove(topic);
        }
    }
}

/// The options of PUBLISH that this broker knows.
struct PublishOptions {
    acknowledge: bool,
    exclude_me: bool,
}

impl PublishOptions {
    fn read(options: Dict<'_>) -> Result<Self, Fault> {
        if options.is_empty() {
            return Ok(PublishOptions { acknowledge: false, exclude_me: true });
        }
        Ok(PublishOptions {
            acknowledge: options.bool("acknowledge")?.unwrap_or(false),
            exclude_me: options.bool("exclude_me")?.unwrap_or(true),
        })
    }
}
