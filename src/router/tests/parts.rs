//! Calls in several parts, and payloads that pass through. Parts that come too late are the subject
//! of [`super::late_input`].

use serde_json::json;

use super::client::{Client, error, realms};
use crate::router::realm::LeaveReason;

fn pair() -> (Client, Client) {
    let realms = realms();
    let [mut callee, caller] = [1, 2].map(|id| Client::able(&realms, id));
    callee.says(r#"[64,1,{},"com.sum"]"#);
    callee.hears();
    (callee, caller)
}

#[test]
fn all_parts_go_to_one_invocation() {
    let (mut callee, mut caller) = pair();
    caller.says(r#"[48,1,{"progress":true,"receive_progress":true},"com.sum",[1]]"#);
    caller.says(r#"[48,2,{},"com.sum",["other"]]"#);
    caller.says(r#"[48,1,{"progress":true},"com.sum",[2]]"#);
    caller.says(r#"[48,1,{},"com.sum",[3]]"#);
    assert_eq!(
        callee.hears(),
        [
            json!([68, 1, 1, {"receive_progress": true, "progress": true}, [1]]),
            json!([68, 2, 1, {}, ["other"]]),
            json!([68, 1, 1, {"progress": true}, [2]]),
            json!([68, 1, 1, {}, [3]]),
        ]
    );
    callee.says("[70,1,{},[6]]");
    assert_eq!(caller.hears_one(), json!([50, 1, {}, [6]]));
    // The last part was the last.
    let again = caller.tries(r#"[48,1,{},"com.sum",[4]]"#);
    assert!(matches!(again, Err(LeaveReason::Violation(_))), "{again:?}");
}

#[test]
fn a_call_in_parts_needs_all_three() {
    let realms = realms();
    let callee = Client::serving(&realms, 1, "com.sum");
    let mut caller = Client::able(&realms, 2);
    caller.says(r#"[48,1,{"progress":true},"com.sum"]"#);
    assert_eq!(error(&caller).2, "wamp.error.feature_not_supported");
    callee.hears_nothing();
    let mut caller = Client::join(&realms, 3);
    let told = caller.tries(r#"[48,1,{"progress":true},"com.sum"]"#);
    assert!(matches!(told, Err(LeaveReason::Violation(why)) if why.contains("did not announce")));
}

#[test]
fn a_repeated_request_id_is_no_part() {
    let (callee, mut caller) = pair();
    caller.says(r#"[48,1,{},"com.sum"]"#);
    callee.hears();
    let again = caller.tries(r#"[48,1,{},"com.sum"]"#);
    assert!(matches!(again, Err(LeaveReason::Violation(_))), "{again:?}");
}

#[test]
fn options_of_the_payload_pass_through() {
    for passed in [
        json!({"ppt_scheme": "x_mine", "ppt_serializer": "cbor", "ppt_cipher": "aes256gcm",
            "ppt_keyid": "k\"1"}),
        json!({"enc_algo": "cryptobox", "enc_key": "k", "enc_serializer": "json"}),
    ] {
        let (mut callee, mut caller) = pair();
        let binary = json!(["\0AA=="]);
        caller.says(&json!([48, 1, passed, "com.sum", binary]).to_string());
        assert_eq!(callee.hears_one(), json!([68, 1, 1, passed, binary]));
        callee.says(&json!([70, 1, passed, binary]).to_string());
        assert_eq!(caller.hears_one(), json!([50, 1, passed, binary]));

        caller.says(r#"[48,2,{"receive_progress":true},"com.sum"]"#);
        callee.hears();
        let mut progressive = passed.clone();
        progressive["progress"] = json!(true);
        callee.says(&json!([70, 2, progressive, binary]).to_string());
        assert_eq!(caller.hears_one(), json!([50, 2, progressive, binary]));
        callee.says(&json!([8, 68, 2, passed, "com.no", binary]).to_string());
        assert_eq!(caller.hears_one(), json!([8, 48, 2, passed, "com.no", binary]));

        caller.says(r#"[32,3,{},"com.topic"]"#);
        let mut publish = passed.clone();
        publish["exclude_me"] = json!(false);
        caller.says(&json!([16, 4, publish, "com.topic", binary]).to_string());
        let event = &caller.hears()[1];
        assert_eq!((&event[3], &event[4]), (&passed, &binary));
    }
}
