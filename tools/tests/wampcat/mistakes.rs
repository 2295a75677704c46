//! Mistakes: each has one sentence, and an exit status.

use crate::scene::{Ended, Scene};

#[test]
fn of_the_command_line() {
    let scene = Scene::new();
    for (arguments, sentence) in [
        (&["clal", "a"][..], "unrecognized subcommand 'clal'; did you mean 'call'?"),
        (&["--jsn", "call", "a"], "unexpected argument '--jsn' found; did you mean '--json'?"),
        (&["call", "a b"], "a b: a URI contains neither white space nor '#'"),
        (&["publish", "a..b"], "a..b: "),
        (&["subscribe", "a b"], "a b: a URI contains neither white space nor '#'"),
        (
            &["--realm", "a b", "call", "a"],
            "option `realm`: a URI contains neither white space nor '#'",
        ),
        (
            &["--url", "nonsense", "call", "a"],
            "option `url`: \"nonsense\" has no scheme; write ws://host:port/path",
        ),
        (&["--url", "gopher://x", "call", "a"], "option `url`: "),
        (
            &["--timeout", "soon", "call", "a"],
            "invalid value 'soon' for '--timeout <SECONDS>': a number of seconds is needed",
        ),
        (&["--set", "realm", "call", "a"], "--set realm: must be name=value"),
        (&["--set", "relm=x", "call", "a"], "option `relm`: unknown; did you mean `realm`?"),
        (
            &["--set", "foo=x", "call", "a"],
            "option `foo`: unknown; docs/OPTIONS.md of libwamp has all of them",
        ),
        (&["--serializer", "xml", "call", "a"], "option `serializers`: "),
        (&["--header", "x", "call", "a"], "--header x: must be 'Name: value'"),
        (&["--authextra", "[1]", "call", "a"], "--authextra: not a JSON object: "),
        (&["--ticket-file", "/nowhere", "call", "a"], "cannot read /nowhere: No such file"),
        (&["--privkey-file", "/nowhere", "call", "a"], "cannot read /nowhere: No such file"),
        (&["--secret-file", "/dev/null", "call", "a"], "the first line of /dev/null is empty"),
        (&["-p", "x", "call", "a"], "there is no profile file "),
        (&["call", "a", "--args", "5"], "--args must be a JSON list: "),
        (&["call", "a", "--kwargs", "{"], "--kwargs must be a JSON object: "),
        (
            &["call", "a", "--args", "-", "--kwargs", "-"],
            "only one of --args and --kwargs can be '-'",
        ),
        (
            &["call", "a", "b", "--args", "[]"],
            "the argument '[ARG]...' cannot be used with '--args <JSON>'",
        ),
        (&["call", "a", "-o", "timeout=x"], "option `timeout`: must be a whole number"),
        (
            &["call", "a", "-o", "time_out=1"],
            "option `time_out`: did you mean `timeout`? (--set strict_options=false",
        ),
        (&["call", "a", "-o", "timeout"], "--option timeout: must be name=value"),
        (
            &["call"],
            "the following required arguments were not provided: <URI>; 'wampcat call --help' tells more",
        ),
        (&["register", "a"], "the following required arguments were not provided: <COMMAND>"),
        (&["register", "a", "--", "no-such-command"], "there is no command 'no-such-command'"),
        (&["register", "a", "--", "./no-such-command"], "there is no command './no-such-command'"),
        (&["register", "a", "--jobs", "0", "--", "true"], "invalid value '0' for '--jobs <N>'"),
        (&["subscribe", "a", "--match", "regex"], "invalid value 'regex' for '--match <KIND>'"),
        (&["meta", "sesions"], "unrecognized subcommand 'sesions'; did you mean 'sessions'?"),
        (&["-q", "-v", "call", "a"], "the argument '--quiet' cannot be used with '--verbose...'"),
    ] {
        let words = scene.run(arguments).bad(2);
        assert!(words.starts_with(sentence), "{arguments:?}: {words}");
    }
    let ended = scene.run(&["-j", "call", "a b"]);
    assert_eq!(ended.status, 2);
    let wanted = "{\"status\":2,\"message\":\"a b: a URI contains neither white space nor '#'\"}\n";
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", wanted));
}

#[test]
fn of_the_environment() {
    let scene = Scene::new();
    for (variable, value, sentence) in [
        ("WAMPCAT_URL", "nonsense", "option `url`: "),
        ("WAMPCAT_TIMEOUT", "x", "invalid value 'x' for '--timeout <SECONDS>'"),
        ("WAMPCAT_PRIVKEY", "x", "option `privkey`: "),
        ("WAMPCAT_PROFILE", "x", "there is no profile file "),
        (
            "WAMPCAT_PROFILES",
            "/dev/null",
            "profile file /dev/null: not a JSON object of profiles: ",
        ),
        ("WAMPCAT_CA", "/nowhere", "option `tlsConfiguration`: `ca`: "),
    ] {
        let mut command = scene.command(&["call", "a"]);
        if variable == "WAMPCAT_CA" {
            command.env("WAMPCAT_URL", "wss://127.0.0.1:1/");
        }
        let words = Ended::new(command.env(variable, value).output().unwrap()).bad(2);
        assert!(words.starts_with(sentence), "{variable}: {words}");
    }
}

#[test]
fn no_router_there() {
    let scene = Scene::new();
    let port = scene.url.rsplit_once(':').unwrap().1.trim_end_matches("/ws");
    for (url, sentence) in [
        ("ws://127.0.0.1:1/".to_owned(), "cannot reach ws://127.0.0.1:1/: "),
        (format!("wss://127.0.0.1:{port}/ws"), "wss://127.0.0.1:"),
        (format!("rs://127.0.0.1:{port}"), "rs://127.0.0.1:"),
        (format!("ws://127.0.0.1:{port}/nope"), "ws://127.0.0.1:"),
        ("ws+unix:///nowhere/x.sock".to_owned(), "cannot reach "),
        ("ws://name.invalid/".to_owned(), "cannot reach ws://name.invalid/: "),
    ] {
        let words = scene.run(&["-u", &url, "call", "a"]).bad(3);
        assert!(words.starts_with(sentence), "{url}: {words}");
    }
    // Somebody who accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    let words = scene.run(&["-u", &url, "-t", "0.3", "call", "a"]).bad(3);
    assert!(words.contains("opened no session within 0.3 s"), "{words}");
}
