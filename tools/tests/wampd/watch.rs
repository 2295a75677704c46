//! Metrics and health.

use std::collections::HashMap;

use crate::daemon::Daemon;
use crate::wire::{Client, ask, fetch, until};

/// A router that is watched, and the URL for that.
fn watched() -> (Daemon, String) {
    let arguments = ["-l", "rs://127.0.0.1:0", "-m", "http://127.0.0.1:0", "--drain", "3600"];
    let daemon = Daemon::start(&arguments);
    let url = daemon.urls()[1].trim_end_matches("/metrics").to_owned();
    (daemon, url)
}

fn metrics(url: &str) -> HashMap<String, f64> {
    let (head, body) = fetch(url, "/metrics", "");
    assert!(head.contains("200 OK"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let values = lines.map(|line| line.rsplit_once(' ').unwrap());
    values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[test]
fn metrics_tell_what_happens() {
    let (daemon, url) = watched();
    let before = metrics(&url);
    assert_eq!(before["wampd_sessions"], 0.0);
    let mut client = Client::join(&daemon.url(), "realm1").unwrap();
    client.send(r#"[32,1,{},"com.example.topic"]"#);
    assert!(client.receive().unwrap().starts_with("[33,1,"));
    client.send(r#"[64,2,{},"com.example.procedure"]"#);
    assert!(client.receive().unwrap().starts_with("[65,2,"));
    let after = metrics(&url);
    for name in ["wampd_sessions", "wampd_clients", "wampd_subscriptions", "wampd_registrations"] {
        assert_eq!(after[name], 1.0, "{name}");
    }
    assert_eq!(after["wampd_messages_total{direction=\"in\"}"], 3.0);
    assert!(after["process_resident_memory_bytes"] > 1e6);
    assert!(after["process_start_time_seconds"] > 1.5e9);
    drop(client);
    until(crate::daemon::LIMIT, || metrics(&url)["wampd_sessions"] == 0.0);
}

#[test]
fn health_is_told_until_it_ends() {
    let (daemon, url) = watched();
    assert_eq!(fetch(&url, "/healthz", "").1, "ok\n");
    let mut client = Client::join(&daemon.url(), "realm1").unwrap();
    daemon.signal("TERM");
    assert!(client.receive().unwrap().contains("wamp.close.system_shutdown"));
    let (head, body) = fetch(&url, "/healthz", "");
    assert!(head.contains("503") && body == "closing\n", "{head}{body}");
    client.send(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
    drop(client);
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn other_requests_are_refused() {
    let (_daemon, url) = watched();
    assert!(fetch(&url, "/", "").0.contains("404"));
    let request =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(ask(&url, request).0.contains("405"));
}
