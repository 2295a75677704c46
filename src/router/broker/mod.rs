//! The broker of a realm: who subscribes to what, and the way of an event.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to. What a
//! publication is, and whom it is for, is [`super::publication`]; what is kept of it for later is
//! [`super::event_store`].
//!
//! * here: subscriptions, and PUBLISH.
//! * [`fanout`]: the way of an event to all its subscribers.
//! * `review`: subscriptions under another configuration.
//! * [`subscribers`]: those of one topic.

mod fanout;
mod review;
mod subscribers;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, DictWriter, Encoding, PayloadRef};
use crate::protocol::ids::{IdMap, IdMapHasher};
use crate::protocol::message::{Publish, Subscribe, Subscribed, Unsubscribe, Unsubscribed};
use crate::protocol::uri::{self, Match};

use super::event_store::{EventStore, Recall};
use super::limits::Limits;
use super::meta_event::{MetaEvent, subscription_details};
use super::options::{flag, read_match};
use super::pattern::{Place, Table};
use super::peer::{Peer, WakeList};
use super::publication::{Publication, PublishOptions};
use super::refused::note_refusal;
use super::request::{Fault, check_memory, check_own_uri, check_pattern, is_reserved};
use super::role_rights::RoleRights;
use super::roles::{Action, Kind};
use super::spread::{self, SpreadIds};
use super::turn::{LOOK, Turn};

use fanout::{Encoded, Fanout, Sender, acknowledge};
pub(super) use subscribers::Subscribers;

/// All subscriptions of a realm.
#[derive(Debug)]
pub(super) struct Broker {
    /// The subscriptions that PUBLISH looks through.
    subscriptions: Table<Subscribers>,
    /// The subscriptions of each session, with its number among their subscribers.
    sessions: IdMap<OwnSubscriptions>,
    /// The number of the latest subscriber.
    last_subscriber: u64,
    /// An event that goes to several subscribers is encoded once for each encoding, here.
    encoded: [Encoded; Encoding::ALL.len()],
    /// Publishers are disclosed always.
    disclose: bool,
    /// The events that are kept for later.
    events: EventStore,
    /// The news for the meta topics, for [`super::realm`] to publish.
    pub(super) meta_events: Vec<MetaEvent>,
    /// The work that did not fit into the present turn, for [`super::realm`] to go on with.
    pub(super) rest: VecDeque<BrokerRest>,
    limits: Limits,
    rights: RoleRights,
}

/// The subscriptions of a session.
#[derive(Debug, Default)]
struct OwnSubscriptions {
    numbers: SpreadIds<u64>,
    patterns: usize,
}

/// A session that has left, with the subscriptions that are still to be removed.
#[derive(Debug)]
pub(super) struct Leaving {
    session: u64,
    numbers: spread::IntoIter<u64, u64, IdMapHasher>,
}

/// Something that did not fit into a turn.
#[derive(Debug)]
pub(super) enum BrokerRest {
    Fanout(Box<Fanout>),
    Recall(Box<Recall>),
    /// Events of meta topics, for which an earlier one was not done with.
    Tell(VecDeque<MetaEvent>),
}

impl BrokerRest {
    /// Does what needs no lock, before the next turn.
    pub(super) fn prepare(&mut self) {
        match self {
            BrokerRest::Fanout(fanout) => fanout.prepare(),
            BrokerRest::Recall(recall) => recall.prepare(),
            BrokerRest::Tell(_) => {}
        }
    }
}

impl Broker {
    /// A broker that discloses all publishers, or those only that want it.
    pub(super) fn new(
        disclose: bool,
        events: EventStore,
        limits: &Limits,
        rights: &RoleRights,
    ) -> Broker {
        Broker {
            subscriptions: Table::default(),
            sessions: IdMap::default(),
            last_subscriber: 0,
            encoded: Default::default(),
            disclose,
            events,
            meta_events: Vec::new(),
            rest: VecDeque::new(),
            limits: limits.clone(),
            rights: rights.clone(),
        }
    }

    /// SUBSCRIBE: a session that subscribes again gets the same id, and each event once.
    pub(super) fn subscribe(
        &mut self,
        from: &Arc<Peer>,
        message: &Subscribe<'_>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Fault> {
        let options = SubscribeOptions::read(message.options)?;
        check_pattern(&message.topic, options.matching)?;
        let permissions = self.rights.of(from);
        permissions.check_all(Action::Subscribe, &message.topic, options.matching)?;
        let own = self.sessions.entry(from.id()).or_default();
        let (id, created) = match self.subscriptions.find(&message.topic, options.matching) {
            Some(entry) => (entry.id, false),
            None => {
                own.check(options.matching, &self.limits)?;
                let (topic, matching) = (&message.topic, options.matching);
                (self.subscriptions.insert(topic, matching, Subscribers::default()).id, true)
            }
        };
        let number = match own.numbers.get(&id) {
            Some(number) => *number,
            None => {
                own.check(options.matching, &self.limits)?;
                self.last_subscriber += 1;
                own.numbers.insert(id, self.last_subscriber);
                own.patterns += usize::from(options.matching != Match::Exact);
                self.last_subscriber
            }
        };
        let Some(entry) = self.subscriptions.by_id_mut(id) else {
            return Ok(());
        };
        let joined = entry.value.is_before(number);
        if joined {
            entry.value.push(number, from.clone());
        }
        let answer = Subscribed { request: message.request, subscription: id };
        from.send(wakes, |out| answer.write(out));
        if options.get_retained {
            let mut recall = Recall::new(entry, from, number, &self.events);
            if !self.events.recall(&mut recall, wakes, turn) {
                self.rest.push_back(BrokerRest::Recall(Box::new(recall)));
            }
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
        let Some(number) = self.disown(from.id(), id) else {
            let why = format!("this session has no subscription {id}");
            return Err(Fault::refused(uri::NO_SUCH_SUBSCRIPTION, why));
        };
        self.remove(from.id(), id, number);
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
        let Some(number) = self.disown(subscriber, id) else {
            return false;
        };
        let peer = self.remove(subscriber, id, number);
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
        frame: &Bytes,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Fault> {
        let options = PublishOptions::read(message.options)?;
        let permissions = self.rights.of(from);
        let checked = check_own_uri(&message.topic, Match::Exact)
            .and_then(|()| permissions.check(Action::Publish, &message.topic))
            .and_then(|()| check_memory(from.budget(), message.payload));
        if let Err(refused) = checked {
            if options.acknowledge {
                return Err(refused);
            }
            if let Fault::Refused(refusal) = &refused {
                note_refusal(from, refusal, wakes);
            }
            return Err(Fault::Unheard);
        }
        let wants_answer = options.acknowledge;
        let excluded = options.exclude_me.then(|| from.id());
        let discloses = (self.disclose || options.disclose_me).then_some(&**from);
        let publication =
            Publication::new(&message.topic, message.payload, options, excluded, discloses)
                .in_frame(frame);
        let sender = || Sender::new(from, message.request, wants_answer);
        match self.send(&publication, sender, wakes, turn) {
            Ok(true) if wants_answer => {
                acknowledge(from, message.request, publication.id, wakes);
                Ok(())
            }
            Err(refusal) if wants_answer => Err(Fault::Refused(refusal)),
            Err(_) => Err(Fault::Unheard),
            Ok(_) => Ok(()),
        }
    }

    /// Publishes events of meta topics, one after the other.
    pub(super) fn tell_all(
        &mut self,
        mut events: VecDeque<MetaEvent>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) {
        while let Some(event) = events.pop_front() {
            turn.spend(LOOK);
            let before = self.rest.len();
            self.tell(event, wakes, turn);
            if self.rest.len() > before && !events.is_empty() {
                return self.rest.push_back(BrokerRest::Tell(events));
            }
        }
    }

    /// Publishes an event of a meta topic.
    pub(super) fn tell(&mut self, event: MetaEvent, wakes: &mut WakeList, turn: &mut Turn) {
        if self.is_heard(event.topic) {
            let args = event.args();
            let publication =
                Publication::by_router(event.topic, PayloadRef::args(&args), event.about);
            // Who publishes it hears nothing of it.
            let _ = self.deliver(&publication, wakes, turn);
        }
    }

    /// Goes on with what did not fit into an earlier turn.
    pub(super) fn go_on(&mut self, rest: BrokerRest, wakes: &mut WakeList, turn: &mut Turn) {
        match rest {
            BrokerRest::Fanout(fanout) => self.fan_out(fanout, wakes, turn),
            BrokerRest::Tell(events) => self.tell_all(events, wakes, turn),
            BrokerRest::Recall(mut recall) => {
                let own = self.sessions.get(&recall.session());
                let own = own.and_then(|own| own.numbers.get(&recall.subscription()));
                if !recall.is_for(own.copied()) || self.events.recall(&mut recall, wakes, turn) {
                    return;
                }
                self.rest.push_back(BrokerRest::Recall(recall));
            }
        }
    }

    /// True if anybody would get an event of this topic.
    fn is_heard(&self, topic: &str) -> bool {
        self.subscriptions.exact(topic).is_some()
            || self.subscriptions.has_patterns()
                && self.subscriptions.matches(topic, Place::default()).next(usize::MAX).is_some()
    }

    /// Lets go of a session, and gives its subscriptions, which are still to be removed.
    pub(super) fn leave(&mut self, from: &Arc<Peer>) -> Leaving {
        let own = self.sessions.remove(&from.id()).unwrap_or_default();
        Leaving { session: from.id(), numbers: own.numbers.into_iter() }
    }

    /// Removes one of the subscriptions of a session that has left; false if there is none.
    pub(super) fn leave_one(&mut self, own: &mut Leaving) -> bool {
        let Some((id, number)) = own.numbers.next() else {
            return false;
        };
        self.remove(own.session, id, number);
        true
    }

    /// The work of adding and removing subscriptions since the last time.
    pub(super) fn take_work(&mut self) -> usize {
        self.subscriptions.take_work()
    }

    /// True if publishers are disclosed always.
    pub(super) fn discloses(&self) -> bool {
        self.disclose
    }

    /// The subscriptions, for the meta API.
    pub(super) fn subscriptions(&self) -> &Table<Subscribers> {
        &self.subscriptions
    }

    /// The events that are kept.
    pub(super) fn events_mut(&mut self) -> &mut EventStore {
        &mut self.events
    }

    /// The events that are kept, for the meta API.
    pub(super) fn events(&self) -> &EventStore {
        &self.events
    }

    /// Takes a subscription off a session; gives its number there.
    fn disown(&mut self, subscriber: u64, id: u64) -> Option<u64> {
        let own = self.sessions.get_mut(&subscriber)?;
        let number = own.numbers.remove(&id)?;
        let entry = self.subscriptions.by_id(id)?;
        own.patterns -= usize::from(entry.matching != Match::Exact);
        Some(number)
    }

    /// Takes a subscriber away, and the subscription with the last one.
    fn remove(&mut self, subscriber: u64, id: u64, number: u64) -> Option<Arc<Peer>> {
        let entry = self.subscriptions.by_id_mut(id)?;
        let peer = entry.value.remove(number);
        let deserted = entry.value.len() == 0;
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

impl OwnSubscriptions {
    /// Refuses one more than a session may have.
    fn check(&self, matching: Match, limits: &Limits) -> Result<(), Fault> {
        limits.max_subscriptions.check(self.numbers.len())?;
        if matching != Match::Exact {
            limits.max_patterns.check(self.patterns)?;
        }
        Ok(())
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
