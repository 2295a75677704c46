//! A client of a realm in memory: frames in, frames out.

use std::sync::Arc;

use serde_json::Value;

use crate::codec::{Dict, Encoding};
use crate::router::budget::Budget;
use crate::router::config::Config;
use crate::router::frames::route_chunk;
use crate::router::identity::{Features, Identity};
use crate::router::peer::{Peer, WakeList};
use crate::router::realm::{LeaveReason, RealmSession, Realms};

pub(super) struct Client {
    pub(super) peer: Arc<Peer>,
    pub(super) session: RealmSession,
}

pub(super) fn realms() -> Arc<Realms> {
    realms_with("{}")
}

/// The realms of a router with this configuration.
pub(super) fn realms_with(config: &str) -> Arc<Realms> {
    Arc::new(Realms::new(&Arc::new(Config::parse(Some(config)).unwrap())))
}

/// All features that a client can announce, as far as they concern the router.
pub(super) const ALL: &str = r#"{"roles":{
    "caller":{"features":{"progressive_call_invocations":true}},
    "callee":{"features":{"call_canceling":true,"progressive_call_invocations":true,
        "call_reroute":true,"registration_revocation":true}},
    "subscriber":{"features":{"subscription_revocation":true}}}}"#;

impl Client {
    /// A client that has joined `realm1` without any feature, and heard its WELCOME.
    pub(super) fn join(realms: &Arc<Realms>, id: u64) -> Client {
        Client::announcing(realms, id, r#"{"roles":{}}"#)
    }

    /// As [`Client::join`], with all features.
    pub(super) fn able(realms: &Arc<Realms>, id: u64) -> Client {
        Client::announcing(realms, id, ALL)
    }

    /// As [`Client::join`], with these Details of HELLO.
    pub(super) fn announcing(realms: &Arc<Realms>, id: u64, hello: &str) -> Client {
        let features = Features::read(Dict::from_checked(hello.as_bytes())).unwrap();
        Client::known_as(realms, id, Identity::anonymous(features).unwrap())
    }

    /// As [`Client::able`], under this authid and authrole.
    pub(super) fn named(realms: &Arc<Realms>, id: u64, authid: &str, authrole: &str) -> Client {
        let features = Features::read(Dict::from_checked(ALL.as_bytes())).unwrap();
        let (authid, authrole) = (authid.to_owned(), authrole.to_owned());
        let identity = Identity { authid, authrole, ..Identity::anonymous(features).unwrap() };
        Client::known_as(realms, id, identity)
    }

    /// As [`Client::join`], with room for many messages.
    pub(super) fn roomy(realms: &Arc<Realms>, id: u64) -> Client {
        let features = Features::read(Dict::from_checked(br#"{"roles":{}}"#)).unwrap();
        let identity = Identity::anonymous(features).unwrap();
        Client::with_room(realms, id, identity, 1 << 30)
    }

    pub(super) fn known_as(realms: &Arc<Realms>, id: u64, identity: Identity) -> Client {
        Client::with_room(realms, id, identity, 1 << 20)
    }

    fn with_room(realms: &Arc<Realms>, id: u64, identity: Identity, room: usize) -> Client {
        let peer = Peer::new(id, room, &Budget::new(1 << 30));
        let session = realms.join("realm1", &peer, identity, &mut WakeList::default());
        let client = Client { session: session.expect("there is such a realm"), peer };
        assert_eq!(client.hears()[0][0], 2);
        client
    }

    pub(super) fn tries(&mut self, frame: &str) -> Result<(), LeaveReason> {
        self.turns(Encoding::Json, frame.as_bytes().to_vec()).map(drop)
    }

    /// Says something, and tells in how many turns it was done.
    fn turns(&mut self, encoding: Encoding, frame: Vec<u8>) -> Result<usize, LeaveReason> {
        let mut wakes = WakeList::default();
        let mut turns = 1;
        let done = route_chunk(&mut self.session, &[frame.into()], encoding, &mut wakes)?;
        assert_eq!(done, 1);
        while self.session.has_rest() {
            self.session.go_on(&mut wakes);
            turns += 1;
        }
        Ok(turns)
    }

    /// As [`Client::tries`], with a frame in this encoding, as it comes out of a socket.
    pub(super) fn tries_in(
        &mut self,
        encoding: Encoding,
        frame: Vec<u8>,
    ) -> Result<(), LeaveReason> {
        self.turns(encoding, frame).map(drop)
    }

    pub(super) fn says(&mut self, frame: &str) {
        assert_eq!(self.tries(frame), Ok(()), "{frame}");
    }

    /// A client without any feature that has registered a procedure.
    pub(super) fn serving(realms: &Arc<Realms>, id: u64, procedure: &str) -> Client {
        let mut callee = Client::join(realms, id);
        callee.says(&format!(r#"[64,1,{{}},"{procedure}"]"#));
        assert_eq!(callee.hears_one()[0], 65);
        callee
    }

    /// The messages that have come since the last time.
    pub(super) fn hears(&self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(batch) = self.peer.take() {
            messages.extend((0..batch.count()).map(|index| -> Value {
                serde_json::from_slice(&batch.message(index)).expect("the router sends JSON")
            }));
            self.peer.written(batch);
        }
        messages
    }

    /// The message that has come since the last time, which is one.
    #[track_caller]
    pub(super) fn hears_one(&self) -> Value {
        let mut messages = self.hears();
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Nothing has come since the last time.
    #[track_caller]
    pub(super) fn hears_nothing(&self) {
        let messages = self.hears();
        assert!(messages.is_empty(), "{messages:?}");
    }
}

/// The request type, the request and the URI of the ERROR that has come.
#[track_caller]
pub(super) fn error(client: &Client) -> (Value, Value, String) {
    let error = client.hears_one();
    assert_eq!(error[0], 8, "{error}");
    let uri = error[4].as_str().unwrap_or_default().to_owned();
    assert!(error[5][0].is_string(), "{error} does not say why");
    (error[1].clone(), error[2].clone(), uri)
}
