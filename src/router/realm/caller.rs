//! The router as a caller: it calls a procedure of some client, and waits for the answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use serde_json::Value;

use crate::codec::{Dict, PayloadRef};
use crate::protocol::message::{Call, Message};
use crate::protocol::uri;

use super::super::budget::Budget;
use super::super::identity::Identity;
use super::super::peer::{Peer, WakeList};
use super::super::random;
use super::super::turn::Turn;
use super::{Realm, Realms};

/// The procedure could not be called, or has failed.
#[derive(Debug, PartialEq)]
pub(in crate::router) struct CallFailed {
    /// Its callee has answered ERROR; otherwise it was not there, or has answered with something
    /// that cannot be read.
    pub(in crate::router) is_refusal: bool,
}

const FAILED: CallFailed = CallFailed { is_refusal: false };

/// The errors by which the router itself says that there was no callee to answer.
const NOT_OF_CALLEES: [&str; 3] = [uri::CANCELED, uri::NO_AVAILABLE_CALLEE, uri::TIMEOUT];

/// The most bytes that an answer may have.
const MOST_ANSWER: usize = 1 << 20;

/// The caller of one call. Dropping it gives the call up.
struct Caller {
    realm: Arc<Realm>,
    peer: Arc<Peer>,
}

impl Realms {
    /// Calls a procedure with a list of arguments. Returns the first argument of its result, null
    /// where there is none. Takes as long as it takes: the caller has a time limit.
    pub(in crate::router) async fn call(
        &self,
        realm: &str,
        procedure: &str,
        args: &Value,
    ) -> Result<Value, CallFailed> {
        let realm = self.find(realm).ok_or(FAILED)?;
        let peer =
            Peer::new(random::id().map_err(|_| FAILED)?, MOST_ANSWER, &Budget::new(usize::MAX));
        let authrole = "router".to_owned();
        peer.identify(Identity { authrole, ..Identity::default() });
        let caller = Caller { realm, peer };
        let args = args.to_string();
        let call = Call {
            request: 1,
            options: Dict::EMPTY,
            procedure: procedure.into(),
            payload: PayloadRef::args(&args),
        };
        caller.say(&call)?;
        caller.answer().await
    }

    /// True if the session has registered this very procedure.
    pub(in crate::router) fn serves(&self, realm: &str, procedure: &str, session: u64) -> bool {
        self.find(realm)
            .is_some_and(|realm| realm.state.lock().dealer.is_served_by(procedure, session))
    }
}

impl Caller {
    fn say(&self, call: &Call<'_>) -> Result<(), CallFailed> {
        let mut wakes = WakeList::default();
        let called = self.realm.state.lock().dealer.call(&self.peer, call, &mut wakes);
        wakes.wake();
        called.map(|_| ()).map_err(|_| FAILED)
    }

    async fn answer(&self) -> Result<Value, CallFailed> {
        let bell = self.peer.bell();
        let batch = poll_fn(|cx| {
            bell.fall_asleep(cx);
            match self.peer.take() {
                Some(batch) => Poll::Ready(Some(batch)),
                None if self.peer.was_dropped() => Poll::Ready(None),
                None => Poll::Pending,
            }
        });
        let batch = batch.await.ok_or(FAILED)?;
        let frame = batch.message(0);
        let result = match Message::decode(&frame) {
            Ok(Message::Result(result)) => result,
            Ok(Message::Error(error)) => {
                let is_own = NOT_OF_CALLEES.contains(&&*error.error);
                return Err(CallFailed { is_refusal: !is_own });
            }
            _ => return Err(FAILED),
        };
        let args: Option<Vec<Value>> = match result.payload.args {
            None => Some(Vec::new()),
            Some(args) => serde_json::from_slice(args).ok(),
        };
        Ok(args.ok_or(FAILED)?.into_iter().next().unwrap_or_default())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut wakes = WakeList::default();
        let mut state = self.realm.state.lock();
        let dealer = &mut state.dealer;
        if let Some(mut own) = dealer.leave(&self.peer) {
            // It has one call.
            while dealer.leave_one(&mut own, &mut wakes, &mut Turn::default()) {}
        }
    }
}
