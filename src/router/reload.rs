//! Another configuration for a router that runs: it is read as a whole first, and taken over only
//! where nothing is wrong with it.
//!
//! New connections and logins go by it at once; the sessions that there are, [`super::realm`]
//! judges anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::log::Level;
use crate::os::lock;

use super::config::Config;
use super::journal::Line;
use super::{Router, RouterError, Shared, millis};

impl Router {
    /// Goes by this configuration from now on, and returns when everything does. Nothing is changed
    /// where it is wrong.
    pub fn reload(&self, config: Option<&str>) -> Result<(), RouterError> {
        let shared = &self.shared;
        let _only_one = lock(&shared.reloading);
        let present = shared.config();
        let config = present.parse_next(config)?;
        let memory_limit = config.budget.limit();
        let config = Arc::new(Config { budget: present.budget.clone(), ..config });
        {
            // Held until the next listener would go by the new one.
            let mut listeners = lock(&self.listeners);
            listeners.check_open()?;
            check_fixed(&present, &config)?;
            listeners.check(&present, &config)?;
            listeners.change(&present, &config, shared);
            *lock(&shared.config) = config.clone();
        }
        shared.budget.set_limit(memory_limit);
        shared.go_by(&config);
        shared.realms.reload(&config);
        // Whoever has begun to log in among the former users is judged when it joins.
        shared.reception.replace(config.clone());
        shared.journal.write(Line::new(Level::Info, "reloaded"));
        Ok(())
    }
}

impl Shared {
    /// Has the parts that have settings of their own go by a configuration.
    fn go_by(&self, config: &Config) {
        self.journal.change(config.log_format);
        self.gate.change(config.connection_limits);
        self.desk.change(config.max_questions, config.question_timeout);
        self.message_timeout.store(millis(config.message_timeout), Ordering::Relaxed);
        let clients: Vec<_> = lock(&self.clients).by_id.values().cloned().collect();
        clients.iter().for_each(|client| client.may_keep_waiting(config.send_queue_bytes));
    }
}

/// Refuses to change what cannot change.
fn check_fixed(present: &Config, next: &Config) -> Result<(), RouterError> {
    if present.dispatch == next.dispatch {
        return Ok(());
    }
    let why = "\"dispatch\": cannot be changed while the router runs; make a new router";
    Err(RouterError::Config(why.to_owned()))
}
