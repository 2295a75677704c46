//! Procedures with several callees.

use std::collections::BTreeSet;

use serde_json::json;

use super::client::{Client, error, realms};
use crate::protocol::uri;

/// Three callees (sessions 1, 2, 3) of `com.work`, and a caller.
fn team(options: &str) -> ([Client; 3], Client) {
    let realms = realms();
    let mut callees = [1, 2, 3].map(|id| Client::able(&realms, id));
    for callee in &mut callees {
        callee.says(&format!(r#"[64,1,{options},"com.work"]"#));
        assert_eq!(callee.hears_one(), json!([65, 1, 1]));
    }
    (callees, Client::able(&realms, 4))
}

/// The index of the callee that has got the INVOCATION, if one has.
fn who(callees: &[Client]) -> Option<usize> {
    let heard: Vec<_> = callees.iter().map(Client::hears).collect();
    assert!(heard.iter().map(Vec::len).sum::<usize>() <= 1, "{heard:?}");
    let at = heard.iter().position(|messages| !messages.is_empty())?;
    assert_eq!(heard[at][0][0], 68);
    Some(at)
}

#[test]
fn each_policy_chooses_its_callee() {
    for (invoke, expected) in
        [("first", [0, 0, 0, 0, 0]), ("last", [2, 2, 2, 2, 2]), ("roundrobin", [0, 1, 2, 0, 1])]
    {
        let (callees, mut caller) = team(&format!(r#"{{"invoke":"{invoke}"}}"#));
        for (at, expected) in expected.into_iter().enumerate() {
            caller.says(&format!(r#"[48,{},{{}},"com.work"]"#, at + 1));
            assert_eq!(who(&callees), Some(expected), "{invoke}");
        }
    }
    let (callees, mut caller) = team(r#"{"invoke":"random"}"#);
    let mut chosen = BTreeSet::new();
    for request in 1..=200 {
        caller.says(&format!(r#"[48,{request},{{}},"com.work"]"#));
        chosen.extend(who(&callees));
    }
    assert_eq!(chosen.len(), 3);
}

#[test]
fn callees_have_to_agree_on_the_policy() {
    let (_callees, mut other) = team(r#"{"invoke":"first"}"#);
    for (request, options) in [(1, "{}"), (2, r#"{"invoke":"last"}"#)] {
        other.says(&format!(r#"[64,{request},{options},"com.work"]"#));
        assert_eq!(error(&other).2, "wamp.error.procedure_already_exists", "{options}");
    }
    other.says(r#"[64,3,{"invoke":"first"},"com.work"]"#);
    assert_eq!(other.hears_one(), json!([65, 3, 1]));
    other.says(r#"[64,4,{"invoke":"first"},"com.work"]"#);
    assert_eq!(error(&other).2, "wamp.error.procedure_already_exists");
}

#[test]
fn a_callee_that_leaves_leaves_the_others() {
    let (mut callees, mut caller) = team(r#"{"invoke":"first"}"#);
    callees[0].says("[66,2,1]");
    assert_eq!(callees[0].hears_one(), json!([67, 2]));
    caller.says(r#"[48,1,{},"com.work"]"#);
    assert_eq!(who(&callees), Some(1));
    let [_, second, third] = callees;
    drop(second);
    assert_eq!(error(&caller).2, "wamp.error.canceled");
    let mut callees = [third];
    caller.says(r#"[48,2,{},"com.work"]"#);
    assert_eq!(who(&callees), Some(0));
    callees[0].says("[66,2,1]");
    caller.says(r#"[48,3,{},"com.work"]"#);
    assert_eq!(error(&caller).2, "wamp.error.no_such_procedure");
}

#[test]
fn nobody_gets_more_than_it_takes_at_a_time() {
    let (mut callees, mut caller) = team(r#"{"invoke":"first","concurrency":1}"#);
    for (request, expected) in [(1, 0), (2, 1), (3, 2)] {
        caller.says(&format!(r#"[48,{request},{{}},"com.work"]"#));
        assert_eq!(who(&callees), Some(expected));
    }
    caller.says(r#"[48,4,{},"com.work"]"#);
    assert_eq!(error(&caller), (json!(48), json!(4), uri::NO_AVAILABLE_CALLEE.to_owned()));
    callees[1].says("[70,1,{}]");
    assert_eq!(caller.hears_one(), json!([50, 2, {}]));
    caller.says(r#"[48,5,{},"com.work"]"#);
    assert_eq!(who(&callees), Some(1));

    // A canceled call makes room as well.
    caller.says(r#"[49,5,{"mode":"skip"}]"#);
    caller.hears();
    caller.says(r#"[48,6,{},"com.work"]"#);
    assert_eq!(who(&callees), Some(1));
    drop(caller);
}

#[test]
fn a_caller_that_leaves_makes_room() {
    let realms = realms();
    let mut callee = Client::join(&realms, 1);
    callee.says(r#"[64,1,{"concurrency":1},"com.work"]"#);
    callee.hears();
    for id in 2..5 {
        let mut caller = Client::join(&realms, id);
        caller.says(r#"[48,1,{},"com.work"]"#);
        assert_eq!(callee.hears_one()[0], 68);
    }
}

#[test]
fn an_unavailable_callee_is_passed_over() {
    for (invoke, order) in [("first", [0, 1, 2]), ("last", [2, 1, 0]), ("roundrobin", [0, 1, 2])] {
        let (mut callees, mut caller) = team(&format!(r#"{{"invoke":"{invoke}"}}"#));
        caller.says(r#"[48,1,{"receive_progress":true},"com.work",[7],{"k":1}]"#);
        for at in order {
            let invocation = json!([68, 1, 1, {"receive_progress": true}, [7], {"k": 1}]);
            assert_eq!(callees[at].hears_one(), invocation, "{invoke}");
            callees[at].says(r#"[8,68,1,{},"wamp.error.unavailable"]"#);
        }
        assert_eq!(error(&caller), (json!(48), json!(1), uri::NO_AVAILABLE_CALLEE.to_owned()));

        caller.says(r#"[48,2,{},"com.work",[8]]"#);
        let first = who(&callees).unwrap();
        callees[first].says(r#"[8,68,2,{},"wamp.error.unavailable"]"#);
        let second = who(&callees).unwrap();
        callees[second].says("[70,2,{},[9]]");
        assert_eq!(caller.hears_one(), json!([50, 2, {}, [9]]));
    }
}

#[test]
fn a_single_callee_has_no_stand_in() {
    let realms = realms();
    let [mut able, mut caller] = [1, 2].map(|id| Client::able(&realms, id));
    let mut plain = Client::join(&realms, 3);
    able.says(r#"[64,1,{},"com.able"]"#);
    plain.says(r#"[64,1,{},"com.plain"]"#);
    caller.says(r#"[48,1,{},"com.able"]"#);
    caller.says(r#"[48,2,{},"com.plain"]"#);
    able.says(r#"[8,68,1,{},"wamp.error.unavailable",["busy"]]"#);
    assert_eq!(error(&caller).2, uri::NO_AVAILABLE_CALLEE);
    // Who has not announced the feature means nothing by it.
    plain.says(r#"[8,68,1,{},"wamp.error.unavailable",["busy"]]"#);
    assert_eq!(error(&caller).2, "wamp.error.unavailable");
}

#[test]
fn a_rerouted_call_can_be_canceled() {
    let (mut callees, mut caller) = team(r#"{"invoke":"first"}"#);
    caller.says(r#"[48,1,{},"com.work"]"#);
    callees[0].says(r#"[8,68,1,{},"wamp.error.unavailable"]"#);
    callees[0].hears();
    callees[1].hears();
    caller.says("[49,1,{}]");
    assert_eq!(error(&caller).2, "wamp.error.canceled");
    assert_eq!(callees[1].hears_one()[0], 69);
    callees[0].hears_nothing();
}

#[test]
fn force_reregister_takes_the_place_of_all() {
    let (callees, mut newcomer) = team(r#"{"invoke":"roundrobin"}"#);
    newcomer.says(r#"[64,1,{"force_reregister":true},"com.work"]"#);
    assert_eq!(newcomer.hears_one(), json!([65, 1, 2]));
    let revoked = json!([67, 0, {"registration": 1, "reason": "wamp.error.unregistered"}]);
    for callee in &callees {
        assert_eq!(callee.hears_one(), revoked);
    }
    newcomer.says(r#"[48,2,{},"com.work"]"#);
    assert_eq!(newcomer.hears_one(), json!([68, 1, 2, {}]));
    // Where there is nobody to take the place of, it is an ordinary registration.
    newcomer.says(r#"[64,3,{"force_reregister":true},"com.other"]"#);
    assert_eq!(newcomer.hears_one(), json!([65, 3, 3]));
}

#[test]
fn a_callee_that_knows_no_revocation_is_not_told() {
    let realms = realms();
    let mut plain = Client::serving(&realms, 1, "com.work");
    let mut newcomer = Client::join(&realms, 2);
    newcomer.says(r#"[64,1,{"force_reregister":true},"com.work"]"#);
    assert_eq!(newcomer.hears_one()[0], 65);
    plain.hears_nothing();
    plain.says("[66,2,1]");
    assert_eq!(error(&plain).2, "wamp.error.no_such_registration");
}
