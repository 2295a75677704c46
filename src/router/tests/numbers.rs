//! Whole numbers that clients write as floats: for JavaScript 1 and 1.0 are the same.

use serde_json::{Value, json};

use super::client::{Client, error, realms, realms_with};
use crate::codec::{Encoding, Rules, transcode};
use crate::router::peer::PeerCommand;

/// Sends a message with each of its numbers as it stands there, in this encoding.
#[track_caller]
fn says(client: &mut Client, encoding: Encoding, message: &str) {
    let mut frame = Vec::new();
    transcode(message.as_bytes(), Encoding::Json, encoding, Rules::Strict, &mut frame).unwrap();
    assert_eq!(client.tries_in(encoding, frame), Ok(()), "{message} in {encoding:?}");
}

#[test]
fn they_are_ids_of_messages() {
    for encoding in Encoding::ALL {
        let realms = realms();
        let [mut a, mut b] = [1, 2].map(|id| Client::able(&realms, id));
        says(&mut a, encoding, r#"[32.0,1.0,{},"com.topic"]"#);
        assert_eq!(a.hears_one(), json!([33, 1, 1]));
        says(&mut a, encoding, r#"[64.0,2.0,{},"com.sum"]"#);
        assert_eq!(a.hears_one(), json!([65, 2, 1]));
        says(&mut b, encoding, r#"[16,1.0,{"acknowledge":true},"com.topic"]"#);
        assert_eq!((&b.hears_one()[1], &a.hears_one()[0]), (&json!(1), &json!(36)));

        says(&mut b, encoding, r#"[48,2.0,{"progress":true},"com.sum",[1]]"#);
        says(&mut b, encoding, r#"[48,2.0,{},"com.sum",[2]]"#);
        assert_eq!(a.hears().len(), 2);
        says(&mut a, encoding, "[70,1.0,{}]");
        assert_eq!(b.hears_one(), json!([50, 2, {}]));
        says(&mut b, encoding, r#"[48,3.0,{},"com.sum"]"#);
        says(&mut a, encoding, r#"[8,68.0,2.0,{},"com.no",[1]]"#);
        assert_eq!(b.hears_one(), json!([8, 48, 3, {}, "com.no", [1]]));
        says(&mut b, encoding, r#"[48,4.0,{},"com.sum"]"#);
        says(&mut b, encoding, r#"[49,4.0,{}]"#);
        assert_eq!(error(&b).1, 4);

        a.hears();
        says(&mut a, encoding, "[34,3.0,1.0]");
        says(&mut a, encoding, "[66,4.0,1.0]");
        assert_eq!(a.hears(), [json!([35, 3]), json!([67, 4])]);
    }
}

#[test]
fn they_are_numbers_in_options() {
    for encoding in Encoding::ALL {
        let realms = realms();
        let [mut a, mut b, mut c] = [1, 2, 3].map(|id| Client::able(&realms, id));
        for client in [&mut a, &mut b] {
            says(client, encoding, r#"[32,1,{},"com.topic"]"#);
            client.hears();
        }
        let exclusive = [r#"{"exclude":[2.0]}"#, r#"{"eligible":[1.0,3e0]}"#];
        for (request, options) in (1..).zip(exclusive) {
            says(&mut c, encoding, &format!(r#"[16,{request},{options},"com.topic"]"#));
            assert_eq!(a.hears_one()[0], 36, "{options}");
            b.hears_nothing();
        }
        says(&mut a, encoding, r#"[64,2,{"invoke":"first","concurrency":1.0},"com.sum"]"#);
        says(&mut b, encoding, r#"[64,2,{"invoke":"first","forward_timeout":true},"com.sum"]"#);
        b.hears();
        says(&mut c, encoding, r#"[48,3,{"timeout":60000.0},"com.sum"]"#);
        assert!(c.session.deadline().is_some());
        says(&mut c, encoding, r#"[48,4,{"timeout":1500.0},"com.sum"]"#);
        assert_eq!(b.hears_one()[3], json!({"timeout": 1500}));
        c.hears_nothing();
    }
}

#[test]
fn what_is_no_whole_number_is_refused() {
    let realms = realms();
    let mut client = Client::able(&realms, 1);
    let wrong = [
        (16, r#""exclude":[1.5]"#),
        (16, r#""exclude":[-1.0]"#),
        (16, r#""eligible":[1e300]"#),
        (16, r#""eligible":["1"]"#),
        (48, r#""timeout":1.5"#),
        (48, r#""timeout":9007199254740994"#),
        (64, r#""concurrency":-1.0"#),
    ];
    for (request, (code, option)) in (1..).zip(wrong) {
        client.says(&format!(r#"[{code},{request},{{"acknowledge":true,{option}}},"com.x"]"#));
        assert_eq!(error(&client).2, "wamp.error.invalid_argument", "{option}");
    }
}

#[test]
fn they_are_arguments_of_the_meta_api() {
    for encoding in Encoding::ALL {
        let realms = realms();
        let [mut a, mut b, c] = [1, 2, 3].map(|id| Client::able(&realms, id));
        b.says(r#"[64,1,{},"com.sum"]"#);
        b.says(r#"[32,2,{},"com.topic"]"#);
        let mut request = 0;
        let mut ask = |procedure: &str, args: &str, kwargs: &str| -> Value {
            request += 1;
            let call = format!(r#"[48,{request},{{}},"wamp.{procedure}",{args},{kwargs}]"#);
            says(&mut a, encoding, &call);
            let answer = a.hears_one();
            assert_eq!(answer[0], 50, "{call}: {answer}");
            answer[3][0].clone()
        };
        assert_eq!(ask("session.get", "[2.0]", "{}")["session"], 2);
        assert_eq!(ask("registration.get", "[1.0]", "{}")["uri"], "com.sum");
        assert_eq!(ask("registration.list_callees", "[1.0]", "{}"), json!([2]));
        assert_eq!(ask("registration.count_callees", "[1.0]", "{}"), 1);
        assert_eq!(ask("subscription.get", "[1.0]", "{}")["uri"], "com.topic");
        assert_eq!(ask("subscription.list_subscribers", "[1.0]", "{}"), json!([2]));
        assert_eq!(ask("subscription.count_subscribers", "[1.0]", "{}"), 1);
        ask("registration.remove_callee", "[1.0,2.0]", "{}");
        ask("subscription.remove_subscriber", "[1.0,2.0]", "{}");
        let options = r#"{"publish_options":{"exclude":[2.0]}}"#;
        ask("session.add_testament", r#"["com.t",[],{}]"#, options);
        ask("session.kill", "[3.0]", "{}");
        assert!(matches!(c.peer.take_command(), Some(PeerCommand::Goodbye(..))));
    }
}

#[test]
fn they_are_bounds_of_a_history() {
    for encoding in Encoding::ALL {
        let mut client = Client::able(&realms_with(r#"{"event_history": 10}"#), 1);
        client.says(r#"[32,1,{},"com.topic"]"#);
        let mut publications = Vec::new();
        for number in 2..=4 {
            client.says(&format!(r#"[16,{number},{{"acknowledge":true}},"com.topic",[{number}]]"#));
            publications.push(client.hears().pop().unwrap()[2].clone());
        }
        let bound = &publications[1];
        for (request, (kwargs, expected)) in (5..).zip([
            (r#"{"limit":2.0}"#.to_owned(), &[2, 3][..]),
            (format!(r#"{{"from_publication":{bound}.0}}"#), &[3, 4]),
            (format!(r#"{{"until_publication":{bound}.0,"limit":1e0}}"#), &[2]),
        ]) {
            let procedure = "wamp.subscription.get_events";
            let call = format!(r#"[48,{request},{{}},"{procedure}",[1.0],{kwargs}]"#);
            says(&mut client, encoding, &call);
            let answer = client.hears_one();
            let events = answer[3].as_array().unwrap_or_else(|| panic!("{call}: {answer}"));
            let numbers: Vec<_> = events.iter().map(|event| event["args"][0].clone()).collect();
            assert_eq!(numbers, expected, "{call}");
        }
    }
}
