//! ERROR, the answer to a request that failed (basic profile, "Messages").

use std::borrow::Cow;

use crate::codec::{CodecError, Dict, Out, PayloadRef, Read, Writer};

use super::code;

/// `[ERROR, REQUEST.Type|int, REQUEST.Request|id, Details|dict, Error|uri, (Arguments|list,
/// ArgumentsKw|dict)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Error<'a> {
    /// The type code of the request that failed.
    pub kind: u64,
    /// The request that failed.
    pub request: u64,
    /// More about it.
    pub details: Dict<'a>,
    /// The URI of the error.
    pub error: Cow<'a, str>,
    /// The error in the application's terms.
    pub payload: PayloadRef<'a>,
}

impl<'a> Error<'a> {
    pub(super) fn read(r: &mut impl Read<'a>) -> Result<Self, CodecError> {
        Ok(Error {
            kind: r.uint()?,
            request: r.id()?,
            details: r.dict()?,
            error: r.text()?,
            payload: r.payload()?,
        })
    }

    /// Appends the encoded message.
    pub fn write(&self, out: &mut Out<'_>) {
        Writer::new(out, code::ERROR)
            .uint(self.kind)
            .uint(self.request)
            .dict(self.details)
            .text(&self.error)
            .payload(self.payload)
            .end();
    }
}
