//! An open session with a request of every kind in it, and the two things that can then happen to
//! it: what the peer sends ends the session, or it does not.
//!
//! | request | on the wire | when the script begins |
//! |---|---|---|
//! | 1 | SUBSCRIBE `com.topic` | answered: subscription 20 |
//! | 2 | REGISTER `com.procedure` | answered: registration 30 |
//! | 3 | CALL `com.early` | answered |
//! | 4 | CALL `com.call` | pending |
//! | 5 | PUBLISH `com.topic` | pending |

use serde_json::{Value, json};
use wamp::ffi::types::*;

use super::client::{Client, Request};
use super::peer::{Peer, Wire};

/// The pending requests, on the client's side.
pub struct Scene {
    pub client: Client,
    /// The last request that is answered.
    pub early: Request,
    pub call: Request,
    pub publication: Request,
}

impl Scene {
    /// Opens it. `script` is the router's part, from when it has all the requests.
    pub fn open<T: Send + 'static>(
        what: &str,
        options: Value,
        script: impl FnOnce(&mut Wire) -> T + Send + 'static,
    ) -> (Scene, Peer<T>) {
        let peer = Peer::joined(move |wire| {
            for (id, code) in [(1, 32), (2, 64), (3, 48), (4, 48), (5, 16)] {
                let message = wire.message().expect("a request");
                assert_eq!((&message[0], &message[1]), (&code.into(), &id.into()));
            }
            wire.text("[33,1,20]");
            wire.text("[65,2,30]");
            wire.text(r#"[50,3,{},["early"]]"#);
            script(wire)
        });
        let mut client = Client::open(what, &peer.url, options);
        client.join();
        client.subscribe(c"com.topic");
        client.register(c"com.procedure");
        let early = client.call(c"com.early");
        let call = client.call(c"com.call");
        let publication = client.publish_ack(c"com.topic");
        let scene = Scene { client, early, call, publication };
        (scene, peer)
    }

    /// Checks that the session ends like this, and the pending requests with it.
    pub fn lose(self, status: i32, class: &str) {
        self.client.closed_as(status, class);
        let internal = self.client.all(WAMP_INTERNAL_ERROR);
        let told: Vec<i32> = internal.iter().map(|told| told.status).collect();
        let wanted = if status == WAMP_ERR_PROTOCOL { vec![status] } else { Vec::new() };
        assert_eq!(told, wanted, "on_internal_error: {internal:?}");
        for pending in [self.call, self.publication] {
            let told = self.client.outcome(pending);
            let how = (told.kind, told.status, told.uri.as_str());
            let lost = WAMP_ERR_OUTCOME_UNKNOWN;
            assert_eq!(how, (WAMP_ERROR, lost, "wamp.error.network_failure"));
            assert!(told.message.len() > 5, "no sentence: {told:?}");
        }
        self.client.finish();
    }
}

/// What the peer sends is a violation of WAMP: ABORT is all that it gets for it.
pub fn violation(what: &'static str, bad: impl FnOnce(&mut Wire) + Send + 'static) {
    let (scene, peer) = Scene::open(what, json!({}), |wire| {
        bad(wire);
        wire.polite()
    });
    scene.lose(WAMP_ERR_PROTOCOL, "closed");
    check_abort(what, &peer.done());
}

/// Checks that a violation was answered by an ABORT of three elements, and nothing else.
pub fn check_abort(what: &str, messages: &[Value]) {
    let [abort] = messages else {
        panic!("{what}: ABORT alone was expected: {messages:?}");
    };
    assert_eq!(abort.as_array().map(Vec::len), Some(3), "{what}: {abort}");
    assert_eq!(abort[0], 3, "{what}: {abort}");
    assert_eq!(abort[2], "wamp.error.protocol_violation", "{what}: {abort}");
    let says = abort[1]["message"].as_str().unwrap_or_default();
    assert!(says.len() > 5, "{what}: {abort}");
}

/// What the peer sends leaves the session as it is: the pending requests are answered, a further
/// call too, and the close is in order. Returns the client to look into, and what `odd` returned.
pub fn harmless<T: Send + 'static>(
    what: &'static str,
    odd: impl FnOnce(&mut Wire) -> T + Send + 'static,
) -> (Client, T) {
    let (mut scene, peer) = Scene::open(what, json!({}), move |wire| {
        let result = odd(wire);
        wire.text(r#"[50,4,{},["late"]]"#);
        wire.text("[17,5,777]");
        let call = wire.message().expect("another call");
        assert_eq!((&call[0], &call[1]), (&48.into(), &6.into()), "{what}");
        wire.text(r#"[50,6,{},["after"]]"#);
        let rest = wire.polite();
        assert_eq!(rest.len(), 1, "{what}: GOODBYE alone: {rest:?}");
        assert_eq!(rest[0][0], 6, "{what}: {rest:?}");
        result
    });
    let told = scene.client.outcome(scene.call);
    assert_eq!((told.kind, told.args.as_str()), (WAMP_RESULT, "[\"late\"]"));
    let told = scene.client.outcome(scene.publication);
    assert_eq!((told.kind, told.wamp_id), (WAMP_PUBLISHED, 777));
    let after = scene.client.call(c"com.after");
    let told = scene.client.outcome(after);
    assert_eq!((told.kind, told.args.as_str()), (WAMP_RESULT, "[\"after\"]"));
    assert_eq!(scene.client.close(), WAMP_OK, "{what}");
    scene.client.closed_as(WAMP_OK, "closed");
    (scene.client, peer.done())
}
