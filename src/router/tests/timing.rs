//! The time until a failed login is answered: it tells nobody whether a name is known.
//!
//! Logins under an unknown name take turns with those of two known users with a wrong secret, one
//! of whom is the control. If names were alike, any of the three might have had any of the times
//! of its turn: so labels are shuffled within turns, and it is counted how often the medians differ
//! as much as they do. `WAMP_TEST_LOGINS` sets the number of turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::sockets::Client;
use crate::auth::{ClientAuth, Credentials, PrivateKey, hex};
use crate::router::Router;

/// The names, of the same length: two known ones and one that is not.
const NAMES: [&str; 3] = ["joe", "ann", "eve"];

/// Shuffles of the labels.
const SHUFFLES: usize = 2000;

fn turns() -> usize {
    let wanted = std::env::var("WAMP_TEST_LOGINS").ok().and_then(|number| number.parse().ok());
    wanted.unwrap_or(12)
}

/// One login that fails: the times from HELLO to CHALLENGE, and from AUTHENTICATE to ABORT.
async fn fail(url: &str, authid: &str, method: &str) -> [Duration; 2] {
    let mut client = Client::connect(url).await.unwrap();
    let credentials = Credentials {
        authid: Some(authid.to_owned()),
        ticket: Some("wrong".into()),
        secret: Some("wrong".into()),
        privkey: Some(PrivateKey::from_seed(&[66; 32])),
        ..Credentials::default()
    };
    let mut auth = ClientAuth::new(Arc::new(credentials), None);
    let extra = auth.hello_extra(&[method], None).unwrap();
    let hello = json!([1, "realm1", {"roles": {"caller": {}}, "authid": authid,
        "authmethods": [method], "authextra": extra}]);
    let begun = Instant::now();
    client.says(&hello.to_string()).await;
    let challenge = client.hears().await;
    let challenged = begun.elapsed();
    let extra: Map<String, Value> = challenge[2].as_object().unwrap().clone();
    let answer = auth.answer(challenge[1].as_str().unwrap(), &extra).unwrap();
    let answer = json!([5, answer.signature.expose(), answer.extra]).to_string();
    let begun = Instant::now();
    client.says(&answer).await;
    assert_eq!(client.hears().await[0], 3);
    [challenged, begun.elapsed()]
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// The difference between the medians of the last of each turn and of the others.
fn difference(turns: &[[Duration; 3]]) -> f64 {
    let mut last: Vec<_> = turns.iter().map(|turn| turn[2]).collect();
    let mut others: Vec<_> = turns.iter().flat_map(|turn| [turn[0], turn[1]]).collect();
    (median(&mut last) - median(&mut others)).abs()
}

/// The share of shuffled turns that differ as much.
fn chance(turns: &[[Duration; 3]]) -> f64 {
    let found = difference(turns);
    let mut shuffled = turns.to_vec();
    let mut as_much = 0;
    for _ in 0..SHUFFLES {
        for turn in &mut shuffled {
            turn.swap(2, fastrand::usize(..3));
        }
        as_much += usize::from(difference(&shuffled) >= found);
    }
    as_much as f64 / SHUFFLES as f64
}

/// The turns of a method, each in another order: times to CHALLENGE, and to ABORT.
async fn measured(router: &Router, names: [&str; 3], method: &str) -> [Vec<[Duration; 3]>; 2] {
    let url = router.url().unwrap();
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..turns() {
        let mut order = [0, 1, 2];
        fastrand::shuffle(&mut order);
        let mut turn = [[Duration::ZERO; 3]; 2];
        for which in order {
            [turn[0][which], turn[1][which]] = fail(&url, names[which], method).await;
        }
        measured[0].push(turn[0]);
        measured[1].push(turn[1]);
    }
    measured
}

/// True if the times tell the last name from the others in each of some runs.
async fn are_told_apart(router: &Router, names: [&str; 3], method: &str) -> bool {
    const RUNS: usize = 4;
    for _ in 0..RUNS {
        let chances = measured(router, names, method).await.map(|turns| {
            let chance = chance(&turns);
            let medians = [0, 1, 2]
                .map(|which| median(&mut turns.iter().map(|turn| turn[which]).collect::<Vec<_>>()))
                .map(|seconds| format!("{:.1} us", seconds * 1e6));
            println!("{method}: {names:?} {medians:?}: p = {chance}");
            chance
        });
        if chances.iter().all(|chance| *chance >= 0.001) {
            return false;
        }
    }
    true
}

fn router(auth: &Value) -> Arc<Router> {
    let mut auth = auth.clone();
    auth["failure_delay"] = json!({"first": 0, "most": 0});
    let router = Router::new(Some(&json!({"auth": auth}).to_string())).unwrap();
    router.listen("ws://127.0.0.1:0/ws", &Handle::current()).unwrap();
    router
}

/// Known users of each method, under the first two names.
fn users() -> Value {
    let known = |entries: Value| json!({NAMES[0]: entries, NAMES[1]: entries});
    let key = |seed: u8| hex(&PrivateKey::from_seed(&[seed; 32]).public_key());
    json!({
        "ticket": known(json!({"ticket": "right"})),
        "wampcra": known(json!({"secret": "right", "salt": "salt", "iterations": 1000})),
        "wamp-scram": known(json!({"password": "right"})),
        "scram": known(json!({"password": "right"})),
        "cryptosign": {NAMES[0]: {"pubkey": key(7)}, NAMES[1]: {"pubkey": key(8)}},
    })
}

#[tokio::test]
async fn the_time_of_a_failure_tells_no_names() {
    let router = router(&users());
    for method in ["ticket", "wampcra", "wamp-scram", "scram", "cryptosign"] {
        assert!(!are_told_apart(&router, NAMES, method).await, "{method}");
    }
}

/// Hashing takes so long that it shows where it is left out.
#[tokio::test]
async fn hashed_tickets_tell_no_names_either() {
    let hashed = |iterations: u32| json!({"ticket_hash": "00".repeat(32), "salt": "c2FsdHNhbHQ=", "iterations": iterations});
    let alike = json!({"ticket": {NAMES[0]: hashed(4096), NAMES[1]: hashed(4096)}});
    assert!(!are_told_apart(&router(&alike), NAMES, "ticket").await);
    // And what is to be seen is seen.
    let costly = json!({"ticket": {NAMES[0]: hashed(4096), NAMES[1]: hashed(4096),
        NAMES[2]: hashed(16_384)}});
    assert!(are_told_apart(&router(&costly), NAMES, "ticket").await);
}
