//! The callee's side of calls: invocations, their answers, and their interruption (basic profile,
//! "Remote Procedure Calls"; advanced profile, "Call Canceling" and "Progressive Call Invocations").
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

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::codec::{Dict, DictWriter, Out, Payload, PayloadRef, Span};

use super::event::{Event, EventKind, RequestError, c_text};
use super::ids::IdMap;
use super::message::{self, code};
use super::session::{Phase, Session, Violation};
use super::uri::{self, Match};

/// The invocations of a session, each by a key that no other has while anybody may ask for it.
#[derive(Debug)]
pub(super) struct Invocations<H> {
    /// Without a final answer.
    open: IdMap<Invocation<H>>,
    /// Given up by their callers, until nobody asks for them any more.
    interrupted: IdMap<Interrupted>,
    /// Over before their last input, which is still to be ignored.
    unfinished: VecDeque<u64>,
    /// The keys of those whose id the router has used again while the application still holds what it
    /// stood for first. By their ids; all others are their own keys.
    renamed: IdMap<u64>,
    /// How many names were given.
    names: u64,
}

/// The bits of a key that are the router's id, which has 54 at most. Above them stands a name, where
/// there had to be one.
pub const INVOCATION_ID: u64 = (1 << 54) - 1;

#[derive(Debug)]
struct Invocation<H> {
    registration: u64,
    /// Progressive results are welcome.
    progress: bool,
    /// More input follows.
    more: bool,
    /// The caller has given up, and waits for the answer all the same.
    killed: bool,
    /// Wants to hear of an INTERRUPT.
    watcher: Option<H>,
    /// See [`Session::tag_invocation`].
    tag: u64,
}

#[derive(Debug)]
struct Interrupted {
    registration: u64,
    /// The caller waited for the end of it.
    waited: bool,
    /// See [`Session::tag_invocation`].
    tag: u64,
}

/// How many ids of answered invocations are remembered for the rest of their input.
const MOST_UNFINISHED: usize = 1024;

impl<H> Default for Invocations<H> {
    fn default() -> Self {
        Invocations {
            open: IdMap::default(),
            interrupted: IdMap::default(),
            unfinished: VecDeque::new(),
            renamed: IdMap::default(),
            names: 0,
        }
    }
}

impl<H> Invocations<H> {
    /// The watchers of all open ones, which end here.
    pub(super) fn drain(&mut self) -> Vec<(u64, H)> {
        let open = mem::take(self).open;
        open.into_values().filter_map(|open| open.watcher).map(|watcher| (0, watcher)).collect()
    }

    /// Who waits for interruptions, with the router's ids of the registrations.
    pub(super) fn watchers(&self) -> impl Iterator<Item = (u64, &H)> {
        self.open.values().filter_map(|open| Some((open.registration, open.watcher.as_ref()?)))
    }

    fn check(&self, request: u64) -> Result<&Invocation<H>, RequestError> {
        match self.open.get(&request) {
            Some(open) => Ok(open),
            None if self.interrupted.contains_key(&request) => Err(RequestError::Interrupted),
            None => Err(RequestError::Answered),
        }
    }

    /// The call is over before its last input.
    fn ignore_rest(&mut self, request: u64) {
        if self.unfinished.len() == MOST_UNFINISHED {
            self.unfinished.pop_front();
        }
        self.unfinished.push_back(request);
    }

    /// The key of what the router calls by this id now.
    #[inline]
    fn key(&self, id: u64) -> u64 {
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
        self.names = self.names % 1023 + 1;
        let key = self.names << INVOCATION_ID.count_ones() | id;
        self.renamed.insert(id, key);
        key
    }

    /// The rest of an input whose call was over before its end.
    fn is_leftover(&mut self, request: u64, more: bool) -> bool {
        let Some(at) = self.unfinished.iter().position(|unfinished| *unfinished == request) else {
            return false;
        };
        if !more {
            self.unfinished.remove(at);
        }
        true
    }
}

impl<H: Clone> Session<H> {
    /// Sends a progressive result of an invocation. `options` may hold more than `progress`,
    /// which is true.
    pub fn progress(
        &mut self,
        request: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        let invocation = self.invocations.check(request)?;
        if invocation.killed {
            return Err(RequestError::Interrupted);
        }
        if !invocation.progress {
            return Err(RequestError::NoProgress);
        }
        self.check_dealer_passthru(options)?;
        let mut with = DictWriter::default();
        with.flag("progress").extend(options);
        let with = with.finish();
        let options = match options.bool("progress") {
            Ok(Some(true)) => options,
            Ok(None) => with.dict(),
            // Beside ours it would be there twice.
            _ => return Err(RequestError::Option("progress", "must be true, or left out")),
        };
        let request = request & INVOCATION_ID;
        self.write(|out| message::Yield { request, options, payload }.write(out))
    }

    /// Answers an invocation with its result.
    pub fn answer(
        &mut self,
        request: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        self.invocations.check(request)?;
        self.check_dealer_passthru(options)?;
        let id = request & INVOCATION_ID;
        self.write(|out| message::Yield { request: id, options, payload }.write(out))?;
        self.close_invocation(request);
        Ok(())
    }

    /// Answers an invocation with an error.
    pub fn answer_error(
        &mut self,
        request: u64,
        error: &str,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        uri::check(error, Match::Exact)?;
        self.invocations.check(request)?;
        self.write(|out| write_error(request, error, payload, out))?;
        self.close_invocation(request);
        Ok(())
    }

    /// True if nobody waits for an answer any more, or the caller wants none.
    pub fn is_interrupted(&self, request: u64) -> bool {
        self.phase != Phase::Open
            || self.invocations.interrupted.contains_key(&request)
            || self.invocations.open.get(&request).is_some_and(|open| open.killed)
    }

    /// Sets who hears of an INTERRUPT; one that has come already is told at once.
    pub fn watch_interrupt(&mut self, request: u64, watcher: H) -> Result<(), RequestError> {
        self.check_open()?;
        if self.is_interrupted(request) {
            let Invocations { open, interrupted, .. } = &self.invocations;
            let (registration, waits) = match interrupted.get(&request) {
                Some(interrupted) => (interrupted.registration, interrupted.waited),
                None => (open.get(&request).map_or(0, |open| open.registration), true),
            };
            let local = self.registrations.called(registration).map_or(0, |(local, ..)| local);
            let mut event = Event::new(EventKind::Interrupt, local, Some(watcher));
            event.wamp_id = request;
            event.uri = Some(c_text(uri::CANCELED));
            let frame = Bytes::from_static(match waits {
                true => b"{\"mode\":\"kill\"}",
                false => b"{\"mode\":\"killnowait\"}",
            });
            event.details = Span::new(&frame, Some(&frame));
            event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
            self.emit(event);
            return Ok(());
        }
        let open = self.invocations.open.get_mut(&request).ok_or(RequestError::Answered)?;
        if let Some(former) = open.watcher.replace(watcher) {
            self.emit(Event::new(EventKind::Gone, 0, Some(former)));
        }
        Ok(())
    }

    /// An INTERRUPT has been told: a caller that still waits gets its error, unless there has been
    /// an answer.
    pub fn finish_interrupt(&mut self, request: u64) {
        let open = self.invocations.open.get(&request);
        if self.phase != Phase::Open || !open.is_some_and(|open| open.killed) {
            return;
        }
        let written = self.write(|out| write_error(request, uri::CANCELED, PayloadRef::NONE, out));
        debug_assert!(written.is_ok());
        self.interrupt_open(request, true);
    }

    /// Nobody will answer any more or ask: an error goes out where an answer is still waited for.
    pub fn forget_invocation(&mut self, request: u64, error: &str, payload: PayloadRef<'_>) {
        if self.invocations.interrupted.remove(&request).is_some() {
            return;
        }
        let killed = self.invocations.open.get(&request).is_some_and(|open| open.killed);
        let _ = match killed {
            true => self.answer_error(request, uri::CANCELED, PayloadRef::NONE),
            // Refused if there was an answer, or the session is over: then all is well.
            false => self.answer_error(request, error, payload),
        };
    }

    /// Notes by what the application knows an invocation, for the events that follow; 0 for none.
    pub fn tag_invocation(&mut self, request: u64, tag: u64) {
        if let Some(open) = self.invocations.open.get_mut(&request) {
            open.tag = tag;
        } else if let Some(interrupted) = self.invocations.interrupted.get_mut(&request) {
            interrupted.tag = tag;
        }
    }

    /// What [`Session::tag_invocation`] has noted.
    pub fn invocation_tag(&self, request: u64) -> u64 {
        let open = self.invocations.open.get(&request).map(|open| open.tag);
        let interrupted = || self.invocations.interrupted.get(&request).map(|known| known.tag);
        open.or_else(interrupted).unwrap_or(0)
    }

    // ===== received =====

    pub(super) fn on_invocation(
        &mut self,
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
        let request = invocation.request;
        if self.invocations.is_leftover(request, more) {
            return Ok(());
        }
        let Some((local, target, matching, procedure)) =
            self.registrations.called(invocation.registration)
        else {
            // Our UNREGISTER crosses with invocations: the caller must not wait for ever.
            let error = uri::NO_SUCH_REGISTRATION;
            let written = self.write(|out| write_error(request, error, PayloadRef::NONE, out));
            debug_assert!(written.is_ok());
            return Ok(());
        };
        let key = self.invocations.key(request);
        let (key, again) = match self.invocations.open.get_mut(&key) {
            None => {
                let open = Invocation {
                    registration: invocation.registration,
                    progress,
                    more,
                    killed: false,
                    watcher: None,
                    tag: 0,
                };
                let key = self.invocations.new_key(request);
                self.invocations.open.insert(key, open);
                (key, false)
            }
            Some(open) if open.more && !open.killed => {
                open.more = more;
                (key, true)
            }
            // The last input has come: this is none of it.
            Some(_) => return Ok(()),
        };
        let mut event = Event::new(EventKind::Invocation, local, Some(target));
        event.uri = Some(match (matching, named) {
            (Match::Prefix | Match::Wildcard, Some(named)) => c_text(&named),
            _ => procedure,
        });
        event.wamp_id = key;
        event.progress = progress;
        (event.more, event.again) = (more, again);
        event.details = Span::from_dict(frame, invocation.details);
        event.payload = Payload::from_frame(frame, invocation.payload);
        self.emit(event);
        Ok(())
    }

    pub(super) fn on_interrupt(
        &mut self,
        frame: &Bytes,
        interrupt: &message::Interrupt<'_>,
    ) -> Result<(), Violation> {
        let waits = !matches!(interrupt.options.text("mode")?.as_deref(), Some("killnowait"));
        let reason = interrupt.options.text("reason")?;
        let request = self.invocations.key(interrupt.request);
        // Crosses with our answer, or comes twice.
        let Some(open) = self.invocations.open.get_mut(&request).filter(|open| !open.killed) else {
            return Ok(());
        };
        open.killed = true;
        let (watcher, registration) = (open.watcher.take(), open.registration);
        let known = self.registrations.called(registration);
        let local = known.as_ref().map_or(0, |(local, ..)| *local);
        let target = watcher.or_else(|| known.map(|(_, target, ..)| target));
        if !waits {
            self.interrupt_open(request, false);
        }
        let Some(target) = target else {
            self.finish_interrupt(request);
            return Ok(());
        };
        let mut event = Event::new(EventKind::Interrupt, local, Some(target));
        event.wamp_id = request;
        event.uri = Some(c_text(reason.as_deref().unwrap_or(uri::CANCELED)));
        event.payload = Payload::from_frame(frame, PayloadRef::NONE);
        event.details = Span::from_dict(frame, interrupt.options);
        self.emit(event);
        Ok(())
    }

    // ===== steps =====

    /// The final answer is written.
    fn close_invocation(&mut self, request: u64) {
        let Some(open) = self.invocations.open.remove(&request) else {
            return;
        };
        let id = request & INVOCATION_ID;
        if self.invocations.key(id) == request {
            self.invocations.renamed.remove(&id);
        }
        if open.more {
            self.invocations.ignore_rest(id);
        }
        if let Some(watcher) = open.watcher {
            self.emit(Event::new(EventKind::Gone, 0, Some(watcher)));
        }
    }

    fn interrupt_open(&mut self, request: u64, waited: bool) {
        let Some(open) = self.invocations.open.remove(&request) else {
            return;
        };
        let Invocation { registration, tag, more, .. } = open;
        self.invocations.interrupted.insert(request, Interrupted { registration, waited, tag });
        if more {
            self.invocations.ignore_rest(request & INVOCATION_ID);
        }
    }
}

fn write_error(request: u64, error: &str, payload: PayloadRef<'_>, out: &mut Out<'_>) {
    let (request, details) = (request & INVOCATION_ID, Dict::EMPTY);
    message::Error { kind: code::INVOCATION, request, details, error: error.into(), payload }
        .write(out);
}
