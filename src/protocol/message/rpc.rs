//! The messages of remote procedure calls (basic profile, "Remote Procedure Calls").

use std::borrow::Cow;

use crate::codec::{CodecError, Dict, Out, PayloadRef, Read, Writer};

use super::code;

/// `[CALL, Request|id, Options|dict, Procedure|uri, (Arguments|list, ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// The caller's request id.
    pub request: u64,
    /// `receive_progress`, `timeout`, ...
    pub options: Dict<'a>,
    /// The procedure.
    pub procedure: Cow<'a, str>,
    /// The arguments.
    pub payload: PayloadRef<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Call {
            request: r.id()?,
            options: r.dict()?,
            procedure: r.text()?,
            payload: r.payload()?,
        })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::CALL)
            .uint(self.request)
            .dict(self.options)
            .text(&self.procedure)
            .payload(self.payload)
            .end();
    }
}

/// `[CANCEL, CALL.Request|id, Options|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Cancel<'a> {
    /// The call to cancel.
    pub request: u64,
    /// `mode`
    pub options: Dict<'a>,
}

impl<'a> Cancel<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Cancel { request: r.id()?, options: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::CANCEL).uint(self.request).dict(self.options).end();
    }
}

/// `[RESULT, CALL.Request|id, Details|dict, (Arguments|list, ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CallResult<'a> {
    /// The call that is answered.
    pub request: u64,
    /// `progress`, ...
    pub details: Dict<'a>,
    /// The result.
    pub payload: PayloadRef<'a>,
}

impl<'a> CallResult<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(CallResult { request: r.id()?, details: r.dict()?, payload: r.payload()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::RESULT)
            .uint(self.request)
            .dict(self.details)
            .payload(self.payload)
            .end();
    }
}

/// `[REGISTER, Request|id, Options|dict, Procedure|uri]`
#[derive(Debug, Clone, PartialEq)]
pub struct Register<'a> {
    /// The callee's request id.
    pub request: u64,
    /// `match`, `invoke`, ...
    pub options: Dict<'a>,
    /// The procedure or pattern.
    pub procedure: Cow<'a, str>,
}

impl<'a> Register<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Register { request: r.id()?, options: r.dict()?, procedure: r.text()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::REGISTER)
            .uint(self.request)
            .dict(self.options)
            .text(&self.procedure)
            .end();
    }
}

/// `[REGISTERED, REGISTER.Request|id, Registration|id]`
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The request that is answered.
    pub request: u64,
    /// The dealer's id of the registration.
    pub registration: u64,
}

impl Registered {
    pub(super) fn read<'r>(r: &mut impl Read<'r>) -> Result<Self, CodecError> {
        Ok(Registered { request: r.id()?, registration: r.id()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::REGISTERED).uint(self.request).uint(self.registration).end();
    }
}

/// `[UNREGISTER, Request|id, REGISTERED.Registration|id]`
#[derive(Debug, Clone, PartialEq)]
pub struct Unregister {
    /// The callee's request id.
    pub request: u64,
    /// The dealer's id of the registration.
    pub registration: u64,
}

impl Unregister {
    pub(super) fn read<'r>(r: &mut impl Read<'r>) -> Result<Self, CodecError> {
        Ok(Unregister { request: r.id()?, registration: r.id()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::UNREGISTER).uint(self.request).uint(self.registration).end();
    }
}

/// `[UNREGISTERED, UNREGISTER.Request|id]`, or, when the dealer revokes,
/// `[UNREGISTERED, 0, Details|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Unregistered<'a> {
    /// The request that is answered; 0 for a revocation.
    pub request: u64,
    /// `registration` and `reason` of a revocation.
    pub details: Option<Dict<'a>>,
}

impl<'a> Unregistered<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Unregistered { request: r.id_or_zero()?, details: r.optional_dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        let writer = Writer::new(out, code::UNREGISTERED).uint(self.request);
        match self.details {
            Some(details) => writer.dict(details).end(),
            None => writer.end(),
        }
    }
}

/// `[INVOCATION, Request|id, REGISTERED.Registration|id, Details|dict, (Arguments|list,
/// ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation<'a> {
    /// The dealer's request id.
    pub request: u64,
    /// The dealer's id of the registration.
    pub registration: u64,
    /// `procedure` for pattern registrations, `receive_progress`, `caller`, ...
    pub details: Dict<'a>,
    /// The arguments.
    pub payload: PayloadRef<'a>,
}

impl<'a> Invocation<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Invocation {
            request: r.id()?,
            registration: r.id()?,
            details: r.dict()?,
            payload: r.payload()?,
        })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::INVOCATION)
            .uint(self.request)
            .uint(self.registration)
            .dict(self.details)
            .payload(self.payload)
            .end();
    }
}

/// `[INTERRUPT, INVOCATION.Request|id, Options|dict]`
#[derive(Debug, Clone, PartialEq)]
pub struct Interrupt<'a> {
    /// The invocation to give up.
    pub request: u64,
    /// `mode`
    pub options: Dict<'a>,
}

impl<'a> Interrupt<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Interrupt { request: r.id()?, options: r.dict()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::INTERRUPT).uint(self.request).dict(self.options).end();
    }
}

/// `[YIELD, INVOCATION.Request|id, Options|dict, (Arguments|list, ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Yield<'a> {
    /// The invocation that is answered.
    pub request: u64,
    /// `progress`
    pub options: Dict<'a>,
    /// The result.
    pub payload: PayloadRef<'a>,
}

impl<'a> Yield<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Yield { request: r.id()?, options: r.dict()?, payload: r.payload()? })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::YIELD)
            .uint(self.request)
            .dict(self.options)
            .payload(self.payload)
            .end();
    }
}
