//! Invocations that their callers give up.

use super::*;

/// A session with an invocation of `com.p` whose id is 100.
fn invoked() -> Client {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"receive_progress":true}]"#);
    client.told();
    client.sent();
    client
}

#[test]
fn kill_is_told_and_then_answered() {
    let mut client = invoked();
    assert!(!client.session.is_interrupted(100));
    client.receive(r#"[69,100,{"mode":"kill","reason":"wamp.error.canceled"}]"#);
    client.receive(r#"[69,100,{"mode":"kill"}]"#);
    assert_eq!(client.told(), ["Interrupt 1 proc"], "told once");
    assert!(client.session.is_interrupted(100));
    let progress = client.session.progress(100, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(progress, Err(RequestError::Interrupted));
    assert!(client.sent().is_empty(), "the application has the first word");
    client.session.finish_interrupt(100);
    client.session.finish_interrupt(100);
    assert_eq!(client.sent(), [r#"[8,68,100,{},"wamp.error.canceled"]"#]);
    let late = client.session.answer(100, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::Interrupted));
    assert!(client.session.is_interrupted(100));
    client.session.release_invocation(100, "com.e", PayloadRef::NONE);
    assert!(client.sent().is_empty());
    let late = client.session.answer(100, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::Answered));
}

#[test]
fn the_answer_to_a_kill_may_be_a_result() {
    let mut client = invoked();
    client.receive(r#"[69,100,{}]"#);
    client.session.answer(100, Dict::EMPTY, PayloadRef::args("[1]")).unwrap();
    client.session.finish_interrupt(100);
    assert_eq!(client.sent(), ["[70,100,{},[1]]"]);
}

#[test]
fn killnowait_wants_no_answer() {
    let mut client = invoked();
    client.receive(r#"[69,100,{"mode":"killnowait"}]"#);
    assert!(client.session.is_interrupted(100));
    let late = client.session.answer(100, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::Interrupted));
    client.session.finish_interrupt(100);
    client.session.release_invocation(100, "com.e", PayloadRef::NONE);
    assert!(client.sent().is_empty());
}

#[test]
fn a_watcher_hears_instead_of_the_handler() {
    let mut client = invoked();
    client.session.watch_interrupt(100, "former").unwrap();
    client.session.watch_interrupt(100, "watcher").unwrap();
    assert_eq!(client.told(), ["Released 0 former"]);
    client.receive(r#"[69,100,{"mode":"kill"}]"#);
    assert_eq!(client.told(), ["Interrupt 1 watcher"]);
    client.session.watch_interrupt(100, "late").unwrap();
    assert_eq!(client.told(), ["Interrupt 1 late"]);
}

#[test]
fn a_watcher_ends_with_its_invocation_or_the_session() {
    let mut client = invoked();
    client.session.watch_interrupt(100, "watcher").unwrap();
    client.session.answer(100, Dict::EMPTY, PayloadRef::NONE).unwrap();
    assert_eq!(client.told(), ["Released 0 watcher"]);
    let late = client.session.watch_interrupt(100, "late");
    assert_eq!(late, Err(RequestError::Answered));
    client.receive("[68,101,5,{}]");
    client.session.watch_interrupt(101, "other").unwrap();
    client.told();
    client.session.lost();
    assert_eq!(client.told(), ["Released 0 other", "Released 1 proc"]);
    assert!(client.session.is_interrupted(101), "nobody waits any more");
}

#[test]
fn interrupts_of_nothing_are_ignored() {
    let mut client = invoked();
    client.session.answer(100, Dict::EMPTY, PayloadRef::NONE).unwrap();
    client.receive(r#"[69,100,{"mode":"kill"}]"#);
    client.receive("[69,999,{}]");
    assert!(client.told().is_empty());
    assert_eq!(client.sent().len(), 1);
}

#[test]
fn without_a_registration_nobody_is_told_but_the_caller() {
    let mut client = invoked();
    client.session.unregister(1, None).unwrap();
    client.receive("[67,2]");
    client.told();
    client.sent();
    client.receive(r#"[69,100,{"mode":"kill"}]"#);
    assert!(client.told().is_empty());
    assert_eq!(client.sent(), [r#"[8,68,100,{},"wamp.error.canceled"]"#]);
}

#[test]
fn what_nobody_answers_is_answered_with_an_error() {
    let mut client = invoked();
    client.session.release_invocation(100, "com.e", PayloadRef::args("[1]"));
    client.session.release_invocation(100, "com.e", PayloadRef::NONE);
    assert_eq!(client.sent(), [r#"[8,68,100,{},"com.e",[1]]"#]);
}

#[test]
fn the_rest_of_an_interrupted_input_is_no_new_call() {
    let mut client = invoked();
    client.receive(r#"[68,101,5,{"progress":true}]"#);
    client.receive(r#"[69,101,{"mode":"killnowait"}]"#);
    client.session.release_invocation(101, "com.e", PayloadRef::NONE);
    client.told();
    client.receive(r#"[68,101,5,{"progress":true}]"#);
    client.receive("[68,101,5,{}]");
    assert!(client.told().is_empty() && client.sent().is_empty());
}

#[test]
fn progress_is_said_once() {
    let mut client = invoked();
    let options = Dict::from_checked(br#"{"progress":true,"x_a":1}"#);
    client.session.progress(100, options, PayloadRef::NONE).unwrap();
    let options = Dict::from_checked(br#"{"x_a":1}"#);
    client.session.progress(100, options, PayloadRef::NONE).unwrap();
    assert_eq!(
        client.sent(),
        [r#"[70,100,{"progress":true,"x_a":1}]"#, r#"[70,100,{"progress":true,"x_a":1}]"#]
    );
    for options in [r#"{"progress":false}"#, r#"{"progress":1}"#] {
        let options = Dict::from_checked(options.as_bytes());
        let refused = client.session.progress(100, options, PayloadRef::NONE);
        assert!(matches!(refused, Err(RequestError::Option("progress", _))), "{refused:?}");
    }
    assert!(client.sent().is_empty());
}

#[test]
fn an_id_that_is_used_again_is_another_invocation() {
    let mut client = invoked();
    // Right behind the answer.
    client.session.answer(100, Dict::EMPTY, PayloadRef::args("[1]")).unwrap();
    client.receive("[68,100,5,{}]");
    assert_eq!(client.told().len(), 1);
    client.session.answer(100, Dict::EMPTY, PayloadRef::args("[2]")).unwrap();
    assert_eq!(client.sent(), ["[70,100,{},[1]]", "[70,100,{},[2]]"]);

    // While the application still holds what the caller has given up.
    client.receive("[68,100,5,{}]");
    client.receive(r#"[69,100,{"mode":"killnowait"}]"#);
    client.told();
    client.receive("[68,100,5,{}]");
    let events: Vec<_> = client.session.take_events().collect();
    let [event] = &events[..] else { panic!("{} events", events.len()) };
    let key = event.wamp_id;
    assert_eq!((key == 100, key & crate::protocol::INVOCATION_ID), (false, 100));
    assert!(client.session.is_interrupted(100) && !client.session.is_interrupted(key));
    let late = client.session.answer(100, Dict::EMPTY, PayloadRef::NONE);
    assert_eq!(late, Err(RequestError::Interrupted));
    client.session.release_invocation(100, "com.e", PayloadRef::NONE);
    assert!(client.sent().is_empty(), "the new one is not touched");
    // What the router says of the id is about the new one.
    client.receive("[69,100,{}]");
    assert!(client.session.is_interrupted(key));
    client.session.answer(key, Dict::EMPTY, PayloadRef::args("[3]")).unwrap();
    assert_eq!(client.sent(), ["[70,100,{},[3]]"]);
    client.receive("[68,100,5,{}]");
    client.session.answer(100, Dict::EMPTY, PayloadRef::NONE).unwrap();
}
