//! The part of a connection that its sessions need: what was configured, the queue of events, the
//! callbacks, and how something is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::client::delivery::EventQueue;
use crate::client::options::{Mode, Options};
use crate::client::payload_codec::Codec;
use crate::client::prefixes::Prefixes;
use crate::client::runtime::{self, Closable};
use crate::client::scope::FlagScope;
use crate::client::status::Status;
use crate::client::sync::lock;
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind};
use crate::transport::Doorbell;

use super::Driver;
use super::callbacks::{Callbacks, Slot};
use super::durable::Durables;
use super::handler::Receiver;
use super::notice::{Notice, NoticeKind};

/// The connection, as its sessions know it.
pub(in crate::client) trait Host: Closable {
    /// Takes note of a WELCOME that is about to be told, over the transport with this index. Called
    /// under the session's lock, so it may take the state's and not the queue's.
    fn session_opened(&self, transport: usize);

    /// Wakes those who wait for that. Called once no lock is held.
    fn announce_opened(&self);
}

/// See the module's text.
pub struct Shared {
    pub(in crate::client) host: Weak<dyn Host>,
    options: Mutex<Arc<Options>>,
    /// Its queue of events.
    pub(in crate::client) queue: EventQueue<Notice>,
    /// Wakes the connection's I/O task.
    pub(in crate::client) doorbell: Doorbell,
    /// The task of its session, for threads that do the work of one.
    driver: Mutex<Option<Weak<dyn Driver>>>,
    /// Its callbacks.
    pub callbacks: Callbacks,
    /// Its URI shortcuts.
    pub prefixes: Prefixes,
    pub(in crate::client) durables: Durables,
    pub(in crate::client) codec: Mutex<Option<Arc<dyn Codec>>>,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows the connection.
    pub handle: AtomicU64,
}

impl Shared {
    pub(in crate::client) fn new(host: Weak<dyn Host>, options: Arc<Options>) -> Arc<Shared> {
        Arc::new(Shared {
            host,
            queue: EventQueue::new(options.dispatch, options.receive_queue_bytes),
            options: Mutex::new(options),
            doorbell: Doorbell::default(),
            driver: Mutex::new(None),
            callbacks: Callbacks::default(),
            prefixes: Prefixes::default(),
            durables: Durables::default(),
            codec: Mutex::new(None),
            handle: AtomicU64::new(0),
        })
    }

    /// One of no connection.
    #[cfg(test)]
    pub(in crate::client) fn without_host(options: Options) -> Arc<Shared> {
        struct Nobody;
        impl Closable for Nobody {
            fn start_closing(&self) {}
            fn wait_closed(&self, _deadline: std::time::Instant) -> bool {
                true
            }
            fn finish(&self) {}
            fn fail(&self, _why: &crate::client::Failure) {}
        }
        impl Host for Nobody {
            fn session_opened(&self, _transport: usize) {}
            fn announce_opened(&self) {}
        }
        Shared::new(Weak::<Nobody>::new(), Arc::new(options))
    }

    /// The connection's configuration.
    pub fn options(&self) -> Arc<Options> {
        lock(&self.options).clone()
    }

    pub(in crate::client) fn set_options(&self, options: Arc<Options>) {
        *lock(&self.options) = options;
    }

    pub(in crate::client) fn set_driver(&self, driver: Weak<dyn Driver>) {
        *lock(&self.driver) = Some(driver);
    }

    /// The task of its session, where threads may do its work and it sleeps.
    pub(super) fn idle_driver(&self) -> Option<Arc<dyn Driver>> {
        if !self.doorbell.is_asleep() || !self.options().drive {
            return None;
        }
        lock(&self.driver).as_ref().and_then(Weak::upgrade)
    }

    /// The mode in which events reach the application.
    pub fn mode(&self) -> Mode {
        self.queue.mode()
    }

    /// The connection, as a user of the runtime.
    pub(in crate::client) fn user(&self) -> Weak<dyn Closable> {
        self.host.clone()
    }

    /// Puts a notice into the queue. No lock may be held.
    pub(in crate::client) fn tell(self: &Arc<Self>, notice: Notice) {
        if self.mode() == Mode::Thread {
            // Without a runtime there are no workers. Refused only while the library is shut down.
            let _ = runtime::enter(self.user());
        }
        // A connection that is freed in this very moment takes no more notices by itself.
        if self.queue.push(self, std::iter::once(notice)) {
            self.queue.wake();
        }
        if self.mode() == Mode::Inline {
            self.deliver_rest();
        }
    }

    /// Sees to what was told while the library was shut down, and to what is still to be delivered
    /// now that there is no session. No lock may be held.
    pub(in crate::client) fn deliver_rest(self: &Arc<Self>) {
        if !self.queue.wants_draining() {
            return;
        }
        match self.mode() {
            Mode::Manual => {}
            Mode::Thread => {
                let _ = runtime::enter(self.user());
                self.queue.start(self);
            }
            Mode::Inline => {
                let shared = self.clone();
                if runtime::spawn(self.user(), async move { shared.deliver_inline() }).is_err() {
                    // The library is being shut down: nobody else will.
                    self.deliver_inline();
                }
            }
        }
    }

    /// Delivers in `inline` mode outside of a session, where nobody else does.
    pub(in crate::client) fn deliver_inline(&self) {
        if self.mode() == Mode::Inline {
            let _scope = FlagScope::io();
            self.queue.drain_inline(self);
        }
    }

    /// Delivers what is left after the end of all threads. In `manual` mode that is left to the
    /// host.
    pub(in crate::client) fn deliver_last(&self) {
        if self.mode() != Mode::Manual {
            self.queue.drain_inline(self);
        }
    }

    /// Reports that the application's own code has failed: tells on_user_error, in turn with the
    /// other events. A failure of on_user_error itself only goes to the log: it would have no end.
    pub fn report(self: &Arc<Self>, about: &Notice, text: &str) {
        let mut notice = about.copy();
        notice.kind = NoticeKind::UserError;
        notice.status = Status::Remote;
        notice.text = Some(c_text(text));
        if about.kind == NoticeKind::UserError {
            return notice.log_unhandled();
        }
        notice.event.target = self.callbacks.receiver(Slot::UserError);
        self.tell(notice);
    }

    /// A notice of this connection, of nothing that went wrong.
    #[inline]
    pub(in crate::client) fn notice(&self, kind: NoticeKind, event: Event<Receiver>) -> Notice {
        let connection = self.handle.load(Ordering::Acquire);
        Notice { connection, ..Notice::detached(kind, event) }
    }

    /// An event of the connection itself, for one of its callbacks.
    pub(in crate::client) fn plain_event(&self, slot: Slot) -> Event<Receiver> {
        Event::new(EventKind::Released, 0, self.callbacks.receiver(slot))
    }

    /// Reports a notice that had no callback: a failure is told to on_user_error, or logged.
    pub(super) fn report_unhandled(&self, notice: &Notice) {
        let is_failure = notice.status != Status::Ok
            && matches!(notice.kind, NoticeKind::Session(_) | NoticeKind::Restored);
        if is_failure && let Some(receiver) = self.callbacks.receiver(Slot::UserError) {
            let told = Notice { kind: NoticeKind::UserError, ..notice.copy() };
            if receiver.handler().is_some_and(|handler| handler.deliver(&told)) {
                return;
            }
        }
        notice.log_unhandled();
    }
}
