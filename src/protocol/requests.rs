//! Requests that wait for their answers, with what the answers are needed for.

use std::ffi::CStr;
use std::sync::Arc;

use super::message::code;
use super::uri::Match;

/// Local ids, each with whom to tell of its events.
pub(super) type Handlers<H> = Vec<(u64, H)>;
/// Local ids that have ended, each with whom to tell, if anybody wants to know.
pub(super) type Leaving<H> = Vec<(u64, Option<H>)>;
/// The topic and the options, as text: what tells subscriptions apart on the wire.
pub(super) type Key = (Arc<CStr>, Box<[u8]>);

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) enum Request<H> {
    Call(PendingCall<H>),
    Publish {
        target: H,
    },
    Subscribe(Box<PendingSubscribe<H>>),
    /// The local ids that end with it.
    Unsubscribe(Leaving<H>),
    Register(Box<PendingRegister<H>>),
    Unregister {
        local: u64,
        registration: u64,
        target: Option<H>,
    },
}

/// A CALL on its way.
#[derive(Debug)]
pub(super) struct PendingCall<H> {
    pub(super) target: H,
    /// Progressive results are welcome.
    pub(super) progress: bool,
    pub(super) canceled: bool,
    /// The procedure, while more input may follow.
    pub(super) input: Option<Box<str>>,
}

/// A SUBSCRIBE on its way.
#[derive(Debug)]
pub(super) struct PendingSubscribe<H> {
    pub(super) key: Key,
    pub(super) matching: Match,
    pub(super) waiting: Handlers<H>,
}

/// A REGISTER on its way.
#[derive(Debug)]
pub(super) struct PendingRegister<H> {
    pub(super) local: u64,
    pub(super) procedure: Arc<CStr>,
    pub(super) matching: Match,
    /// `None`: unregistered in the meantime.
    pub(super) target: Option<H>,
}

impl<H> Request<H> {
    /// The type code of the request, which an ERROR repeats.
    pub(super) fn code(&self) -> u64 {
        match self {
            Request::Call(_) => code::CALL,
            Request::Publish { .. } => code::PUBLISH,
            Request::Subscribe(_) => code::SUBSCRIBE,
            Request::Unsubscribe(_) => code::UNSUBSCRIBE,
            Request::Register(_) => code::REGISTER,
            Request::Unregister { .. } => code::UNREGISTER,
        }
    }

    /// The target of a call or publication, whose local id is made of the request's.
    pub(super) fn target(&self) -> Option<&H> {
        match self {
            Request::Call(PendingCall { target, .. }) | Request::Publish { target } => Some(target),
            _ => None,
        }
    }

    /// Shows who waits for a subscription or registration to begin or to end.
    pub(super) fn each_waiting(&self, show: &mut impl FnMut(u64, &H)) {
        match self {
            Request::Call(_) | Request::Publish { .. } => {}
            Request::Subscribe(pending) => {
                pending.waiting.iter().for_each(|(id, target)| show(*id, target));
            }
            Request::Register(pending) => {
                pending.target.iter().for_each(|target| show(pending.local, target));
            }
            Request::Unsubscribe(leaving) => each_leaving(leaving, show),
            Request::Unregister { local, target, .. } => {
                target.iter().for_each(|target| show(*local, target));
            }
        }
    }

    /// The targets with their local ids, of which that of a call or publication is `local`.
    pub(super) fn into_targets(self, local: u64) -> Leaving<H> {
        match self {
            Request::Call(PendingCall { target, .. }) | Request::Publish { target } => {
                vec![(local, Some(target))]
            }
            Request::Subscribe(pending) => {
                pending.waiting.into_iter().map(|(id, target)| (id, Some(target))).collect()
            }
            Request::Unsubscribe(leaving) => leaving,
            Request::Register(pending) => vec![(pending.local, pending.target)],
            Request::Unregister { local, target, .. } => vec![(local, target)],
        }
    }
}

/// Shows who wants to know of an end.
pub(super) fn each_leaving<H>(leaving: &Leaving<H>, show: &mut impl FnMut(u64, &H)) {
    let watched = leaving.iter().filter_map(|(id, target)| Some((*id, target.as_ref()?)));
    watched.for_each(|(id, target)| show(id, target));
}

/// True for the type codes of requests, as an ERROR may name them.
pub(super) fn is_request(code: u64) -> bool {
    use code::{CALL, PUBLISH, REGISTER, SUBSCRIBE, UNREGISTER, UNSUBSCRIBE};
    matches!(code, PUBLISH | SUBSCRIBE | UNSUBSCRIBE | CALL | REGISTER | UNREGISTER)
}
