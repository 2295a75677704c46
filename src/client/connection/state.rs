//! The state of a connection, and every transition that it makes.
//!
//! ```text
//!    Idle --open--> Connecting --WELCOME--> Open
//!     ^              ^  |                     |
//!     |         time |  | failure             | loss
//!     |              |  v                     |
//!     |             Waiting <-----------------+
//!     |                 | close               | close
//!     +--- CLOSE ---- Closing <---------------+
//! ```
//!
//! A failure or loss that is retried tells CLOSE too, with `will_retry`; the last CLOSE after an
//! open is the one without. Knows no locks and wakes nobody: that is left to [`super::Connection`].

use std::sync::Arc;

use crate::client::options::Options;
use crate::client::retry::Next;
use crate::client::session::Session;
use crate::client::stats::Traffic;
use crate::client::status::{Failure, Status};

use super::close_reason::{CloseClass, CloseReason};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Open,
    /// For the time of the next attempt.
    Waiting,
    Closing,
}

/// See the module's text.
pub(super) struct State {
    stage: Stage,
    /// Number of opens: what is left of an earlier task has nothing to say.
    opens: u64,
    /// Options of attempts.
    current: Arc<Options>,
    /// Index of the transport that worked last.
    last_good: usize,
    /// Sessions so far.
    pub(super) sessions: u64,
    /// Traffic of the sessions that have ended.
    pub(super) traffic: Traffic,
    /// Sessions after a loss, since it was made.
    pub(super) reconnects: u64,
    /// End of the last attempt or session.
    pub(super) last_end: Option<CloseReason>,
    /// From HELLO to the end.
    session: Option<Arc<Session>>,
    /// Why the last attempt ended.
    failure: Option<Failure>,
    /// Local ids up to here have been used.
    ids_above: u64,
    /// True once there has been a session since open.
    was_open: bool,
    /// Attempts after the first.
    retries: u32,
    /// True if the application wants no more attempts.
    gave_up: bool,
    freed: bool,
}

/// The effect of an open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A task is to be started for this open.
    Start(u64),
    /// The next attempt is to be made now.
    RetryNow,
}

/// The remains of a session.
pub(super) struct Remains {
    /// Its last local id.
    pub(super) ids_end: u64,
    pub(super) traffic: Traffic,
}

impl State {
    pub(super) fn new(options: Arc<Options>) -> State {
        State {
            stage: Stage::Idle,
            opens: 0,
            current: options,
            last_good: 0,
            sessions: 0,
            traffic: Traffic::default(),
            reconnects: 0,
            last_end: None,
            session: None,
            failure: None,
            ids_above: 0,
            was_open: false,
            retries: 0,
            gave_up: false,
            freed: false,
        }
    }

    // ===== transitions that the application makes =====

    /// Idle to Connecting; or an end to the wait for the next attempt.
    pub(super) fn open(&mut self) -> Result<Opening, Failure> {
        if self.freed {
            return Err(Status::Handle.into());
        }
        match self.stage {
            Stage::Waiting => return Ok(Opening::RetryNow),
            Stage::Idle => {}
            Stage::Connecting | Stage::Open | Stage::Closing => {
                let text = "the connection is open or opening already";
                return Err(Failure::new(Status::State, text));
            }
        }
        self.current.check_complete()?;
        self.stage = Stage::Connecting;
        self.failure = None;
        self.opens += 1;
        (self.was_open, self.retries, self.gave_up) = (false, 0, false);
        Ok(Opening::Start(self.opens))
    }

    /// Connecting to Idle, where no task could be started.
    pub(super) fn cancel_open(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Anything but Idle to Closing. Returns the session that is to leave.
    pub(super) fn close(&mut self) -> Result<Option<Arc<Session>>, Failure> {
        if self.is_idle() {
            return Err(Failure::new(Status::Closed, "the connection is not open"));
        }
        self.stage = Stage::Closing;
        Ok(self.session.clone())
    }

    /// No more attempts until the next open. True if one was waited for.
    pub(super) fn stop_retrying(&mut self) -> bool {
        self.gave_up = true;
        self.is_waiting()
    }

    /// No more opens, ever.
    pub(super) fn free(&mut self) {
        self.freed = true;
    }

    /// Takes over options that were set, which is for Idle alone: see [`State::check_idle`].
    pub(super) fn configure(&mut self, options: Options) {
        self.current = Arc::new(options);
        self.last_good = 0;
    }

    /// Refuses to set an option anywhere but in Idle.
    pub(super) fn check_idle(&self, option: &str) -> Result<(), Failure> {
        if self.is_idle() {
            return Ok(());
        }
        let text = format!("option `{option}`: can only be set while the connection is not open");
        Err(Failure::new(Status::State, text))
    }

    // ===== transitions that the task makes =====

    /// Takes over what the application has changed before an attempt.
    pub(super) fn set_options(&mut self, options: Arc<Options>) {
        let urls = |options: &Options| -> Vec<String> {
            options.transports.iter().map(|transport| transport.url().to_owned()).collect()
        };
        if urls(&options) != urls(&self.current) {
            self.last_good = 0;
        }
        self.current = options;
    }

    /// Notes a session over a new transport, made of its serial number and of the local ids that
    /// have been used; `None` if the connection was closed meanwhile. With it, the session over a
    /// transport that was tried before, to be dropped where no lock is held.
    pub(super) fn begin_session(
        &mut self,
        make: impl FnOnce(u64, u64) -> Arc<Session>,
    ) -> Option<(Arc<Session>, Option<Arc<Session>>)> {
        if self.stage != Stage::Connecting {
            return None;
        }
        self.sessions += 1;
        let session = make(self.sessions, self.ids_above);
        let former = self.session.replace(session.clone());
        Some((session, former))
    }

    /// Connecting to Open: WELCOME has come over the transport with this index.
    pub(super) fn session_opened(&mut self, transport: usize) {
        if self.stage == Stage::Connecting {
            self.stage = Stage::Open;
        }
        self.last_good = transport;
        self.reconnects += u64::from(self.was_open);
        self.was_open = true;
        self.retries = 0;
    }

    /// Lets go of a session that never opened: until another transport is up nothing is connected.
    pub(super) fn drop_session(&mut self, traffic: &Traffic) {
        self.traffic.add(traffic);
        self.session = None;
    }

    /// Takes the session out, if this open has not ended yet.
    pub(super) fn take_session(&mut self, opens: u64) -> Option<Option<Arc<Session>>> {
        self.is_served_by(opens).then(|| self.session.take())
    }

    /// Anything to Waiting, or without a next attempt to Idle. The caller has told of the end under
    /// the same lock, so that nobody sees it idle before. True if a close has come meanwhile, so
    /// that the wait is to end at once.
    pub(super) fn end(
        &mut self,
        end: CloseReason,
        remains: Option<Remains>,
        next: Option<Next>,
    ) -> bool {
        if let Some(Remains { ids_end, traffic }) = remains {
            self.ids_above = ids_end;
            self.traffic.add(&traffic);
        }
        self.last_end = Some(end.clone());
        self.failure = Some(match end.status {
            Status::Ok => Failure::new(Status::Closed, end.text),
            status => Failure::new(status, end.text),
        });
        match next {
            Some(next) if self.stage != Stage::Closing => {
                self.stage = Stage::Waiting;
                self.retries = next.count;
                false
            }
            Some(_) => true,
            None => {
                self.stage = Stage::Idle;
                false
            }
        }
    }

    /// Waiting to Connecting; false if there shall be no further attempt.
    pub(super) fn begin_retry(&mut self) -> bool {
        if self.stage != Stage::Waiting || self.gave_up {
            return false;
        }
        self.stage = Stage::Connecting;
        true
    }

    // ===== questions =====

    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    pub(super) fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    pub(super) fn is_freed(&self) -> bool {
        self.freed
    }

    /// True from a failure or loss that is retried until a session is open or all is given up.
    pub(super) fn is_retrying(&self) -> bool {
        match self.stage {
            Stage::Waiting => true,
            Stage::Connecting => self.retries > 0,
            Stage::Idle | Stage::Open | Stage::Closing => false,
        }
    }

    /// True while the task of this open has the word.
    pub(super) fn is_served_by(&self, opens: u64) -> bool {
        self.opens == opens && !self.is_idle()
    }

    pub(super) fn opens(&self) -> u64 {
        self.opens
    }

    /// The session from HELLO to its end.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// The open session, or why there will be none; `None` while there may be one.
    pub(super) fn outcome(&self) -> Option<Result<Arc<Session>, Failure>> {
        match (self.stage, &self.session, &self.failure) {
            (Stage::Open, Some(session), _) => Some(Ok(session.clone())),
            (Stage::Idle, _, Some(failure)) => Some(Err(failure.clone())),
            (Stage::Idle, _, None) => {
                let text = "the connection is not open: call wamp_connection_open first";
                Some(Err(Failure::new(Status::Closed, text)))
            }
            _ => None,
        }
    }

    /// The options with which the next attempt is made.
    pub(super) fn current(&self) -> &Arc<Options> {
        &self.current
    }

    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Index of the transport, of `count`, to try first.
    pub(super) fn last_good(&self, count: usize) -> usize {
        self.last_good % count.max(1)
    }

    /// The end of an attempt, seen from the whole of the connection: what fails after there has
    /// been a session is `lost`.
    pub(super) fn classify(&self, mut end: CloseReason) -> CloseReason {
        if end.class == CloseClass::Unreachable && self.was_open {
            end.class = CloseClass::Lost;
        }
        end
    }

    /// True if the application lets it try again.
    pub(super) fn may_retry(&self) -> bool {
        !(self.gave_up || self.freed || self.is_closing())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state() -> State {
        let options = r#"{"transports": [{"url": "ws://a/"}, {"url": "ws://b/"}], "realm": "r"}"#;
        State::new(Arc::new(Options::parse(options).unwrap()))
    }

    fn failed(class: CloseClass) -> CloseReason {
        CloseReason::failed(class, Status::Lost.into())
    }

    fn next(count: u32) -> Option<Next> {
        Some(Next { delay: Duration::from_secs(1), count })
    }

    /// The stages in which a connection can be, and how it got there.
    fn in_every_stage() -> [State; 5] {
        let idle = state();
        let mut connecting = state();
        connecting.open().unwrap();
        let mut open = state();
        open.open().unwrap();
        open.session_opened(0);
        let mut waiting = state();
        waiting.open().unwrap();
        waiting.end(failed(CloseClass::Lost), None, next(1));
        let mut closing = state();
        closing.open().unwrap();
        closing.close().unwrap();
        [idle, connecting, open, waiting, closing]
    }

    #[test]
    fn opens_from_every_stage() {
        let [idle, connecting, open, waiting, closing] =
            in_every_stage().map(|mut state| state.open().map_err(|failure| failure.status));
        assert_eq!(idle, Ok(Opening::Start(1)));
        assert_eq!(waiting, Ok(Opening::RetryNow));
        assert_eq!([connecting, open, closing], [const { Err(Status::State) }; 3]);
        let [mut freed, ..] = in_every_stage();
        freed.free();
        assert_eq!(freed.open().unwrap_err().status, Status::Handle);
        let mut incomplete = State::new(Arc::new(Options::unset()));
        assert!(incomplete.open().is_err() && incomplete.is_idle());
    }

    #[test]
    fn closes_from_every_stage() {
        let closed = in_every_stage().map(|mut state| (state.close().is_ok(), state.is_closing()));
        assert_eq!(
            closed,
            [(false, false), (true, true), (true, true), (true, true), (true, true)]
        );
    }

    #[test]
    fn ends_with_and_without_a_next_attempt() {
        let ends = |next: Option<Next>| {
            in_every_stage().map(|mut state| {
                let ends_wait = state.end(failed(CloseClass::Lost), None, next);
                (state.stage, ends_wait)
            })
        };
        for (stage, ends_wait) in ends(None) {
            assert_eq!((stage, ends_wait), (Stage::Idle, false));
        }
        let [.., closing] = ends(next(3));
        assert_eq!(closing, (Stage::Closing, true), "the close has come before the wait");
        assert!(ends(next(3))[..4].iter().all(|end| *end == (Stage::Waiting, false)));
    }

    #[test]
    fn attempts_are_counted_until_a_session_opens() {
        let mut state = state();
        state.open().unwrap();
        state.end(failed(CloseClass::Unreachable), None, next(1));
        assert!(state.is_retrying() && state.retries() == 1);
        assert!(state.begin_retry() && state.is_retrying() && !state.begin_retry());
        state.session_opened(1);
        assert_eq!((state.retries(), state.reconnects, state.last_good(2)), (0, 0, 1));
        assert!(state.is_open() && !state.is_retrying());
        assert_eq!(state.classify(failed(CloseClass::Unreachable)).class, CloseClass::Lost);
        state.end(failed(CloseClass::Lost), None, next(1));
        assert!(state.begin_retry());
        state.session_opened(0);
        assert_eq!(state.reconnects, 1);
    }

    #[test]
    fn nothing_is_retried_that_nobody_wants() {
        let [_, mut connecting, mut open, mut waiting, closing] = in_every_stage();
        assert!(connecting.may_retry() && open.may_retry() && !closing.may_retry());
        assert!(!connecting.stop_retrying() && !connecting.may_retry());
        open.free();
        assert!(!open.may_retry());
        assert!(waiting.stop_retrying() && !waiting.begin_retry());
    }

    #[test]
    fn the_task_of_an_earlier_open_has_no_word() {
        let mut state = state();
        state.open().unwrap();
        assert!(state.take_session(1).is_some() && state.take_session(0).is_none());
        state.end(failed(CloseClass::Closed), None, None);
        assert!(state.take_session(1).is_none());
        assert_eq!(state.open().unwrap(), Opening::Start(2));
        assert!(!state.is_served_by(1) && state.is_served_by(2));
        assert_eq!(state.classify(failed(CloseClass::Unreachable)).class, CloseClass::Unreachable);
    }

    #[test]
    fn another_router_is_begun_with_anew() {
        let mut state = state();
        state.open().unwrap();
        state.session_opened(1);
        let same = state.current().clone();
        state.set_options(same);
        assert_eq!(state.last_good(2), 1);
        let other = r#"{"transports": [{"url": "ws://c/"}, {"url": "ws://b/"}], "realm": "r"}"#;
        state.set_options(Arc::new(Options::parse(other).unwrap()));
        assert_eq!(state.last_good(2), 0);
    }
}
