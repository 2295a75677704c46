//! The hook before each attempt to connect: the application may change where to and as whom, for
//! credentials that expire, at once or later.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::options::Options;
use super::status::{Failure, Status};
use super::sync::{lock, notify};

/// An attempt that waits for the application's word.
pub struct Attempt {
    /// With what it would be made.
    options: Arc<Options>,
    decision: Mutex<Option<Decision>>,
    decided: Notify,
}

/// The application's word on an attempt.
#[derive(Debug, Clone)]
pub(super) enum Decision {
    /// Go on with these options.
    Proceed(Arc<Options>),
    /// No attempt, and none after it.
    Abandon(String),
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt")
    }
}

impl Attempt {
    pub(super) fn new(options: Arc<Options>) -> Attempt {
        Attempt { options, decision: Mutex::new(None), decided: Notify::new() }
    }

    /// Goes on, with some options changed (a JSON object) for this attempt and those after it.
    pub fn proceed(&self, changes: Option<&str>) -> Result<(), Failure> {
        let options = match changes {
            None => self.options.clone(),
            Some(changes) => Arc::new(self.options.changed(changes)?),
        };
        self.decide(Decision::Proceed(options))
    }

    /// Makes no attempt, and none after it.
    pub fn abandon(&self, message: &str) -> Result<(), Failure> {
        self.decide(Decision::Abandon(message.to_owned()))
    }

    fn decide(&self, decision: Decision) -> Result<(), Failure> {
        let mut decided = lock(&self.decision);
        if decided.is_some() {
            return Err(Failure::new(Status::State, "this attempt has been decided already"));
        }
        *decided = Some(decision);
        drop(decided);
        notify(&self.decided);
        Ok(())
    }

    pub(super) async fn decision(&self) -> Decision {
        loop {
            let decided = lock(&self.decision).clone();
            match decided {
                Some(decision) => return decision,
                None => self.decided.notified().await,
            }
        }
    }
}
