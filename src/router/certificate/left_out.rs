//! `certificate` in a build without TLS, where nobody shows one.

use std::convert::Infallible;

use serde_json::{Map, Value};

use crate::parts::Part;
use crate::router::mistake::Mistake;

/// Something by which a certificate is known: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mark(Infallible);

/// The marks of a certificate: none.
pub(super) fn marks(_certificate: &[u8]) -> Vec<Mark> {
    Vec::new()
}

/// Refuses the marks that a user's certificate has to have one of.
pub(super) fn parse(_entries: &Map<String, Value>) -> Result<Vec<Mark>, Mistake> {
    Err(Part::Tls.left_out().into())
}
