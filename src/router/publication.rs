//! A publication, and its receivers: the options of PUBLISH (advanced profile, "Subscriber
//! Black- and Whitelisting", "Publisher Exclusion", "Publisher Identification").

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, DictWriter, Encoding, MAX_ID, Payload, PayloadRef, WrittenDict};
use crate::protocol::uri::Match;

use super::options::{Set, flag, ids, passes_through, texts};
use super::peer::Peer;
use super::random;
use super::request::Fault;
use super::roles::Subject;
use super::variants::{ToMake, Variants};

/// One publication on its way to its receivers.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) id: u64,
    pub(super) topic: &'a str,
    pub(super) payload: PayloadRef<'a>,
    /// The details that all receivers are told.
    pub(super) details: DictWriter,
    /// The latest one of its topic is kept for later subscribers.
    pub(super) retain: bool,
    /// The receivers, where the publisher said so.
    pub(super) audience: Option<Arc<Audience>>,
    /// The session of the publisher, if it does not want its own event.
    excluded: Option<u64>,
    /// The frame that the payload lies in, where that can be kept.
    frame: Option<&'a Bytes>,
    /// The payload in other encodings, as far as it is there.
    variants: Option<&'a Variants>,
}

/// A publication that outlives the message that it came in.
#[derive(Debug)]
pub(super) struct OwnPublication {
    pub(super) id: u64,
    pub(super) topic: Arc<str>,
    pub(super) retain: bool,
    payload: Payload,
    details: DictWriter,
    audience: Option<Arc<Audience>>,
    excluded: Option<u64>,
}

/// Above this many bytes a payload is not copied to be kept: its frame is. That of a smaller one
/// may be a part of a block that is much larger.
const LARGE: usize = 1 << 20;

/// The options of PUBLISH that this router knows.
#[derive(Debug)]
pub(super) struct PublishOptions {
    pub(super) acknowledge: bool,
    pub(super) exclude_me: bool,
    pub(super) disclose_me: bool,
    pub(super) retain: bool,
    audience: Option<Audience>,
    passthru: DictWriter,
}

/// The lists of those who may, and who may not, get an event. An empty list of those who may lets
/// nobody.
#[derive(Debug, Default)]
pub(super) struct Audience {
    exclude: Set<u64>,
    exclude_authid: Set<String>,
    exclude_authrole: Set<String>,
    eligible: Option<Set<u64>>,
    eligible_authid: Option<Set<String>>,
    eligible_authrole: Option<Set<String>>,
    /// Those who may not know of this get no event about it.
    about: Option<Subject>,
}

impl<'a> Publication<'a> {
    /// A publication with a new id. `publisher` is told to the receivers; the session `excluded`
    /// does not get the event.
    pub(super) fn new(
        topic: &'a str,
        payload: PayloadRef<'a>,
        options: PublishOptions,
        excluded: Option<u64>,
        publisher: Option<&Peer>,
    ) -> Publication<'a> {
        let mut details = options.passthru;
        if let Some(publisher) = publisher {
            let identity = publisher.identity();
            details
                .uint("publisher", publisher.id())
                .text("publisher_authid", &identity.authid)
                .text("publisher_authrole", &identity.authrole);
        }
        Publication {
            // If the system has no random numbers any more, the event is worth more than its id.
            id: random::id().unwrap_or_else(|_| fastrand::u64(1..=MAX_ID)),
            topic,
            payload,
            details,
            retain: options.retain,
            audience: options.audience.map(Arc::new),
            excluded,
            frame: None,
            variants: None,
        }
    }

    /// About how many bytes it takes to keep it.
    pub(super) fn size(&self) -> usize {
        let audience = self.audience.as_ref().map_or(0, |audience| audience.size());
        let payload = match self.frame.filter(|_| self.payload.len() > LARGE) {
            Some(frame) => frame.len(),
            None => self.payload.len(),
        };
        size_of::<OwnPublication>() + self.topic.len() + self.details.size() + payload + audience
    }

    /// Names the frame of which the payload is a part, so that it need not be copied.
    pub(super) fn in_frame(mut self, frame: &'a Bytes) -> Self {
        self.frame = Some(frame);
        self
    }

    /// The same, to be kept.
    pub(super) fn to_own(&self) -> OwnPublication {
        let payload = match self.frame.filter(|_| self.payload.len() > LARGE) {
            Some(frame) => Payload::from_frame(frame, self.payload),
            None => Payload::copied(self.payload),
        };
        OwnPublication {
            id: self.id,
            topic: self.topic.into(),
            retain: self.retain,
            payload,
            details: self.details.clone(),
            audience: self.audience.clone(),
            excluded: self.excluded,
        }
    }

    /// A publication of the router itself, for those who may know of what it is about.
    pub(super) fn by_router(
        topic: &'a str,
        payload: PayloadRef<'a>,
        about: Option<Subject>,
    ) -> Publication<'a> {
        let audience = about.map(|about| Audience { about: Some(about), ..Audience::default() });
        let options = PublishOptions { audience, ..PublishOptions::default() };
        Publication::new(topic, payload, options, None, None)
    }

    /// The payload for receivers of this encoding, none where that cannot carry it. It is an error
    /// if it has to be made first.
    #[inline]
    pub(super) fn payload_in(&self, encoding: Encoding) -> Result<Option<PayloadRef<'a>>, ToMake> {
        match self.variants {
            Some(variants) => variants.wanted(self.payload, encoding),
            None => Variants::NONE.wanted(self.payload, encoding),
        }
    }

    /// True if `peer` may get it.
    #[inline]
    pub(super) fn is_for(&self, peer: &Peer) -> bool {
        Some(peer.id()) != self.excluded
            && self.audience.as_ref().is_none_or(|audience| audience.has(peer))
    }

    /// Details of the EVENT for subscriptions that match in this way.
    #[inline]
    pub(super) fn details_for(&self, matching: Match) -> WrittenDict {
        if matching == Match::Exact && self.details.is_empty() {
            return WrittenDict::default();
        }
        let mut details = self.details.clone();
        if matching != Match::Exact {
            details.text("topic", self.topic);
        }
        details.finish()
    }
}

impl OwnPublication {
    /// The publication, as if it came just now.
    pub(super) fn lend<'a>(&'a self, variants: &'a Variants) -> Publication<'a> {
        Publication {
            id: self.id,
            topic: &self.topic,
            payload: self.payload.as_ref(),
            details: self.details.clone(),
            retain: self.retain,
            audience: self.audience.clone(),
            excluded: self.excluded,
            frame: Some(self.payload.frame()),
            variants: Some(variants),
        }
    }

    /// The payload.
    pub(super) fn payload(&self) -> PayloadRef<'_> {
        self.payload.as_ref()
    }

    /// As [`Publication::payload_in`].
    pub(super) fn payload_in<'a>(
        &'a self,
        encoding: Encoding,
        variants: &'a Variants,
    ) -> Result<Option<PayloadRef<'a>>, ToMake> {
        variants.wanted(self.payload.as_ref(), encoding)
    }

    /// True if `peer` may see it later.
    pub(super) fn is_for(&self, peer: &Peer) -> bool {
        self.audience.as_ref().is_none_or(|audience| audience.has(peer))
    }

    /// Details for subscriptions that match in this way.
    pub(super) fn details_for(&self, matching: Match) -> DictWriter {
        let mut details = self.details.clone();
        if matching != Match::Exact {
            details.text("topic", &self.topic);
        }
        details
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let audience = self.audience.as_ref().map_or(0, |audience| audience.size());
        size_of::<Self>()
            + self.topic.len()
            + self.details.size()
            + self.payload.frame().len()
            + audience
    }
}

impl Default for PublishOptions {
    fn default() -> Self {
        PublishOptions {
            acknowledge: false,
            exclude_me: true,
            disclose_me: false,
            retain: false,
            audience: None,
            passthru: DictWriter::default(),
        }
    }
}

impl PublishOptions {
    /// A publisher that does not want to be answered hears of no wrong option: its PUBLISH goes
    /// nowhere, as `Fault::Unheard`.
    #[inline]
    pub(super) fn read(dict: Dict<'_>) -> Result<Self, Fault> {
        if dict.is_empty() {
            return Ok(PublishOptions::default());
        }
        let mut options = PublishOptions::default();
        let mut wrong = Ok(());
        for (key, value) in dict.entries() {
            if key == b"acknowledge" {
                options.acknowledge = flag(key, value)?.unwrap_or(false);
            } else if wrong.is_ok() {
                wrong = options.set(key, value);
            }
        }
        match wrong {
            Err(_) if !options.acknowledge => Err(Fault::Unheard),
            wrong => wrong.map(|()| options),
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        match key {
            b"exclude_me" => self.exclude_me = flag(key, value)?.unwrap_or(true),
            b"disclose_me" => self.disclose_me = flag(key, value)?.unwrap_or(false),
            b"retain" => self.retain = flag(key, value)?.unwrap_or(false),
            b"exclude" => self.audience().exclude = ids(key, value)?.unwrap_or_default(),
            b"exclude_authid" => {
                self.audience().exclude_authid = texts(key, value)?.unwrap_or_default();
            }
            b"exclude_authrole" => {
                self.audience().exclude_authrole = texts(key, value)?.unwrap_or_default();
            }
            b"eligible" => self.audience().eligible = ids(key, value)?,
            b"eligible_authid" => self.audience().eligible_authid = texts(key, value)?,
            b"eligible_authrole" => self.audience().eligible_authrole = texts(key, value)?,
            _ if passes_through(key, value) => drop(self.passthru.raw(key, value)),
            _ => {}
        }
        Ok(())
    }

    fn audience(&mut self) -> &mut Audience {
        self.audience.get_or_insert_default()
    }
}

impl Audience {
    /// True if `peer` belongs to it.
    pub(super) fn has(&self, peer: &Peer) -> bool {
        let identity = peer.identity();
        let listed = |list: &Option<Set<String>>, name: &String| {
            list.as_ref().is_none_or(|list| list.contains(name))
        };
        !self.exclude.contains(&peer.id())
            && !self.exclude_authid.contains(&identity.authid)
            && !self.exclude_authrole.contains(&identity.authrole)
            && self.eligible.as_ref().is_none_or(|list| list.contains(&peer.id()))
            && listed(&self.eligible_authid, &identity.authid)
            && listed(&self.eligible_authrole, &identity.authrole)
            && self.about.as_ref().is_none_or(|about| about.is_seen_with(&identity.permissions))
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let ids = self.exclude.size() + self.eligible.as_ref().map_or(0, Set::size);
        let texts = [&self.exclude_authid, &self.exclude_authrole];
        let eligible = [&self.eligible_authid, &self.eligible_authrole];
        let texts = texts.into_iter().chain(eligible.into_iter().flatten());
        let texts = texts.map(|set| set.size() + set.iter().map(String::capacity).sum::<usize>());
        size_of::<Audience>() + ids + texts.sum::<usize>()
    }

    /// True if it speaks of sessions, which nobody who comes later can belong to or not.
    pub(super) fn names_sessions(&self) -> bool {
        !self.exclude.is_empty() || self.eligible.is_some()
    }
}
