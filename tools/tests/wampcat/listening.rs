//! Routers that go and come back, and what is heard of progress.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Map, json};
use tokio::runtime::Builder;

use wamp::facade::client::{Change, Client, Ear, Heard, Parts};

use crate::scene::Scene;

#[test]
fn who_listens_comes_back() {
    let mut scene = Scene::new();
    let options = ["--set", "initial_retry_delay=0.05", "--set", "max_retry_delay=0.2"];
    let subscriber = scene.listen(&[&options[..], &["subscribe", "com.a"]].concat());
    let callee =
        scene.listen(&[&options[..], &["register", "com.cat", "--text", "--", "cat"]].concat());
    scene.run(&["publish", "com.a", "1"]).good();
    assert_eq!(subscriber.out(), "com.a 1");
    scene.close();
    for program in [&subscriber, &callee] {
        program.err("closed by the router: wamp.close.system_shutdown; next attempt in");
        program.err("cannot reach");
    }
    // Another one at the same address.
    let again = Scene::with("{}", &scene.url);
    let _former = std::mem::replace(&mut scene, again);
    for program in [&subscriber, &callee] {
        program.err("connected again");
    }
    // Connected is not yet subscribed.
    crate::scene::wait_until(|| {
        let listed = scene.run(&["meta", "subscriptions"]).good();
        listed.contains("com.a") && scene.run(&["meta", "registrations"]).good().contains("com.cat")
    });
    scene.run(&["publish", "com.a", "2"]).good();
    assert_eq!(subscriber.out(), "com.a 2");
    assert_eq!(scene.run(&["call", "com.cat", "x", "-r"]).good(), "x\n");
    assert_eq!((subscriber.end(), callee.end()), (0, 0));
}

#[test]
fn who_does_not_listen_ends() {
    let scene = Scene::new();
    let _callee = scene.listen(&["register", "com.slow", "--", "sleep", "1000"]);
    let caller = scene.start(&["call", "com.slow"]);
    let pinger = scene.start(&["ping", "-n", "0", "-i", "1000"]);
    pinger.out();
    crate::scene::wait_until(|| {
        let listed = scene.run(&["meta", "sessions"]).good();
        listed.lines().count() == 5
    });
    scene.close();
    let words = caller.err("wampcat: ");
    // The callee may have left first: then the call ends in order.
    let status = match words.contains("wamp.error.canceled: ") {
        true => 1,
        false => 6,
    };
    assert!(status == 1 || words.contains("may or may not have taken effect"), "{words}");
    assert_eq!(caller.status(), status);
    assert_eq!(
        pinger.err("wampcat: "),
        "wampcat: closed by the router: wamp.close.system_shutdown"
    );
    assert_eq!(pinger.status(), 6);
}

#[test]
fn a_router_that_is_not_there_yet() {
    let scene = Scene::new();
    scene.close();
    let eager = ["--wait", "--set", "initial_retry_delay=0.05", "--set", "max_retry_delay=0.2"];
    let subscriber = scene.start(&[&eager[..], &["subscribe", "com.a"]].concat());
    subscriber.err("next attempt in");
    let caller = scene.start(&[&eager[..], &["call", "wamp.session.get", "1"]].concat());
    caller.err("next attempt in");
    let words = scene.run(&[&eager[..], &["-q", "-t", "0.3", "call", "a"]].concat()).bad(3);
    assert!(words.starts_with("cannot reach ws://127.0.0.1:"), "{words}");
    let again = Scene::with("{}", &scene.url);
    subscriber.err("listening to com.a");
    caller.err("wamp.error.no_such_session");
    assert_eq!((subscriber.end(), caller.status()), (0, 1));
    drop(again);
    let words = scene.run(&["subscribe", "com.a"]).bad(3);
    assert!(words.starts_with("cannot reach ws://127.0.0.1:"), "{words}");
    let waiting = scene.start(&["--wait", "subscribe", "com.a"]);
    waiting.err("next attempt in");
    waiting.signal(Signal::INT);
    assert_eq!(waiting.status(), 130);
}

#[test]
fn a_procedure_that_is_taken() {
    let scene = Scene::new();
    let first = scene.listen(&["register", "com.a", "--text", "--", "echo", "first"]);
    let words = scene.run(&["register", "com.a", "--", "true"]).bad(1);
    assert!(
        words.starts_with("cannot listen to com.a: wamp.error.procedure_already_exists"),
        "{words}"
    );
    let second = scene.listen(&["register", "com.a", "--force", "--text", "--", "echo", "second"]);
    assert_eq!(scene.run(&["call", "-r", "com.a"]).good(), "second\n");
    first.err("com.a: the router has ended it");
    assert_eq!((first.end(), second.end()), (0, 0));
    let shared: Vec<_> = ["one", "two"]
        .map(|word| {
            scene.listen(&[
                "register",
                "com.b",
                "--invoke",
                "roundrobin",
                "--text",
                "--",
                "echo",
                word,
            ])
        })
        .into();
    let both = [0, 1].map(|_| scene.run(&["call", "-r", "com.b"]).good());
    assert_eq!(both, ["one\n", "two\n"]);
    assert!(shared.into_iter().all(|callee| callee.end() == 0));
}

/// A callee that sends progress, by the same facade that the program uses.
#[test]
fn progress_goes_to_standard_error() {
    let scene = Scene::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let served = runtime.block_on(async {
        let options = json!({"url": scene.url, "realm": "realm1"});
        let (client, mut changes) = Client::open(options.as_object().unwrap()).unwrap();
        assert!(matches!(changes.recv().await, Some(Change::Open(_))));
        let (ear, mut heard) = Ear::new();
        let listening = client.register("com.progress", &Map::new(), &ear, 7).unwrap();
        assert!(matches!(heard.recv().await, Some((7, Heard::Active))));
        let callers = [&[][..], &["--json"], &["--no-progress"]]
            .map(|more| scene.start(&[&["call", "com.progress"], more].concat()));
        for _ in &callers {
            let Some((7, Heard::Called(_, invocation))) = heard.recv().await else { panic!() };
            let part = Parts { args: Some("[50]".to_owned()), kwargs: None };
            // Refused where none is wanted.
            let _ = invocation.progress(&part);
            invocation.answer(&Parts::text("done")).unwrap();
        }
        client.end(&listening).unwrap();
        let [plain, json, none] = callers;
        assert_eq!((plain.err("5").as_str(), plain.out().as_str()), ("50", "\"done\""));
        let progress = json.err("50");
        assert_eq!(progress, "{\"progress\":true,\"args\":[50],\"kwargs\":{}}");
        assert_eq!(json.out(), "{\"args\":[\"done\"],\"kwargs\":{}}");
        assert_eq!(none.out(), "\"done\"");
        let statuses = [plain, json, none].map(|caller| caller.status());
        client.close(Duration::from_secs(60));
        statuses
    });
    assert_eq!(served, [0, 0, 0]);
}
