//! The messages that open and close a session (basic profile, "Sessions").

use std::borrow::Cow;

use crate::codec::{CodecError, Dict, Out, PayloadRef, Read, Writer};

use super::code;

/// `[HELLO, Realm|uri, Details|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Hello<'a> {
    /// The realm to join.
    pub realm: Cow<'a, str>,
    /// Roles, features and credentials of the client.
    pub details: Dict<'a>,
}

impl<'a> Hello<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Hello { realm: r.text()?, details: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::HELLO).text(&self.realm).dict(self.details).end();
    }
}

/// `[WELCOME, Session|id, Details|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome<'a> {
    /// The session's id.
    pub session: u64,
    /// Roles and features of the router, and who we are to it.
    pub details: Dict<'a>,
}

impl<'a> Welcome<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Welcome { session: r.id()?, details: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::WELCOME).uint(self.session).dict(self.details).end();
    }
}

/// `[ABORT, Details|dict, Reason|uri, (Arguments|list, ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Abort<'a> {
    /// The details, which may hold `message`, a text for people.
    pub details: Dict<'a>,
    /// The URI of the reason.
    pub reason: Cow<'a, str>,
    /// Allowed by the specification; never sent, as autobahn refuses it.
    pub payload: PayloadRef<'a>,
}

impl<'a> Abort<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Abort { details: r.dict()?, reason: r.text()?, payload: r.payload()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::ABORT)
            .dict(self.details)
            .text(&self.reason)
            .payload(self.payload)
            .end();
    }
}

/// `[CHALLENGE, AuthMethod|string, Extra|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Challenge<'a> {
    /// The authentication method.
    pub method: Cow<'a, str>,
    /// The method's own parameters.
    pub extra: Dict<'a>,
}

impl<'a> Challenge<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Challenge { method: r.text()?, extra: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::CHALLENGE).text(&self.method).dict(self.extra).end();
    }
}

/// `[AUTHENTICATE, Signature|string, Extra|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Authenticate<'a> {
    /// The answer to the challenge.
    pub signature: Cow<'a, str>,
    /// The method's own parameters.
    pub extra: Dict<'a>,
}

impl<'a> Authenticate<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Authenticate { signature: r.text()?, extra: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::AUTHENTICATE).text(&self.signature).dict(self.extra).end();
    }
}

/// `[GOODBYE, Details|dict, Reason|uri]`
#[derive(Debug, Clone, PartialEq)]
pub struct Goodbye<'a> {
    /// The details, which may hold `message`, a text for people.
    pub details: Dict<'a>,
    /// The URI of the reason.
    pub reason: Cow<'a, str>,
}

impl<'a> Goodbye<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Goodbye { details: r.dict()?, reason: r.text()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::GOODBYE).dict(self.details).text(&self.reason).end();
    }
}
