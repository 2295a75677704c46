//! Bounded work: whatever is stored, one message does no more than a turn's work under the lock.
//! Counted in units and turns, not in time.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Client, realms, realms_with};
use crate::codec::Encoding;
use crate::protocol::uri::Match;
use crate::router::frames::route_chunk;
use crate::router::pattern::matches;
use crate::router::peer::WakeList;
use crate::router::realm::Realms;
use crate::router::turn::{ACT, UNITS, counting};

/// A turn may run over by what it does last.
const MOST: usize = UNITS + 100;

/// Does something, and tells in how many turns, each of which was bounded.
#[track_caller]
fn turns(act: impl FnOnce()) -> usize {
    counting::take();
    act();
    let (turns, most) = counting::take();
    assert!(most <= MOST, "{most} units in a turn");
    turns
}

/// So many clients, the first with this id.
fn crowd(realms: &Arc<Realms>, first: u64, count: u64) -> Vec<Client> {
    (first..first + count).map(|id| Client::join(realms, id)).collect()
}

/// Says the first part of a message: one turn of it.
fn begins(client: &mut Client, frame: &str) {
    let frame = frame.as_bytes().to_vec().into();
    let mut wakes = WakeList::default();
    let done = route_chunk(&mut client.session, &[frame], Encoding::Json, &mut wakes);
    assert_eq!((done, client.session.has_rest()), (Ok(1), true));
}

fn goes_on(client: &mut Client) {
    client.session.go_on(&mut WakeList::default());
}

fn ends(client: &mut Client) {
    while client.session.has_rest() {
        goes_on(client);
    }
}

fn args(messages: &[Value]) -> Vec<&Value> {
    messages.iter().filter(|message| message[0] == 36).map(|event| &event[4][0]).collect()
}

#[test]
fn an_event_goes_round_in_turns_and_keeps_its_order() {
    let realms = realms();
    let mut crowd = crowd(&realms, 10, 5000);
    for client in &mut crowd {
        client.says(r#"[32,1,{},"com.topic"]"#);
        client.hears();
    }
    let [mut ann, mut bob, mut late] = [1, 2, 3].map(|id| Client::join(&realms, id));
    counting::take();
    begins(&mut ann, r#"[16,1,{"acknowledge":true},"com.topic",["ann 1"]]"#);
    ann.hears_nothing();
    // Meanwhile others come, go and publish.
    late.says(r#"[32,1,{},"com.topic"]"#);
    late.hears();
    crowd[4000].says("[34,2,1]");
    drop(crowd.remove(4999));
    bob.says(r#"[16,1,{"exclude_me":false},"com.topic",["bob"]]"#);
    ends(&mut ann);
    assert_eq!(ann.hears_one()[0], 17);
    ann.says(r#"[16,2,{},"com.topic",["ann 2"]]"#);
    let (turns, most) = counting::take();
    assert!(turns > 9 && most <= MOST, "{turns} turns of up to {most} units");

    for (at, client) in crowd.iter().enumerate() {
        let heard = client.hears();
        let heard = args(&heard);
        if at == 4000 {
            assert!(heard.is_empty(), "{heard:?}");
            continue;
        }
        let of_ann: Vec<_> = heard.iter().copied().filter(|arg| **arg != "bob").collect();
        assert_eq!(of_ann, ["ann 1", "ann 2"], "{at}");
        assert_eq!(heard.len(), 3);
    }
    let heard = late.hears();
    assert_eq!(args(&heard), ["bob", "ann 2"], "what was published before is not for it");
}

#[test]
fn a_retained_event_comes_once_to_those_who_subscribe_meanwhile() {
    let realms = realms();
    let mut crowd = crowd(&realms, 10, 3000);
    for client in &mut crowd {
        client.says(r#"[32,1,{},"com.topic"]"#);
    }
    let [mut ann, mut late] = [1, 2].map(|id| Client::join(&realms, id));
    begins(&mut ann, r#"[16,1,{"retain":true},"com.topic",["it"]]"#);
    late.says(r#"[32,1,{"get_retained":true},"com.topic"]"#);
    ends(&mut ann);
    let heard = late.hears();
    assert_eq!(args(&heard), ["it"]);
    assert_eq!(heard[1][3], json!({"retained": true}));
}

/// The measured attack had wildcards of 4,000 components; of 32 there is more to meet.
#[test]
fn thousands_of_wildcards_are_met_in_turns() {
    let realms = realms();
    let mut crowd = crowd(&realms, 10, 3);
    let uri = ["a"; 32].join(".");
    let mut expected = 0;
    for (at, client) in (1..).zip(&mut crowd) {
        for number in 0..1000_u64 {
            // The ends of some do not match, however much of them does.
            let component = |bit: u64| match number.wrapping_mul(at * 7919) >> (bit % 16) & 1 {
                _ if bit == 31 && number % 2 == 1 => "b",
                1 => "a",
                _ => "",
            };
            let pattern: Vec<&str> = (0..32).map(component).collect();
            let pattern = pattern.join(".");
            let request = number + 1;
            client.says(&format!(r#"[32,{request},{{"match":"wildcard"}},"{pattern}"]"#));
            client.hears();
        }
    }
    let table = r#"[48,1,{},"wamp.subscription.list"]"#;
    let mut ann = Client::join(&realms, 1);
    ann.says(table);
    for id in ann.hears_one()[3][0]["wildcard"].as_array().unwrap() {
        let request = id.as_u64().unwrap() + 1;
        ann.says(&format!(r#"[48,{request},{{}},"wamp.subscription.get",[{id}]]"#));
        let pattern = ann.hears_one()[3][0]["uri"].as_str().unwrap().to_owned();
        expected += usize::from(matches(&pattern, Match::Wildcard, &uri));
    }
    let mut bob = Client::join(&realms, 2);
    let turns = turns(|| bob.says(&format!(r#"[16,1,{{}},"{uri}",["it"]]"#)));
    assert!(turns > 1);
    let mut met = BTreeSet::new();
    let mut events = 0;
    for client in &crowd {
        let heard = client.hears();
        events += heard.len();
        met.extend(heard.iter().map(|event| event[1].as_u64()));
    }
    assert!(met.len() >= expected && expected > 100, "{expected}, {}", met.len());
    assert!(events >= met.len());
}

#[test]
fn thousands_of_prefixes_are_met_in_turns() {
    let realms = realms();
    let mut crowd = [10, 11, 12].map(|id| Client::roomy(&realms, id));
    let uri = "x".repeat(3000);
    for (at, client) in crowd.iter_mut().enumerate() {
        for number in 0..1000 {
            let (request, prefix) = (number + 1, &uri[..at * 1000 + number]);
            client.says(&format!(r#"[32,{request},{{"match":"prefix"}},"{prefix}"]"#));
            client.hears();
        }
    }
    let mut ann = Client::join(&realms, 1);
    counting::take();
    ann.says(&format!(r#"[16,1,{{}},"{uri}"]"#));
    let (turns, most) = counting::take();
    // Each turn goes down the trie to where the last one stopped.
    assert!(turns > 2 && most <= MOST + uri.len(), "{turns} turns of up to {most} units");
    for client in &crowd {
        let met: BTreeSet<_> = client.hears().iter().map(|event| event[1].as_u64()).collect();
        assert_eq!(met.len(), 1000);
    }
}

#[test]
fn retained_events_come_in_turns_in_their_order() {
    let realms = realms();
    let mut ann = Client::join(&realms, 1);
    let topics = 20_000;
    for number in 1..=topics {
        // Not in the order of the names.
        let name = number * 7919 % topics;
        ann.says(&format!(r#"[16,{number},{{"retain":true}},"com.a{name}.x",[{number}]]"#));
    }
    for (id, options) in [(2, r#""match":"prefix""#), (3, r#""match":"wildcard""#)] {
        let uri = if id == 2 { "com.a1" } else { "com..x" };
        let mut bob = Client::roomy(&realms, id);
        let subscribe = format!(r#"[32,1,{{{options},"get_retained":true}},"{uri}"]"#);
        let turns = turns(|| bob.says(&subscribe));
        assert!(turns > 4, "{turns}");
        let heard = bob.hears();
        assert_eq!(heard[0][0], 33);
        let numbers: Vec<u64> =
            heard[1..].iter().map(|event| event[4][0].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted());
        let all = if id == 2 { 11_111 } else { topics };
        assert_eq!(numbers.len() as u64, all, "{uri}");
    }
}

/// An event that replaces a retained one before that was sent comes alone.
#[test]
fn a_retained_event_does_not_overtake_its_successor() {
    let realms = realms();
    let mut ann = Client::join(&realms, 1);
    let topics = 10_000;
    for number in 1..=topics {
        ann.says(&format!(r#"[16,{number},{{"retain":true}},"com.a{number}",["old"]]"#));
    }
    let mut bob = Client::roomy(&realms, 2);
    begins(&mut bob, r#"[32,1,{"match":"prefix","get_retained":true},"com."]"#);
    for number in 1..=topics {
        let request = topics + number;
        ann.says(&format!(r#"[16,{request},{{"retain":true}},"com.a{number}",["new"]]"#));
    }
    ends(&mut bob);
    let heard = bob.hears();
    let mut new = BTreeSet::new();
    for event in heard.iter().filter(|message| message[0] == 36) {
        let topic = event[3]["topic"].to_string();
        match event[4][0].as_str() {
            Some("new") => assert!(new.insert(topic)),
            _ => assert!(!new.contains(&topic), "{topic}"),
        }
    }
    assert_eq!(new.len() as u64, topics);
}

#[test]
fn a_history_is_looked_through_in_turns() {
    let realms = realms_with(r#"{"event_history":50000}"#);
    let mut ann = Client::roomy(&realms, 1);
    ann.says(r#"[32,1,{"match":"prefix"},"com."]"#);
    for number in 2..=30_000 {
        let topic = if number % 10_000 == 0 { "com.rare" } else { "com.often" };
        ann.says(&format!(r#"[16,{number},{{}},"{topic}",[{number}]]"#));
    }
    ann.hears();
    let get = "wamp.subscription.get_events";
    for (request, (reverse, expected)) in
        (30_001..).zip([(false, [10_000, 20_000, 30_000]), (true, [30_000, 20_000, 10_000])])
    {
        let query = format!(r#"{{"topic":"com.rare","reverse":{reverse}}}"#);
        let turns = turns(|| ann.says(&format!(r#"[48,{request},{{}},"{get}",[1],{query}]"#)));
        assert!(turns > 3, "{turns}");
        let answer = ann.hears_one();
        let events = answer[3].as_array().unwrap();
        let numbers: Vec<_> = events.iter().map(|event| &event["args"][0]).collect();
        assert_eq!(numbers, expected);
    }
    // All of it is some megabytes, which are written between the turns.
    let turns = turns(|| ann.says(&format!(r#"[48,30003,{{}},"{get}",[1]]"#)));
    assert!(turns > 10, "{turns}");
    assert_eq!(ann.hears_one()[3].as_array().unwrap().len(), 29_999);
}

#[test]
fn a_session_leaves_in_turns() {
    let realms = realms();
    let [mut watcher, mut caller] = [1, 2].map(|id| Client::roomy(&realms, id));
    let mut ann = Client::roomy(&realms, 3);
    let count = 5000;
    for number in 0..count {
        let (first, second) = (2 * number + 1, 2 * number + 2);
        ann.says(&format!(r#"[32,{first},{{}},"com.topic.{number}"]"#));
        ann.says(&format!(r#"[64,{second},{{}},"com.call.{number}"]"#));
        caller.says(&format!(r#"[48,{},{{}},"com.call.{number}"]"#, number + 1));
    }
    watcher.says(r#"[32,1,{},"wamp.session.on_leave"]"#);
    watcher.says(r#"[32,2,{},"wamp.registration.on_delete"]"#);
    watcher.hears();
    let turns = turns(|| drop(ann));
    assert!(turns > 3 * count * ACT / UNITS, "{turns}");
    let heard = watcher.hears();
    assert_eq!(heard.len(), count + 1);
    assert_eq!(heard[count][1], count + 1, "that it has left comes last");
    assert_eq!(caller.hears().len(), count, "each call ends");
    caller.says(&format!(r#"[48,{},{{}},"wamp.registration.list"]"#, count + 1));
    assert_eq!(caller.hears_one()[3][0]["exact"], json!([]));
}

/// Each of them is at the end of a long way down the trie.
#[test]
fn long_prefixes_leave_in_turns() {
    let realms = realms();
    let uri = "x".repeat(3000);
    let mut ann = Client::roomy(&realms, 1);
    for number in 0..500 {
        let (request, prefix) = (number + 1, &uri[..2500 + number]);
        ann.says(&format!(r#"[32,{request},{{"match":"prefix"}},"{prefix}"]"#));
    }
    counting::take();
    drop(ann);
    let (turns, most) = counting::take();
    assert!(turns > 500 * 1250 / (UNITS + 1250), "{turns} turns");
    assert!(most <= MOST + 1500, "{most} units in a turn");
}

#[test]
fn a_session_that_leaves_is_gone_at_once() {
    let realms = realms();
    let mut ann = Client::roomy(&realms, 1);
    for number in 1..=4000 {
        ann.says(&format!(r#"[64,{number},{{"invoke":"roundrobin"}},"com.call.{number}"]"#));
    }
    let mut bob = Client::roomy(&realms, 2);
    for number in 1..=4000 {
        bob.says(&format!(r#"[64,{number},{{"invoke":"roundrobin"}},"com.call.{number}"]"#));
    }
    bob.hears();
    let mut killer = Client::join(&realms, 3);
    begins(&mut killer, r#"[48,1,{},"wamp.session.kill",[1]]"#);
    killer.hears_nothing();
    ann.hears();
    let mut caller = Client::roomy(&realms, 4);
    for number in 1..=4000 {
        caller.says(&format!(r#"[48,{number},{{}},"com.call.{number}"]"#));
    }
    ann.hears_nothing();
    assert_eq!(bob.hears().len(), 4000);
    ends(&mut killer);
    assert_eq!(killer.hears_one()[0], 50);
}

#[test]
fn everything_is_listed_in_turns() {
    let realms = realms();
    let crowd = crowd(&realms, 10, 9000);
    let mut ann = Client::roomy(&realms, 1);
    for number in 1..=5000 {
        ann.says(&format!(r#"[32,{number},{{}},"com.topic.{number}"]"#));
    }
    ann.hears();
    let mut bob = Client::roomy(&realms, 2);
    let turns = turns(|| {
        bob.says(r#"[48,1,{},"wamp.session.list"]"#);
        bob.says(r#"[48,2,{},"wamp.subscription.list"]"#);
        bob.says(r#"[48,3,{},"wamp.session.count"]"#);
        bob.says(r#"[48,4,{},"wamp.session.kill_by_authrole",["anonymous"]]"#);
    });
    assert!(turns > 9, "{turns}");
    let answers: Vec<Value> = bob.hears().into_iter().map(|answer| answer[3][0].clone()).collect();
    let mut ids: Vec<u64> = vec![1, 2];
    ids.extend(10..9010);
    assert_eq!(answers[0], json!(ids));
    assert_eq!(answers[1]["exact"], json!((1..=5000).collect::<Vec<u64>>()));
    assert_eq!(answers[2..], [json!(9002), json!(9001)]);
    assert!(crowd.iter().all(|client| client.peer.has_left()));
}

#[test]
fn many_callees_are_evicted_in_one_pass() {
    let realms = realms();
    let mut crowd = crowd(&realms, 10, 1500);
    for client in &mut crowd {
        client.says(r#"[64,1,{"invoke":"random"},"com.call"]"#);
    }
    let mut ann = Client::join(&realms, 1);
    ann.says(r#"[64,1,{"force_reregister":true},"com.call"]"#);
    assert_eq!(ann.hears_one()[0], 65);
    crowd[7].says("[66,2,1]");
    assert_eq!(crowd[7].hears().len(), 2);
    ann.says(r#"[48,2,{},"wamp.registration.count_callees",[2]]"#);
    assert_eq!(ann.hears_one()[3], json!([1]));
}

#[test]
fn a_call_looks_for_its_callee_in_turns() {
    let realms = realms();
    let mut crowd = crowd(&realms, 10, 2);
    for (at, client) in (1..).zip(&mut crowd) {
        for number in 0..1000_u64 {
            let component = |bit: u64| {
                if number.wrapping_mul(at * 7919) >> (bit % 16) & 1 == 1 { "a" } else { "" }
            };
            let pattern: Vec<&str> = (0..31).map(component).chain(["b"]).collect();
            let (request, pattern) = (number + 1, pattern.join("."));
            client.says(&format!(r#"[64,{request},{{"match":"wildcard"}},"{pattern}"]"#));
            client.hears();
        }
    }
    crowd[0].says("[66,1001,1]");
    crowd[0].says(&format!(r#"[64,1002,{{"match":"wildcard"}},"{}"]"#, ".".repeat(31)));
    let registration = crowd[0].hears()[1][2].clone();
    let mut ann = Client::join(&realms, 1);
    ann.says(&format!(r#"[48,1,{{}},"{}"]"#, ["a"; 32].join(".")));
    assert_eq!(crowd[0].hears_one()[2], registration);
}

#[test]
fn wildcards_have_a_bound() {
    let mut ann = Client::join(&realms(), 1);
    for (request, code) in [(1, 32), (2, 64)] {
        let many = ".".repeat(32);
        ann.says(&format!(r#"[{code},{request},{{"match":"wildcard"}},"{many}"]"#));
        let refused = ann.hears_one();
        assert_eq!(refused[4], "wamp.error.invalid_uri");
        assert!(refused[5][0].as_str().unwrap().contains("33 components; at most 32"), "{refused}");
    }
}
