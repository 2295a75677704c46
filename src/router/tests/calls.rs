//! Calls that are given up: by CANCEL, by a time limit, by those who leave.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Client, error, realms};
use crate::router::peer::WakeList;

const CANCELED: &str = "wamp.error.canceled";

/// A callee that has registered `com.add`, and a caller that has called it with request 1.
fn calling(callee_is_able: bool) -> (Client, Client) {
    let realms = realms();
    let mut callee =
        if callee_is_able { Client::able(&realms, 1) } else { Client::join(&realms, 1) };
    let mut caller = Client::join(&realms, 2);
    callee.says(r#"[64,1,{},"com.add"]"#);
    caller.says(r#"[48,1,{},"com.add"]"#);
    assert_eq!(callee.hears().len(), 2);
    (callee, caller)
}

#[test]
fn killnowait_ends_the_call_at_once() {
    for mode in [r#"{"mode":"killnowait"}"#, "{}"] {
        let (mut callee, mut caller) = calling(true);
        caller.says(&format!("[49,1,{mode}]"));
        assert_eq!(error(&caller), (json!(48), json!(1), CANCELED.to_owned()));
        let interrupt = json!([69, 1, {"mode": "killnowait", "reason": CANCELED}]);
        assert_eq!(callee.hears_one(), interrupt);
        // What the callee answers all the same is swallowed.
        callee.says(r#"[70,1,{"progress":true}]"#);
        callee.says(r#"[8,68,1,{},"wamp.error.canceled"]"#);
        callee.says("[70,1,{}]");
        caller.says(r#"[49,1,{"mode":"kill"}]"#);
        caller.hears_nothing();
        callee.hears_nothing();
    }
}

#[test]
fn kill_waits_for_the_callee() {
    for (answer, heard) in [
        (r#"[8,68,1,{},"com.myapp.stopped",[1]]"#, json!([8, 48, 1, {}, "com.myapp.stopped", [1]])),
        ("[70,1,{},[2]]", json!([50, 1, {}, [2]])),
    ] {
        let (mut callee, mut caller) = calling(true);
        caller.says(r#"[49,1,{"mode":"kill"}]"#);
        caller.says(r#"[49,1,{"mode":"kill"}]"#);
        assert_eq!(callee.hears_one(), json!([69, 1, {"mode": "kill", "reason": CANCELED}]));
        caller.hears_nothing();
        callee.says(answer);
        assert_eq!(caller.hears_one(), heard);
    }
}

#[test]
fn a_kill_can_turn_into_killnowait() {
    let (callee, mut caller) = calling(true);
    caller.says(r#"[49,1,{"mode":"kill"}]"#);
    caller.says(r#"[49,1,{"mode":"killnowait"}]"#);
    assert_eq!(error(&caller).2, CANCELED);
    assert_eq!(callee.hears()[1][2]["mode"], "killnowait");
}

#[test]
fn skip_leaves_the_callee_alone() {
    let (mut callee, mut caller) = calling(true);
    caller.says(r#"[49,1,{"mode":"skip"}]"#);
    assert_eq!(error(&caller), (json!(48), json!(1), CANCELED.to_owned()));
    callee.hears_nothing();
    callee.says("[70,1,{}]");
    caller.hears_nothing();
}

#[test]
fn every_mode_is_skip_where_the_callee_knows_no_interrupt() {
    for mode in ["skip", "kill", "killnowait"] {
        let (callee, mut caller) = calling(false);
        caller.says(&format!(r#"[49,1,{{"mode":"{mode}"}}]"#));
        assert_eq!(error(&caller).2, CANCELED);
        callee.hears_nothing();
    }
}

#[test]
fn a_wrong_cancel_is_told_and_a_late_one_is_not() {
    let (mut callee, mut caller) = calling(true);
    for options in [r#"{"mode":"maybe"}"#, r#"{"mode":1}"#] {
        caller.says(&format!("[49,1,{options}]"));
        let refused = (json!(49), json!(1), "wamp.error.invalid_argument".to_owned());
        assert_eq!(error(&caller), refused);
    }
    callee.hears_nothing();
    callee.says("[70,1,{}]");
    assert_eq!(caller.hears_one(), json!([50, 1, {}]));
    caller.says(r#"[49,1,{"mode":"kill"}]"#);
    caller.says(r#"[49,77,{"mode":"kill"}]"#);
    caller.hears_nothing();
    callee.hears_nothing();
}

#[test]
fn a_caller_that_leaves_interrupts_its_calls() {
    let (mut callee, caller) = calling(true);
    drop(caller);
    let interrupt = json!([69, 1, {"mode": "killnowait", "reason": CANCELED}]);
    assert_eq!(callee.hears_one(), interrupt);
    callee.says("[70,1,{}]");
    callee.hears_nothing();
}

#[test]
fn a_callee_that_leaves_while_it_is_killed_ends_the_call() {
    let (callee, mut caller) = calling(true);
    caller.says(r#"[49,1,{"mode":"kill"}]"#);
    drop(callee);
    assert_eq!(error(&caller), (json!(48), json!(1), CANCELED.to_owned()));
}

impl Client {
    /// As if so many milliseconds had passed from now.
    fn waits(&mut self, millis: u64) {
        let then = Instant::now() + Duration::from_millis(millis);
        self.session.expire(then, &mut WakeList::default());
    }
}

#[test]
fn a_call_ends_when_its_time_is_over() {
    let (mut callee, mut caller) = calling(true);
    assert_eq!(caller.session.deadline(), None);
    caller.says(r#"[48,2,{"timeout":5000},"com.add"]"#);
    assert_eq!(callee.hears_one(), json!([68, 2, 1, {}]));
    assert!(caller.session.deadline().is_some());
    caller.waits(4000);
    caller.hears_nothing();
    caller.waits(6000);
    assert_eq!(error(&caller), (json!(48), json!(2), "wamp.error.timeout".to_owned()));
    let interrupt = json!([69, 2, {"mode": "killnowait", "reason": "wamp.error.timeout"}]);
    assert_eq!(callee.hears_one(), interrupt);
    assert_eq!(caller.session.deadline(), None);
    // The other one has all the time of the world.
    callee.says("[70,2,{}]");
    callee.says("[70,1,{}]");
    assert_eq!(caller.hears_one(), json!([50, 1, {}]));
}

#[test]
fn an_answered_call_does_not_time_out() {
    let (mut callee, mut caller) = calling(true);
    caller.says(r#"[48,2,{"timeout":5000},"com.add"]"#);
    callee.says("[70,2,{}]");
    assert_eq!(caller.hears_one(), json!([50, 2, {}]));
    caller.waits(6000);
    caller.hears_nothing();
    assert_eq!(callee.hears().len(), 1);
}

#[test]
fn the_limit_is_between_results() {
    let (mut callee, mut caller) = calling(true);
    caller.says(r#"[48,2,{"timeout":5000,"receive_progress":true},"com.add"]"#);
    callee.hears();
    let first = caller.session.deadline().unwrap();
    while Instant::now() < first - Duration::from_millis(4999) {
        std::thread::yield_now();
    }
    callee.says(r#"[70,2,{"progress":true}]"#);
    assert_eq!(caller.hears_one(), json!([50, 2, {"progress": true}]));
    caller.session.expire(first, &mut WakeList::default());
    caller.hears_nothing();
    assert!(caller.session.deadline().unwrap() > first);
    caller.waits(6000);
    assert_eq!(error(&caller).2, "wamp.error.timeout");
}

#[test]
fn a_callee_can_watch_the_time_itself() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::able(&realms, id));
    callee.says(r#"[64,1,{"forward_timeout":true},"com.slow"]"#);
    callee.hears();
    caller.says(r#"[48,1,{"timeout":5000},"com.slow"]"#);
    assert_eq!(callee.hears_one(), json!([68, 1, 1, {"timeout": 5000}]));
    assert_eq!(caller.session.deadline(), None);
    caller.says(r#"[48,2,{"timeout":0},"com.slow"]"#);
    assert_eq!(callee.hears_one(), json!([68, 2, 1, {}]));
}

#[test]
fn an_absurd_limit_is_none() {
    let (_callee, mut caller) = calling(true);
    caller.says(r#"[48,2,{"timeout":9007199254740992},"com.add"]"#);
    caller.waits(1_000_000_000);
    caller.hears_nothing();
    for wrong in ["-1", "1.5", "\"1\"", "true"] {
        let request = 3 + ["-1", "1.5", "\"1\"", "true"].iter().position(|w| *w == wrong).unwrap();
        caller.says(&format!(r#"[48,{request},{{"timeout":{wrong}}},"com.add"]"#));
        assert_eq!(error(&caller).2, "wamp.error.invalid_argument", "{wrong}");
    }
}
