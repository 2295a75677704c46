//! Calls whose input comes in pieces, on both sides.

use super::*;

const MORE: Dict<'static> = Dict::from_checked(br#"{"progress":true}"#);

fn progressive() -> Client {
    let mut client = Client::new();
    let features = r#"{"progressive_call_invocations":true,"call_canceling":true}"#;
    client.receive(&format!(r#"[2,77,{{"roles":{{"dealer":{{"features":{features}}}}}}}]"#));
    client.told();
    client
}

#[test]
fn more_input_goes_out_under_the_same_id() {
    let mut client = progressive();
    let call = client.call(r#"{"progress":true}"#, "call");
    client.session.call_more(call, MORE, PayloadRef::args("[2]")).unwrap();
    client.session.call_more(call, Dict::EMPTY, PayloadRef::args("[3]")).unwrap();
    assert_eq!(
        client.sent(),
        [
            r#"[48,1,{"progress":true},"com.p",[1]]"#,
            r#"[48,1,{"progress":true},"com.p",[2]]"#,
            r#"[48,1,{},"com.p",[3]]"#,
        ]
    );
    let late = client.session.call_more(call, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::NoMoreInput));
    client.receive("[50,1,{}]");
    assert_eq!(client.told(), ["Result 2 call"]);
    let late = client.session.call_more(call, MORE, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::NoSuchId));
}

#[test]
fn no_input_follows_a_cancellation() {
    let mut client = progressive();
    let call = client.call(r#"{"progress":true}"#, "call");
    client.session.cancel(call, CancelMode::Kill).unwrap();
    let late = client.session.call_more(call, MORE, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::NoMoreInput));
}

#[test]
fn a_router_without_the_feature_is_not_asked() {
    let mut client = Client::joined();
    let refused = client.session.call("com.p", MORE, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(refused, Err(RequestError::NotAnnounced("progressive_call_invocations")));
    let passthru = Dict::from_checked(br#"{"ppt_scheme":"x_own"}"#);
    let refused = client.session.call("com.p", passthru, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(refused, Err(RequestError::NotAnnounced("payload_passthru_mode")));
    let refused = client.session.publish("com.t", passthru, PayloadRef::NONE);
    assert_eq!(refused, Err(RequestError::NotAnnounced("payload_passthru_mode")));
    assert!(client.sent().is_empty(), "no id was used");
}

#[test]
fn input_in_pieces_is_told_in_pieces() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"progress":true},[1]]"#);
    client.receive(r#"[68,100,5,{"progress":true},[2]]"#);
    client.receive("[68,100,5,{},[3]]");
    client.receive("[68,100,5,{},[4]]");
    let events = client.events();
    let pieces: Vec<_> =
        events[1..].iter().map(|event| (event.more_input, event.continues_input)).collect();
    assert_eq!(pieces, [(true, false), (true, true), (false, true)], "nothing after the last");
    client.session.tag_invocation(100, 7);
    assert_eq!(client.session.invocation_tag(100), 7);
    client.session.answer(100, Dict::EMPTY, PayloadRef::NONE).unwrap();
    assert_eq!(client.session.invocation_tag(100), 0);
}

#[test]
fn input_after_an_early_answer_is_ignored() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"progress":true},[1]]"#);
    client.told();
    client.session.answer(100, Dict::EMPTY, PayloadRef::NONE).unwrap();
    client.receive(r#"[68,100,5,{"progress":true},[2]]"#);
    client.receive("[68,100,5,{},[3]]");
    assert!(client.told().is_empty());
    // The id is free again: only a sloppy router would use it, but it is a call.
    client.receive("[68,100,5,{},[4]]");
    assert_eq!(client.told(), ["Invocation 1 proc"]);
}

#[test]
fn input_after_an_interrupt_is_ignored() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"progress":true},[1]]"#);
    client.receive(r#"[69,100,{"mode":"killnowait"}]"#);
    client.receive("[68,100,5,{},[2]]");
    assert_eq!(client.told(), ["Registered 1 proc", "Invocation 1 proc", "Interrupt 1 proc"]);
}
