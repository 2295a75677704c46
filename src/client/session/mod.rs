//! One session: requests of any thread go through here into the protocol core.
//!
//! A request is checked, numbered and encoded into the outbox under one short lock; then the I/O
//! task is told, if it sleeps. Nothing is handed over by a channel or a task of its own.
//!
//! * [`requests`]: what the application asks for. [`events`]: the way of what the router says.
//! * [`handler`], [`callbacks`]: the application's side of a request, and of a connection.
//!   [`notice`]: what is queued for it. `pace`: whether messages come one by one.
//! * [`shared`]: what sessions need of their connection, which they do not know otherwise.
//! * [`durable`]: what is placed again after every join. [`passthru`]: payloads that routers carry
//!   without a look inside.
//!
//! Sockets, attempts and the connection's state are left to [`super::connection`].

pub mod callbacks;
pub mod durable;
pub mod events;
pub mod handler;
pub mod notice;
mod pace;
pub mod passthru;
pub mod requests;
pub mod shared;

use std::ffi::CStr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Instant;

use bytes::Bytes;

use crate::client::delivery::Sleeper;
use crate::client::login::Login;
use crate::client::options::Options;
use crate::client::runtime::wait_for_io;
use crate::client::stats::Traffic;
use crate::client::status::{Failure, Status};
use crate::client::sync::{Condvar, lock};
use crate::codec::{Batch, Encoding};
use crate::protocol::{self, Event, Phase};
use crate::transport::{Serializer, Transport};

use callbacks::Slot;
use events::tell_waiter;
use pace::Pace;

pub use handler::{EventHandler, Receiver, Waiter};
pub use notice::{Notice, NoticeKind};
pub use shared::Shared;

pub(super) use shared::Host;

/// One session, from its HELLO to its end.
pub struct Session {
    me: Weak<Session>,
    shared: Arc<Shared>,
    /// With what it was made: the hook before an attempt may have changed some.
    options: Arc<Options>,
    /// Index of the transport that carries it.
    transport: usize,
    /// Encoding of its messages.
    serializer: Serializer,
    /// Tells the sessions of a connection apart.
    pub(super) serial: u64,
    login: Login,
    begun: Instant,
    core: Mutex<Core>,
    /// The outbox has been written.
    written: Condvar,
    joined: OnceLock<Joined>,
    /// Its task, for threads that do the work of one.
    pub(super) driver: OnceLock<Weak<dyn Driver>>,
    pace: Pace,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows this session.
    pub handle: AtomicU64,
}

/// The task of a session, as far as others may do its work.
pub(in crate::client) trait Driver: Send + Sync {
    /// Writes what waits to be written; false if that is for the task, which must be woken.
    fn write_now(&self) -> bool;

    /// Watches the socket on this thread as long as `waits` sleeps. It may return early, or at
    /// once, where the task is better at it. `takes` says that this thread takes events: then it
    /// is returned whether some came of which nobody was told.
    fn drive(&self, waits: &dyn Sleeper, takes: bool, deadline: Option<Instant>) -> bool;
}

/// Contents of WELCOME.
#[derive(Debug)]
pub struct Joined {
    /// The session's id.
    pub id: u64,
    /// The realm.
    pub realm: Arc<CStr>,
    /// WELCOME.Details, an encoded dict.
    pub details: Bytes,
}

pub(in crate::client) struct Core {
    pub(super) protocol: protocol::Session<Receiver>,
    pub(super) traffic: Traffic,
    /// Bytes taken from the outbox and not yet written.
    in_flight: usize,
    /// Somebody was told to try again.
    pub(super) want_writable: bool,
    /// Somebody waits in flush.
    flushing: usize,
    /// The transport is gone: what was not written never will be.
    writing_ended: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("joined", &self.joined).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        shared: &Arc<Shared>,
        options: &Arc<Options>,
        transport: usize,
        carrier: &dyn Transport,
        mut login: Login,
        serial: u64,
        ids_above: u64,
    ) -> Arc<Session> {
        let config = protocol::Config {
            realm: options.realm.clone(),
            hello: login.take_hello(),
            encoding: carrier.serializer().encoding,
            max_message_size: options.max_message_size.min(carrier.max_send()),
            ids_above,
            gate: login.gate(),
        };
        Arc::new_cyclic(|me| Session {
            me: me.clone(),
            shared: shared.clone(),
            options: options.clone(),
            transport,
            serializer: carrier.serializer(),
            serial,
            login,
            begun: Instant::now(),
            core: Mutex::new(Core {
                protocol: protocol::Session::new(config),
                traffic: Traffic::new(carrier.serializer().encoding),
                in_flight: 0,
                want_writable: false,
                flushing: 0,
                writing_ended: false,
            }),
            written: Condvar::new(),
            joined: OnceLock::new(),
            driver: OnceLock::new(),
            pace: Pace::default(),
            handle: AtomicU64::new(0),
        })
    }

    /// The part that it shares with its connection.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// With what it was made.
    pub fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// Index of the transport that carries it.
    pub(super) fn transport(&self) -> usize {
        self.transport
    }

    /// Encoding of its messages.
    pub(super) fn encoding(&self) -> Encoding {
        self.serializer.encoding
    }

    /// Serializer that was agreed on with the router.
    pub(super) fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// Time at which it was made.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Contents of WELCOME; `None` before.
    pub fn joined(&self) -> Option<&Joined> {
        self.joined.get()
    }

    /// True while requests can be made.
    pub fn is_open(&self) -> bool {
        lock(&self.core).protocol.phase() == Phase::Open
    }

    /// GOODBYE.
    pub(super) fn leave(&self, reason: &str, message: Option<&str>) -> Result<(), Failure> {
        self.command(|core| core.leave(reason, message))
    }

    /// Waits until all that has been accepted so far is written.
    pub fn flush(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        self.check_wait()?;
        let mut core = lock(&self.core);
        core.flushing += 1;
        let result = loop {
            if core.writing_ended {
                break Err(Status::Closed.into());
            }
            if core.backlog() == 0 {
                break Ok(());
            }
            match wait_for_io(&self.written, core, deadline) {
                Some(again) => core = again,
                None => {
                    core = lock(&self.core);
                    break Err(Failure::new(Status::Timeout, "not everything was written in time"));
                }
            }
        };
        core.flushing -= 1;
        result
    }

    /// Ends all requests and handlers and returns what they kept, for the caller to drop.
    pub(super) fn detach(&self) -> Vec<Event<Receiver>> {
        let mut core = lock(&self.core);
        core.protocol.detach();
        core.want_writable = false;
        let events: Vec<_> = core.protocol.take_events().collect();
        drop(core);
        self.written.notify_all();
        let (waiters, rest): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|e| e.target.as_ref().is_some_and(|t| t.waiter(e.kind).is_some()));
        for (receiver, waiter) in waiters.into_iter().map(tell_waiter) {
            waiter.inspect(|waiter| waiter.wake());
            drop(receiver);
        }
        rest
    }

    // ===== for the I/O task =====

    pub(super) fn lock_core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Takes a written batch back. True if the host must be told by [`EventQueue::wake`], once no
    /// lock is held.
    pub(super) fn batch_written(self: &Arc<Self>, core: &mut Core, batch: Batch) -> bool {
        core.in_flight = 0;
        core.protocol.recycle(batch);
        if core.flushing > 0 {
            self.written.notify_all();
        }
        let limit = self.options.send_queue_bytes;
        if !core.want_writable || core.backlog() > limit / 2 {
            return false;
        }
        core.want_writable = false;
        let event = self.shared.plain_event(Slot::Writable);
        let writable = self.shared.notice(NoticeKind::Writable, event);
        let notice = Notice { session: Some(self.clone()), ..writable };
        self.shared.queue.push(&self.shared, std::iter::once(notice))
    }

    /// Ends what still waits: its task ends, in whatever way.
    pub(super) fn end_all(&self) {
        self.login.stop();
        let mut core = lock(&self.core);
        core.protocol.lost();
        let deferred = self.hand_over(&mut core);
        self.end_writing(&mut core);
        drop(core);
        deferred.run(&self.shared);
    }

    /// Ends what waits to be written: the transport is gone.
    fn end_writing(&self, core: &mut Core) {
        core.in_flight = 0;
        core.writing_ended = true;
        drop(core.protocol.take_outbox());
        self.written.notify_all();
    }
}

impl Core {
    /// Bytes accepted and not yet written.
    pub(super) fn backlog(&self) -> usize {
        self.protocol.outbox().len() + self.in_flight
    }

    /// Takes what waits to be written.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if self.protocol.outbox().is_empty() {
            return None;
        }
        let batch = self.protocol.take_outbox();
        batch.iter().for_each(|message| self.traffic.sent(message));
        self.in_flight = batch.len();
        Some(batch)
    }
}
