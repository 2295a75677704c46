//! Large messages, which are read elsewhere while others are served.

use serde_json::json;

use super::client::{Client, realms};
use super::wire::{asks, hears, join, router, says};

const SIZE: usize = 2 << 20;

/// Messages take effect in the order in which a client says them, whatever their size.
#[tokio::test]
async fn large_messages_and_small_ones_keep_their_order() {
    for url in ["rs://127.0.0.1:0", "ws://127.0.0.1:0/ws"] {
        let (_router, url) = router(&json!({}), url);
        let (mut ann, mut bob) = (join(&url).await, join(&url).await);
        assert_eq!(asks(&mut *ann, r#"[32,1,{},"a.topic"]"#).await[0], 33);
        let filler = "x".repeat(SIZE);
        let publish = async {
            for request in 1..=20 {
                let filler = if request % 3 == 0 { &filler[..] } else { "x" };
                let message = format!(r#"[16,{request},{{}},"a.topic",[{request},"{filler}"]]"#);
                says(&mut *bob, &message).await;
            }
        };
        let hear = async {
            for request in 1..=20 {
                assert_eq!(hears(&mut *ann).await[4][0], json!(request), "{url}");
            }
        };
        tokio::join!(publish, hear);
    }
}

/// A client that says something large, and nothing more, was heard.
#[tokio::test]
async fn the_last_words_may_be_large() {
    let (_router, url) = router(&json!({}), "rs://127.0.0.1:0");
    let mut ann = join(&url).await;
    assert_eq!(asks(&mut *ann, r#"[32,1,{},"a.topic"]"#).await[0], 33);
    let filler = "x".repeat(SIZE);
    for goodbye in [true, false] {
        let mut bob = join(&url).await;
        says(&mut *bob, &format!(r#"[16,1,{{}},"a.topic",["{filler}"]]"#)).await;
        says(&mut *bob, r#"[16,2,{},"a.topic",["end"]]"#).await;
        if goodbye {
            assert_eq!(asks(&mut *bob, r#"[6,{},"wamp.close.normal"]"#).await[0], 6);
        }
        drop(bob);
        for argument in [&filler[..], "end"] {
            assert!(hears(&mut *ann).await[4][0] == json!(argument));
        }
    }
}

/// The router says GOODBYE to a client that is about to say something large, too.
#[tokio::test]
async fn who_says_something_large_can_be_ended() {
    let (router, url) = router(&json!({}), "rs://127.0.0.1:0");
    let mut ann = join(&url).await;
    let filler = "x".repeat(SIZE);
    for request in 1..=5 {
        says(&mut *ann, &format!(r#"[16,{request},{{}},"a.topic",["{filler}"]]"#)).await;
        if request == 3 {
            assert_eq!(router.kick(None, Some("wamp.close.killed")), 1);
            break;
        }
    }
    assert_eq!(hears(&mut *ann).await[0], 6);
}

/// Something large that is no message ends the session with the reason.
#[tokio::test]
async fn what_is_large_and_wrong_is_told() {
    let (_router, url) = router(&json!({}), "rs://127.0.0.1:0");
    let mut ann = join(&url).await;
    let filler = "x".repeat(SIZE);
    says(&mut *ann, &format!(r#"[16,1,{{}},"a.topic",["{filler}"}}"#)).await;
    let abort = hears(&mut *ann).await;
    assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!("wamp.error.protocol_violation")));
}

/// The arguments of a message that ends its session are nobody else's.
#[test]
fn arguments_are_not_handed_on() {
    let realms = realms();
    let (mut ann, mut bob) = (Client::join(&realms, 1), Client::join(&realms, 2));
    let filler = "x".repeat(100_000);
    let wrong = format!(r#"[48,7,{{}},"wamp.session.get",[1,"{filler}"]]"#);
    assert!(ann.tries(&wrong).is_err(), "requests count from 1");
    bob.says(r#"[48,1,{},"wamp.session.get",[2]]"#);
    assert_eq!(bob.hears_one()[3][0]["session"], json!(2));
}
