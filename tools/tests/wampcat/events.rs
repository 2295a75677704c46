//! Events: published, subscribed to, and how they look.

use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Running, Scene};

#[test]
fn an_event_is_a_line() {
    let scene = Scene::new();
    let plain = scene.listen(&["subscribe", "com", "--match", "prefix", "-n", "3"]);
    let raw = scene.listen(&["subscribe", "com.a", "--raw", "-n", "2"]);
    let json = scene.listen(&["--json", "subscribe", "com.b", "com.a", "-n", "3"]);
    scene.run(&["publish", "com.a", "It is raining", "5", "place=Ulm"]).good();
    scene.run(&["publish", "com.a", "--args", "[ 1,\n \"two\\n\\u001b\\u009b\" ]"]).good();
    scene.run(&["publish", "com.b"]).good();
    assert_eq!(plain.out(), "com.a \"It is raining\" 5 place=\"Ulm\"");
    assert_eq!(plain.out(), "com.a 1 \"two\\n\\u001b\\u009b\"");
    assert_eq!(plain.out(), "com.b");
    assert_eq!(plain.status(), 0);
    assert_eq!(raw.out(), "It is raining 5 place=Ulm");
    assert_eq!(raw.out(), "1 two");
    let event: Value = serde_json::from_str(&json.out()).unwrap();
    assert_eq!(event["topic"], "com.a");
    assert_eq!(event["args"].to_string(), r#"["It is raining",5]"#);
    assert_eq!(event["kwargs"].to_string(), r#"{"place":"Ulm"}"#);
    assert!(event["publication"].as_u64().unwrap() > 0 && event["details"].is_object());
}

#[test]
fn each_line_of_the_input_is_an_event() {
    let scene = Scene::new();
    let subscriber = scene.listen(&["subscribe", "com.a", "-n", "1003"]);
    let ids = scene.feed(&["-j", "publish", "com.a", "--lines", "k=1"], "1\nx y\n\"z\"\n").good();
    assert_eq!(ids.lines().count(), 3);
    assert!(ids.starts_with("{\"publication\":"), "{ids}");
    for line in ["com.a 1 k=1", "com.a \"x y\" k=1", "com.a \"z\" k=1"] {
        assert_eq!(subscriber.out(), line);
    }
    // Also where there are more of them than are on their way at the same time.
    let many: String = (0..1000).map(|number| format!("{number}\n")).collect();
    scene.feed(&["publish", "com.a", "-l", "-S"], &many).good();
    for number in 0..1000 {
        assert_eq!(subscriber.out(), format!("com.a \"{number}\""));
    }
    assert_eq!(subscriber.status(), 0);
    // A line is published when it comes, and not when the input ends.
    let subscriber = scene.listen(&["subscribe", "com.a"]);
    let mut command = scene.command(&["publish", "com.a", "--lines"]);
    command.stdin(Stdio::piped());
    let mut publisher = Running::new(command);
    publisher.stdin.as_mut().unwrap().write_all(b"first\n").unwrap();
    assert_eq!(subscriber.out(), "com.a \"first\"");
    publisher.signal(Signal::TERM);
    assert_eq!(publisher.status(), 143);
    assert_eq!(subscriber.end(), 0);
}

#[test]
fn options_of_a_publication() {
    let scene = Scene::new();
    // What is kept goes with the last session of the realm.
    let _keeper = scene.listen(&["subscribe", "com.other"]);
    let kept = ["publish", "com.kept", "7", "--retain", "-o", "exclude_me=false"];
    scene.run(&kept).good();
    let retained = scene.run(&["-q", "subscribe", "com.kept", "--retained", "-n", "1"]);
    assert_eq!((retained.out.as_str(), retained.err.as_str()), ("com.kept 7\n", ""));
    let id = scene.start(&["-v", "subscribe", "com.x", "-n", "1"]);
    let joined = id.err("joined realm1 on ws://");
    let session = joined.split(" as ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    id.err("listening to com.x");
    let other = scene.listen(&["subscribe", "com.x", "-n", "1"]);
    scene.run(&["publish", "com.x", "1", "--eligible", &session]).good();
    scene.run(&["publish", "com.x", "2", "--exclude", &session]).good();
    scene.run(&["publish", "com.x", "3", "--eligible-authrole", "nobody"]).good();
    assert_eq!((id.out().as_str(), other.out().as_str()), ("com.x 1", "com.x 2"));
}

#[test]
fn patterns() {
    let scene = Scene::new();
    let all = scene.listen(&["subscribe", "", "--match", "prefix"]);
    let some = scene.listen(&["subscribe", "com..b", "--match", "wildcard"]);
    let none = scene.start(&["subscribe", "com.*"]);
    none.err("*, > and + stand for themselves");
    scene.run(&["publish", "com.a.b"]).good();
    assert_eq!(some.out(), "com.a.b");
    while all.out() != "com.a.b" {}
    let words = scene.run(&["subscribe", ""]).bad(2);
    assert!(words.contains("URI"), "{words}");
}

#[test]
fn enough_is_enough() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["-q", "subscribe", "com.a", "--for", "0.2"]).good(), "");
    let words = scene.run(&["-q", "subscribe", "com.a", "--for", "0.2", "-n", "2"]).bad(5);
    assert_eq!(words, "0 of 2 events came in time");
}

#[test]
fn a_pipe_that_closes_ends_it_quietly() {
    let scene = Scene::new();
    let mut command = scene.command(&["-q", "subscribe", "com.a"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // At once, whether or not there is another event.
    drop(child.stdout.take());
    let ended = crate::scene::Ended::new(child.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    let mut command = scene.command(&["call", "wamp.session.list"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = crate::scene::Ended::new(child.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_told() {
    let scene = Scene::new();
    let mut command = scene.command(&["call", "wamp.session.list"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let ended = crate::scene::Ended::new(command.output().unwrap());
    let words = ended.bad(1);
    assert!(words.starts_with("cannot write to standard output: No space left"), "{words}");
}

/// The second signal ends it, though nobody takes what it prints.
#[test]
fn a_pipe_that_nobody_reads_keeps_it_no_longer_than_wanted() {
    let scene = Scene::new();
    let mut command = scene.command(&["subscribe", "com.a"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let unread = child.stdout.take();
    crate::scene::wait_until(|| scene.run(&["meta", "subscriptions"]).good().contains("com.a"));
    let long = "x".repeat(60_000);
    for _ in 0..4 {
        scene.run(&["publish", "com.a", &long]).good();
    }
    let pid = rustix::process::Pid::from_child(&child);
    for signal in [Signal::TERM, Signal::INT] {
        // It may have ended with the first.
        let _ = rustix::process::kill_process(pid, signal);
    }
    let ended = crate::scene::Ended::new(child.wait_with_output().unwrap());
    assert!(matches!(ended.status, 0 | 130 | 143), "{}", ended.status);
    drop(unread);
}
