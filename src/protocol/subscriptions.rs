//! Subscriptions of a session (basic profile, "Publish and Subscribe").
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

use crate::codec::{Dict, Payload, Span};

use super::error::{RequestError, Violation};
use super::event::{Cause, Event, EventKind, c_text, concrete};
use super::ids::IdMap;
use super::info::SubscriptionInfo;
use super::link::Link;
use super::message::{self, code};
use super::options;
use super::requests::{Handlers, Key, Leaving, PendingSubscribe, Request, each_leaving};
use super::revocation::Revocation;
use super::uri::{self, Match};

/// The subscriptions of a session.
#[derive(Debug)]
pub(super) struct Subscriptions<H> {
    /// The router's subscriptions, by its ids.
    active: IdMap<Subscription<H>>,
    /// The router's id, or the request that will tell it, of what has been subscribed.
    by_key: HashMap<Key, Place>,
    /// The places of local ids.
    locals: IdMap<Place>,
    /// The topics of requests on their way.
    pending: Vec<(u64, Arc<CStr>)>,
}

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
        each_leaving(&self.leaving, show);
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

// ===== looks =====

impl<H> Subscriptions<H> {
    /// The active ones, by local id.
    pub(super) fn list(&self) -> Vec<SubscriptionInfo> {
        let listed = self.active.iter().flat_map(|(id, subscription)| {
            subscription.handlers.iter().map(|(local, _)| SubscriptionInfo {
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

    /// True while a SUBSCRIBE for `topic` is on its way.
    fn is_pending(&self, topic: &CStr) -> bool {
        self.pending.iter().any(|(_, pending)| **pending == *topic)
    }
}

// ===== requests =====

impl<H: Clone> Subscriptions<H> {
    /// Subscribes, over the wire only where no subscription can be shared. Returns the local id.
    pub(super) fn subscribe(
        &mut self,
        link: &mut Link<H>,
        topic: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        link.features.check_broker()?;
        let matching = options::matching(options)?;
        uri::check(topic, matching)?;
        let key: Key = (c_text(topic), options.as_bytes().into());
        // A retained event comes only with a SUBSCRIBE of one's own.
        let shareable = !matches!(options.bool("get_retained"), Ok(Some(true)));
        match self.by_key.get(&key).copied().filter(|_| shareable) {
            Some(Place::Active { subscription }) => {
                Ok(self.join_active(link, subscription, target))
            }
            Some(Place::Pending { request }) => Ok(self.join_pending(link, request, target)),
            None => self.subscribe_anew(link, topic, options, key, matching, target),
        }
    }

    fn subscribe_anew(
        &mut self,
        link: &mut Link<H>,
        topic: &str,
        options: Dict<'_>,
        key: Key,
        matching: Match,
        target: H,
    ) -> Result<u64, RequestError> {
        let request = link.send_request(|request, out| {
            message::Subscribe { request, options, topic: topic.into() }.write(out);
        })?;
        let local = link.ids.new_local();
        self.pending.push((request, key.0.clone()));
        self.locals.insert(local, Place::Pending { request });
        self.by_key.insert(key.clone(), Place::Pending { request });
        let pending = PendingSubscribe { key, matching, waiting: vec![(local, target)] };
        link.requests.insert(request, Request::Subscribe(Box::new(pending)));
        Ok(local)
    }

    fn join_active(&mut self, link: &mut Link<H>, id: u64, target: H) -> u64 {
        let local = link.ids.new_local();
        self.locals.insert(local, Place::Active { subscription: id });
        let mut event = Event::new(EventKind::Subscribed, local, Some(target.clone()));
        event.wamp_id = id;
        if let Some(subscription) = self.active.get_mut(&id) {
            subscription.handlers.push((local, target));
            event.uri = Some(subscription.topic.clone());
        }
        link.emit(event);
        local
    }

    fn join_pending(&mut self, link: &mut Link<H>, request: u64, target: H) -> u64 {
        let local = link.ids.new_local();
        self.locals.insert(local, Place::Pending { request });
        if let Some(Request::Subscribe(pending)) = link.requests.get_mut(&request) {
            pending.waiting.push((local, target));
        }
        local
    }

    /// Ends a local subscription. True if it was the last handler, so that the router's
    /// subscription ends.
    pub(super) fn unsubscribe(
        &mut self,
        link: &mut Link<H>,
        local: u64,
        target: Option<H>,
    ) -> Result<bool, RequestError> {
        match self.locals.remove(&local).ok_or(RequestError::NoSuchId)? {
            Place::Pending { request } => Ok(unsubscribe_pending(link, request, local, target)),
            Place::Active { subscription } => {
                Ok(self.unsubscribe_active(link, subscription, local, target))
            }
        }
    }

    fn unsubscribe_active(
        &mut self,
        link: &mut Link<H>,
        id: u64,
        local: u64,
        target: Option<H>,
    ) -> bool {
        let Some(subscription) = self.active.get_mut(&id) else {
            return true;
        };
        if let Some(at) = subscription.handlers.iter().position(|(id, _)| *id == local) {
            let (local, handler) = subscription.handlers.remove(at);
            link.emit(Event::new(EventKind::Released, local, Some(handler)));
        }
        if !subscription.handlers.is_empty() {
            link.emit(Event::new(EventKind::Unsubscribed, local, target));
            return false;
        }
        subscription.leaving.push((local, target));
        let topic = subscription.topic.clone();
        self.settle(link, &topic);
        true
    }

    /// Sends the UNSUBSCRIBEs for `topic` that nothing holds back any more.
    fn settle(&mut self, link: &mut Link<H>, topic: &Arc<CStr>) {
        if self.is_pending(topic) {
            return;
        }
        let of_topic: Vec<u64> = (self.active.iter())
            .filter(|(_, subscription)| subscription.topic == *topic)
            .map(|(id, _)| *id)
            .collect();
        for id in of_topic {
            let Some(subscription) = self.active.get_mut(&id) else {
                continue;
            };
            let leaving = mem::take(&mut subscription.leaving);
            if !subscription.handlers.is_empty() {
                emit_unsubscribed(link, leaving);
                continue;
            }
            self.remove(id);
            let sent = link.send_request(|request, out| {
                message::Unsubscribe { request, subscription: id }.write(out);
            });
            match sent {
                Ok(request) => drop(link.requests.insert(request, Request::Unsubscribe(leaving))),
                // After our GOODBYE nothing is sent: the subscription ends with the session.
                Err(_) => emit_unsubscribed(link, leaving),
            }
        }
    }

    /// Removes a router's subscription; a later SUBSCRIBE for the same goes over the wire again.
    fn remove(&mut self, subscription: u64) -> Option<Subscription<H>> {
        self.by_key.retain(|_, place| *place != Place::Active { subscription });
        self.active.remove(&subscription)
    }
}

fn unsubscribe_pending<H>(link: &mut Link<H>, request: u64, local: u64, target: Option<H>) -> bool {
    let Some(Request::Subscribe(pending)) = link.requests.get_mut(&request) else {
        return true;
    };
    let at = pending.waiting.iter().position(|(id, _)| *id == local);
    let canceled = at.map(|at| pending.waiting.remove(at));
    let is_last = pending.waiting.is_empty();
    if let Some((local, subscriber)) = canceled {
        link.emit(Event::failed(local, subscriber, Cause::Canceled, uri::CANCELED));
    }
    link.emit(Event::new(EventKind::Unsubscribed, local, target));
    is_last
}

fn emit_unsubscribed<H>(link: &mut Link<H>, leaving: Leaving<H>) {
    for (local, target) in leaving {
        link.emit(Event::new(EventKind::Unsubscribed, local, target));
    }
}

// ===== received =====

impl<H: Clone> Subscriptions<H> {
    /// Tells the handlers of an EVENT's subscription.
    pub(super) fn on_event(
        &self,
        link: &mut Link<H>,
        frame: &Bytes,
        event: &message::Event<'_>,
    ) -> Result<(), Violation> {
        let named = match event.details.is_empty() {
            true => None,
            false => event.details.text("topic")?,
        };
        // An unknown subscription is no violation: our UNSUBSCRIBE crosses with events.
        let Some(subscription) = self.active.get(&event.subscription) else {
            return Ok(());
        };
        let Some(((last, last_target), others)) = subscription.handlers.split_last() else {
            return Ok(());
        };
        let topic = concrete(&subscription.topic, subscription.matching, named);
        let details = Span::from_dict(frame, event.details);
        let payload = Payload::from_frame(frame, event.payload);
        let told = |local: u64, target: &H, topic, payload| Event {
            wamp_id: event.publication,
            uri: Some(topic),
            details,
            payload,
            ..Event::new(EventKind::Event, local, Some(target.clone()))
        };
        for (local, target) in others {
            link.emit(told(*local, target, topic.clone(), payload.clone()));
        }
        link.emit(told(*last, last_target, topic, payload));
        Ok(())
    }

    /// Makes a subscription of all who have waited for its SUBSCRIBED.
    pub(super) fn on_subscribed(
        &mut self,
        link: &mut Link<H>,
        subscribed: &message::Subscribed,
    ) -> Result<(), Violation> {
        let answered = link.answered(subscribed.request, code::SUBSCRIBE)?;
        let Some(Request::Subscribe(pending)) = answered else {
            return Ok(());
        };
        let (id, topic) = (subscribed.subscription, pending.key.0.clone());
        self.pending.retain(|(request, _)| *request != subscribed.request);
        let subscription = self.active.entry(id).or_insert_with(|| Subscription {
            topic: topic.clone(),
            matching: pending.matching,
            handlers: Vec::new(),
            leaving: Vec::new(),
        });
        self.by_key.insert(pending.key, Place::Active { subscription: id });
        for (local, target) in pending.waiting {
            self.locals.insert(local, Place::Active { subscription: id });
            subscription.handlers.push((local, target.clone()));
            let mut event = Event::new(EventKind::Subscribed, local, Some(target));
            event.wamp_id = id;
            event.uri = Some(topic.clone());
            link.emit(event);
        }
        self.settle(link, &topic);
        Ok(())
    }

    /// Fails all who have waited for a SUBSCRIBED, and got an ERROR.
    pub(super) fn on_subscribe_error(
        &mut self,
        link: &mut Link<H>,
        pending: PendingSubscribe<H>,
        frame: &Bytes,
        error: &message::Error<'_>,
    ) {
        let request = error.request;
        self.pending.retain(|(waiting, _)| *waiting != request);
        self.by_key.retain(|_, place| *place != Place::Pending { request });
        for (local, target) in pending.waiting {
            self.locals.remove(&local);
            link.emit(Event::from_error(local, target, frame, error));
        }
        self.settle(link, &pending.key.0);
    }

    /// Takes in the end of a subscription: the one that was asked for, or a revocation.
    pub(super) fn on_unsubscribed(
        &mut self,
        link: &mut Link<H>,
        frame: &Bytes,
        unsubscribed: &message::Unsubscribed<'_>,
    ) -> Result<(), Violation> {
        if unsubscribed.request == 0 {
            if let Some(revoked) = Revocation::read(frame, unsubscribed.details, "subscription")? {
                self.revoke(link, &revoked);
            }
            return Ok(());
        }
        let answered = link.answered(unsubscribed.request, code::UNSUBSCRIBE)?;
        if let Some(Request::Unsubscribe(leaving)) = answered {
            emit_unsubscribed(link, leaving);
        }
        Ok(())
    }

    fn revoke(&mut self, link: &mut Link<H>, revoked: &Revocation<'_>) {
        let Some(subscription) = self.remove(revoked.id) else {
            return;
        };
        for (local, target) in subscription.handlers {
            self.locals.remove(&local);
            link.emit(revoked.event(EventKind::Unsubscribed, local, target));
        }
        emit_unsubscribed(link, subscription.leaving);
    }

    /// Tells the end of local ids whose UNSUBSCRIBE was refused: one that the router does not know
    /// has ended all the same.
    pub(super) fn on_unsubscribe_error(
        link: &mut Link<H>,
        leaving: Leaving<H>,
        frame: &Bytes,
        error: &message::Error<'_>,
    ) {
        let is_unknown = error.error == uri::NO_SUCH_SUBSCRIPTION;
        for (local, target) in leaving {
            link.emit(match target {
                Some(target) if !is_unknown => Event::from_error(local, target, frame, error),
                target => Event::new(EventKind::Unsubscribed, local, target),
            });
        }
    }

    /// Ends everything with the session: whoever waits for a held back UNSUBSCRIBE is told. Returns
    /// the handlers, which are not told anything any more.
    pub(super) fn end(&mut self, link: &mut Link<H>) -> Handlers<H> {
        let mut handlers = Vec::new();
        for subscription in mem::take(self).active.into_values() {
            handlers.extend(subscription.handlers);
            emit_unsubscribed(link, subscription.leaving);
        }
        handlers.sort_unstable_by_key(|(id, _)| *id);
        handlers
    }
}
