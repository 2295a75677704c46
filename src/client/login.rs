//! The login of a session: HELLO, the answers to challenges that the options alone can give, and a
//! look at who the router says it is. How an answer is made is left to [`crate::auth`]; a program
//! that wants to give its own has on_challenge.

use std::sync::{Arc, Mutex, TryLockError};

use serde_json::{Map, Value};

use crate::auth::{self, Answer, AuthError};
use crate::codec::Dict;
use crate::protocol::Gate;

use super::options::Options;
use super::status::{Failure, Status};
use super::sync::lock;

/// The login of one session.
pub(super) struct Login {
    /// HELLO.Details, until they are taken.
    hello: Vec<u8>,
    inner: Arc<Mutex<auth::ClientAuth>>,
    /// The application answers.
    asks: bool,
    stop: auth::Stop,
}

impl Login {
    /// Fails where what the options want cannot be had, such as a binding to TLS without TLS.
    pub(super) fn new(
        options: &Options,
        channel_id: Option<[u8; 32]>,
        asks: bool,
    ) -> Result<Login, Failure> {
        let failed = |error: AuthError| Failure::new(Status::Auth, error.to_string());
        let credentials = Arc::new(options.credentials.clone());
        let mut inner = auth::ClientAuth::new(credentials, channel_id);
        let methods = options.methods();
        let extra = inner.hello_extra(&methods, options.authextra.as_ref()).map_err(failed)?;
        let (hello, stop) = (options.hello(extra), inner.stop());
        Ok(Login { hello, inner: Arc::new(Mutex::new(inner)), asks, stop })
    }

    /// Stops an answer that is being made: nobody waits for it any more.
    pub(super) fn stop(&self) {
        self.stop.stop();
    }

    /// The size of HELLO.Details.
    pub(super) fn hello_size(&self) -> usize {
        self.hello.len()
    }

    /// Takes HELLO.Details out, which are sent once.
    pub(super) fn take_hello(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.hello)
    }

    /// Checks who the router says it is, where we know what to expect.
    pub(super) fn gate(&self) -> Option<Gate> {
        if self.asks || lock(&self.inner).expects_nothing() {
            return None;
        }
        let inner = self.inner.clone();
        Some(Gate(Arc::new(move |details: Dict<'_>| {
            let extra = details.get("authextra").map(serde_json::from_slice::<Value>);
            let extra = extra.transpose().map_err(|error| format!("authextra: {error}"))?;
            let inner = match inner.try_lock() {
                Ok(inner) => inner,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    return Err("the router did not wait for the answer to its challenge".into());
                }
            };
            inner.welcome(extra.as_ref().and_then(Value::as_object)).map_err(|e| e.to_string())
        })))
    }

    /// True if the application answers: it had an on_challenge when the session began.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Answers a challenge; may take a second. An error is a sentence for people.
    pub(super) fn answer(&self, method: &str, extra: &[u8]) -> Result<Answer, String> {
        if self.asks {
            return Err("on_challenge was removed before the challenge arrived".to_owned());
        }
        let extra: Map<String, Value> =
            serde_json::from_slice(extra).map_err(|error| format!("CHALLENGE.Extra: {error}"))?;
        lock(&self.inner).answer(method, &extra).map_err(|error| error.to_string())
    }
}
