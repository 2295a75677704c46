//! The way of an event to all its subscribers, in as many turns as that takes.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Encoding, Out, Rules, Unsendable, WrittenDict};
use crate::protocol::message::{Event, Published, code};

use super::super::budget;
use super::super::pattern::{Entry, Place};
use super::super::peer::{Peer, WakeList};
use super::super::publication::{OwnPublication, Publication};
use super::super::request::{Refusal, is_large};
use super::super::turn::{LOOK, Turn};
use super::super::variants::{ToMake, Variants};
use super::{Broker, BrokerRest, Subscribers};

/// An event in one encoding.
#[derive(Debug, Default)]
pub(super) struct Encoded {
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

/// An event whose subscribers have not all got it yet.
#[derive(Debug)]
pub(in crate::router) struct Fanout {
    publication: Arc<OwnPublication>,
    /// It is to be kept as soon as there is room.
    is_to_keep: bool,
    variants: Variants,
    progress: Progress,
    to_make: Option<ToMake>,
    sender: Sender,
}

/// The place that an event has come to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    place: Place,
    /// The subscription at that place, and the first of its subscribers that has not got it.
    subscription: u64,
    subscriber: u64,
    /// The messages that its subscribers share, where they are large.
    shared: [Option<Bytes>; Encoding::ALL.len()],
    /// Later subscribers do not get it.
    until: u64,
    reach: Reach,
}

/// The session that publishes, where it wants to be answered, and with which request.
#[derive(Debug, Default, Clone)]
pub(super) struct Sender(Option<(Arc<Peer>, u64)>);

/// The reason why a fan-out cannot go on.
enum Stop {
    TurnIsOver,
    Needs(ToMake),
}

impl Sender {
    pub(super) fn new(peer: &Arc<Peer>, request: u64, acknowledge: bool) -> Sender {
        Sender(acknowledge.then(|| (peer.clone(), request)))
    }
}

impl Broker {
    /// Brings a publication to all whom it is for, and keeps it where that is wanted. Fails if it
    /// is too large for every one of them and is not kept either: it has come to nothing then.
    /// What does not fit into the turn is left in [`Broker::rest`].
    pub(in crate::router) fn deliver(
        &mut self,
        publication: &Publication<'_>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Refusal> {
        self.send(publication, Sender::default, wakes, turn).map(drop)
    }

    /// As [`Broker::deliver`]. Tells if all is done; if not, `sender` is answered later.
    pub(super) fn send(
        &mut self,
        publication: &Publication<'_>,
        sender: impl FnOnce() -> Sender,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<bool, Refusal> {
        let mut progress = Progress { until: self.last_subscriber, ..Progress::default() };
        let mut is_to_keep = self.events.is_wanted(publication)?;
        let mut own = None;
        if is_to_keep && self.events.make_room(publication.retain, publication.size(), turn) {
            let publication = own.insert(Arc::new(publication.to_own()));
            self.events.keep(publication);
            (is_to_keep, progress.reach.reached) = (false, true);
        }
        let stop = if is_to_keep {
            Stop::TurnIsOver
        } else {
            match self.go_through(publication, &mut progress, wakes, turn) {
                Ok(()) => return progress.reach.outcome().map(|()| true),
                Err(stop) => stop,
            }
        };
        let publication = own.unwrap_or_else(|| Arc::new(publication.to_own()));
        let mut fanout = Fanout {
            publication,
            is_to_keep,
            variants: Variants::default(),
            progress,
            to_make: None,
            sender: sender(),
        };
        fanout.stop(stop);
        self.rest.push_back(BrokerRest::Fanout(Box::new(fanout)));
        Ok(false)
    }

    /// Goes on with what an earlier turn has left.
    pub(super) fn fan_out(
        &mut self,
        mut fanout: Box<Fanout>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) {
        let Fanout { publication, is_to_keep, .. } = &*fanout;
        if *is_to_keep && self.events.make_room(publication.retain, publication.size(), turn) {
            self.events.keep(&fanout.publication);
            fanout.is_to_keep = false;
            fanout.progress.until = self.last_subscriber;
            fanout.progress.reach.reached = true;
        }
        let Fanout { publication, is_to_keep, variants, progress, .. } = &mut *fanout;
        let stop = if *is_to_keep {
            Err(Stop::TurnIsOver)
        } else {
            self.go_through(&publication.lend(variants), progress, wakes, turn)
        };
        if let Err(stop) = stop {
            fanout.stop(stop);
            self.rest.push_back(BrokerRest::Fanout(fanout));
            return;
        }
        let Sender(Some((peer, request))) = &fanout.sender else {
            return;
        };
        match fanout.progress.reach.outcome() {
            Ok(()) => acknowledge(peer, *request, fanout.publication.id, wakes),
            Err(refusal) => {
                peer.send(wakes, |out| refusal.write(code::PUBLISH, *request, out));
            }
        }
    }

    fn go_through(
        &mut self,
        publication: &Publication<'_>,
        progress: &mut Progress,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Stop> {
        let topic = publication.topic;
        if progress.place == Place::Exact {
            if let Some(entry) = self.subscriptions.exact(topic) {
                send_to(entry, publication, progress, &mut self.encoded, wakes, turn)?;
            }
            if !self.subscriptions.has_patterns() {
                return Ok(());
            }
            progress.place = Place::Prefix(0);
        }
        let mut matches = self.subscriptions.matches(topic, progress.place);
        loop {
            let seen = matches.visited();
            let found = matches.next(seen + turn.left());
            turn.spend(LOOK * (matches.visited() - seen));
            match found {
                Some(entry) => {
                    send_to(entry, publication, progress, &mut self.encoded, wakes, turn)?;
                }
                None if matches.place() == Place::End => return Ok(()),
                None => {
                    progress.place = matches.place();
                    return Err(Stop::TurnIsOver);
                }
            }
            progress.place = matches.place();
        }
    }
}

impl Fanout {
    /// Does what needs no lock, before the next turn.
    pub(super) fn prepare(&mut self) {
        if let Some(to_make) = self.to_make.take() {
            self.variants.make(self.publication.payload(), to_make);
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.to_make = match stop {
            Stop::TurnIsOver => None,
            Stop::Needs(to_make) => Some(to_make),
        };
    }
}

impl Reach {
    /// The refusal of a publication that has come to nothing.
    fn outcome(&self) -> Result<(), Refusal> {
        match self.too_large {
            Some(error) if !self.reached => Err(Refusal::unsendable(error)),
            _ => Ok(()),
        }
    }
}

/// Tells a publisher that its event is on its way.
pub(super) fn acknowledge(peer: &Arc<Peer>, request: u64, publication: u64, wakes: &mut WakeList) {
    let answer = Published { request, publication };
    peer.send(wakes, |out| answer.write(out));
}

/// Sends an event to the subscribers of one subscription.
fn send_to(
    entry: &Entry<Subscribers>,
    publication: &Publication<'_>,
    progress: &mut Progress,
    encoded: &mut [Encoded],
    wakes: &mut WakeList,
    turn: &mut Turn,
) -> Result<(), Stop> {
    if progress.subscription != entry.id || progress.subscriber == 0 {
        (progress.subscription, progress.subscriber) = (entry.id, 0);
        progress.shared = Default::default();
    }
    let details = OnceCell::new();
    let sent = send_each(entry, publication, progress, &details, encoded, wakes, turn);
    if details.get().is_some() {
        encoded.iter_mut().for_each(Encoded::clear);
    }
    if sent.is_ok() {
        progress.subscription = 0;
    }
    sent
}

fn send_each(
    entry: &Entry<Subscribers>,
    publication: &Publication<'_>,
    progress: &mut Progress,
    details: &OnceCell<WrittenDict>,
    encoded: &mut [Encoded],
    wakes: &mut WakeList,
    turn: &mut Turn,
) -> Result<(), Stop> {
    let Progress { until, reach, shared, subscriber, .. } = progress;
    let is_large = is_large(publication.payload);
    let mut receivers = entry.value.from(*subscriber).peekable();
    while let Some((number, receiver)) = receivers.next() {
        if number > *until {
            break;
        }
        *subscriber = number;
        if turn.is_over() {
            return Err(Stop::TurnIsOver);
        }
        if !publication.is_for(receiver) || receiver.has_left() {
            turn.spend(LOOK);
            continue;
        }
        let encoding = receiver.encoding();
        // Who cannot be sent it, for its encoding or its size, goes without.
        let Some(payload) = publication.payload_in(encoding).map_err(Stop::Needs)? else {
            reach.reached = true;
            continue;
        };
        let details = details.get_or_init(|| publication.details_for(entry.matching));
        let event = Event {
            subscription: entry.id,
            publication: publication.id,
            details: details.dict(),
            payload,
        };
        let size = payload.len() + details.dict().as_bytes().len();
        let (encoded, shared) = (&mut encoded[encoding as usize], &mut shared[encoding as usize]);
        // One alone gets it directly.
        if is_large && (shared.is_some() || receivers.peek().is_some()) {
            turn.send(if shared.is_some() { 0 } else { size });
            reach.note(encoded.share(&event, encoding, shared, receiver, wakes));
        } else {
            turn.send(size);
            reach.note(encoded.send(&event, encoding, receiver, wakes));
        }
    }
    Ok(())
}

impl Encoded {
    fn clear(&mut self) {
        self.state = State::Unwanted;
        // One large event is no reason to keep a large buffer.
        self.bytes.clear();
        self.bytes.shrink_to(64 * 1024);
    }

    /// Sends the event to one more receiver of this encoding.
    #[inline]
    fn send(
        &mut self,
        event: &Event<'_>,
        encoding: Encoding,
        receiver: &Arc<Peer>,
        wakes: &mut WakeList,
    ) -> Result<(), Unsendable> {
        if self.state == State::Unwanted && encoding == event.payload.encoding {
            self.state = State::SentOnce;
            return receiver.try_send(wakes, |out| event.write(out));
        }
        if matches!(self.state, State::Unwanted | State::SentOnce) {
            self.encode(event, encoding);
        }
        match self.state {
            State::Ready => receiver.try_send(wakes, |out| out.whole(&self.bytes)),
            _ => Ok(()),
        }
    }

    /// Sends a large event to one more receiver, whose queue shares it with those of others.
    fn share(
        &mut self,
        event: &Event<'_>,
        encoding: Encoding,
        shared: &mut Option<Bytes>,
        receiver: &Arc<Peer>,
        wakes: &mut WakeList,
    ) -> Result<(), Unsendable> {
        if shared.is_none() && self.state != State::Impossible {
            self.encode(event, encoding);
            if self.state == State::Ready {
                let bytes = std::mem::take(&mut self.bytes);
                *shared = Some(budget::shared(bytes, receiver.budget()));
            }
        }
        match shared {
            Some(message) => receiver.try_share(wakes, message),
            None => Ok(()),
        }
    }

    /// Encodes it, unless the encoding cannot carry it, or there is no memory for it.
    fn encode(&mut self, event: &Event<'_>, encoding: Encoding) {
        let mut out = Out::new(&mut self.bytes, encoding, Rules::Tolerant);
        event.write(&mut out);
        self.state = out.finish().map_or(State::Impossible, |()| State::Ready);
    }
}
