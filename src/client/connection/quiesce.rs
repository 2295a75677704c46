//! `quiesce`: ends the callbacks of an id, or of the whole connection, and waits for the one that
//! runs; the network has no part in it.
//!
//! An id's handlers are marked wherever they may be: in the tables of the session, among what is
//! durable, in the queue. What has left the queue already, but has not been told, cannot be
//! reached: for the length of that turn the queue remembers the id.

use std::time::Instant;

use crate::client::scope::{self, in_wakeup};
use crate::client::session::Receiver;
use crate::client::session::durable::is_durable;
use crate::client::status::{Failure, Status};

use super::Connection;

impl Connection {
    /// From now on no callback begins for `id`, or for the whole connection (0); waits until none
    /// runs. Also where the time is up none will begin.
    pub fn quiesce(&self, id: u64, deadline: Option<Instant>) -> Result<(), Failure> {
        let id = Some(id).filter(|id| *id != 0);
        if self.is_inside_of(id) {
            let text = "this would wait for the callback that it was called in; call it elsewhere";
            return Err(Failure::new(Status::Deadlock, text));
        }
        match id {
            Some(id) => self.silence(id),
            None => {
                self.shared.queue.barrier.silence();
                drop(self.shared.queue.set_wakeup(None));
            }
        }
        if scope::in_io() && self.shared.queue.barrier.runs(id) {
            let text = "a callback is still running, and one of \"inline\" dispatch cannot wait for it; no other will start";
            return Err(Failure::new(Status::Deadlock, text));
        }
        match self.shared.queue.barrier.wait(id, deadline) {
            true => Ok(()),
            false => Err(Failure::new(Status::Timeout, "a callback is still running")),
        }
    }

    /// True on the thread that runs a callback for `id`; `None` is any.
    fn is_inside_of(&self, id: Option<u64>) -> bool {
        match id {
            Some(_) => self.shared.queue.is_inside() && self.shared.queue.barrier.runs(id),
            None => self.shared.queue.is_inside() || in_wakeup(),
        }
    }

    fn silence(&self, id: u64) {
        if is_durable(id)
            && let Some(durable) = self.shared.durables.find(id)
        {
            durable.handler().silence();
        }
        if let Some(session) = self.current_session() {
            let core = session.lock_core();
            let mut note = |local: u64, receiver: &Receiver| {
                if receiver.hears_of(local, id) {
                    receiver.handler().into_iter().for_each(|handler| handler.silence());
                }
            };
            match is_durable(id) {
                true => core.protocol.each_target(&mut note),
                false => core.protocol.targets_of(id, &mut note),
            }
        }
        self.shared.queue.silence(id);
    }
}
