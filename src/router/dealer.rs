//! The dealer of a realm: who has registered what, and the way of a call and of its answer.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to. Invocation ids
//! count per callee, so that a callee can only answer what it was asked.
//!
//! ```text
//!   caller                     dealer                      callee
//!     | CALL 7 ----------------> |                           |
//!     |                          | INVOCATION 3 -----------> |   calls[7] = (callee, 3)
//!     |                          | <------- YIELD 3 progress |   invocations[3] = (caller, 7)
//!     | <----- RESULT 7 progress |                           |
//!     |                          | <---- YIELD 3 or ERROR 3  |
//!     | <---- RESULT 7 / ERROR 7 |                           |   both forgotten
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{CodecError, Dict};
use crate::protocol::ids::IdMap;
use crate::protocol::message::{
    Call, CallResult, Error, Invocation, Register, Registered, Unregister, Unregistered, Yield,
    code,
};
use crate::protocol::uri;

use super::peer::{Peer, Rings};
use super::request::{Fault, Refusal, check_option, check_own_uri, check_uri};

/// All registrations and running calls of a realm.
#[derive(Debug, Default)]
pub(super) struct Dealer {
    /// By procedure: what CALL looks for.
    registrations: HashMap<Arc<str>, Registration>,
    sessions: IdMap<Session>,
    last_registration: u64,
}

#[derive(Debug)]
struct Registration {
    id: u64,
    callee: Arc<Peer>,
}

/// What a session has to do with calls.
#[derive(Debug, Default)]
struct Session {
    /// The procedures that it has registered, by registration.
    procedures: IdMap<Arc<str>>,
    /// What it was asked and has not yet answered, by invocation.
    invocations: IdMap<Pending>,
    last_invocation: u64,
    /// The calls it waits for, by request.
    calls: IdMap<Asked>,
}

/// A call that waits for the callee's answer.
#[derive(Debug)]
struct Pending {
    caller: Arc<Peer>,
    request: u64,
    progress: bool,
}

/// Where a call went.
#[derive(Debug)]
struct Asked {
    callee: u64,
    invocation: u64,
}

/// A details dict that says `progress` or `receive_progress`.
const PROGRESS: &[u8] = br#"{"progress":true}"#;
const RECEIVE_PROGRESS: &[u8] = br#"{"receive_progress":true}"#;

impl Dealer {
    /// REGISTER: one callee for a procedure.
    pub(super) fn register(
        &mut self,
        from: &Arc<Peer>,
        message: &Register<'_>,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        check_option(message.options, "match", "exact")?;
        check_option(message.options, "invoke", "single")?;
        check_own_uri(&message.procedure)?;
        if self.registrations.contains_key(&*message.procedure) {
            let why = format!("\"{}\" is registered already", message.procedure);
            return Err(Fault::refused(uri::PROCEDURE_ALREADY_EXISTS, why));
        }
        let procedure: Arc<str> = message.procedure.as_ref().into();
        self.last_registration += 1;
        let id = self.last_registration;
        let own = self.sessions.entry(from.id()).or_default();
        own.procedures.insert(id, procedure.clone());
        let registration = Registration { id, callee: from.clone() };
        self.registrations.insert(procedure, registration);
        let answer = Registered { request: message.request, registration: id };
        from.send(rings, |out| answer.write(out));
        Ok(())
    }

    /// UNREGISTER: what runs already may still be answered.
    pub(super) fn unregister(
        &mut self,
        from: &Arc<Peer>,
        message: &Unregister,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        let id = message.registration;
        let own = self.sessions.get_mut(&from.id());
        let Some(procedure) = own.and_then(|own| own.procedures.remove(&id)) else {
            let why = format!("this session has no registration {id}");
            return Err(Fault::refused(uri::NO_SUCH_REGISTRATION, why));
        };
        self.registrations.remove(&procedure);
        let answer = Unregistered { request: message.request, details: None };
        from.send(rings, |out| answer.write(out));
        Ok(())
    }

    /// CALL
    pub(super) fn call(
        &mut self,
        from: &Arc<Peer>,
        message: &Call<'_>,
        rings: &mut Rings,
    ) -> Result<(), Fault> {
        let progress = receive_progress(message.options)?;
        let Some(registration) = self.registrations.get(&*message.procedure) else {
            check_uri(&message.procedure)?;
            let why = format!("nobody has registered \"{}\"", message.procedure);
            return Err(Fault::refused(uri::NO_SUCH_PROCEDURE, why));
        };
        let callee = &registration.callee;
        let asked = self.sessions.entry(callee.id()).or_default();
        asked.last_invocation += 1;
        let invocation = asked.last_invocation;
        let pending = Pending { caller: from.clone(), request: message.request, progress };
        asked.invocations.insert(invocation, pending);
        let call = Asked { callee: callee.id(), invocation };
        let own = self.sessions.entry(from.id()).or_default();
        own.calls.insert(message.request, call);

        let question = Invocation {
            request: invocation,
            registration: registration.id,
            details: flag(progress, RECEIVE_PROGRESS),
            payload: message.payload,
        };
        callee.send(rings, |out| question.write(out));
        Ok(())
    }

    /// YIELD: one for an unknown invocation is late, as its caller has left, and is ignored.
    pub(super) fn yields(
        &mut self,
        from: &Arc<Peer>,
        message: &Yield<'_>,
        rings: &mut Rings,
    ) -> Result<(), CodecError> {
        let progress =
            !message.options.is_empty() && message.options.bool("progress")?.unwrap_or(false);
        if progress {
            self.progress(from, message, rings);
            return Ok(());
        }
        let Some(pending) = self.answered(from, message.request) else {
            return Ok(());
        };
        let answer =
            CallResult { request: pending.request, details: Dict::EMPTY, payload: message.payload };
        pending.caller.send(rings, |out| answer.write(out));
        Ok(())
    }

    /// ERROR for an invocation; a late one is ignored, as a late YIELD.
    pub(super) fn error(&mut self, from: &Arc<Peer>, message: &Error<'_>, rings: &mut Rings) {
        let Some(pending) = self.answered(from, message.request) else {
            return;
        };
        let answer = Error {
            kind: code::CALL,
            request: pending.request,
            details: Dict::EMPTY,
            error: message.error.as_ref().into(),
            payload: message.payload,
        };
        pending.caller.send(rings, |out| answer.write(out));
    }

    /// Forgets a session: who waits for its answers gets an ERROR, and what others still do for it
    /// will be ignored.
    pub(super) fn leave(&mut self, from: &Arc<Peer>, rings: &mut Rings) {
        let Some(own) = self.sessions.remove(&from.id()) else {
            return;
        };
        for procedure in own.procedures.values() {
            self.registrations.remove(procedure);
        }
        for call in own.calls.values() {
            if let Some(callee) = self.sessions.get_mut(&call.callee) {
                callee.invocations.remove(&call.invocation);
            }
        }
        let gone = Refusal::new(uri::CANCELED, "the callee has left".to_owned());
        for pending in own.invocations.values() {
            let Some(caller) = self.sessions.get_mut(&pending.caller.id()) else {
                continue;
            };
            caller.calls.remove(&pending.request);
            let answer = |out: &mut Vec<u8>| gone.write(code::CALL, pending.request, out);
            pending.caller.send(rings, answer);
        }
    }

    /// Passes a progressive result on, where the caller wants it; the call goes on in any case.
    fn progress(&mut self, from: &Arc<Peer>, message: &Yield<'_>, rings: &mut Rings) {
        let own = self.sessions.get(&from.id());
        let Some(pending) = own.and_then(|own| own.invocations.get(&message.request)) else {
            return;
        };
        if !pending.progress {
            return;
        }
        let answer = CallResult {
            request: pending.request,
            details: Dict::from_checked(PROGRESS),
            payload: message.payload,
        };
        pending.caller.send(rings, |out| answer.write(out));
    }

    /// Ends an invocation and the call that it stands for.
    fn answered(&mut self, from: &Arc<Peer>, invocation: u64) -> Option<Pending> {
        let own = self.sessions.get_mut(&from.id())?;
        let pending = own.invocations.remove(&invocation)?;
        let caller = self.sessions.get_mut(&pending.caller.id())?;
        caller.calls.remove(&pending.request);
        Some(pending)
    }
}

/// Reads the options of CALL.
fn receive_progress(options: Dict<'_>) -> Result<bool, Fault> {
    if options.is_empty() {
        return Ok(false);
    }
    if options.bool("progress")? == Some(true) {
        // Taken for a whole call, the first chunk would get an answer too early.
        let why = "CALL with progress, but progressive_call_invocations was not announced";
        return Err(Fault::Violation(why.to_owned()));
    }
    Ok(options.bool("receive_progress")?.unwrap_or(false))
}

fn flag(set: bool, details: &'static [u8]) -> Dict<'static> {
    if set { Dict::from_checked(details) } else { Dict::EMPTY }
}
