//! Calls, and the commands that answer them.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{Running, Scene, is_alive, wait_until};

/// A callee whose command does what the call's argument says.
fn odd(scene: &Scene, more: &[&str]) -> Running {
    let script = scene.script(
        r#"
        read -r line
        case "$line" in
        *hang*) sleep 1000 & echo $! > "$DIR/pid"; wait;;
        *no-json*) echo 'hello there';;
        *two-values*) echo '1 2';;
        *empty*) ;;
        *deaf*) exec 0<&-; echo 5;;
        *fail*) echo noise >&2; echo 'bad thing' >&2; exit 7;;
        *silent*) exit 3;;
        *killed*) kill -9 $$;;
        *background*) sleep 1000 & echo $! > "$DIR/pid"; echo 1;;
        *much*) head -c 17000000 /dev/zero | tr '\0' 1;;
        *not-utf*) printf '"\377"';;
        *secrets*) echo "\"$WAMPCAT_SECRET$WAMPCAT_TICKET\"";;
        *whole*) echo '{"args": [1, 2], "kwargs": {"k": 3}}';;
        *) echo "$line";;
        esac"#,
    );
    let arguments = [&["register", "com.odd"], more, &["--", "sh", &script]].concat();
    let mut command = scene.command(&arguments);
    command.env("DIR", &scene.directory).env("WAMPCAT_SECRET", "hush");
    let running = Running::new(command);
    running.err("listening to com.odd");
    running
}

fn pid(scene: &Scene) -> String {
    let file = scene.directory.join("pid");
    let mut pid = String::new();
    wait_until(|| {
        pid = fs::read_to_string(&file).unwrap_or_default();
        pid.ends_with('\n')
    });
    fs::remove_file(file).unwrap();
    assert!(is_alive(&pid));
    pid
}

#[test]
fn what_goes_in_comes_out() {
    let scene = Scene::new();
    let callee = odd(&scene, &[]);
    let call = |arguments: &[&str]| {
        let out = scene.run(&[&["call", "com.odd"], arguments].concat()).good();
        let value: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["procedure"], "com.odd");
        (value["args"].to_string(), value["kwargs"].to_string())
    };
    let pair = |args: &str, kwargs: &str| (args.to_owned(), kwargs.to_owned());
    assert_eq!(
        call(&["1", "-2", "x", "a=b", "k=[1]"]),
        pair(r#"[1,-2,"x"]"#, r#"{"a":"b","k":[1]}"#)
    );
    assert_eq!(call(&["\"1\"", "\"a=b\""]), pair(r#"["1","a=b"]"#, "{}"));
    assert_eq!(call(&["-S", "1", "k=2"]), pair(r#"["1"]"#, r#"{"k":"2"}"#));
    assert_eq!(
        call(&["--args", "[1, [2]]", "--kwargs", "{\"x\": null}"]),
        pair("[1,[2]]", r#"{"x":null}"#)
    );
    assert_eq!(call(&["--", "--args"]), pair(r#"["--args"]"#, "{}"));
    let fed = scene.feed(&["call", "com.odd", "--args", "-"], "[\"fed\"]\n").good();
    assert!(fed.contains("\"args\":[\"fed\"]"), "{fed}");
    // Numbers are not read, and so not rounded.
    let big = "123456789012345678901234567890.10";
    assert!(scene.run(&["call", "com.odd", big]).good().contains(big));
    let long = "x".repeat(100_000);
    assert!(scene.run(&["call", "com.odd", &long]).good().contains(&long));
    assert_eq!(callee.end(), 0);
}

#[test]
fn results_in_each_form() {
    let scene = Scene::new();
    let script = scene.script(
        "cat >/dev/null; echo '{\"args\": [\"a b\", {\"x\": 1}], \"kwargs\": {\"k\": \"v\"}}'",
    );
    let _callee = scene.listen(&["register", "com.whole", "--whole", "--", "sh", &script]);
    assert_eq!(scene.run(&["call", "com.whole"]).good(), "\"a b\"\n{\"x\":1}\nk=\"v\"\n");
    assert_eq!(scene.run(&["call", "com.whole", "--raw"]).good(), "a b\n{\"x\":1}\nk=v\n");
    let whole = "{\"args\":[\"a b\",{\"x\":1}],\"kwargs\":{\"k\":\"v\"}}\n";
    assert_eq!(scene.run(&["call", "com.whole", "--json"]).good(), whole);
    let _echo = scene.listen(&["register", "com.echo", "--whole", "--", "cat"]);
    assert_eq!(scene.run(&["call", "com.echo", "1.50", "k=[]"]).good(), "1.50\nk=[]\n");
    let odd = ["register", "com.odd", "--whole", "--", "echo", "{\"arg\": []}"];
    let _odd = scene.listen(&odd);
    let words = scene.run(&["call", "com.odd"]).bad(1);
    assert!(
        words.ends_with("the command's output is wrong: `arg` is neither `args` nor `kwargs`"),
        "{words}"
    );
    let _text = scene.listen(&["register", "com.text", "--text", "--", "tr", "a-z", "A-Z"]);
    assert_eq!(scene.run(&["call", "com.text", "a", "b"]).good(), "\"A\\nB\"\n");
}

#[test]
fn commands_that_fail() {
    let scene = Scene::new();
    let callee = odd(&scene, &["--error", "com.odd.failed"]);
    for (argument, words) in [
        (
            "no-json",
            "com.odd.failed: the command's output is not JSON: expected value at line 1 column 1",
        ),
        (
            "two-values",
            "com.odd.failed: the command's output is not JSON: trailing characters at line 1 column 3",
        ),
        ("fail", "com.odd.failed: noise bad thing status=7"),
        ("silent", "com.odd.failed: the command failed: exit status: 3 status=3"),
        ("killed", "com.odd.failed: the command failed: signal: 9 (SIGKILL) signal=9"),
        ("much", "com.odd.failed: the command wrote more than 16777216 bytes"),
        ("not-utf", "com.odd.failed: the command's output is not UTF-8"),
    ] {
        assert_eq!(scene.run(&["call", "com.odd", argument]).bad(1), words);
    }
    assert_eq!(scene.run(&["call", "com.odd", "empty"]).good(), "");
    assert_eq!(scene.run(&["call", "com.odd", "deaf"]).good(), "5\n");
    assert_eq!(scene.run(&["call", "com.odd", "secrets"]).good(), "\"\"\n");
    let failed = scene.run(&["--json", "call", "com.odd", "fail"]);
    assert_eq!((failed.status, &*failed.out), (1, ""));
    let error: Value = serde_json::from_str(&failed.err).unwrap();
    let wanted = json!({"status": 1, "error": "com.odd.failed", "args": ["noise\nbad thing"], "kwargs": {"status": 7}});
    assert_eq!(error, wanted);
    assert_eq!(callee.end(), 0);
}

#[test]
fn a_command_that_leaves_something_behind_has_answered() {
    let scene = Scene::new();
    let _callee = odd(&scene, &[]);
    assert_eq!(scene.run(&["call", "com.odd", "background"]).good(), "1\n");
    let pid = pid(&scene);
    let number = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(number, Signal::KILL).unwrap();
}

#[test]
fn a_command_that_hangs_is_killed() {
    let scene = Scene::new();
    let callee = odd(&scene, &["--limit", "0.5"]);
    let words = scene.run(&["call", "com.odd", "hang"]).bad(1);
    assert_eq!(words, "wamp.error.timeout: the command was killed after 0.5 s");
    let pid = fs::read_to_string(scene.directory.join("pid")).unwrap();
    wait_until(|| !is_alive(&pid));
    assert_eq!(callee.end(), 0);
}

#[test]
fn a_call_that_is_given_up_kills_its_command() {
    let scene = Scene::new();
    let callee = odd(&scene, &["--jobs", "1"]);
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let caller = scene.start(&["call", "com.odd", "hang"]);
        let pid = pid(&scene);
        // The next one waits until there is a place.
        let waiting = scene.start(&["call", "com.odd", "next"]);
        caller.signal(signal);
        assert_eq!(caller.status(), status);
        wait_until(|| !is_alive(&pid));
        assert!(waiting.out().contains("next"));
    }
    let words = scene.run(&["--timeout", "0.5", "call", "com.odd", "hang"]).bad(5);
    assert_eq!(words, "no answer within 0.5 s; --timeout says how long to wait");
    let pid = fs::read_to_string(scene.directory.join("pid")).unwrap();
    wait_until(|| !is_alive(&pid));
    assert_eq!(callee.end(), 0);
}

#[test]
fn the_end_of_a_callee_kills_its_commands() {
    let scene = Scene::new();
    let callee = odd(&scene, &[]);
    let caller = scene.start(&["call", "com.odd", "hang"]);
    let pid = pid(&scene);
    assert_eq!(callee.end(), 0);
    wait_until(|| !is_alive(&pid));
    caller.err("wamp.error.canceled: the callee has ended");
    assert_eq!(caller.status(), 1);
    let words = scene.run(&["call", "com.odd"]).bad(1);
    assert!(words.starts_with("wamp.error.no_such_procedure"), "{words}");
}

#[test]
fn no_more_commands_run_than_are_wanted() {
    let scene = Scene::new();
    let script = scene.script(
        r#"mkdir "$DIR/one" || { echo '"two at once"'; exit; }
        sleep 0.05; rmdir "$DIR/one"; echo '"alone"'"#,
    );
    let mut command = scene.command(&["register", "com.one", "--jobs", "1", "--", "sh", &script]);
    command.env("DIR", &scene.directory);
    let callee = Running::new(command);
    callee.err("listening to com.one");
    let callers: Vec<_> = (0..5).map(|_| scene.start(&["call", "com.one"])).collect();
    assert!(callers.iter().all(|caller| caller.out() == "\"alone\""));
}

#[test]
fn a_second_signal_ends_at_once() {
    let scene = Scene::new();
    // A command that does not end when it is asked to.
    let script = scene.script("trap '' TERM; echo $$ > \"$DIR/pid\"; while :; do sleep 0.1; done");
    let mut command = scene.command(&["register", "com.deaf", "--", "sh", &script]);
    command.env("DIR", &scene.directory);
    let callee = Running::new(command);
    callee.err("listening to com.deaf");
    let _caller = scene.start(&["call", "com.deaf"]);
    let pid = pid(&scene);
    callee.signal(Signal::TERM);
    callee.signal(Signal::INT);
    let status = callee.status();
    assert!(matches!(status, 130 | 143), "{status}");
    let number = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let _ = rustix::process::kill_process_group(number, Signal::KILL);
}

#[test]
fn more_calls_than_can_wait_are_refused() {
    let scene = Scene::new();
    let callee = scene.listen(&["register", "com.slow", "--jobs", "1", "--", "sleep", "1000"]);
    let words = scene.run(&["bench", "--uri", "com.slow", "-c", "1100", "-d", "1000"]).bad(1);
    // The router has asked for another callee, and there is none.
    assert_eq!(words, "wamp.error.no_available_callee: all callees are unavailable");
    assert_eq!(callee.end(), 0);
}
