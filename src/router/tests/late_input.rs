//! Input for calls that have ended: the caller sent it before it could know.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Client, error, realms, realms_with};
use crate::router::peer::{Sizes, WakeList};
use crate::router::realm::LeaveReason;

/// A callee of `com.sum`, and a caller.
fn pair() -> (Client, Client) {
    let realms = realms();
    let [mut callee, caller] = [1, 2].map(|id| Client::able(&realms, id));
    callee.says(r#"[64,1,{},"com.sum"]"#);
    callee.hears();
    (callee, caller)
}

/// A callee and a caller whose call 1 has begun.
fn begun(options: &str) -> (Client, Client) {
    let (callee, mut caller) = pair();
    caller.says(&format!(r#"[48,1,{{"progress":true{options}}},"com.sum",[1]]"#));
    assert_eq!(callee.hears_one()[0], 68);
    (callee, caller)
}

/// All that follows call 1, whose caller has heard its end: nobody hears of it, and the next
/// request is carried out.
#[track_caller]
fn discards_the_rest(callee: Option<&Client>, mut caller: Client) {
    for part in 2..=20 {
        caller.says(&format!(r#"[48,1,{{"progress":true}},"com.sum",[{part}]]"#));
    }
    caller.says(r#"[48,1,{},"com.sum",[21]]"#);
    caller.hears_nothing();
    if let Some(callee) = callee {
        callee.hears_nothing();
    }
    caller.says(r#"[32,2,{},"com.topic"]"#);
    assert_eq!(caller.hears_one()[0], 33);
    // The last part was the last.
    let again = caller.tries(r#"[48,1,{},"com.sum",[22]]"#);
    assert!(matches!(again, Err(LeaveReason::Violation(_))), "{again:?}");
}

#[test]
fn of_calls_that_were_refused_at_once() {
    let long = format!("com.{}", "x".repeat(10_000));
    for (options, procedure, refused) in [
        (r#""progress":true"#, "no.such", "wamp.error.no_such_procedure"),
        (r#""progress":true"#, "not a uri", "wamp.error.invalid_uri"),
        (r#""progress":true"#, &long, "wamp.error.invalid_uri"),
        (r#""progress":true"#, "wamp.no.such", "wamp.error.no_such_procedure"),
        (r#""progress":true"#, "wamp.session.get", "wamp.error.invalid_argument"),
        (r#""progress":true,"timeout":"soon""#, "com.sum", "wamp.error.invalid_argument"),
        (r#""progress":true,"disclose_me":1"#, "com.sum", "wamp.error.invalid_argument"),
        (r#""progress":1"#, "com.sum", "wamp.error.invalid_argument"),
        (r#""progress":"yes""#, "com.sum", "wamp.error.invalid_argument"),
    ] {
        let (callee, mut caller) = pair();
        caller.says(&format!(r#"[48,1,{{{options}}},"{procedure}",["x"]]"#));
        assert_eq!(error(&caller).2, refused);
        // A part that is as wrong as the first one is not answered again either.
        caller.says(&format!(r#"[48,1,{{{options}}},"{procedure}",["x"]]"#));
        discards_the_rest(Some(&callee), caller);
    }
}

#[test]
fn of_calls_that_the_router_answers_itself() {
    let (callee, mut caller) = pair();
    caller.says(r#"[48,1,{"progress":true},"wamp.session.count"]"#);
    assert_eq!(caller.hears_one(), json!([50, 1, {}, [2]]));
    discards_the_rest(Some(&callee), caller);
}

#[test]
fn of_calls_that_are_not_allowed() {
    let realms = realms_with(
        r#"{"roles": {"anonymous": [
        {"uri": "", "match": "prefix", "allow": {"subscribe": true}}]}}"#,
    );
    let mut caller = Client::able(&realms, 1);
    caller.says(r#"[48,1,{"progress":true},"com.sum"]"#);
    assert_eq!(error(&caller).2, "wamp.error.not_authorized");
    discards_the_rest(None, caller);
}

#[test]
fn of_calls_that_no_callee_takes() {
    let realms = realms();
    let plain = Client::serving(&realms, 1, "com.sum");
    let mut caller = Client::able(&realms, 2);
    caller.says(r#"[48,1,{"progress":true},"com.sum"]"#);
    assert_eq!(error(&caller).2, "wamp.error.feature_not_supported");
    discards_the_rest(Some(&plain), caller);

    let mut busy = Client::able(&realms, 3);
    busy.says(r#"[64,1,{"concurrency":1},"com.one"]"#);
    let mut caller = Client::able(&realms, 4);
    busy.says(r#"[48,2,{},"com.one"]"#);
    busy.hears();
    caller.says(r#"[48,1,{"progress":true},"com.one"]"#);
    assert_eq!(error(&caller).2, "wamp.error.no_available_callee");
    discards_the_rest(Some(&busy), caller);

    let (mut callee, caller) = begun("");
    callee.says(r#"[8,68,1,{},"wamp.error.unavailable"]"#);
    assert_eq!(error(&caller).2, "wamp.error.no_available_callee");
    discards_the_rest(Some(&callee), caller);
}

#[test]
fn of_calls_that_do_not_fit() {
    for first in [true, false] {
        let realms = realms();
        let [mut callee, mut caller] = [1, 2].map(|id| Client::able(&realms, id));
        callee.says(r#"[64,1,{},"com.sum"]"#);
        callee.hears();
        callee.peer.takes_up_to(Sizes { relayed: 1000, own: 10_000 });
        let large = "x".repeat(1000);
        if !first {
            caller.says(r#"[48,1,{"progress":true},"com.sum",[1]]"#);
        }
        caller.says(&format!(r#"[48,1,{{"progress":true}},"com.sum",["{large}"]]"#));
        assert_eq!(error(&caller).2, "wamp.error.payload_size_exceeded");
        callee.hears();
        discards_the_rest(Some(&callee), caller);
    }
    // The answer is too large.
    let (mut callee, caller) = begun(r#","receive_progress":true"#);
    caller.peer.takes_up_to(Sizes { relayed: 1000, own: 10_000 });
    callee.says(&format!(r#"[70,1,{{"progress":true}},["{}"]]"#, "x".repeat(1000)));
    assert_eq!(error(&caller).2, "wamp.error.payload_size_exceeded");
    callee.hears();
    discards_the_rest(Some(&callee), caller);
}

#[test]
fn of_calls_whose_callee_has_answered() {
    for ended in ["[70,1,{}]", r#"[8,68,1,{},"com.no"]"#] {
        let (mut callee, caller) = begun("");
        callee.says(ended);
        caller.hears_one();
        discards_the_rest(Some(&callee), caller);
    }
}

#[test]
fn of_calls_whose_callee_has_gone() {
    let (callee, caller) = begun("");
    drop(callee);
    assert_eq!(error(&caller).2, "wamp.error.canceled");
    discards_the_rest(None, caller);

    // Who is killed has gone as well.
    let (callee, mut caller) = begun("");
    caller.says(r#"[48,2,{},"wamp.session.kill",[1]]"#);
    assert_eq!(caller.hears().len(), 2);
    caller.says(r#"[48,1,{"progress":true},"com.sum",[2]]"#);
    caller.says(r#"[48,1,{},"com.sum",[3]]"#);
    caller.hears_nothing();
    callee.hears_nothing();
}

/// Calls that run go on without their registration, and so does their input.
#[test]
fn of_calls_whose_procedure_has_gone() {
    let (mut callee, mut caller) = begun("");
    callee.says("[66,2,1]");
    callee.hears();
    caller.says(r#"[48,1,{"progress":true},"com.sum",[2]]"#);
    assert_eq!(callee.hears_one()[4], json!([2]));
    callee.says("[70,1,{}]");
    assert_eq!(caller.hears_one()[0], 50);
    discards_the_rest(Some(&callee), caller);
}

#[test]
fn of_calls_that_were_canceled() {
    for mode in ["skip", "killnowait"] {
        let (callee, mut caller) = begun("");
        caller.says(&format!(r#"[49,1,{{"mode":"{mode}"}}]"#));
        assert_eq!(error(&caller).2, "wamp.error.canceled");
        callee.hears();
        discards_the_rest(Some(&callee), caller);
    }
    let (mut callee, mut caller) = begun("");
    caller.says(r#"[49,1,{"mode":"kill"}]"#);
    callee.hears();
    callee.says(r#"[8,68,1,{},"wamp.error.canceled",["as wanted"]]"#);
    assert_eq!(error(&caller).2, "wamp.error.canceled");
    discards_the_rest(Some(&callee), caller);
}

#[test]
fn of_calls_that_took_too_long() {
    let (callee, mut caller) = begun(r#","timeout":10"#);
    caller.session.expire(Instant::now() + Duration::from_secs(1), &mut WakeList::default());
    assert_eq!(error(&caller).2, "wamp.error.timeout");
    callee.hears();
    discards_the_rest(Some(&callee), caller);
}

/// A wrong option ends the call, as each call is answered once.
#[test]
fn of_calls_whose_later_parts_are_wrong() {
    let (callee, mut caller) = begun("");
    caller.says(r#"[48,1,{"progress":1},"com.sum",[2]]"#);
    assert_eq!(error(&caller).2, "wamp.error.invalid_argument");
    assert_eq!(callee.hears_one()[0], 69);
    discards_the_rest(Some(&callee), caller);
}

/// Of the calls that were never ended the newest are remembered. What was forgotten is taken for
/// late all the same.
#[test]
fn of_more_calls_than_are_remembered() {
    let (callee, mut caller) = pair();
    for request in 1..=5000 {
        caller.says(&format!(r#"[48,{request},{{"progress":true}},"no.such"]"#));
    }
    caller.hears();
    for request in [1, 2500, 5000] {
        caller.says(&format!(r#"[48,{request},{{"progress":true}},"no.such"]"#));
        caller.says(&format!(r#"[48,{request},{{}},"no.such"]"#));
    }
    // The last part of a call comes once, as far as that is known.
    let again = caller.tries(r#"[48,5000,{},"no.such"]"#);
    assert!(matches!(again, Err(LeaveReason::Violation(_))), "{again:?}");
    caller.hears_nothing();
    callee.hears_nothing();
}

/// A part that says that another one follows is none of a new call.
#[test]
fn that_goes_on_behind_its_last_part() {
    let (mut callee, mut caller) = begun("");
    caller.says(r#"[48,1,{},"com.sum",[2]]"#);
    callee.hears();
    caller.says(r#"[48,1,{"progress":true},"com.sum",[3]]"#);
    callee.says("[70,1,{}]");
    caller.hears_one();
    caller.says(r#"[48,1,{"progress":true},"com.sum",[4]]"#);
    caller.hears_nothing();
    callee.hears_nothing();
    // Whose id has not come yet is new, and out of order.
    let gap = caller.tries(r#"[48,3,{"progress":true},"com.sum",[4]]"#);
    assert!(matches!(gap, Err(LeaveReason::Violation(_))), "{gap:?}");
}
