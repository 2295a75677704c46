//! The questions of a router on their way to the program, in the three dispatch modes.
//!
//! The queue of events is that of connections. What an event lends is left to [`super::question`].

use std::collections::VecDeque;
use std::fmt;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::client::delivery::{EventQueue, Item, Owner};
use crate::client::scope::FlagScope;
use crate::client::{EventHandler, Mode, Notice, NoticeKind, Receiver, lock};
use crate::codec::{Dict, Payload, PayloadRef, Span};
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind};
use crate::router::{Asked, Dispatch, Host, Question, QuestionKind};

/// Something that ends what an event lends when it is dropped.
pub(super) type Loan = Box<dyn Send + Sync>;

/// Lends a question to an event, under a key.
pub(super) type Lend = fn(&Arc<Question>) -> (u64, Loan);

/// The side of the program that a router asks.
pub(super) struct RouterHost {
    pub(super) queue: EventQueue<HostEvent>,
    lend: Lend,
    /// The callbacks for logins and for requests.
    callbacks: Mutex<[Option<Arc<dyn EventHandler>>; 2]>,
    wants: [AtomicBool; 2],
}

/// An event that tells of a question.
pub(super) struct HostEvent {
    pub(super) notice: Notice,
    pub(super) loan: Loan,
    asked: Asked,
}

/// The host as the router knows it.
pub(super) struct HostOf(pub(super) Arc<RouterHost>);

/// The bytes of questions that may wait do not matter: their number is limited.
const NO_LIMIT: usize = usize::MAX;

impl RouterHost {
    /// A host that wants no question yet.
    pub(super) fn new(dispatch: Dispatch, lend: Lend) -> Arc<RouterHost> {
        let mode = match dispatch {
            Dispatch::Thread => Mode::Thread,
            Dispatch::Manual => Mode::Manual,
            Dispatch::Inline => Mode::Inline,
        };
        Arc::new(RouterHost {
            queue: EventQueue::new(mode, NO_LIMIT),
            lend,
            callbacks: Mutex::default(),
            wants: [const { AtomicBool::new(false) }; 2],
        })
    }

    /// Sets a callback, which may ask for events that are polled only. `is_wanted` says whether
    /// there are to be any.
    pub(super) fn set_callback(
        &self,
        kind: QuestionKind,
        callback: Arc<dyn EventHandler>,
        is_wanted: bool,
    ) {
        let callback = is_wanted.then_some(callback);
        let former = std::mem::replace(&mut lock(&self.callbacks)[kind as usize], callback);
        self.wants[kind as usize].store(is_wanted, Ordering::Release);
        // What it owns is freed where no lock is held.
        drop(former);
    }

    /// Ends all: nothing is told any more, and questions that wait are refused.
    pub(super) fn free(&self) {
        self.wants.iter().for_each(|wants| wants.store(false, Ordering::Release));
        let callbacks = std::mem::take(&mut *lock(&self.callbacks));
        let waiting = self.queue.discard();
        drop((callbacks, waiting, self.queue.set_wakeup(None)));
    }

    fn event(&self, asked: Asked, handler: Arc<dyn EventHandler>) -> HostEvent {
        let question = &asked.question;
        let (key, loan) = (self.lend)(question);
        let kind = match question.kind {
            QuestionKind::Login => NoticeKind::Authenticate,
            QuestionKind::Action => NoticeKind::Authorize,
        };
        let frame = Bytes::copy_from_slice(question.details.as_bytes());
        let mut event = Event::new(EventKind::Released, key, Some(Receiver::App(handler)));
        event.wamp_id = question.session;
        event.uri = Some(c_text(&question.uri));
        event.details = Span::from_dict(&frame, Dict::from_checked(&frame));
        event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
        HostEvent { notice: Notice::detached(kind, event), loan, asked }
    }
}

impl Host for HostOf {
    fn wants(&self, kind: QuestionKind) -> bool {
        self.0.wants[kind as usize].load(Ordering::Acquire)
    }

    fn ask(&self, asked: Asked) {
        let HostOf(host) = self;
        let callback = lock(&host.callbacks)[asked.question.kind as usize].clone();
        let Some(callback) = callback else {
            // Nobody is to be asked any more.
            return;
        };
        if host.queue.push(host, iter::once(host.event(asked, callback))) {
            host.queue.wake();
        }
        if host.queue.mode() == Mode::Inline {
            let _io = FlagScope::io();
            host.queue.drain_inline(&**host);
        }
    }
}

impl Owner for RouterHost {
    type Event = HostEvent;

    fn prepare(&self, _event: &mut HostEvent) {}

    fn deliver(&self, event: &HostEvent) {
        let receiver = event.notice.event.target.as_ref();
        if let Some(handler) = receiver.and_then(Receiver::handler) {
            handler.deliver(&event.notice);
        }
    }

    /// `inline` events are told by whoever asks.
    fn wake_io(&self) {}
}

impl AsRef<EventQueue<HostEvent>> for RouterHost {
    fn as_ref(&self) -> &EventQueue<HostEvent> {
        &self.queue
    }
}

impl Item for HostEvent {
    fn cost(&self) -> usize {
        self.notice.cost()
    }

    fn told_for(&self) -> u64 {
        0
    }

    /// Nobody is told of a question whose client has left.
    fn is_internal(&self) -> bool {
        self.asked.question.is_settled()
    }

    fn is_silent(&self) -> bool {
        false
    }

    fn silence(&self) {}

    fn pass_over(&self) {}
}

/// The events of one poll, apart from what they lend.
pub(super) fn apart(events: VecDeque<HostEvent>) -> (VecDeque<Notice>, Vec<Loan>) {
    events.into_iter().map(|HostEvent { notice, loan, .. }| (notice, loan)).unzip()
}

impl fmt::Debug for HostOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostOf")
    }
}
