//! `extension` and `deflate` in a build without compression: nothing is offered and nothing agreed
//! on, so that there are none of these values.

use serde_json::Value;

use crate::parts::Part;

use super::Broken;

/// Wishes about permessage-deflate, which nobody can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeflateOptions {}

impl DeflateOptions {
    /// Refuses the option where it asks for compression.
    pub fn parse(value: &Value) -> Result<Option<DeflateOptions>, String> {
        match value {
            Value::Bool(false) => Ok(None),
            _ => Err(Part::Deflate.left_out()),
        }
    }
}

/// Parameters that nobody has agreed on.
#[derive(Debug)]
pub(super) enum Agreed {}

/// The compression of a connection, which has none.
#[derive(Debug)]
pub(super) enum Deflate {}

pub(super) fn offer(options: &DeflateOptions) -> String {
    match *options {}
}

pub(super) fn agree(options: &DeflateOptions, _answer: &str) -> Result<Agreed, String> {
    match *options {}
}

#[cfg(feature = "router")]
pub(super) fn accept(options: &DeflateOptions, _offers: &str) -> Option<(Agreed, String)> {
    match *options {}
}

pub(super) fn bound(size: usize) -> usize {
    size
}

impl Deflate {
    pub(super) fn new(agreed: Agreed, _options: &DeflateOptions, _is_client: bool) -> Deflate {
        match agreed {}
    }

    pub(super) fn compress(&mut self, _message: &[u8]) -> Option<&[u8]> {
        match *self {}
    }

    pub(super) fn decompress(
        &mut self,
        _piece: &[u8],
        _fin: bool,
        _out: &mut Vec<u8>,
        _limit: usize,
    ) -> Result<(), Broken> {
        match *self {}
    }
}
