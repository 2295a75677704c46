//! `quiesce`: ends the callbacks of an id, or of the whole connection, and waits for the one that
//! runs; the network has no part in it.
//!
//! An id's targets are marked wherever they may be: in the tables of the session, among what is
//! durable, in the queue. What has left the queue already, but has not been told, cannot be
//! reached: for the length of that turn the queue remembers the id.

use std::sync::Arc;
use std::time::Instant;

use super::connection::Connection;
use super::dispatch::Dispatcher;
use super::durable::is_durable;
use super::lock;
use super::scope::{self, in_wakeup};
use super::status::{Failure, Status};
use super::target::Receiver;

impl Connection {
    /// From now on no callback begins for `id`, or for the whole connection (0); waits until none
    /// runs. Also where the time is up none will begin.
    pub fn quiesce(self: &Arc<Self>, id: u64, deadline: Option<Instant>) -> Result<(), Failure> {
        let id = Some(id).filter(|id| *id != 0);
        if self.is_inside_of(id) {
            let text =
                "this waits for the callback that it was called in to end; call it elsewhere";
            return Err(Failure::new(Status::Deadlock, text));
        }
        match id {
            Some(id) => self.silence(id),
            None => {
                self.dispatcher.barrier.silence();
                drop(self.dispatcher.set_wakeup(None));
            }
        }
        if scope::in_io() && self.dispatcher.barrier.runs(id) {
            let text = "a callback is still running, and none of \"inline\" dispatch can wait for it; none begins any more";
            return Err(Failure::new(Status::Deadlock, text));
        }
        match self.dispatcher.barrier.wait(id, deadline) {
            true => Ok(()),
            false => Err(Failure::new(Status::Timeout, "a callback is still running")),
        }
    }

    /// True on the thread that runs a callback for `id`; `None` is any.
    fn is_inside_of(&self, id: Option<u64>) -> bool {
        match id {
            Some(_) => Dispatcher::is_inside(self) && self.dispatcher.barrier.runs(id),
            None => Dispatcher::is_inside(self) || in_wakeup(),
        }
    }

    fn silence(&self, id: u64) {
        if is_durable(id)
            && let Some(durable) = self.durables.find(id)
        {
            durable.target().silence();
        }
        let session = lock(&self.state).session.clone();
        if let Some(session) = session {
            let core = session.core();
            let mut note = |local: u64, receiver: &Receiver| {
                if receiver.is_of(local, id) {
                    receiver.app().into_iter().for_each(|target| target.silence());
                }
            };
            match is_durable(id) {
                true => core.protocol.each_target(&mut note),
                false => core.protocol.targets_of(id, &mut note),
            }
        }
        self.dispatcher.silence(id);
    }
}

impl Receiver {
    /// True if it hears of `id`, as the application knows it; `local` is what its session says.
    fn is_of(&self, local: u64, id: u64) -> bool {
        match self {
            Receiver::Durable(durable) => durable.id() == id,
            Receiver::Known(_, durable) => *durable == id,
            Receiver::App(_) | Receiver::Both(..) => local == id,
            Receiver::Waiter(_) => false,
        }
    }
}
