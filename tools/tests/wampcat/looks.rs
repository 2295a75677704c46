//! The commands that look at a router: meta, ping, bench, trace. And the help.

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::Scene;

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn tables_of_what_is_there() {
    let scene = Scene::new();
    let _callee = scene.listen(&["register", "com.add", "--", "true"]);
    let _subscriber = scene.listen(&["subscribe", "com", "-m", "prefix"]);
    let sessions = scene.run(&["meta", "sessions"]).good();
    let lines: Vec<_> = sessions.lines().collect();
    assert_eq!(lines.len(), 4, "{sessions}");
    assert!(lines[0].trim().starts_with("SESSION") && lines[0].contains("AUTHID"), "{sessions}");
    assert_eq!(lines.iter().filter(|line| line.ends_with("this one")).count(), 1, "{sessions}");
    let ends = lines[1..]
        .iter()
        .map(|line| line.trim_start().find(' ').unwrap() + line.len() - line.trim_start().len());
    assert_eq!(ends.collect::<std::collections::BTreeSet<_>>().len(), 1, "{sessions}");
    let all = scene.run(&["-j", "meta", "sessions"]).good();
    assert!(all.lines().all(|line| json(line)["role"] == "anonymous"), "{all}");
    let other = lines[1..].iter().find(|line| !line.ends_with("this one")).unwrap();
    let id = other.split_whitespace().next().unwrap().to_owned();
    assert!(all.lines().any(|line| json(line)["session"].as_u64() == id.parse().ok()), "{all}");
    let one = scene.run(&["meta", "sessions", &id]).good();
    assert!(
        one.lines().any(|line| line.starts_with("authrole") && line.ends_with("anonymous")),
        "{one}"
    );
    let words = scene.run(&["meta", "sessions", "7"]).bad(1);
    assert!(words.starts_with("wamp.error.no_such_session"), "{words}");
    let listed = scene.run(&["meta", "registrations"]).good();
    let row: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..], ["com.add", "exact", "single", "1"]);
    for which in [row[0], "com.add"] {
        let one = json(scene.run(&["-j", "meta", "registrations", which]).good().trim());
        assert_eq!((&one["uri"], one["callees"].as_array().unwrap().len()), (&"com.add".into(), 1));
    }
    let listed = scene.run(&["meta", "subscriptions"]).good();
    let row: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..], ["com", "prefix", "1"]);
    assert!(scene.run(&["meta", "subscriptions", "com"]).good().contains("subscribers"));
    let words = scene.run(&["meta", "subscriptions", "org"]).bad(1);
    assert_eq!(words, "nobody has subscribed to org");
}

#[test]
fn an_empty_table_has_its_head() {
    let scene = Scene::new();
    assert_eq!(
        scene.run(&["meta", "registrations"]).good(),
        "ID  PROCEDURE  MATCH  INVOKE  CALLEES\n"
    );
    assert_eq!(scene.run(&["-j", "meta", "registrations"]).good(), "");
}

#[test]
fn times_of_round_trips() {
    let scene = Scene::new();
    let shown = scene.run(&["ping", "-n", "3", "-i", "0.01"]).good();
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("3 round trips: min "), "{shown}");
    let shown = scene.run(&["-j", "ping", "-n", "2", "-i", "0", "wamp.session.count"]).good();
    let last = json(shown.lines().last().unwrap());
    assert_eq!(last["count"], 2);
    assert!(last["min"].as_f64().unwrap() <= last["max"].as_f64().unwrap());
    let words = scene.run(&["ping", "com.nobody"]).bad(1);
    assert!(words.starts_with("wamp.error.no_such_procedure"), "{words}");
    let endless = scene.start(&["ping", "-n", "0", "-i", "0.01"]);
    endless.out();
    endless.signal(Signal::INT);
    while !endless.out().contains("round trips") {}
    assert_eq!(endless.status(), 0);
}

#[test]
fn figures_of_each_load() {
    let scene = Scene::new();
    for load in ["call", "publish", "event"] {
        let shown = scene.run(&["-j", "bench", load, "-n", "200", "-c", "8", "-s", "10"]).good();
        let figures = json(&shown);
        assert_eq!((&figures["load"], &figures["count"]), (&load.into(), &200.into()), "{shown}");
        let times = &figures["milliseconds"];
        let order = ["min", "median", "p90", "p99", "p99.9", "max"]
            .map(|name| times[name].as_f64().unwrap());
        assert!(order.is_sorted() && order[0] > 0.0, "{shown}");
    }
    let shown = scene.run(&["bench", "-d", "0.2"]).good();
    assert!(shown.starts_with("call: ") && shown.contains("/s ("), "{shown}");
    let shown = scene.run(&["-j", "bench", "--uri", "wamp.session.count", "-n", "5"]).bad(1);
    assert!(json(&shown)["message"].is_string(), "{shown}");
    let words = scene.run(&["bench", "--uri", "com.nobody"]).bad(1);
    assert!(words.starts_with("wamp.error.no_such_procedure"), "{words}");
    let long = scene.start(&["bench", "-d", "1000", "-c", "1"]);
    crate::scene::wait_until(|| scene.run(&["meta", "sessions"]).good().lines().count() == 4);
    let before = scene.messages();
    crate::scene::wait_until(|| scene.messages() > before + 10);
    long.signal(Signal::INT);
    assert!(long.out().starts_with("call: "));
    assert_eq!(long.status(), 0);
}

#[test]
fn messages_as_they_come_and_go() {
    let scene = Scene::new();
    let trace = scene.listen(&["trace"]);
    let json_trace = scene.listen(&["-j", "trace", "com.x"]);
    scene.run(&["publish", "com.x", "7"]).good();
    let mut types = Vec::new();
    loop {
        let line = trace.out();
        let mut words = line.split_whitespace().skip(1);
        types.push(format!("{} {}", words.next().unwrap(), words.next().unwrap()));
        if line.contains("[7]]") {
            break;
        }
    }
    for wanted in ["-> HELLO", "<- WELCOME", "-> SUBSCRIBE", "<- SUBSCRIBED", "<- EVENT"] {
        assert!(types.iter().any(|it| it == wanted), "{types:?}");
    }
    let hello = json(&json_trace.out());
    assert_eq!((&hello["way"], &hello["type"]), (&"sent".into(), &"HELLO".into()));
    assert_eq!(hello["message"][1], "realm1");
    assert_eq!((trace.end(), json_trace.end()), (0, 0));
    let ended = scene.run(&["--trace", "call", "wamp.session.count"]);
    assert_eq!(ended.out, "1\n");
    for wanted in ["-> HELLO", "-> CALL ", "<- RESULT", "-> GOODBYE", "<- GOODBYE"] {
        assert!(ended.err.contains(wanted), "{}", ended.err);
    }
}

#[test]
fn help_and_pages() {
    let scene = Scene::new();
    let help = scene.run(&["--help"]).good();
    for word in ["Exit status:", "WAMPCAT_TICKET", "NO_COLOR", "--no-verify", "subscribe"] {
        assert!(help.contains(word), "{help}");
    }
    let call = scene.run(&["call", "-h"]).good();
    assert!(call.contains("Examples:") && !call.contains("--channel-binding"), "{call}");
    assert!(scene.run(&["--version"]).good().starts_with("wampcat 0."));
    let none = scene.command(&[]).env_remove("WAMPCAT_URL").output().unwrap();
    let none = crate::scene::Ended::new(none);
    assert_eq!((none.status, none.out.as_str()), (2, ""));
    assert!(none.err.contains("Usage: wampcat"), "{}", none.err);
    for (page, word) in [
        ("man", ".SH \"wampcat subscribe\""),
        ("bash", "_wampcat"),
        ("zsh", "#compdef wampcat"),
        ("fish", "-c wampcat"),
    ] {
        let text = scene.run(&["page", page]).good();
        assert!(text.contains(word), "{page}: {text}");
        assert!(page != "man" || text.contains("EXIT STATUS"), "{text}");
        // Once, with its text.
        let told = text.matches("anybody between can read and change all").count();
        assert!(page != "man" || told == 1, "{text}");
    }
}
