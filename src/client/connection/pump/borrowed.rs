//! The work of a pump on a thread that waits for an answer, and does not leave it to the task.
//!
//! Nothing of the application's runs on such a thread, which may hold any lock of the application:
//! whatever would do that, and whatever is not done at once, is left to the task.

use std::task::Context;

use crate::client::connection::hand_over::Watched;
use crate::client::session::events::Deferred;
use crate::os::Descriptor;
use crate::protocol::Phase;
use crate::transport::TransportError;

use super::{Pump, READ_AHEAD, TURN_BYTES};

/// The traces that other threads have left for the task.
#[derive(Default)]
pub(super) struct Borrowed {
    /// The socket is watched by a thread, and not by the runtime.
    is_detached: bool,
    /// Left to the task.
    deferred: Vec<Deferred>,
    /// The end of the transport, for the task to see to.
    trouble: Option<TransportError>,
}

/// The outcome of a read.
#[derive(Default)]
pub(in super::super) struct Read {
    /// Left to do when no lock is held.
    pub(in super::super) deferred: Deferred,
    /// Events came of which nobody was told.
    pub(in super::super) untold: bool,
    /// False if more is left, and to the task, which is to be woken.
    pub(in super::super) goes_on: bool,
}

impl Pump {
    /// Does what other threads have left, on the task.
    pub(super) fn take_over(&mut self) {
        self.tell_host();
        for deferred in std::mem::take(&mut self.borrowed.deferred) {
            deferred.run(&self.shared);
        }
        if let Some(trouble) = self.borrowed.trouble.take() {
            self.give_up(trouble);
        }
    }

    /// True if something is left for the task.
    pub(in super::super) fn is_left(&self) -> bool {
        let Borrowed { deferred, trouble, .. } = &self.borrowed;
        self.untold > 0 || !deferred.is_empty() || trouble.is_some()
    }

    /// Writes what has gathered; false if that, or anything else, is left to the task, which is to
    /// be woken. The context is the task's.
    pub(in super::super) fn write_now(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_idle() || !self.transport.writes_anywhere() {
            return false;
        }
        let core = self.session.lock_core();
        // The task has no timer yet for a call that has one, nor has it seen a session end.
        if core.protocol.phase() != Phase::Open || core.protocol.next_timeout().is_some() {
            return false;
        }
        drop(core);
        self.finish(cx)
    }

    /// Takes the socket from the runtime. `None`: it stays there, or is lost, which is left to the
    /// task.
    pub(in super::super) fn detach(&mut self) -> Option<Descriptor> {
        if !self.is_idle() || self.borrowed.is_detached {
            return None;
        }
        match self.transport.detach()? {
            Ok(socket) => {
                self.borrowed.is_detached = true;
                Some(socket)
            }
            Err(error) => {
                self.borrowed.trouble = Some(error.into());
                None
            }
        }
    }

    /// Reads and handles what is ready, and writes what that has led to. The context is the task's.
    /// `takes` says that the thread takes events, of which nobody is told then.
    pub(in super::super) fn read_now(&mut self, cx: &mut Context<'_>, takes: bool) -> Read {
        self.taken = 0;
        let (received, trouble) = self.receive(cx);
        // Otherwise there may be more in the transport's buffers, of which no socket tells.
        let is_all = self.frames.len() < READ_AHEAD && self.taken < TURN_BYTES;
        self.borrowed.trouble = self.borrowed.trouble.take().or(trouble);
        let mut read = Read::default();
        if received {
            read.deferred = self.handle_frames();
        }
        read.untold = takes && read.deferred.take_wake();
        if read.deferred.is_for_task() {
            self.borrowed.deferred.push(std::mem::take(&mut read.deferred));
        }
        let is_read = received || !self.skipped && !self.is_clogged();
        read.goes_on = is_read && is_all && self.is_idle() && self.finish(cx);
        read
    }

    /// True if the pump does nothing but wait.
    fn is_idle(&self) -> bool {
        self.is_running() && self.sending.is_none() && !self.unflushed && !self.is_left()
    }

    /// Writes what has gathered; true if the pump does nothing but wait again.
    fn finish(&mut self, cx: &mut Context<'_>) -> bool {
        if let Err(error) = self.write_all(cx) {
            self.borrowed.trouble = Some(error);
        }
        self.is_idle()
    }
}

impl Watched for Pump {
    fn is_detached(&self) -> bool {
        self.borrowed.is_detached
    }

    fn attach(&mut self) -> bool {
        if !std::mem::take(&mut self.borrowed.is_detached) {
            return false;
        }
        if let Err(error) = self.transport.attach() {
            self.borrowed.trouble.get_or_insert(error.into());
        }
        true
    }
}
