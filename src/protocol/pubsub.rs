//! Publications and subscriptions of a session (basic profile, "Publish and Subscribe").
//!
//! Several local handlers can share one subscription of the router: it gives the same id to every
//! SUBSCRIBE of a topic, and sends each EVENT once. So there is
//!
//! * one SUBSCRIBE on the wire per topic and options, shared by the handlers that ask for the same;
//! * one UNSUBSCRIBE, when the last handler of a router's subscription goes. It is held back while
//!   a SUBSCRIBE for the same topic is on its way: the answer could name the very id.

use std::collections::HashMap;
use std::ffi::CStr;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, Payload, PayloadRef, Span};

use super::event::{Cause, Event, EventKind, RequestError, c_text};
use super::ids::IdMap;
use super::message::{self, code};
use super::session::{Request, Session, Violation};
use super::uri::{self, Match};

/// What tells subscriptions apart on the wire: topic and options as text.
type Key = (Arc<CStr>, Box<[u8]>);

/// The subscriptions of a session.
#[derive(Debug)]
pub(super) struct Subscriptions<H> {
    /// By the router's id.
    active: IdMap<Subscription<H>>,
    /// The router's id, or the request that will tell it, of what has been subscribed.
    by_key: HashMap<Key, Place>,
    /// Where a local id is.
    locals: IdMap<Place>,
    /// Requests on their way.
    pending: Vec<(u64, Arc<CStr>)>,
}

/// Local ids with whom to tell of events.
type Handlers<H> = Vec<(u64, H)>;
/// Local ids that have ended, with who wants to know.
pub(super) type Leaving<H> = Vec<(u64, Option<H>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Pending { request: u64 },
    Active { subscription: u64 },
}

/// One subscription of the router.
#[derive(Debug)]
struct Subscription<H> {
    topic: Arc<CStr>,
    matching: Match,
    handlers: Handlers<H>,
    /// Local ids that have ended, whose UNSUBSCRIBE is held back.
    leaving: Leaving<H>,
}

impl<H> Subscription<H> {
    fn show(&self, show: &mut impl FnMut(u64, &H)) {
        self.handlers.iter().for_each(|(id, target)| show(*id, target));
        let leaving = self.leaving.iter().filter_map(|(id, target)| Some((*id, target.as_ref()?)));
        leaving.for_each(|(id, target)| show(id, target));
    }
}

/// An active subscription or registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The local id.
    pub id: u64,
    /// The router's id.
    pub wamp_id: u64,
    /// The topic or procedure, or the pattern.
    pub uri: Arc<CStr>,
    /// How it matches.
    pub matching: Match,
}

/// A SUBSCRIBE on its way.
#[derive(Debug)]
pub(super) struct PendingSubscribe<H> {
    key: Key,
    matching: Match,
    waiting: Handlers<H>,
}

impl<H> PendingSubscribe<H> {
    pub(super) fn into_targets(self) -> Leaving<H> {
        self.waiting.into_iter().map(|(id, target)| (id, Some(target))).collect()
    }

    /// Shows who waits for it.
    pub(super) fn each_handler(&self, show: &mut impl FnMut(u64, &H)) {
        self.waiting.iter().for_each(|(id, target)| show(*id, target));
    }
}

impl<H> Default for Subscriptions<H> {
    fn default() -> Self {
        Subscriptions {
            active: IdMap::default(),
            by_key: HashMap::new(),
            locals: IdMap::default(),
            pending: Vec::new(),
        }
    }
}

impl<H> Subscriptions<H> {
    /// Takes everything out: the handlers, and who waits for a held back UNSUBSCRIBE.
    pub(super) fn drain(&mut self) -> (Handlers<H>, Leaving<H>) {
        let (mut handlers, mut leaving) = (Vec::new(), Vec::new());
        for subscription in mem::take(self).active.into_values() {
            handlers.extend(subscription.handlers);
            leaving.extend(subscription.leaving);
        }
        handlers.sort_unstable_by_key(|(id, _)| *id);
        (handlers, leaving)
    }

    /// Shows who hears of a local id, and those who share its subscription.
    pub(super) fn handlers_of(&self, local: u64, show: &mut impl FnMut(u64, &H)) {
        if let Some(Place::Active { subscription }) = self.locals.get(&local)
            && let Some(active) = self.active.get(subscription)
        {
            active.show(show);
        }
    }

    /// Shows everybody who hears of events, or waits for a held back UNSUBSCRIBE.
    pub(super) fn each_handler(&self, show: &mut impl FnMut(u64, &H)) {
        self.active.values().for_each(|active| active.show(show));
    }

    /// Forgets a router's subscription; a later SUBSCRIBE for the same goes over the wire again.
    fn remove(&mut self, subscription: u64) -> Option<Subscription<H>> {
        self.by_key.retain(|_, place| *place != Place::Active { subscription });
        self.active.remove(&subscription)
    }

    /// True while a SUBSCRIBE for `topic` is on its way.
    fn is_pending(&self, topic: &CStr) -> bool {
        self.pending.iter().any(|(_, pending)| **pending == *topic)
    }
}

impl<H: Clone> Session<H> {
    /// Publishes without acknowledgement: nothing more will be heard of it.
    pub fn publish(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_broker()?;
        uri::check(topic, Match::Exact)?;
        self.check_broker_passthru(options)?;
        self.request(|request, out| {
            message::Publish { request, options, topic: topic.into(), payload }.write(out);
        })?;
        Ok(())
    }

    /// Publishes with the option `acknowledge`, which `options` must hold; Published or Error
    /// follows. Returns the local id.
    pub fn publish_ack(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_broker()?;
        uri::check(topic, Match::Exact)?;
        self.check_broker_passthru(options)?;
        let request = self.request(|request, out| {
            message::Publish { request, options, topic: topic.into(), payload }.write(out);
        })?;
        self.requests.insert(request, Request::Publish { target });
        Ok(self.request_local(request))
    }

    /// Subscribes; Subscribed or Error follows, then Events. Returns the local id.
    pub fn subscribe(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_broker()?;
        let matching = uri::matching(options)?;
        uri::check(topic, matching)?;
        let key: Key = (c_text(topic), options.as_bytes().into());
        // A retained event comes only with a SUBSCRIBE of one's own.
        let shareable = !matches!(options.bool("get_retained"), Ok(Some(true)));
        match self.subscriptions.by_key.get(&key).copied().filter(|_| shareable) {
            Some(Place::Active { subscription }) => Ok(self.join_active(subscription, target)),
            Some(Place::Pending { request }) => Ok(self.join_pending(request, target)),
            None => self.subscribe_anew(topic, options, key, matching, target),
        }
    }

    /// Ends a subscription; Unsubscribed (or Error) follows, to `target`. True if it was the last
    /// handler, so that the router's subscription ends.
    pub fn unsubscribe(&mut self, local: u64, target: Option<H>) -> Result<bool, RequestError> {
        self.check_open()?;
        match self.subscriptions.locals.remove(&local).ok_or(RequestError::NoSuchId)? {
            Place::Pending { request } => Ok(self.unsubscribe_pending(request, local, target)),
            Place::Active { subscription } => {
                Ok(self.unsubscribe_active(subscription, local, target))
            }
        }
    }

    /// The active subscriptions, by local id.
    pub fn subscriptions(&self) -> Vec<Listed> {
        let active = self.subscriptions.active.iter();
        let listed = active.flat_map(|(id, subscription)| {
            subscription.handlers.iter().map(|(local, _)| Listed {
                id: *local,
                wamp_id: *id,
                uri: subscription.topic.clone(),
                matching: subscription.matching,
            })
        });
        let mut list: Vec<_> = listed.collect();
        list.sort_unstable_by_key(|listed| listed.id);
        list
    }

    // ===== received =====

    pub(super) fn on_event(
        &mut self,
        frame: &Bytes,
        event: &message::Event<'_>,
    ) -> Result<(), Violation> {
        let named = match event.details.is_empty() {
            true => None,
            false => event.details.text("topic")?,
        };
        // An unknown subscription is no violation: our UNSUBSCRIBE crosses with events.
        let Some(subscription) = self.subscriptions.active.get(&event.subscription) else {
            return Ok(());
        };
        let topic = match (subscription.matching, named) {
            (Match::Prefix | Match::Wildcard, Some(named)) => c_text(&named),
            _ => subscription.topic.clone(),
        };
        let details = Span::from_dict(frame, event.details);
        for (local, target) in &subscription.handlers {
            let mut told = Event::new(EventKind::Event, *local, Some(target.clone()));
            told.wamp_id = event.publication;
            told.uri = Some(topic.clone());
            told.details = details;
            told.payload = Payload::from_frame(frame, event.payload);
            self.events.push(told);
        }
        Ok(())
    }

    pub(super) fn on_published(&mut self, published: &message::Published) -> Result<(), Violation> {
        if let Some(Request::Publish { target }) =
            self.answered(published.request, code::PUBLISH)?
        {
            let local = self.request_local(published.request);
            let mut event = Event::new(EventKind::Published, local, Some(target));
            event.wamp_id = published.publication;
            self.emit(event);
        }
        Ok(())
    }

    pub(super) fn on_subscribed(
        &mut self,
        subscribed: &message::Subscribed,
    ) -> Result<(), Violation> {
        let Some(Request::Subscribe(pending)) =
            self.answered(subscribed.request, code::SUBSCRIBE)?
        else {
            return Ok(());
        };
        let id = subscribed.subscription;
        let (topic, all) = (pending.key.0.clone(), &mut self.subscriptions);
        all.pending.retain(|(request, _)| *request != subscribed.request);
        let subscription = all.active.entry(id).or_insert_with(|| Subscription {
            topic: topic.clone(),
            matching: pending.matching,
            handlers: Vec::new(),
            leaving: Vec::new(),
        });
        all.by_key.insert(pending.key, Place::Active { subscription: id });
        let mut events = Vec::with_capacity(pending.waiting.len());
        for (local, target) in pending.waiting {
            all.locals.insert(local, Place::Active { subscription: id });
            subscription.handlers.push((local, target.clone()));
            let mut event = Event::new(EventKind::Subscribed, local, Some(target));
            event.wamp_id = id;
            event.uri = Some(topic.clone());
            events.push(event);
        }
        events.into_iter().for_each(|event| self.emit(event));
        self.settle(&topic);
        Ok(())
    }

    pub(super) fn subscribe_failed(
        &mut self,
        request: u64,
        pending: PendingSubscribe<H>,
        failed: impl Fn(u64, H) -> Event<H>,
    ) {
        self.subscriptions.pending.retain(|(waiting, _)| *waiting != request);
        self.subscriptions.by_key.retain(|_, place| *place != Place::Pending { request });
        for (local, target) in pending.waiting {
            self.subscriptions.locals.remove(&local);
            self.emit(failed(local, target));
        }
        self.settle(&pending.key.0);
    }

    pub(super) fn on_unsubscribed(
        &mut self,
        frame: &Bytes,
        unsubscribed: &message::Unsubscribed<'_>,
    ) -> Result<(), Violation> {
        if unsubscribed.request == 0 {
            return self.on_subscription_revoked(frame, unsubscribed.details);
        }
        if let Some(Request::Unsubscribe(leaving)) =
            self.answered(unsubscribed.request, code::UNSUBSCRIBE)?
        {
            for (local, target) in leaving {
                self.emit(Event::new(EventKind::Unsubscribed, local, target));
            }
        }
        Ok(())
    }

    fn on_subscription_revoked(
        &mut self,
        frame: &Bytes,
        details: Option<Dict<'_>>,
    ) -> Result<(), Violation> {
        let Some(details) = details else {
            return Ok(());
        };
        let Some(id) = details.id("subscription")? else {
            return Ok(());
        };
        let reason = details.text("reason")?.unwrap_or_default();
        let Some(subscription) = self.subscriptions.remove(id) else {
            return Ok(());
        };
        for (local, target) in subscription.handlers {
            self.subscriptions.locals.remove(&local);
            let mut event = Event::new(EventKind::Unsubscribed, local, Some(target));
            event.wamp_id = id;
            event.uri = Some(c_text(&reason));
            event.payload = Payload::from_frame(frame, PayloadRef::NONE);
            event.details = Span::from_dict(frame, details);
            self.emit(event);
        }
        for (local, target) in subscription.leaving {
            self.emit(Event::new(EventKind::Unsubscribed, local, target));
        }
        Ok(())
    }

    // ===== steps =====

    fn subscribe_anew(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        key: Key,
        matching: Match,
        target: H,
    ) -> Result<u64, RequestError> {
        let request = self.request(|request, out| {
            message::Subscribe { request, options, topic: topic.into() }.write(out);
        })?;
        let local = self.new_local();
        let all = &mut self.subscriptions;
        all.pending.push((request, key.0.clone()));
        all.locals.insert(local, Place::Pending { request });
        all.by_key.insert(key.clone(), Place::Pending { request });
        let pending = PendingSubscribe { key, matching, waiting: vec![(local, target)] };
        self.requests.insert(request, Request::Subscribe(Box::new(pending)));
        Ok(local)
    }

    fn join_active(&mut self, id: u64, target: H) -> u64 {
        let local = self.new_local();
        self.subscriptions.locals.insert(local, Place::Active { subscription: id });
        let mut event = Event::new(EventKind::Subscribed, local, Some(target.clone()));
        event.wamp_id = id;
        if let Some(subscription) = self.subscriptions.active.get_mut(&id) {
            subscription.handlers.push((local, target));
            event.uri = Some(subscription.topic.clone());
        }
        self.emit(event);
        local
    }

    fn join_pending(&mut self, request: u64, target: H) -> u64 {
        let local = self.new_local();
        self.subscriptions.locals.insert(local, Place::Pending { request });
        if let Some(Request::Subscribe(pending)) = self.requests.get_mut(&request) {
            pending.waiting.push((local, target));
        }
        local
    }

    fn unsubscribe_pending(&mut self, request: u64, local: u64, target: Option<H>) -> bool {
        let Some(Request::Subscribe(pending)) = self.requests.get_mut(&request) else {
            return true;
        };
        let at = pending.waiting.iter().position(|(id, _)| *id == local);
        let given_up = at.map(|at| pending.waiting.remove(at));
        let is_last = pending.waiting.is_empty();
        if let Some((local, subscriber)) = given_up {
            self.emit(Event::failed(local, subscriber, Cause::Canceled, uri::CANCELED));
        }
        self.emit(Event::new(EventKind::Unsubscribed, local, target));
        is_last
    }

    fn unsubscribe_active(&mut self, id: u64, local: u64, target: Option<H>) -> bool {
        let Some(subscription) = self.subscriptions.active.get_mut(&id) else {
            return true;
        };
        let topic = subscription.topic.clone();
        if let Some(at) = subscription.handlers.iter().position(|(id, _)| *id == local) {
            let (local, handler) = subscription.handlers.remove(at);
            self.emit(Event::new(EventKind::Gone, local, Some(handler)));
        }
        let Some(subscription) = self.subscriptions.active.get_mut(&id) else {
            return true;
        };
        if !subscription.handlers.is_empty() {
            self.emit(Event::new(EventKind::Unsubscribed, local, target));
            return false;
        }
        subscription.leaving.push((local, target));
        self.settle(&topic);
        true
    }

    /// Sends the UNSUBSCRIBEs for `topic` that nothing holds back any more.
    fn settle(&mut self, topic: &Arc<CStr>) {
        if self.subscriptions.is_pending(topic) {
            return;
        }
        let of_topic: Vec<u64> = (self.subscriptions.active.iter())
            .filter(|(_, subscription)| subscription.topic == *topic)
            .map(|(id, _)| *id)
            .collect();
        for id in of_topic {
            let Some(subscription) = self.subscriptions.active.get_mut(&id) else {
                continue;
            };
            let leaving = mem::take(&mut subscription.leaving);
            if !subscription.handlers.is_empty() {
                for (local, target) in leaving {
                    self.emit(Event::new(EventKind::Unsubscribed, local, target));
                }
                continue;
            }
            self.subscriptions.remove(id);
            let sent = self.request(|request, out| {
                message::Unsubscribe { request, subscription: id }.write(out);
            });
            if let Ok(request) = sent {
                self.requests.insert(request, Request::Unsubscribe(leaving));
            }
        }
    }
}
