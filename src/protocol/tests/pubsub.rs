//! Subscriptions and their handlers.

use super::*;

#[test]
fn handlers_share_one_subscription() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    let b = client.subscribe("com.t", "{}", "b");
    assert_eq!(client.sent(), [r#"[32,1,{},"com.t"]"#]);
    client.receive("[33,1,9]");
    let c = client.subscribe("com.t", "{}", "c");
    assert!(client.sent().is_empty());
    assert_eq!(client.told(), ["Subscribed 1 a", "Subscribed 3 b", "Subscribed 5 c"]);
    client.receive("[36,9,4,{},[1]]");
    assert_eq!(client.told(), ["Event 1 a", "Event 3 b", "Event 5 c"]);
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(false));
    assert_eq!(client.session.unsubscribe(a, None), Err(RequestError::NoSuchId));
    assert_eq!(client.session.unsubscribe(b, None), Ok(false));
    assert!(client.sent().is_empty());
    assert_eq!(client.session.unsubscribe(c, Some("uc")), Ok(true));
    assert_eq!(client.sent(), ["[34,2,9]"]);
    assert_eq!(
        client.told(),
        ["Released 1 a", "Unsubscribed 1 ua", "Released 3 b", "Unsubscribed 3 -", "Released 5 c"]
    );
    client.receive("[36,9,5,{},[1]]");
    client.receive("[35,2]");
    assert_eq!(client.told(), ["Unsubscribed 5 uc"]);
}

#[test]
fn differing_options_go_over_the_wire_and_may_share_an_id() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    let b = client.subscribe("com.t", r#"{"match":"exact"}"#, "b");
    client.receive("[33,1,9]");
    client.receive("[33,2,9]");
    client.sent();
    client.receive("[36,9,4,{}]");
    assert_eq!(client.told()[2..], ["Event 1 a", "Event 3 b"]);
    assert_eq!(client.session.unsubscribe(a, None), Ok(false));
    assert_eq!(client.session.unsubscribe(b, None), Ok(true));
    assert_eq!(client.sent(), ["[34,3,9]"]);
}

#[test]
fn unsubscribe_is_held_back_while_a_subscribe_is_on_its_way() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.subscribe("com.t", r#"{"get_retained":true}"#, "b");
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(true));
    assert_eq!(client.sent().len(), 2, "two SUBSCRIBEs and no UNSUBSCRIBE");
    client.receive("[33,2,9]");
    assert!(client.sent().is_empty(), "the id is in use again");
    client.receive("[36,9,4,{}]");
    assert_eq!(
        client.told(),
        ["Subscribed 1 a", "Released 1 a", "Subscribed 3 b", "Unsubscribed 1 ua", "Event 3 b"]
    );
}

#[test]
fn a_held_back_unsubscribe_goes_out_when_the_subscribe_fails() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.subscribe("com.t", r#"{"get_retained":true}"#, "b");
    client.session.unsubscribe(a, Some("ua")).unwrap();
    client.sent();
    client.receive(r#"[8,32,2,{},"wamp.error.not_authorized"]"#);
    assert_eq!(client.sent(), ["[34,3,9]"]);
    client.receive(r#"[8,34,3,{},"wamp.error.no_such_subscription"]"#);
    assert_eq!(client.told().last().unwrap(), "Unsubscribed 1 ua");
}

#[test]
fn a_held_back_unsubscribe_is_told_when_the_session_is_left() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.subscribe("com.t", r#"{"get_retained":true}"#, "b");
    client.session.unsubscribe(a, Some("ua")).unwrap();
    client.session.leave("wamp.close.normal", None).unwrap();
    client.sent();
    client.receive(r#"[8,32,2,{},"wamp.error.not_authorized"]"#);
    assert!(client.sent().is_empty(), "nothing follows a GOODBYE");
    client.receive(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
    assert_eq!(client.told(), ["Subscribed 1 a", "Released 1 a", "Error 3 b", "Unsubscribed 1 ua"]);
}

#[test]
fn a_subscription_can_be_given_up_before_its_answer() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(true));
    assert_eq!(client.told(), ["Error 1 a", "Unsubscribed 1 ua"]);
    client.sent();
    client.receive("[33,1,9]");
    assert_eq!(client.sent(), ["[34,2,9]"]);
    client.receive("[36,9,4,{}]");
    assert!(client.told().is_empty());
}

#[test]
fn subscribing_again_after_unsubscribing_keeps_the_new_handler() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.session.unsubscribe(a, None).unwrap();
    client.subscribe("com.t", "{}", "b");
    client.receive("[35,2]");
    client.receive("[33,3,9]");
    client.told();
    client.receive("[36,9,4,{}]");
    assert_eq!(client.told(), ["Event 3 b"]);
}

#[test]
fn revocation_ends_all_handlers() {
    let mut client = Client::joined();
    client.subscribe("com.t", "{}", "a");
    client.subscribe("com.t", "{}", "b");
    client.receive("[33,1,9]");
    client.told();
    client.receive(r#"[35,0,{"subscription":9,"reason":"com.because"}]"#);
    let events = client.events();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.kind == EventKind::Unsubscribed));
    assert_eq!(events[0].uri.as_deref(), Some(c"com.because"));
    client.subscribe("com.t", "{}", "again");
    assert_eq!(client.sent().len(), 2, "a new SUBSCRIBE goes over the wire");
}

#[test]
fn a_revocation_that_breaks_the_rules_keeps_no_handler() {
    let mut client = Client::joined();
    client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.told();
    client.receive(r#"[35,0,{"subscription":9,"reason":2}]"#);
    assert_eq!(client.told(), ["Released 1 a"]);
}

#[test]
fn patterns_take_the_topic_from_the_details() {
    let mut client = Client::joined();
    client.subscribe("com..x", r#"{"match":"wildcard"}"#, "w");
    client.receive("[33,1,9]");
    client.told();
    client.receive(r#"[36,9,4,{"topic":"com.a.x"}]"#);
    assert_eq!(client.events()[0].uri.as_deref(), Some(c"com.a.x"));
    let options = Dict::from_checked(br#"{"match":"regex"}"#);
    let refused = client.session.subscribe("com.t", options, "x");
    assert!(matches!(refused, Err(RequestError::Option("match", _))));
}
