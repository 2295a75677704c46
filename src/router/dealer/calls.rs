//! CALL on its way to a callee, CANCEL, and time limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{Dict, Encoding, Out, PayloadRef, WrittenDict};
use crate::protocol::CancelMode;
use crate::protocol::ids::IdMap;
use crate::protocol::message::{Call, Cancel, Invocation, code};
use crate::protocol::uri::{self, Match};

use super::super::limits::Limits;
use super::super::options::{flag, text};
use super::super::peer::{Peer, WakeList};
use super::super::request::{Fault, Refusal, check_uri};
use super::super::turn::{ACT, UNITS};
use super::super::variants::Variants;
use super::options::{CallOptions, Invoke};
use super::{
    Callee, Dealer, Extra, InvocationKey, PROGRESS, PeerCalls, Pending, Procedure,
    RECEIVE_PROGRESS, Registration, peer_calls,
};

/// A kept call, for the case that the callee turns out to be unavailable.
#[derive(Debug)]
pub(super) struct Question {
    procedure: Box<str>,
    options: Box<[u8]>,
    args: Option<Box<[u8]>>,
    kwargs: Option<Box<[u8]>>,
    encoding: Encoding,
    /// The callees that were asked already.
    tried: Vec<u64>,
}

impl Dealer {
    /// CALL. Returns when the dealer has to look after it with [`Dealer::time_out`].
    pub(in crate::router) fn call(
        &mut self,
        from: &Arc<Peer>,
        message: &Call<'_>,
        wakes: &mut WakeList,
    ) -> Result<Option<Instant>, Fault> {
        let options = CallOptions::read(message.options)?;
        if options.progress && !from.identity().features.sends_progress {
            // Taken for a whole call, the first part would get an answer too early.
            let why = "CALL with progress, but this caller did not announce \
                       progressive_call_invocations";
            return Err(Fault::Violation(why.to_owned()));
        }
        if self.registrations.has_patterns() {
            check_uri(&message.procedure)?;
        }
        let place = self.prepared.place;
        let Some(entry) = self.registrations.best_mut_from(&message.procedure, place) else {
            check_uri(&message.procedure)?;
            let why = format!("nobody has registered \"{}\"", message.procedure);
            return Err(Fault::refused(uri::NO_SUCH_PROCEDURE, why));
        };
        let Some(index) = entry.value.choose(&[]) else {
            let why = format!("all callees of \"{}\" are busy", message.procedure);
            return Err(Fault::refused(uri::NO_AVAILABLE_CALLEE, why));
        };
        let callee = &entry.value.callees[index];
        if options.progress && !callee.peer.identity().features.takes_progress {
            let why = "the callee does not take calls in several parts";
            return Err(Fault::refused(uri::FEATURE_NOT_SUPPORTED, why.to_owned()));
        }
        let enforced = options.timeout > 0 && !callee.forward_timeout;
        let limit = enforced.then(|| {
            let limit = Duration::from_millis(options.timeout);
            (limit, later(Instant::now(), limit))
        });
        let variants = &self.prepared.variants;
        let asking = Asking { from, message, variants, options, limit, tried: Vec::new() };
        let sent = ask(entry, index, asking, &mut self.peers, (self.disclose, &self.limits), wakes);
        if let Err((key, error)) = sent {
            self.fail_call(&key, &error, wakes);
        }
        Ok(limit.map(|(_, due)| due))
    }

    /// A CALL was answered by its first part. If more were announced, they may be on their way.
    pub(in crate::router) fn ignore_rest(&mut self, from: &Arc<Peer>, message: &Call<'_>) {
        if announces_more(message).unwrap_or(true) {
            peer_calls(&mut self.peers, from).ended_inputs.add(message.request);
        }
    }

    /// Takes a CALL whose request id has been used as a further part of that call, or as a late one
    /// of a call that has ended, of which nobody hears; false if it is neither.
    pub(in crate::router) fn call_more(
        &mut self,
        from: &Arc<Peer>,
        message: &Call<'_>,
        wakes: &mut WakeList,
    ) -> bool {
        let more = announces_more(message);
        let is_late = more != Ok(false) && from.identity().features.sends_progress;
        let Some(own) = self.peers.get_mut(&from.id()) else {
            return is_late;
        };
        if own.ended_inputs.contains(message.request) {
            if more == Ok(false) {
                own.ended_inputs.remove(message.request);
            }
            return true;
        }
        let Some(&key) = own.calls.get(&message.request) else {
            return is_late || own.ended_inputs.may_have_forgotten(message.request);
        };
        let Some(callee) = self.peers.get_mut(&key.callee) else {
            return is_late;
        };
        let pending = callee.invocations.get_mut(&key.invocation);
        let extra = pending.and_then(|pending| pending.extra.as_mut());
        let Some(extra) = extra.filter(|extra| extra.open) else {
            return is_late;
        };
        let sent = more.and_then(|more| {
            extra.open = more;
            let part = Invocation {
                request: key.invocation,
                registration: extra.registration,
                details: if more { Dict::from_checked(PROGRESS) } else { Dict::EMPTY },
                payload: self.prepared.variants.of(message.payload, callee.peer.encoding()),
            };
            let sent = callee.peer.try_send(wakes, |out| part.write(out));
            sent.map_err(Refusal::unsendable)
        });
        if let Err(why) = sent {
            callee.interrupt(key.invocation, CancelMode::KillNoWait, uri::CANCELED, wakes);
            self.fail_call(&key, &why, wakes);
        }
        true
    }

    /// CANCEL: one for a call that has ended already is late, and is ignored.
    pub(in crate::router) fn cancel(
        &mut self,
        from: &Arc<Peer>,
        message: &Cancel<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let mode = cancel_mode(message.options)?;
        let own = self.peers.get(&from.id());
        let Some(&key) = own.and_then(|own| own.calls.get(&message.request)) else {
            return Ok(());
        };
        if matches!(mode, CancelMode::Kill) && self.kill(&key, wakes) {
            return Ok(());
        }
        if !matches!(mode, CancelMode::Skip)
            && let Some(callee) = self.peers.get(&key.callee)
        {
            callee.interrupt(key.invocation, CancelMode::KillNoWait, uri::CANCELED, wakes);
        }
        let why = Refusal::new(uri::CANCELED, "the call was canceled".to_owned());
        self.fail_call(&key, &why, wakes);
        Ok(())
    }

    /// Ends the calls of a client that is about to be told GOODBYE; true if there are more than fit
    /// into a turn.
    pub(in crate::router) fn cancel_some(
        &mut self,
        from: &Arc<Peer>,
        wakes: &mut WakeList,
    ) -> bool {
        let Some(own) = self.peers.get(&from.id()) else {
            return false;
        };
        let most = UNITS / ACT;
        let calls: Vec<InvocationKey> = own.calls.values().take(most).copied().collect();
        let why = Refusal::new(uri::CANCELED, "the router has ended the session".to_owned());
        for key in &calls {
            if let Some(callee) = self.peers.get(&key.callee) {
                callee.interrupt(key.invocation, CancelMode::KillNoWait, uri::CANCELED, wakes);
            }
            self.fail_call(key, &why, wakes);
        }
        calls.len() == most
    }

    /// Ends the call whose time is over, or tells until when it has been given more, as each
    /// progressive result does.
    pub(in crate::router) fn time_out(
        &mut self,
        caller: u64,
        request: u64,
        now: Instant,
        wakes: &mut WakeList,
    ) -> Option<Instant> {
        let key = *self.peers.get(&caller)?.calls.get(&request)?;
        let callee = self.peers.get(&key.callee)?;
        let (limit, due) = callee.invocations.get(&key.invocation)?.extra.as_ref()?.limit?;
        if due > now {
            return Some(due);
        }
        callee.interrupt(key.invocation, CancelMode::KillNoWait, uri::TIMEOUT, wakes);
        let why = format!("no answer within {} ms", limit.as_millis());
        self.fail_call(&key, &Refusal::new(uri::TIMEOUT, why), wakes);
        None
    }

    /// True if a call still waits for its answer.
    pub(in crate::router) fn waits(&self, caller: u64, request: u64) -> bool {
        self.peers.get(&caller).is_some_and(|caller| caller.calls.contains_key(&request))
    }

    /// True if a call still waits for its answer, or for the rest of its input though it has ended.
    pub(in crate::router) fn is_in_use(&self, caller: u64, request: u64) -> bool {
        let is_late = |caller: &PeerCalls| caller.ended_inputs.contains(request);
        self.waits(caller, request) || self.peers.get(&caller).is_some_and(is_late)
    }

    /// Asks the callee to give up; false if it would not understand.
    fn kill(&mut self, key: &InvocationKey, wakes: &mut WakeList) -> bool {
        let Some(callee) = self.peers.get_mut(&key.callee) else {
            return false;
        };
        let Some(pending) = callee.invocations.get_mut(&key.invocation) else {
            return false;
        };
        if std::mem::replace(&mut pending.killed, true) {
            return true;
        }
        callee.interrupt(key.invocation, CancelMode::Kill, uri::CANCELED, wakes)
    }

    /// Ends a call with an ERROR of the dealer's own; what the callee answers is ignored.
    fn fail_call(&mut self, key: &InvocationKey, why: &Refusal, wakes: &mut WakeList) {
        if let Some(pending) = self.answered(key.callee, key.invocation) {
            let answer = |out: &mut Out<'_>| why.write(code::CALL, pending.request, out);
            pending.caller.send(wakes, answer);
        }
    }

    /// A callee was unavailable: asks another one, or tells the caller that there is none.
    pub(super) fn ask_another(&mut self, callee: u64, pending: Pending, wakes: &mut WakeList) {
        let Pending { caller, request, extra, .. } = pending;
        if let Some(Extra { registration, limit, question: Some(mut question), .. }) =
            extra.map(|extra| *extra)
        {
            question.tried.push(callee);
            let message = question.message(request);
            if question.tried.len() < MOST_TRIED
                && let Some(entry) = self.registrations.by_id_mut(registration)
                && let Some(index) = entry.value.choose(&question.tried)
                && let Ok(options) = CallOptions::read(message.options)
            {
                let tried = question.tried.clone();
                let variants = Variants::NONE;
                let (from, message) = (&caller, &message);
                let asking = Asking { from, message, variants, options, limit, tried };
                let sent = ask(
                    entry,
                    index,
                    asking,
                    &mut self.peers,
                    (self.disclose, &self.limits),
                    wakes,
                );
                if let Err((key, error)) = sent {
                    self.fail_call(&key, &error, wakes);
                }
                return;
            }
        }
        let why = Refusal::new(uri::NO_AVAILABLE_CALLEE, "all callees are unavailable".to_owned());
        caller.send(wakes, |out| why.write(code::CALL, request, out));
    }
}

/// The number of callees that one call is sent to, one after the other: each callee is looked for
/// among them.
const MOST_TRIED: usize = 64;

/// The bytes of a payload that is kept for the case that another callee has to be asked.
const MOST_KEPT: usize = 1 << 20;

/// The question for a callee.
struct Asking<'a> {
    from: &'a Arc<Peer>,
    message: &'a Call<'a>,
    /// The payload in other encodings.
    variants: &'a Variants,
    options: CallOptions,
    limit: Option<(Duration, Instant)>,
    /// The callees that were asked before and are unavailable.
    tried: Vec<u64>,
}

/// Sends the INVOCATION to the callee at `index`. Fails where that cannot be sent it; then the call
/// is to be given up.
fn ask(
    entry: &mut Procedure,
    index: usize,
    asking: Asking<'_>,
    peers: &mut IdMap<PeerCalls>,
    (disclose, limits): (bool, &Limits),
    wakes: &mut WakeList,
) -> Result<(), (InvocationKey, Refusal)> {
    let Asking { from, message, variants, options, limit, tried } = asking;
    let (registration, others) = (entry.id, entry.value.callees.len() - 1);
    let procedure = (entry.matching != Match::Exact).then_some(&*message.procedure);
    let callee = &mut entry.value.callees[index];
    let counted = callee.concurrency.is_some();
    callee.running += u64::from(counted);
    let reroutable = others > tried.len()
        && !options.progress
        && callee.peer.identity().features.call_reroute
        && message.payload.len() <= MOST_KEPT;
    let needed = counted || options.progress || limit.is_some() || reroutable;
    let extra = needed.then(|| {
        let question = reroutable.then(|| Question::keep(message, tried));
        Box::new(Extra { registration, counted, open: options.progress, limit, question })
    });

    let theirs = peer_calls(peers, &callee.peer);
    theirs.last_invocation += 1;
    let invocation = theirs.last_invocation;
    let progress = options.receive_progress;
    let pending =
        Pending { caller: from.clone(), request: message.request, progress, killed: false, extra };
    theirs.invocations.insert(invocation, pending);
    let most = limits.max_pending_calls.most();
    let call = InvocationKey { callee: callee.peer.id(), invocation };
    let theirs_are_many = theirs.invocations.len() > most;
    let ours = peer_calls(peers, from);
    ours.calls.insert(message.request, call);
    if theirs_are_many || ours.calls.len() > most {
        return Err((call, limits.max_pending_calls.exceeded()));
    }

    let details = callee.details(from, options, procedure, disclose);
    let question = Invocation {
        request: invocation,
        registration,
        details: match &details {
            Some(details) => details.dict(),
            None if progress => Dict::from_checked(RECEIVE_PROGRESS),
            None => Dict::EMPTY,
        },
        payload: variants.of(message.payload, callee.peer.encoding()),
    };
    callee.peer.try_send(wakes, |out| question.write(out)).map_err(|error| {
        let key = InvocationKey { callee: callee.peer.id(), invocation };
        (key, Refusal::unsendable(error))
    })
}

impl Callee {
    /// Details of an INVOCATION; `None` where they tell at most `receive_progress`.
    fn details(
        &self,
        from: &Peer,
        options: CallOptions,
        procedure: Option<&str>,
        disclose: bool,
    ) -> Option<WrittenDict> {
        let disclose = disclose || self.disclose_caller || options.disclose_me;
        let timeout = Some(options.timeout).filter(|ms| *ms > 0 && self.forward_timeout);
        let plain = procedure.is_none() && !disclose && timeout.is_none() && !options.progress;
        if plain && options.passthru.is_empty() {
            return None;
        }
        let mut details = options.passthru;
        if options.receive_progress {
            details.flag("receive_progress");
        }
        if options.progress {
            details.flag("progress");
        }
        if let Some(procedure) = procedure {
            details.text("procedure", procedure);
        }
        if let Some(timeout) = timeout {
            details.uint("timeout", timeout);
        }
        if disclose {
            let identity = from.identity();
            details
                .uint("caller", from.id())
                .text("caller_authid", &identity.authid)
                .text("caller_authrole", &identity.authrole);
        }
        Some(details.finish())
    }

    fn is_free(&self) -> bool {
        // Its registrations may take more than one turn to go.
        !self.peer.has_left() && self.concurrency.is_none_or(|limit| self.running < limit)
    }
}

impl Registration {
    /// The place of the callee that gets the next call, without those of `tried`; `None` if all
    /// others are busy.
    fn choose(&mut self, tried: &[u64]) -> Option<usize> {
        let count = self.callees.len();
        if count == 1 && tried.is_empty() && self.callees[0].is_free() {
            return Some(0);
        }
        let start = match self.invoke {
            Invoke::Single | Invoke::First => 0,
            Invoke::Last => count.saturating_sub(1),
            Invoke::RoundRobin => self.turn % count.max(1),
            Invoke::Random => fastrand::usize(..count.max(1)),
        };
        let fits = |callee: &Callee| callee.is_free() && !tried.contains(&callee.peer.id());
        let chosen = (0..count)
            .map(|step| match self.invoke {
                Invoke::Last => start - step,
                _ => (start + step) % count,
            })
            .find(|index| fits(&self.callees[*index]))?;
        self.turn = chosen + 1;
        Some(chosen)
    }
}

impl Question {
    fn keep(message: &Call<'_>, tried: Vec<u64>) -> Question {
        Question {
            procedure: message.procedure.as_ref().into(),
            options: message.options.as_bytes().into(),
            args: message.payload.args.map(Into::into),
            kwargs: message.payload.kwargs.map(Into::into),
            encoding: message.payload.encoding,
            tried,
        }
    }

    fn message(&self, request: u64) -> Call<'_> {
        Call {
            request,
            options: Dict::from_checked(&self.options),
            procedure: (&*self.procedure).into(),
            payload: PayloadRef {
                args: self.args.as_deref(),
                kwargs: self.kwargs.as_deref(),
                encoding: self.encoding,
            },
        }
    }
}

/// True if the CALL says that more parts of it follow.
fn announces_more(message: &Call<'_>) -> Result<bool, Refusal> {
    let Some(value) = message.options.get("progress") else {
        return Ok(false);
    };
    flag(b"progress", value).map(|more| more.unwrap_or(false))
}

/// The mode in the options of a CANCEL; without one `killnowait`, as with other routers.
fn cancel_mode(options: Dict<'_>) -> Result<CancelMode, Fault> {
    let mut mode = CancelMode::KillNoWait;
    for (key, value) in options.entries().filter(|(key, _)| *key == b"mode") {
        if let Some(name) = text(key, value)?.as_deref() {
            mode = CancelMode::parse(name).ok_or_else(|| {
                let known = "skip, kill or killnowait";
                let why = format!("option \"mode\" must be {known}, not \"{name}\"");
                Fault::refused(uri::INVALID_ARGUMENT, why)
            })?;
        }
    }
    Ok(mode)
}

/// `now` and `limit` more, or as late as can be told.
pub(super) fn later(now: Instant, limit: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(limit.min(AGES)).unwrap_or(now)
}
