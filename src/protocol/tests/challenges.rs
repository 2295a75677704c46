//! Challenges, and who the router is.

use std::sync::Arc;

use super::super::challenges::Gate;
use super::*;

const WELCOME: &str = r#"[2,77,{"roles":{"broker":{}},"authextra":{"proof":"yes"}}]"#;

/// The reason of the end that was our own doing.
fn broken_off(client: &mut Client) -> String {
    match client.session.take_ended() {
        Some(SessionEnd::NotAuthenticated { reason, .. }) => reason,
        other => panic!("ended otherwise: {other:?}"),
    }
}

#[test]
fn there_may_be_several_rounds() {
    let mut client = Client::new();
    for (round, method) in [(1, "wampcra"), (2, "ticket")] {
        client.receive(&format!(r#"[4,"{method}",{{"a":1}}]"#));
        let event = client.events().remove(0);
        assert_eq!((event.kind, event.wamp_id), (EventKind::Challenge, round));
        assert_eq!(event.uri.as_deref().unwrap().to_str(), Ok(method));
        assert_eq!(event.details(), Some(&br#"{"a":1}"#[..]));
        let extra = Dict::from_checked(br#"{"b":2}"#);
        client.session.authenticate(round, "proof", extra).unwrap();
        assert_eq!(client.sent(), [r#"[5,"proof",{"b":2}]"#]);
        let again = client.session.authenticate(round, "proof", Dict::EMPTY);
        assert_eq!(again, Err(RequestError::Answered));
    }
    client.receive(WELCOME);
    assert_eq!(client.session.phase(), Phase::Open);
    let late = client.session.authenticate(2, "proof", Dict::EMPTY);
    assert_eq!(late, Err(RequestError::Closed));
}

#[test]
fn an_answer_to_a_former_round_is_refused() {
    let mut client = Client::new();
    client.receive(r#"[4,"wampcra",{}]"#);
    client.session.authenticate(1, "one", Dict::EMPTY).unwrap();
    client.receive(r#"[4,"wampcra",{}]"#);
    assert_eq!(client.session.authenticate(1, "x", Dict::EMPTY), Err(RequestError::Answered));
    client.session.authenticate(2, "two", Dict::EMPTY).unwrap();
}

#[test]
fn a_challenge_that_is_not_answered_ends_the_session() {
    let mut client = Client::new();
    client.receive(r#"[4,"ticket",{}]"#);
    let bad = client.session.refuse_challenge(1, "no uri", "");
    assert!(matches!(bad, Err(RequestError::Uri(_))));
    client.session.refuse_challenge(1, "wamp.error.cannot_authenticate", "no ticket").unwrap();
    assert_eq!(client.sent(), [r#"[3,{"message":"no ticket"},"wamp.error.cannot_authenticate"]"#]);
    assert_eq!(broken_off(&mut client), "wamp.error.cannot_authenticate");
    let late = client.session.authenticate(1, "x", Dict::EMPTY);
    assert_eq!(late, Err(RequestError::Closed));
}

#[test]
fn a_refusal_after_a_challenge_is_one_of_the_credentials() {
    let mut client = Client::new();
    client.receive(r#"[4,"ticket",{}]"#);
    client.session.authenticate(1, "wrong", Dict::EMPTY).unwrap();
    client.receive(r#"[3,{},"com.router.no"]"#);
    let ended = client.session.take_ended();
    assert!(matches!(ended, Some(SessionEnd::Refused { challenged: true, .. })), "{ended:?}");
}

#[test]
fn a_challenge_before_the_answer_to_the_last_is_a_violation() {
    let mut client = Client::new();
    client.receive(r#"[4,"ticket",{}]"#);
    client.receive(r#"[4,"ticket",{}]"#);
    assert!(client.violation().unwrap().contains("second CHALLENGE"));
}

#[test]
fn the_gate_has_the_last_word() {
    let gate = |wanted: &'static str| {
        Gate(Arc::new(move |details: Dict<'_>| {
            let proof = details.dict("authextra").ok().flatten();
            let proof = proof.and_then(|extra| extra.text("proof").ok().flatten());
            match proof.as_deref() == Some(wanted) {
                true => Ok(()),
                false => Err("the router proved nothing".to_owned()),
            }
        }))
    };
    let join = |wanted| {
        let config = Config {
            realm: "realm1".to_owned(),
            hello: b"{}".to_vec(),
            encoding: crate::codec::Encoding::Json,
            max_message_size: 1000,
            ids_above: 0,
            gate: Some(gate(wanted)),
        };
        let mut client = Client { session: Session::new(config) };
        client.sent();
        client.receive(WELCOME);
        client
    };
    assert_eq!(join("yes").session.phase(), Phase::Open);
    let mut shut = join("no");
    assert!(shut.told().is_empty(), "nobody hears of a session with a false router");
    let abort = shut.sent().remove(0);
    assert!(abort.contains("the router proved nothing") && abort.starts_with("[3,"), "{abort}");
    assert_eq!(broken_off(&mut shut), "wamp.error.authentication_failed");
}
