//! Another configuration for a router that runs: it is read as a whole first, and taken over only
//! where nothing is wrong with it.
//!
//! Whatever new connections and logins go by is replaced at once; [`super::realm`] judges the
//! sessions that there are.

use std::sync::Arc;

use crate::os::lock;

use super::config::Config;
use super::{Router, RouterError};

impl Router {
    /// Goes by this configuration from now on, and returns when everything does. Nothing is changed
    /// where it is wrong.
    pub fn reload(&self, config: Option<&str>) -> Result<(), RouterError> {
        let shared = &self.shared;
        let _only_one = lock(&shared.reloading);
        if lock(&self.listeners).closed {
            return Err(RouterError::Closed);
        }
        let present = shared.config();
        let config = present.parse_next(config)?;
        self.check_fixed(&present, &config)?;
        let config = Arc::new(config);
        *lock(&shared.config) = config.clone();
        shared.budget.set_limit(config.memory_limit);
        shared.gate.change(config.gate);
        shared.desk.change(config.max_questions, config.question_timeout);
        shared.message_timeout.set(config.message_timeout);
        let clients: Vec<_> = lock(&shared.clients).by_id.values().cloned().collect();
        clients.iter().for_each(|client| client.may_keep_waiting(config.send_queue_bytes));
        shared.realms.reload(&config);
        // Who has begun to log in with the former users is judged when it joins.
        shared.reception.replace(config.auth.clone());
        Ok(())
    }

    /// Refuses to change what cannot change.
    fn check_fixed(&self, present: &Config, next: &Config) -> Result<(), RouterError> {
        if present.dispatch != next.dispatch {
            let why = "\"dispatch\": cannot be changed while the router runs; make a new router";
            return Err(RouterError::Config(why.to_owned()));
        }
        match lock(&self.listeners).secure.as_ref().filter(|_| next.tls.is_none()) {
            None => Ok(()),
            Some(url) => {
                let why = format!("\"tls\" is missing, which is needed at {url}");
                Err(RouterError::Config(why))
            }
        }
    }
}
