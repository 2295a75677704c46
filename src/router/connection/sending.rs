//! The messages to a client on their way out, and the last words.

use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::codec::{DictWriter, PayloadRef};
use crate::protocol::message::{Abort, Goodbye};

use super::{Connection, Gone};

/// The time after which a turn writes no further piece: about that of a turn that carries out
/// messages.
const WRITING: Duration = Duration::from_micros(300);

impl Connection<'_> {
    /// Writes what waits, for a while. Tells whether that is all.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let mut begun = None;
        while self.begin_piece() {
            if !self.write_piece(cx)? {
                return Ok(false);
            }
            if !self.peer.has_work(false) {
                return Ok(true);
            }
            // A client that gets more in the turn of another than is written in its own would fall
            // back ever more.
            if begun.get_or_insert_with(Instant::now).elapsed() >= WRITING {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a piece of what waits, unless there is one that is not yet written; false if there is
    /// none.
    fn begin_piece(&mut self) -> bool {
        if self.writing.is_none() {
            self.writing = self.peer.take().map(|batch| (batch, 0));
            if let Some((batch, _)) = &self.writing {
                self.shared.sent.fetch_add(batch.count() as u64, Ordering::Relaxed);
            }
        }
        self.writing.is_some()
    }

    /// Writes the rest of the piece; false if the socket takes no more for now.
    fn write_piece(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let Some((batch, next)) = &mut self.writing else {
            return Ok(true);
        };
        if self.transport.poll_send(cx, batch, next)?.is_pending() {
            if self.shared.budget.is_tight() {
                let taken = self.transport.taken();
                self.peer.has_taken(taken + *next as i64);
            }
            return Ok(false);
        }
        if let Some((batch, _)) = self.writing.take() {
            self.peer.written(batch);
        }
        Ok(true)
    }

    /// Closes when all is written. The client has the last word: to drop a socket with unread data
    /// would take back what the client has not yet read, such as an ABORT.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        if self.transport.poll_close(cx)?.is_ready() && self.hung_up {
            return Err(Gone);
        }
        Ok(())
    }

    pub(super) fn say_goodbye(&mut self, reason: &str, message: Option<&str>) {
        let mut details = DictWriter::default();
        if let Some(message) = message {
            details.text("message", message);
        }
        let details = details.finish();
        let goodbye = Goodbye { details: details.dict(), reason: reason.into() };
        self.peer.send(&mut self.wakes, |out| goodbye.write(out));
    }

    /// Leaves the realm before the client is told, so that ABORT is the last message.
    pub(super) fn abort(&mut self, reason: &str, why: &str) {
        self.log_aborted(reason, why);
        self.end();
        let mut details = DictWriter::default();
        details.text("message", why);
        let details = details.finish();
        let abort =
            Abort { details: details.dict(), reason: reason.into(), payload: PayloadRef::NONE };
        self.peer.send(&mut self.wakes, |out| abort.write(out));
    }
}
