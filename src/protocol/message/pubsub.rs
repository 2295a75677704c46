//! The messages of publish and subscribe (basic profile, "Publish and Subscribe").

use std::borrow::Cow;

use crate::codec::{CodecError, Dict, Out, PayloadRef, Read, Writer};

use super::code;

/// `[PUBLISH, Request|id, Options|dict, Topic|uri, (Arguments|list, ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<'a> {
    /// The publisher's request id.
    pub request: u64,
    /// `acknowledge`, `exclude_me`, ...
    pub options: Dict<'a>,
    /// The topic.
    pub topic: Cow<'a, str>,
    /// The event's payload.
    pub payload: PayloadRef<'a>,
}

impl<'a> Publish<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Publish {
            request: r.id()?,
            options: r.dict()?,
            topic: r.text()?,
            payload: r.payload()?,
        })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::PUBLISH)
            .uint(self.request)
            .dict(self.options)
            .text(&self.topic)
            .payload(self.payload)
            .end();
    }
}

/// `[PUBLISHED, PUBLISH.Request|id, Publication|id]`
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The request that is answered.
    pub request: u64,
    /// The id of the publication.
    pub publication: u64,
}

impl Published {
    pub(super) fn read<'r>(r: &mut impl Read<'r>) -> Result<Self, CodecError> {
        Ok(Published { request: r.id()?, publication: r.id()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::PUBLISHED).uint(self.request).uint(self.publication).end();
    }
}

/// `[SUBSCRIBE, Request|id, Options|dict, Topic|uri]`
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe<'a> {
    /// The subscriber's request id.
    pub request: u64,
    /// `match`, ...
    pub options: Dict<'a>,
    /// The topic or pattern.
    pub topic: Cow<'a, str>,
}

impl<'a> Subscribe<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Subscribe { request: r.id()?, options: r.dict()?, topic: r.text()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::SUBSCRIBE)
            .uint(self.request)
            .dict(self.options)
            .text(&self.topic)
            .end();
    }
}

/// `[SUBSCRIBED, SUBSCRIBE.Request|id, Subscription|id]`
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribed {
    /// The request that is answered.
    pub request: u64,
    /// The broker's id of the subscription.
    pub subscription: u64,
}

impl Subscribed {
    pub(super) fn read<'r>(r: &mut impl Read<'r>) -> Result<Self, CodecError> {
        Ok(Subscribed { request: r.id()?, subscription: r.id()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::SUBSCRIBED).uint(self.request).uint(self.subscription).end();
    }
}

/// `[UNSUBSCRIBE, Request|id, SUBSCRIBED.Subscription|id]`
#[derive(Debug, Clone, PartialEq)]
pub struct Unsubscribe {
    /// The subscriber's request id.
    pub request: u64,
    /// The broker's id of the subscription.
    pub subscription: u64,
}

impl Unsubscribe {
    pub(super) fn read<'r>(r: &mut impl Read<'r>) -> Result<Self, CodecError> {
        Ok(Unsubscribe { request: r.id()?, subscription: r.id()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::UNSUBSCRIBE).uint(self.request).uint(self.subscription).end();
    }
}

/// `[UNSUBSCRIBED, UNSUBSCRIBE.Request|id]`, or, when the broker revokes,
/// `[UNSUBSCRIBED, 0, Details|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Unsubscribed<'a> {
    /// The request that is answered; 0 for a revocation.
    pub request: u64,
    /// `subscription` and `reason` of a revocation.
    pub details: Option<Dict<'a>>,
}

impl<'a> Unsubscribed<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Unsubscribed { request: r.id_or_zero()?, details: r.optional_dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        let writer = Writer::new(out, code::UNSUBSCRIBED).uint(self.request);
        match self.details {
            Some(details) => writer.dict(details).end(),
            None => writer.end(),
        }
    }
}

/// `[EVENT, SUBSCRIBED.Subscription|id, PUBLISHED.Publication|id, Details|dict, (Arguments|list,
/// ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// The broker's id of the subscription.
    pub subscription: u64,
    /// The id of the publication.
    pub publication: u64,
    /// `topic` for pattern subscriptions, `publisher`, ...
    pub details: Dict<'a>,
    /// The event's payload.
    pub payload: PayloadRef<'a>,
}

impl<'a> Event<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Event {
            subscription: r.id()?,
            publication: r.id()?,
            details: r.dict()?,
            payload: r.payload()?,
        })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::EVENT)
            .uint(self.subscription)
            .uint(self.publication)
            .dict(self.details)
            .payload(self.payload)
            .end();
    }
}
