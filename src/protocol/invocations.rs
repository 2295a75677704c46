//! The callee's side of calls: invocations, their answers, and their interruption (basic profile,
//! "Remote Procedure Calls"; advanced profile, "Call Canceling", "Progressive Call Invocations").
//!
//! An invocation is answered exactly once, at any time, in any order; a second answer is refused
//! here, because it would be a protocol violation on the wire.
//!
//! ```text
//!   INVOCATION --> open --answer--> gone            (with more input to come: its rest is ignored)
//!                  | ^  \
//!        more input | |   \ INTERRUPT killnowait --> interrupted: answers are refused
//!                  +-+    \                             ^
//!                          \ INTERRUPT kill --> told ---+ finish_interrupt: ERROR canceled
//! ```
//!
//! The application knows an invocation by its *key*, which is the router's id as a rule. But a
//! router may use an id again once it has interrupted an invocation, of which the application still
//! asks whether it is: the newcomer then gets a key with a number above the id.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::codec::{Dict, DictWriter, PayloadRef};

use super::error::{RequestError, Violation};
use super::event::{Event, EventKind, c_text, concrete};
use super::ids::IdMap;
use super::link::Link;
use super::message::{self, code};
use super::options::CancelMode;
use super::registrations::Registrations;
use super::requests::Handlers;
use super::uri::{self, Match};

/// The invocations of a session, each by a key that no other has while anybody may ask for it.
#[derive(Debug)]
pub(super) struct Invocations<H> {
    /// Those without a final answer.
    open: IdMap<Invocation<H>>,
    /// Those that their callers have canceled, until nobody asks for them any more.
    interrupted: IdMap<Interrupted>,
    /// The ids of those that were over before their last input, which is still to be ignored.
    unfinished: VecDeque<u64>,
    /// The keys, by id, of those that got another one than their id.
    renamed: IdMap<u64>,
    /// The number above the id in the last such key.
    last_name: u64,
}

/// The bits of a key that are the router's id, which has 54 at most.
pub const INVOCATION_ID: u64 = (1 << 54) - 1;

#[derive(Debug)]
struct Invocation<H> {
    registration: u64,
    /// Progressive results are welcome.
    progress: bool,
    /// More input follows.
    more: bool,
    /// The caller has canceled, and waits for the answer all the same.
    killed: bool,
    /// The one to tell of an INTERRUPT, instead of the procedure's handler.
    watcher: Option<H>,
    /// The tag of [`Invocations::set_tag`].
    tag: u64,
}

#[derive(Debug)]
struct Interrupted {
    registration: u64,
    /// The caller waited for the end of it.
    waited: bool,
    /// The tag of [`Invocations::set_tag`].
    tag: u64,
}

/// The most ids of answered invocations that are remembered for the rest of their input.
const MOST_UNFINISHED: usize = 1024;

impl<H> Default for Invocations<H> {
    fn default() -> Self {
        Invocations {
            open: IdMap::default(),
            interrupted: IdMap::default(),
            unfinished: VecDeque::new(),
            renamed: IdMap::default(),
            last_name: 0,
        }
    }
}

// ===== looks =====

impl<H> Invocations<H> {
    /// Shows who waits for interruptions, with the router's ids of the registrations.
    pub(super) fn watchers(&self) -> impl Iterator<Item = (u64, &H)> {
        self.open.values().filter_map(|open| Some((open.registration, open.watcher.as_ref()?)))
    }

    /// True if the caller has canceled: nobody waits for an answer any more, or wants one.
    pub(super) fn is_interrupted(&self, key: u64) -> bool {
        self.interrupted.contains_key(&key) || self.is_killed(key)
    }

    /// True if the caller has canceled, and waits for the end.
    fn is_killed(&self, key: u64) -> bool {
        self.open.get(&key).is_some_and(|open| open.killed)
    }

    /// Notes by what the application knows an invocation, for the events that follow; 0 for none.
    pub(super) fn set_tag(&mut self, key: u64, tag: u64) {
        if let Some(open) = self.open.get_mut(&key) {
            open.tag = tag;
        } else if let Some(interrupted) = self.interrupted.get_mut(&key) {
            interrupted.tag = tag;
        }
    }

    /// The tag that [`Invocations::set_tag`] has noted.
    pub(super) fn tag(&self, key: u64) -> u64 {
        let open = self.open.get(&key).map(|open| open.tag);
        let interrupted = || self.interrupted.get(&key).map(|known| known.tag);
        open.or_else(interrupted).unwrap_or(0)
    }

    fn check(&self, key: u64) -> Result<&Invocation<H>, RequestError> {
        match self.open.get(&key) {
            Some(open) => Ok(open),
            None if self.interrupted.contains_key(&key) => Err(RequestError::Interrupted),
            None => Err(RequestError::Answered),
        }
    }
}

// ===== keys =====

impl<H> Invocations<H> {
    /// The key of what the router calls by this id now.
    #[inline]
    fn key(&self, id: u64) -> u64 {
        // Routers do not use an id anew while it is in use, so there is seldom a name to look up.
        match self.renamed.is_empty() {
            true => id,
            false => self.renamed.get(&id).copied().unwrap_or(id),
        }
    }

    /// A key for an invocation that is none of those that are known.
    fn new_key(&mut self, id: u64) -> u64 {
        self.renamed.remove(&id);
        if !self.interrupted.contains_key(&id) && !self.open.contains_key(&id) {
            return id;
        }
        // Ten bits above those of an id, so that keys stay below 2^63 and none is an id.
        self.last_name = self.last_name % 1023 + 1;
        let key = self.last_name << INVOCATION_ID.count_ones() | id;
        self.renamed.insert(id, key);
        key
    }

    /// Notes that a call is over before its last input.
    fn ignore_rest(&mut self, id: u64) {
        if self.unfinished.len() == MOST_UNFINISHED {
            self.unfinished.pop_front();
        }
        self.unfinished.push_back(id);
    }

    /// True for the rest of an input whose call was over before its end.
    fn is_leftover(&mut self, id: u64, more: bool) -> bool {
        let Some(at) = self.unfinished.iter().position(|unfinished| *unfinished == id) else {
            return false;
        };
        if !more {
            self.unfinished.remove(at);
        }
        true
    }
}

// ===== answers =====

impl<H: Clone> Invocations<H> {
    /// Sends a progressive result. `options` may hold more than `progress`, which is true.
    pub(super) fn progress(
        &self,
        link: &mut Link<H>,
        key: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        let invocation = self.check(key)?;
        if invocation.killed {
            return Err(RequestError::Interrupted);
        }
        if !invocation.progress {
            return Err(RequestError::NoProgress);
        }
        link.features.check_dealer_passthru(options)?;
        let mut with = DictWriter::default();
        with.flag("progress").extend(options);
        let with = with.finish();
        let options = match options.bool("progress") {
            Ok(Some(true)) => options,
            Ok(None) => with.dict(),
            // Beside ours it would be there twice.
            _ => return Err(RequestError::Option("progress", "must be true, or left out")),
        };
        let request = key & INVOCATION_ID;
        link.send(|out| message::Yield { request, options, payload }.write(out))
    }

    /// Answers with a result.
    pub(super) fn answer(
        &mut self,
        link: &mut Link<H>,
        key: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check(key)?;
        link.features.check_dealer_passthru(options)?;
        let request = key & INVOCATION_ID;
        link.send(|out| message::Yield { request, options, payload }.write(out))?;
        self.close(link, key);
        Ok(())
    }

    /// Answers with an error.
    pub(super) fn answer_error(
        &mut self,
        link: &mut Link<H>,
        key: u64,
        error: &str,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        uri::check(error, Match::Exact)?;
        self.check(key)?;
        send_error(link, key, error, payload)?;
        self.close(link, key);
        Ok(())
    }

    /// Releases an invocation that nobody will answer any more or ask for: an error goes out where
    /// an answer is still waited for.
    pub(super) fn release(
        &mut self,
        link: &mut Link<H>,
        key: u64,
        error: &str,
        payload: PayloadRef<'_>,
    ) {
        if self.interrupted.remove(&key).is_some() {
            return;
        }
        let _ = match self.is_killed(key) {
            true => self.answer_error(link, key, uri::CANCELED, PayloadRef::NONE),
            // Refused if there was an answer, or the session is over: then all is well.
            false => self.answer_error(link, key, error, payload),
        };
    }

    /// Closes an invocation whose final answer is written.
    fn close(&mut self, link: &mut Link<H>, key: u64) {
        let Some(open) = self.open.remove(&key) else {
            return;
        };
        let id = key & INVOCATION_ID;
        if self.key(id) == key {
            self.renamed.remove(&id);
        }
        if open.more {
            self.ignore_rest(id);
        }
        if let Some(watcher) = open.watcher {
            link.emit(Event::new(EventKind::Released, 0, Some(watcher)));
        }
    }

    // ===== interruptions =====

    /// Sets who hears of an INTERRUPT; one that has come already is told at once.
    pub(super) fn watch(
        &mut self,
        link: &mut Link<H>,
        registrations: &Registrations<H>,
        key: u64,
        watcher: H,
    ) -> Result<(), RequestError> {
        if self.is_interrupted(key) {
            let (registration, waits) = match self.interrupted.get(&key) {
                Some(interrupted) => (interrupted.registration, interrupted.waited),
                None => (self.open.get(&key).map_or(0, |open| open.registration), true),
            };
            let local =
                registrations.get(registration).map_or(0, |registration| registration.local);
            let mode = if waits { CancelMode::Kill } else { CancelMode::KillNoWait };
            let options = mode.to_options();
            let frame = Bytes::from_static(options.as_bytes());
            let mut event = Event::new(EventKind::Interrupt, local, Some(watcher));
            event.wamp_id = key;
            event.uri = Some(c_text(uri::CANCELED));
            event.attach(&frame, options, PayloadRef::NONE);
            link.emit(event);
            return Ok(());
        }
        let open = self.open.get_mut(&key).ok_or(RequestError::Answered)?;
        if let Some(former) = open.watcher.replace(watcher) {
            link.emit(Event::new(EventKind::Released, 0, Some(former)));
        }
        Ok(())
    }

    /// Takes note that an INTERRUPT has been told: a caller that still waits gets its error, unless
    /// there has been an answer.
    pub(super) fn finish_interrupt(&mut self, link: &mut Link<H>, key: u64) {
        if !self.is_killed(key) {
            return;
        }
        let sent = send_error(link, key, uri::CANCELED, PayloadRef::NONE);
        debug_assert!(sent.is_ok());
        self.interrupt(key, true);
    }

    /// Moves an open invocation to the interrupted ones.
    fn interrupt(&mut self, key: u64, waited: bool) {
        let Some(open) = self.open.remove(&key) else {
            return;
        };
        let Invocation { registration, tag, more, .. } = open;
        self.interrupted.insert(key, Interrupted { registration, waited, tag });
        if more {
            self.ignore_rest(key & INVOCATION_ID);
        }
    }

    // ===== received =====

    /// Hands an INVOCATION to its procedure, or more input to one that has begun.
    pub(super) fn on_invocation(
        &mut self,
        link: &mut Link<H>,
        registrations: &Registrations<H>,
        frame: &Bytes,
        invocation: &message::Invocation<'_>,
    ) -> Result<(), Violation> {
        let (named, progress, more) = match invocation.details.is_empty() {
            true => (None, false, false),
            false => (
                invocation.details.text("procedure")?,
                invocation.details.bool("receive_progress")?.unwrap_or(false),
                invocation.details.bool("progress")?.unwrap_or(false),
            ),
        };
        if self.is_leftover(invocation.request, more) {
            return Ok(());
        }
        let Some(registration) = registrations.get(invocation.registration) else {
            // Our UNREGISTER crosses with invocations: the caller must not wait for ever.
            let (request, error) = (invocation.request, uri::NO_SUCH_REGISTRATION);
            let sent = send_error(link, request, error, PayloadRef::NONE);
            debug_assert!(sent.is_ok());
            return Ok(());
        };
        let Some((key, continues_input)) = self.enter(invocation, progress, more) else {
            return Ok(());
        };
        let target = Some(registration.target.clone());
        let mut event = Event::new(EventKind::Invocation, registration.local, target);
        event.uri = Some(concrete(&registration.procedure, registration.matching, named));
        event.wamp_id = key;
        event.progress = progress;
        (event.more_input, event.continues_input) = (more, continues_input);
        event.attach(frame, invocation.details, invocation.payload);
        link.emit(event);
        Ok(())
    }

    /// Opens an invocation, or finds the one that this is more input of. Returns its key, and
    /// whether it was open before; `None` for what comes after the last input.
    fn enter(
        &mut self,
        invocation: &message::Invocation<'_>,
        progress: bool,
        more: bool,
    ) -> Option<(u64, bool)> {
        let key = self.key(invocation.request);
        match self.open.get_mut(&key) {
            None => {
                let open = Invocation {
                    registration: invocation.registration,
                    progress,
                    more,
                    killed: false,
                    watcher: None,
                    tag: 0,
                };
                let key = self.new_key(invocation.request);
                self.open.insert(key, open);
                Some((key, false))
            }
            Some(open) if open.more && !open.killed => {
                open.more = more;
                Some((key, true))
            }
            Some(_) => None,
        }
    }

    /// Tells an INTERRUPT to who watches for it, or else to the procedure's handler.
    pub(super) fn on_interrupt(
        &mut self,
        link: &mut Link<H>,
        registrations: &Registrations<H>,
        frame: &Bytes,
        interrupt: &message::Interrupt<'_>,
    ) -> Result<(), Violation> {
        let mode = interrupt.options.text("mode")?;
        let reason = interrupt.options.text("reason")?;
        let key = self.key(interrupt.request);
        // Crosses with our answer, or comes twice.
        let Some(open) = self.open.get_mut(&key).filter(|open| !open.killed) else {
            return Ok(());
        };
        open.killed = true;
        let watcher = open.watcher.take();
        let registration = registrations.get(open.registration);
        // The caller does not wait: there is nothing left to answer.
        if mode.as_deref() == Some(CancelMode::KillNoWait.name()) {
            self.interrupt(key, false);
        }
        let target = watcher.or_else(|| Some(registration?.target.clone()));
        let Some(target) = target else {
            self.finish_interrupt(link, key);
            return Ok(());
        };
        let local = registration.map_or(0, |registration| registration.local);
        let mut event = Event::new(EventKind::Interrupt, local, Some(target));
        event.wamp_id = key;
        event.uri = Some(c_text(reason.as_deref().unwrap_or(uri::CANCELED)));
        event.attach(frame, interrupt.options, PayloadRef::NONE);
        link.emit(event);
        Ok(())
    }

    /// Ends everything with the session. Returns the watchers, which are not told anything any
    /// more.
    pub(super) fn end(&mut self) -> Handlers<H> {
        let open = mem::take(self).open;
        open.into_values().filter_map(|open| open.watcher).map(|watcher| (0, watcher)).collect()
    }
}

/// Answers an invocation, known by its key or by the router's id, with an error.
fn send_error<H>(
    link: &mut Link<H>,
    key: u64,
    error: &str,
    payload: PayloadRef<'_>,
) -> Result<(), RequestError> {
    let (kind, request) = (code::INVOCATION, key & INVOCATION_ID);
    link.send(|out| {
        let error = error.into();
        message::Error { kind, request, details: Dict::EMPTY, error, payload }.write(out);
    })
}
