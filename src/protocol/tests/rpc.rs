//! Registrations and invocations.

use super::*;

#[test]
fn an_invocation_is_answered_once() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive("[68,100,5,{},[1]]");
    client.receive("[68,100,5,{},[1]]");
    assert_eq!(client.told(), ["Registered 1 proc", "Invocation 1 proc"]);
    client.sent();
    let answer = PayloadRef::args("[2]");
    assert_eq!(client.session.progress(100, Dict::EMPTY, answer), Err(RequestError::NoProgress));
    assert_eq!(client.session.answer(100, Dict::EMPTY, answer), Ok(()));
    assert_eq!(client.session.answer(100, Dict::EMPTY, answer), Err(RequestError::Answered));
    let error = client.session.answer_error(100, "com.error", PayloadRef::NONE);
    assert_eq!(error, Err(RequestError::Answered));
    assert_eq!(client.sent(), ["[70,100,{},[2]]"]);
}

#[test]
fn progress_and_errors_of_an_invocation() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"receive_progress":true}]"#);
    assert!(client.events()[1].progress);
    client.sent();
    client.session.progress(100, Dict::EMPTY, PayloadRef::args("[1]")).unwrap();
    let bad = client.session.answer_error(100, "not a uri", PayloadRef::NONE);
    assert!(matches!(bad, Err(RequestError::Uri(_))));
    client.session.answer_error(100, "com.error", PayloadRef::args("[2]")).unwrap();
    assert_eq!(
        client.sent(),
        [r#"[70,100,{"progress":true},[1]]"#, r#"[8,68,100,{},"com.error",[2]]"#]
    );
}

#[test]
fn invocations_of_nothing_are_answered_with_an_error() {
    let mut client = Client::joined();
    client.receive("[68,100,5,{},[1]]");
    assert_eq!(client.sent(), [r#"[8,68,100,{},"wamp.error.no_such_registration"]"#]);
}

#[test]
fn registrations_come_and_go() {
    let mut client = Client::joined();
    let id = client.register("com.p", "proc");
    let twice = client.session.register("com.p", Dict::EMPTY, "again");
    assert_eq!(twice, Err(RequestError::AlreadyRegistered));
    client.receive("[65,1,5]");
    assert!(client.session.is_own_procedure("com.p"));
    client.session.unregister(id, Some("un")).unwrap();
    assert_eq!(client.session.unregister(id, None), Err(RequestError::NoSuchId));
    client.receive("[68,100,5,{}]");
    client.receive("[67,2]");
    assert_eq!(
        client.told(),
        ["Registered 1 proc", "Invocation 1 proc", "Released 1 proc", "Unregistered 1 un"]
    );
    client.register("com.p", "new");
    client.receive(r#"[8,64,3,{},"wamp.error.procedure_already_exists"]"#);
    assert_eq!(client.told(), ["Error 3 new"]);
    client.register("com.p", "newer");
}

#[test]
fn a_registration_can_be_given_up_before_its_answer() {
    let mut client = Client::joined();
    let id = client.register("com.p", "proc");
    client.session.unregister(id, None).unwrap();
    client.sent();
    client.receive("[65,1,5]");
    assert_eq!(client.sent(), ["[66,2,5]"]);
    assert_eq!(client.told(), ["Error 1 proc", "Unregistered 1 -"]);
}

#[test]
fn a_registration_can_be_revoked() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[67,0,{"registration":5,"reason":"wamp.error.unregistered"}]"#);
    assert_eq!(client.told(), ["Registered 1 proc", "Unregistered 1 proc"]);
    client.register("com.p", "again");
}

#[test]
fn a_revocation_that_breaks_the_rules_keeps_no_procedure() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.told();
    client.receive(r#"[67,0,{"registration":5,"reason":2}]"#);
    assert_eq!(client.told(), ["Released 1 proc"]);
}
