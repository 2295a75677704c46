//! The broker of a realm: who subscribes to what, and the way of an event.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to. What a
//! publication is, and whom it is for, is [`super::publication`]; what is kept of it for later is
//! [`super::event_store`].

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, DictWriter, Encoding, Out, Rules, Unsendable};
use crate::protocol::ids::IdMap;
use crate::protocol::message::{
    Event, Publish, Published, Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};
use crate::protocol::uri::{self, Match};

use super::budget;
use super::event_store::EventStore;
use super::meta_event::{MetaEvent, subscription_details};
use super::options::{flag, read_match};
use super::pattern::{Entry, Table};
use super::peer::{Peer, Subscribers, WakeList};
use super::publication::{Publication, PublishOptions};
use super::request::{
    Fault, Refusal, check_memory, check_own_uri, check_pattern, is_large, is_reserved,
};
use super::roles::{Action, Kind};

/// All subscriptions of a realm.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// The subscriptions that PUBLISH looks through.
    subscriptions: Table<Subscribers>,
    /// The subscriptions of each session.
    sessions: IdMap<IdMap<()>>,
    /// An event that goes to several subscribers is encoded once for each encoding, here.
    encoded: [Encoded; Encoding::ALL.len()],
    /// Publishers are disclosed always.
    disclose: bool,
    /// The events that are kept for later.
    events: EventStore,
    /// The news for the meta topics, for [`super::realm`] to publish.
    pub(super) meta_events: Vec<MetaEvent>,
}

/// An event in one encoding.
#[derive(Debug, Default)]
struct Encoded {
    bytes: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has got it in this encoding.
    #[default]
    Unwanted,
    /// One has, directly.
    SentOnce,
    /// Here it is.
    Ready,
    /// This encoding cannot carry it.
    Impossible,
}

impl Encoded {
    /// Encodes it, unless the encoding cannot carry it, or there is no memory for it.
    fn encode(&mut self, event: &Event<'_>, encoding: Encoding) {
        self.state = State::Impossible;
        let mut out = Out::new(&mut self.bytes, encoding, Rules::Tolerant);
        event.write(&mut out);
        if out.finish().is_ok() {
            self.state = State::Ready;
        }
    }
}

/// The reach of an event.
#[derive(Debug, Default)]
struct Reach {
    /// Somebody has got it, or goes without for a reason other than its size.
    reached: bool,
    /// The error of a receiver for which it is too large.
    too_large: Option<Unsendable>,
}

impl Reach {
    fn note(&mut self, sent: Result<(), Unsendable>) {
        match sent {
            Err(error @ Unsendable::TooLarge(_)) => self.too_large = Some(error),
            _ => self.reached = true,
        }
    }
}

impl Broker {
    /// A broker that discloses all publishers, or those only that want it.
    pub(super) fn new(disclose: bool, events: EventStore) -> Broker {
        Broker { disclose, events, ..Broker::default() }
    }

    /// SUBSCRIBE: a session that subscribes again gets the same id, and each event once.
    pub(super) fn subscribe(
        &mut self,
        from: &Arc<Peer>,
        message: &Subscribe<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let options = SubscribeOptions::read(message.options)?;
        check_pattern(&message.topic, options.matching)?;
        let permissions = &from.identity().permissions;
        permissions.check_all(Action::Subscribe, &message.topic, options.matching)?;
        let (entry, created) = match self.subscriptions.find(&message.topic, options.matching) {
            Some(entry) => (entry.id, false),
            None => {
                let subscribers = Subscribers::default();
                let entry =
                    self.subscriptions.insert(&message.topic, options.matching, subscribers);
                (entry.id, true)
            }
        };
        let Some(entry) = self.subscriptions.by_id_mut(entry) else {
            return Ok(());
        };
        let joined = entry.value.insert(from.id(), from.clone()).is_none();
        self.sessions.entry(from.id()).or_default().insert(entry.id, ());
        let answer = Subscribed { request: message.request, subscription: entry.id };
        from.send(wakes, |out| answer.write(out));
        if options.get_retained {
            self.events.recall(entry, from, wakes);
        }
        // Those who watch the meta topics are not told of each other.
        if joined && !is_reserved(&message.topic) {
            if created {
                let details = subscription_details(entry);
                let topic = "wamp.subscription.on_create";
                let event = MetaEvent::created(topic, from.id(), &details);
                self.meta_events.push(event.about(Kind::Topic, entry));
            }
            let topic = "wamp.subscription.on_subscribe";
            let event = MetaEvent::changed(topic, from.id(), entry.id);
            self.meta_events.push(event.about(Kind::Topic, entry));
        }
        Ok(())
    }

    /// UNSUBSCRIBE
    pub(super) fn unsubscribe(
        &mut self,
        from: &Arc<Peer>,
        message: &Unsubscribe,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let id = message.subscription;
        let own = self.sessions.get_mut(&from.id());
        if own.and_then(|own| own.remove(&id)).is_none() {
            let why = format!("this session has no subscription {id}");
            return Err(Fault::refused(uri::NO_SUCH_SUBSCRIPTION, why));
        }
        self.remove(from.id(), id);
        let answer = Unsubscribed { request: message.request, details: None };
        from.send(wakes, |out| answer.write(out));
        Ok(())
    }

    /// Takes a subscription away from a subscriber and tells it; false if it has none such.
    pub(super) fn revoke(
        &mut self,
        subscriber: u64,
        id: u64,
        reason: &str,
        wakes: &mut WakeList,
    ) -> bool {
        let own = self.sessions.get_mut(&subscriber);
        if own.and_then(|own| own.remove(&id)).is_none() {
            return false;
        }
        let peer = self.remove(subscriber, id);
        if let Some(peer) = peer.filter(|peer| peer.identity().features.subscription_revocation) {
            let mut details = DictWriter::default();
            details.uint("subscription", id).text("reason", reason);
            let details = details.finish();
            let revoked = Unsubscribed { request: 0, details: Some(details.dict()) };
            peer.send(wakes, |out| revoked.write(out));
        }
        true
    }

    /// PUBLISH: without `acknowledge` the publisher hears nothing, not even of an error.
    pub(super) fn publish(
        &mut self,
        from: &Arc<Peer>,
        message: &Publish<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let options = PublishOptions::read(message.options)?;
        let permissions = &from.identity().permissions;
        let checked = check_own_uri(&message.topic, Match::Exact)
            .and_then(|()| permissions.check(Action::Publish, &message.topic))
            .and_then(|()| check_memory(from.budget(), message.payload));
        if let Err(refused) = checked {
            return if options.acknowledge { Err(refused) } else { Err(Fault::Unheard) };
        }
        let acknowledge = options.acknowledge;
        let excluded = options.exclude_me.then(|| from.id());
        let discloses = (self.disclose || options.disclose_me).then_some(&**from);
        let publication =
            Publication::new(&message.topic, message.payload, options, excluded, discloses);
        if let Err(error) = self.deliver(&publication, wakes) {
            let refused = Fault::Refused(Refusal::unsendable(error));
            return Err(if acknowledge { refused } else { Fault::Unheard });
        }
        if acknowledge {
            let answer = Published { request: message.request, publication: publication.id };
            from.send(wakes, |out| answer.write(out));
        }
        Ok(())
    }

    /// Brings a publication to all whom it is for, and keeps it where that is wanted. Fails if it
    /// is too large for every one of them and is not kept either: it has come to nothing then.
    pub(super) fn deliver(
        &mut self,
        publication: &Publication<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Unsendable> {
        let mut reach = Reach::default();
        if let Some(entry) = self.subscriptions.exact(publication.topic) {
            deliver_to(entry, publication, &mut self.encoded, &mut reach, wakes);
        }
        if self.subscriptions.has_patterns() {
            for entry in self.subscriptions.patterns(publication.topic) {
                deliver_to(entry, publication, &mut self.encoded, &mut reach, wakes);
            }
        }
        match (self.events.keep(publication), reach) {
            (false, Reach { reached: false, too_large: Some(error) }) => Err(error),
            _ => Ok(()),
        }
    }

    /// True if anybody would get an event of this topic.
    pub(super) fn is_heard(&self, topic: &str) -> bool {
        self.subscriptions.exact(topic).is_some()
            || self.subscriptions.has_patterns()
                && self.subscriptions.patterns(topic).next().is_some()
    }

    /// Removes a session.
    pub(super) fn leave(&mut self, from: &Arc<Peer>) {
        let own = self.sessions.remove(&from.id()).unwrap_or_default();
        for id in own.keys() {
            self.remove(from.id(), *id);
        }
    }

    /// True if publishers are disclosed always.
    pub(super) fn discloses(&self) -> bool {
        self.disclose
    }

    /// The subscriptions, for the meta API.
    pub(super) fn subscriptions(&self) -> &Table<Subscribers> {
        &self.subscriptions
    }

    /// The events that are kept, for the meta API.
    pub(super) fn events(&self) -> &EventStore {
        &self.events
    }

    /// Takes a subscriber away, and the subscription with the last one.
    fn remove(&mut self, subscriber: u64, id: u64) -> Option<Arc<Peer>> {
        let entry = self.subscriptions.by_id_mut(id)?;
        let peer = entry.value.remove(&subscriber);
        let deserted = entry.value.is_empty();
        if !is_reserved(&entry.uri) {
            let mut tell = |topic| {
                let event = MetaEvent::changed(topic, subscriber, id);
                self.meta_events.push(event.about(Kind::Topic, entry));
            };
            tell("wamp.subscription.on_unsubscribe");
            if deserted {
                tell("wamp.subscription.on_delete");
            }
        }
        if deserted {
            self.subscriptions.remove(id);
        }
        peer
    }
}

fn deliver_to(
    entry: &Entry<Subscribers>,
    publication: &Publication<'_>,
    encoded: &mut [Encoded],
    reach: &mut Reach,
    wakes: &mut WakeList,
) {
    let mut receivers = entry.value.values().filter(|peer| publication.is_for(peer)).peekable();
    if receivers.peek().is_none() {
        return;
    }
    let details = publication.details_for(entry.matching);
    let event = Event {
        subscription: entry.id,
        publication: publication.id,
        details: details.dict(),
        payload: publication.payload,
    };
    // Who cannot be sent it, for its encoding or its size, goes without.
    if is_large(publication.payload) {
        share(&event, receivers, encoded, reach, wakes);
    } else {
        for receiver in receivers {
            let encoding = receiver.encoding();
            let own = &mut encoded[encoding as usize];
            if own.state == State::Unwanted && encoding == publication.payload.encoding {
                own.state = State::SentOnce;
                reach.note(receiver.try_send(wakes, |out| event.write(out)));
                continue;
            }
            if matches!(own.state, State::Unwanted | State::SentOnce) {
                own.encode(&event, encoding);
            }
            match own.state {
                State::Ready => reach.note(receiver.try_send(wakes, |out| out.whole(&own.bytes))),
                _ => reach.reached = true,
            }
        }
    }
    for used in encoded {
        used.state = State::Unwanted;
        // One large event is no reason to keep a large buffer.
        used.bytes.clear();
        used.bytes.shrink_to(64 * 1024);
    }
}

/// Brings a large event to its receivers, whose queues share it; one alone gets it directly.
fn share<'a>(
    event: &Event<'_>,
    receivers: impl Iterator<Item = &'a Arc<Peer>>,
    encoded: &mut [Encoded],
    reach: &mut Reach,
    wakes: &mut WakeList,
) {
    let mut messages = [const { None::<Bytes> }; Encoding::ALL.len()];
    let mut receivers = receivers.peekable();
    while let Some(receiver) = receivers.next() {
        let encoding = receiver.encoding();
        let own = &mut encoded[encoding as usize];
        let is_last = receivers.peek().is_none();
        if own.state == State::Unwanted && encoding == event.payload.encoding && is_last {
            reach.note(receiver.try_send(wakes, |out| event.write(out)));
            continue;
        }
        let message = &mut messages[encoding as usize];
        if own.state == State::Unwanted {
            own.encode(event, encoding);
            if own.state == State::Ready {
                let bytes = std::mem::take(&mut own.bytes);
                *message = Some(budget::shared(bytes, receiver.budget()));
            }
        }
        match message {
            Some(message) => reach.note(receiver.try_share(wakes, message)),
            None => reach.reached = true,
        }
    }
}

/// The options of SUBSCRIBE that this broker knows.
#[derive(Default)]
struct SubscribeOptions {
    matching: Match,
    get_retained: bool,
}

impl SubscribeOptions {
    fn read(dict: Dict<'_>) -> Result<Self, Fault> {
        let mut options = SubscribeOptions::default();
        if dict.is_empty() {
            return Ok(options);
        }
        for (key, value) in dict.entries() {
            match key {
                b"match" => options.matching = read_match(key, value)?,
                b"get_retained" => options.get_retained = flag(key, value)?.unwrap_or(false),
                _ => {}
            }
        }
        Ok(options)
    }
}
