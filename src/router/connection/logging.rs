//! The lines that the log has of a client: who it is, and why it has gone or was not let in.

use crate::log::Level;

use super::super::journal::Line;
use super::{Connection, Phase};

impl Connection<'_> {
    /// It has come as far as it can without saying who it is.
    pub(super) fn log_connected(&self) {
        if Line::is_wanted(Level::Debug) {
            let line = self.line(Level::Debug, "connected");
            self.shared.journal.write(line.text("serializer", self.peer.encoding().name()));
        }
    }

    /// It has joined.
    pub(super) fn log_joined(&self, realm: &str) {
        if !Line::is_wanted(Level::Info) {
            return;
        }
        let identity = self.peer.identity();
        let line = self.line(Level::Info, "joined").text("realm", realm);
        let line = line.text("authid", &*identity.authid).text("authrole", &*identity.authrole);
        let line = line.text("authmethod", &*identity.authmethod);
        self.shared.journal.write(line.text("serializer", self.peer.encoding().name()));
    }

    /// It leaves the realm that it has joined, if it has.
    pub(super) fn log_left(&self, reason: &str) {
        if let Phase::Joined(_) = self.phase
            && Line::is_wanted(Level::Info)
        {
            let authid = &*self.peer.identity().authid;
            let line = self.line(Level::Info, "left").text("authid", authid);
            self.shared.journal.write(line.text("reason", reason));
        }
    }

    /// It gets an ABORT: it is not let in, or has broken a rule.
    pub(super) fn log_aborted(&self, reason: &str, why: &str) {
        if !Line::is_wanted(Level::Warn) {
            return;
        }
        let joined = matches!(self.phase, Phase::Joined(_));
        let line = match joined {
            true => self.line(Level::Warn, "aborted").text("authid", &*self.peer.identity().authid),
            false => self.line(Level::Warn, "not let in").text("claimed", &*self.claimed),
        };
        let line = line.text("reason", reason).text("message", why);
        self.shared.journal.write(match &self.cause {
            Some(cause) => line.text("cause", &**cause),
            None => line,
        });
    }

    /// The lines that were noted while a lock was held.
    pub(super) fn log_noted(&mut self) {
        for line in self.wakes.take_lines() {
            self.shared.journal.write(line);
        }
    }

    fn line(&self, level: Level, event: &'static str) -> Line {
        let line = Line::new(level, event).number("session", self.peer.id());
        match self.pass.origin().address() {
            Some(address) => line.text("address", address.to_string()),
            None => line,
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let reason = match self.peer.was_dropped() {
            true => "it did not take what waited for it",
            false => "the connection was lost",
        };
        self.log_left(reason);
    }
}
