//! Who we are: the answers to challenges that the options alone can give. How an answer is made is
//! left to [`crate::auth`]; a program that wants to give its own has on_challenge.

use serde_json::{Map, Value};

use crate::protocol::Gate;

use super::options::Options;

/// The login of one session.
pub(super) struct Login {}

/// The answer to a challenge.
pub(super) struct Answer {
    pub(super) signature: String,
    pub(super) extra: Value,
}

impl Login {
    pub(super) fn new(_options: &Options) -> Login {
        Login {}
    }

    /// HELLO.Details.
    pub(super) fn hello(&self, options: &Options) -> Vec<u8> {
        options.hello(Map::new())
    }

    /// Looks at who the router says it is.
    pub(super) fn gate(&self) -> Option<Gate> {
        None
    }

    /// Answers a challenge; may take a second. An error is a sentence for people.
    pub(super) fn answer(&self, method: &str, _extra: &[u8]) -> Result<Answer, String> {
        Err(format!("no credentials for {method}"))
    }
}
