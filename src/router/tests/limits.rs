//! The limits of connections: clients that want more than their share, and those beside them.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{asks, head, hears, hears_raw, join, join_raw, router, says, says_raw};
use crate::transport::testing::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaf_subscribers_do_not_fill_the_memory() {
    const LIMIT: usize = 48 << 20;
    const EVENTS: usize = 120;
    for url in ["rs://127.0.0.1:0", "ws://127.0.0.1:0/ws"] {
        let (router, url) = router(&json!({"memory_limit": LIMIT}), url);
        let mut deaf = Vec::new();
        for _ in 0..20 {
            let mut client = join(&url).await;
            assert_eq!(asks(&mut *client, r#"[32,1,{},"a.topic"]"#).await[0], 33);
            deaf.push(client);
        }
        let mut reader = join(&url).await;
        assert_eq!(asks(&mut *reader, r#"[32,1,{},"a.topic"]"#).await[0], 33);
        let mut publisher = join(&url).await;
        let filler = "x".repeat(1_000_000);
        let publish = async {
            for request in 1..=EVENTS {
                let message = format!(r#"[16,{request},{{}},"a.topic",[{request},"{filler}"]]"#);
                says(&mut *publisher, &message).await;
            }
        };
        let mut most = 0;
        let read = async {
            for number in 1..=EVENTS {
                assert_eq!(hears(&mut *reader).await[4][0], json!(number), "{url}: none is lost");
                most = most.max(router.stats().memory);
            }
        };
        tokio::join!(publish, read);
        let stats = router.stats();
        assert!(most <= LIMIT, "{url}: {most}");
        assert!(stats.dropped_stalled > 0 && stats.dropped >= stats.dropped_stalled, "{stats:?}");
        assert_eq!(stats.refused_messages, 0, "{url}");
        assert!(asks(&mut *reader, r#"[32,2,{},"a.topic"]"#).await[0] == 33, "{url}: it stays");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let (router, url) = router(&json!({"memory_limit": 4 << 20}), "rs://127.0.0.1:0");
    let mut client = join(&url).await;
    assert_eq!(asks(&mut *client, r#"[64,1,{},"a.procedure"]"#).await[0], 65);
    let others = router.shared.budget.lease(4 << 20);
    let filler = "x".repeat(100_000);
    let publish = |request: u32, filler: &str| {
        format!(r#"[16,{request},{{"acknowledge":true}},"a.topic",["{filler}"]]"#)
    };
    let call = |request: u32| format!(r#"[48,{request},{{}},"a.procedure",["{filler}"]]"#);
    for (kind, message) in [(16, publish(2, &filler)), (48, call(3))] {
        let refused = asks(&mut *client, &message).await;
        assert_eq!((&refused[0], &refused[1]), (&json!(8), &json!(kind)));
        assert_eq!(refused[4], "wamp.error.unavailable");
        assert!(refused[5][0].as_str().unwrap().contains("memory_limit"), "{refused}");
    }
    assert_eq!(asks(&mut *client, &publish(4, "small")).await[0], 17, "what is small passes");
    assert_eq!(router.stats().refused_messages, 2);
    drop(others);
    assert_eq!(asks(&mut *client, &publish(5, &filler)).await[0], 17);
    assert_eq!(asks(&mut *client, &call(6)).await[0], 68);
}

#[tokio::test]
async fn to_announce_a_large_message_costs_nothing() {
    let (router, url) = router(&json!({}), "rs://127.0.0.1:0");
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = join_raw(&url).await;
        client.write_all(&head((16 << 20) - 1)).await.unwrap();
        clients.push(client);
    }
    let announced = async {
        while router.stats().memory < 10 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(announced).await;
    let memory = router.stats().memory;
    assert!(memory < 11 << 20, "{memory}: the room for 1 MiB each, which is counted");
    drop(clients);
    let gone = async {
        while router.stats().memory > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(gone).await;
}

/// Byte by byte, and by pieces that have nothing in them.
#[tokio::test]
async fn a_message_that_does_not_come_to_its_end() {
    let config = json!({"message_timeout": 0.3});
    let (router, url) = router(&config, "rs://127.0.0.1:0");
    let mut dribbler = join_raw(&url).await;
    let mut pinger = join_raw(&url).await;
    let mut other = join(&url).await;
    let (mut reader, mut writer) = dribbler.split();
    let dribble = async {
        writer.write_all(&head(1000)).await.unwrap();
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::future::pending::<()>().await;
    };
    // Whole frames, which come to their end, may come as slowly as they like.
    let ping = async {
        for _ in 0..100 {
            pinger.write_all(&[1, 0, 0, 0]).await.unwrap();
            let mut pong = [0; 4];
            soon(pinger.read_exact(&mut pong)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let hear = async {
        let abort = hears_raw(&mut reader).await;
        assert_eq!(abort[0], 3);
        assert!(abort[1]["message"].as_str().unwrap().contains("message_timeout"), "{abort}");
    };
    tokio::select! {
        () = dribble => unreachable!("it goes on for ever"),
        ((), ()) = async { tokio::join!(hear, ping) } => {}
    }
    assert_eq!(router.stats().dropped_late, 1);
    assert_eq!(asks(&mut *other, r#"[32,1,{},"a.topic"]"#).await[0], 33);
    says_raw(&mut pinger, r#"[32,1,{},"a.topic"]"#).await;
    assert_eq!(hears_raw(&mut pinger).await[0], 33);
}
