//! What a connection goes through while its task runs: from attempt to session to end. The task
//! itself is in [`super::attempts`], the application's side in [`super::connection`].

use std::sync::{Arc, Weak};

use bytes::Bytes;
use serde_json::json;

use crate::codec::{Payload, PayloadRef, Span};
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind};
use crate::transport::Transport;

use super::attempts::deliver_inline;
use super::callbacks::Slot;
use super::connection::{Connection, Stage};
use super::dispatch::Mode;
use super::end::{End, EndClass};
use super::hook::Attempt;
use super::login::Login;
use super::notice::{Notice, NoticeKind};
use super::options::Options;
use super::retry::Next;
use super::session::Session;
use super::status::{Failure, Status};
use super::target::Receiver;
use super::{lock, log, notify, runtime};

impl Connection {
    pub(super) fn shared(&self) -> Option<Arc<Connection>> {
        self.me.upgrade()
    }

    /// True while the task of this open has the word.
    pub(super) fn is_served_by(&self, opens: u64) -> bool {
        let state = lock(&self.state);
        state.opens == opens && state.stage != Stage::Idle
    }

    /// Its task will never run again: ends in its place.
    pub(super) fn fail_at_once(self: &Arc<Self>, why: Failure) {
        let opens = lock(&self.state).opens;
        self.abandon_session();
        self.ended(opens, End::failed(EndClass::Closed, why), None);
        self.deliver_rest();
    }

    /// The attempt is over, in whatever way: what its session still owes is told.
    pub(super) fn abandon_session(&self) {
        let session = lock(&self.state).session.clone();
        if let Some(session) = session {
            session.abandon_all();
        }
    }

    /// Lets go of a session that never opened, as another transport may be tried now: until then
    /// nothing is connected.
    pub(super) fn drop_unopened(&self) {
        let session = lock(&self.state).session.clone();
        let Some(session) = session.filter(|session| session.joined().is_none()) else {
            return;
        };
        let traffic = session.core().traffic.clone();
        let mut state = lock(&self.state);
        state.traffic.add(&traffic);
        state.session = None;
    }

    /// With what the next attempt is made.
    pub(super) fn current_options(&self) -> Arc<Options> {
        lock(&self.state).current.clone()
    }

    /// The application has changed what attempts are made with.
    pub(super) fn set_options(&self, options: Arc<Options>) {
        let mut state = lock(&self.state);
        let urls = |options: &Options| -> Vec<String> {
            options.transports.iter().map(|transport| transport.url().to_owned()).collect()
        };
        if urls(&options) != urls(&state.current) {
            state.last_good = 0;
        }
        state.current = options;
    }

    /// Which of `count` transports to try first.
    pub(super) fn last_good(&self, count: usize) -> usize {
        lock(&self.state).last_good % count.max(1)
    }

    /// Tells on_connect, if there is one, of the attempt that it returns.
    pub(super) fn begin_attempt(self: &Arc<Self>) -> Option<Arc<Attempt>> {
        let receiver = self.callbacks.receiver(Slot::Connect)?;
        let state = lock(&self.state);
        let (options, retries) = (state.current.clone(), state.retries);
        // The one that is tried first.
        let url = options.transports[state.last_good % options.transports.len()].url();
        drop(state);
        let frame = Bytes::from(
            json!({
                "url": url,
                "realm": options.realm,
                "authid": options.credentials.authid,
                "retry_count": retries,
            })
            .to_string(),
        );
        let mut event = Event::new(EventKind::Gone, 0, Some(receiver));
        event.uri = Some(c_text(url));
        event.details = Span::new(&frame, Some(&frame));
        event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
        let attempt = Arc::new(Attempt::new(options));
        let notice = Notice::new(NoticeKind::Connect, self, event);
        self.tell(Notice { attempt: Some(attempt.clone()), ..notice });
        Some(attempt)
    }

    /// Puts a notice into the queue. No lock may be held.
    pub fn tell(self: &Arc<Self>, notice: Notice) {
        let mut notice = Some(notice);
        if self.dispatcher.mode() == Mode::Thread {
            // Without a runtime there are no workers. Refused only while the library is shut down.
            let user: Weak<Connection> = Arc::downgrade(self);
            let _ = runtime::enter(user);
        }
        // A connection that is freed in this very moment takes no more notices by itself.
        let freed = lock(&self.state).freed;
        let wake = !freed && self.dispatcher.push(self, notice.take().into_iter());
        drop(notice);
        if wake {
            self.dispatcher.wake();
        }
        if self.dispatcher.mode() == Mode::Inline {
            self.deliver_rest();
        }
    }

    /// Sees to what was told while the library was shut down, and to what is still to be delivered
    /// now that there is no session. No lock may be held.
    pub(super) fn deliver_rest(&self) {
        let Some(me) = self.shared().filter(|me| me.dispatcher.wants_draining()) else {
            return;
        };
        let user: Weak<Connection> = Arc::downgrade(&me);
        match me.dispatcher.mode() {
            Mode::Manual => {}
            Mode::Thread => {
                let _ = runtime::enter(user);
                me.dispatcher.start(&me);
            }
            Mode::Inline => {
                let delivering = me.clone();
                let task = async move { deliver_inline(&delivering) };
                if runtime::spawn(user, task).is_err() {
                    // The library is being shut down: nobody else will.
                    deliver_inline(&me);
                }
            }
        }
    }

    /// A notice that nobody wanted to hear: a failure is told to on_user_error, or logged.
    pub(super) fn unheard(&self, notice: &Notice) {
        let is_failure = notice.status != Status::Ok
            && matches!(notice.kind, NoticeKind::Session(_) | NoticeKind::Restored);
        if is_failure && let Some(receiver) = self.callbacks.receiver(Slot::UserError) {
            let told = Notice { kind: NoticeKind::UserError, ..notice.copy() };
            if receiver.app().is_some_and(|target| target.deliver(&told)) {
                return;
            }
        }
        notice.log_unheard();
    }

    /// The application's own code has failed: tells on_user_error, in turn with the other events.
    /// A failure of on_user_error itself only goes to the log: it would have no end.
    pub fn report(self: &Arc<Self>, about: &Notice, text: &str) {
        let mut notice = about.copy();
        notice.kind = NoticeKind::UserError;
        notice.status = Status::Remote;
        notice.text = Some(c_text(text));
        if about.kind == NoticeKind::UserError {
            return notice.log_unheard();
        }
        notice.event.target = self.callbacks.receiver(Slot::UserError);
        self.tell(notice);
    }

    /// A new session over a new transport; `None` if the connection was closed meanwhile.
    pub(super) fn begin_session(
        self: &Arc<Self>,
        options: &Arc<Options>,
        transport: usize,
        carrier: &dyn Transport,
    ) -> Result<Option<Arc<Session>>, Failure> {
        let asks = self.callbacks.receiver(Slot::Challenge).is_some();
        let login = Login::new(options, carrier.channel_id(), asks)?;
        let needed = login.hello().len() + options.realm.len();
        // Of our own limit HELLO is free.
        if let Some(most) = carrier.announced().filter(|most| needed > *most) {
            let text = format!("takes messages of {most} bytes, and HELLO alone has {needed}");
            return Err(Failure::new(Status::TooLarge, text));
        }
        let mut state = lock(&self.state);
        if state.stage != Stage::Connecting {
            return Ok(None);
        }
        state.sessions += 1;
        let (serial, above) = (state.sessions, state.ids_above);
        let session = Session::new(self, options, transport, carrier, login, serial, above);
        let former = state.session.replace(session.clone());
        drop(state);
        // A transport that was tried before carried one that never opened.
        drop(former);
        Ok(Some(session))
    }

    /// WELCOME has come, and is about to be told. The queue must not be locked.
    pub(super) fn begin_open(&self, session: &Session) {
        let mut state = lock(&self.state);
        if state.stage == Stage::Connecting {
            state.stage = Stage::Open;
        }
        state.last_good = session.transport();
        state.reconnects += u64::from(state.was_open);
        state.was_open = true;
        state.retries = 0;
        drop(state);
        self.changed.notify_all();
    }

    /// What tells of a WELCOME.
    pub(super) fn opened(&self, session: &Arc<Session>, mut event: Event<Receiver>) -> Notice {
        event.target = self.callbacks.receiver(Slot::Open);
        Notice { session: Some(session.clone()), ..Notice::new(NoticeKind::Open, self, event) }
    }

    /// Requests are accepted again.
    pub(super) fn writable(&self, session: &Arc<Session>) -> Notice {
        let event = self.plain_event(Slot::Writable);
        Notice { session: Some(session.clone()), ..Notice::new(NoticeKind::Writable, self, event) }
    }

    /// How an attempt's end looks from the whole of the connection: what fails after there has
    /// been a session is `lost`.
    pub(super) fn classify(&self, mut end: End) -> End {
        if end.class == EndClass::Unreachable && lock(&self.state).was_open {
            end.class = EndClass::Lost;
        }
        end
    }

    /// True if the attempt that has just ended had an open session.
    pub(super) fn had_session(&self) -> bool {
        let state = lock(&self.state);
        state.session.as_ref().is_some_and(|session| session.joined().is_some())
    }

    /// Whether to try again after `end`.
    pub(super) fn wants_retry(&self, end: &End) -> bool {
        let state = lock(&self.state);
        if state.give_up || state.freed || state.stage == Stage::Closing || runtime::is_closing() {
            return false;
        }
        drop(state);
        let options = self.options();
        end.is_retried(options.retry_if_unreachable, &options.retry_reasons)
    }

    /// True if the router has ended it with one of `retry_reasons`.
    pub(super) fn is_listed(&self, end: &End) -> bool {
        end.is_listed(&self.options().retry_reasons)
    }

    /// The wait for the next attempt is over; false if there shall be none.
    pub(super) fn begin_retry(&self) -> bool {
        let mut state = lock(&self.state);
        if state.stage != Stage::Waiting || state.give_up {
            return false;
        }
        state.stage = Stage::Connecting;
        true
    }

    /// True if the application closes the connection.
    pub(super) fn is_closing(&self) -> bool {
        lock(&self.state).stage == Stage::Closing
    }

    /// An attempt of this open has ended: tells on_close. Without a further attempt (`next`) the
    /// connection can be opened again. Of two that end the same open the first counts.
    pub(super) fn ended(self: &Arc<Self>, opens: u64, end: End, next: Option<Next>) {
        if !self.is_served_by(opens) {
            return;
        }
        log::write(log::Level::Info, || {
            let then =
                next.map_or(String::new(), |next| format!("; next attempt in {:?}", next.delay));
            let realm = &self.options().realm;
            format!("connection to '{realm}' {}: {}{then}", end.class, end.text)
        });
        let details = json!({
            "reason": end.reason,
            "message": end.message,
            "retry_delay": next.map(|next| next.delay.as_secs_f64()),
            "retry_count": next.map(|next| next.count),
            "will_retry": next.is_some(),
        });
        let frame = Bytes::from(details.to_string());
        let mut event = self.plain_event(Slot::Close);
        event.uri = Some(c_text(end.class.name()));
        event.details = Span::new(&frame, Some(&frame));
        event.payload = Payload::from_frame(&frame, PayloadRef::NONE);

        // The session's lock comes before the state's, so it is taken while that is not held.
        let session = lock(&self.state).session.take();
        let done = session.as_ref().map(|session| {
            let core = session.core();
            (core.protocol.ids_end(), core.traffic.clone())
        });
        let internal = end.is_internal().then(|| Notice {
            session: session.clone(),
            status: end.status,
            text: Some(c_text(&end.text)),
            ..Notice::new(NoticeKind::InternalError, self, self.plain_event(Slot::InternalError))
        });
        let close = Notice {
            session,
            status: end.status,
            text: Some(c_text(&end.text)),
            ..Notice::new(NoticeKind::Close, self, event)
        };
        // What the notices of a freed connection keep is dropped once no lock is held.
        let mut notices: Vec<_> = internal.into_iter().chain([close]).collect();
        let mut state = lock(&self.state);
        if state.opens != opens || state.stage == Stage::Idle {
            drop(state);
            return;
        }
        if let Some((ids_end, traffic)) = done {
            state.ids_above = ids_end;
            state.traffic.add(&traffic);
        }
        state.last_end = Some(end.clone());
        let wake = match state.freed {
            true => false,
            false => self.dispatcher.push(self, notices.drain(..)),
        };
        state.failure = Some(match end.status {
            Status::Ok => Failure::new(Status::Closed, end.text),
            status => Failure::new(status, end.text),
        });
        match next {
            // A close may have come since wants_retry: then the wait ends at once.
            Some(next) if state.stage != Stage::Closing => {
                state.stage = Stage::Waiting;
                state.retries = next.count;
            }
            Some(_) => notify(&self.stop),
            None => state.stage = Stage::Idle,
        }
        drop(state);
        self.changed.notify_all();
        drop(notices);
        if wake {
            self.dispatcher.wake();
        }
    }

    fn plain_event(&self, slot: Slot) -> Event<Receiver> {
        Event::new(EventKind::Gone, 0, self.callbacks.receiver(slot))
    }
}
