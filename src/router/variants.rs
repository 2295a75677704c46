//! Large payloads in other encodings than their own: they are made while no realm waits for them.

use crate::codec::{CodecError, Encoding, Payload, PayloadRef};

/// A payload in other encodings than its own, as far as they are there; an error where that is not
/// possible.
#[derive(Debug, Default)]
pub(super) struct Variants([Option<Result<Payload, CodecError>>; Encoding::ALL.len()]);

/// Above this many bytes a payload is brought into another encoding beforehand: that takes some
/// milliseconds for each MiB.
pub(super) const SLOW: usize = 64 << 10;

/// The encoding that a payload is wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToMake(Encoding);

impl Variants {
    /// Nothing that has been made.
    pub(super) const NONE: &'static Variants = &Variants([const { None }; Encoding::ALL.len()]);

    /// The payload in this encoding, none where that cannot carry it. It is an error if it has to
    /// be made first.
    #[inline]
    pub(super) fn wanted<'a>(
        &'a self,
        payload: PayloadRef<'a>,
        encoding: Encoding,
    ) -> Result<Option<PayloadRef<'a>>, ToMake> {
        if payload.encoding == encoding || payload.len() <= SLOW {
            return Ok(Some(payload));
        }
        match &self.0[encoding as usize] {
            Some(made) => Ok(made.as_ref().ok().map(Payload::as_ref)),
            None => Err(ToMake(encoding)),
        }
    }

    /// The payload in this encoding where it has been made, else as it is.
    #[inline]
    pub(super) fn of<'a>(&'a self, payload: PayloadRef<'a>, encoding: Encoding) -> PayloadRef<'a> {
        self.wanted(payload, encoding).ok().flatten().unwrap_or(payload)
    }

    /// Makes one.
    pub(super) fn make(&mut self, payload: PayloadRef<'_>, ToMake(encoding): ToMake) {
        self.0[encoding as usize] = Some(Payload::transcoded_from(payload, encoding));
    }

    /// Those that are to be made for receivers of these encodings.
    pub(super) fn to_make(payload: PayloadRef<'_>, wanted: Vec<Encoding>) -> Vec<ToMake> {
        let missing = |encoding| Variants::NONE.wanted(payload, encoding).err();
        wanted.into_iter().filter_map(missing).collect()
    }
}
