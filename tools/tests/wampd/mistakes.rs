//! Mistakes: each is told in one sentence on standard error, with an exit status.

use std::net::TcpListener;

use crate::daemon::{ended, file, scratch};

fn refused(arguments: &[&str], status: i32, wanted: &[&str]) {
    let (ended, said, told) = ended(arguments);
    assert_eq!(ended, Some(status), "{arguments:?}: {told}");
    assert_eq!(said, "", "{arguments:?}");
    assert!(told.starts_with("wampd: "), "{arguments:?}: {told}");
    assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
    for wanted in wanted {
        assert!(told.contains(wanted), "{arguments:?}: no \"{wanted}\" in: {told}");
    }
    assert!(!told.contains("panicked") && !told.contains("RUST_BACKTRACE"), "{told}");
}

#[test]
fn of_the_command_line() {
    refused(&["--lisen", "x"], 2, &["'--lisen'", "did you mean '--listen'?"]);
    refused(&["--listen"], 2, &["a value is required"]);
    refused(&["--port", "70000"], 2, &["70000", "at most 65535"]);
    refused(&["--drain", "soon"], 2, &["soon", "a number of seconds"]);
    refused(&["--port", "1", "--listen", "ws://h"], 2, &["cannot be used with"]);
    refused(&["more"], 2, &["'more'"]);
    refused(&["--log", "xml"], 2, &["'xml'"]);
    refused(&["--drain", "-1"], 2, &[]);
    refused(&["--drain", "1e9"], 2, &["86400"]);
    refused(&["--tls-cert", "x"], 2, &["--tls-key"]);
}

#[test]
fn of_urls() {
    refused(&["-l", "8080"], 2, &["\"8080\""]);
    refused(&["-l", "ftp://127.0.0.1"], 2, &["\"ftp\"", "ws://"]);
    refused(&["-l", "ws://127.0.0.1:0/ws?a=b"], 2, &["'?'"]);
    refused(&["-l", "ws://127.0.0.1:0/ws?a=b", "--check"], 2, &["'?'"]);
    refused(&["-l", "ws://no-such-host.invalid:1/ws"], 1, &["no-such-host.invalid"]);
    refused(&["-l", "wss://127.0.0.1:0/ws"], 2, &["--tls-cert"]);
    refused(&["-m", "ws://127.0.0.1:1"], 2, &["http://HOST:PORT"]);
    let nowhere = "rs+unix:///no/such/directory/s.sock";
    refused(&["-l", nowhere], 1, &["No such file", "is the directory there?"]);
}

#[test]
fn of_addresses_that_this_machine_has_not() {
    // Kept for documentation, so that nobody has it.
    let advice = ["IPv6", "0.0.0.0 or 127.0.0.1"];
    refused(&["--open", "-l", "ws://[2001:db8::1]:0/ws"], 1, &advice);
    let long = format!("rs+unix:///tmp/{}.sock", "\u{fc}".repeat(60));
    let advice = ["130 bytes", "at most 107", "choose a shorter one"];
    refused(&["-l", &long], 1, &advice);
}

#[test]
fn of_ports() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    refused(&["--port", &port.to_string()], 1, &["in use", &format!(":{port}/ws")]);
    let metrics = format!("http://127.0.0.1:{port}");
    refused(&["--port", "0", "--metrics", &metrics], 1, &["in use", &metrics]);
}

#[test]
fn of_the_configuration() {
    let directory = scratch("mistakes");
    let config = |name: &str, text: &str, wanted: &[&str]| {
        let path = file(&directory, name, text);
        let wanted = [&[name][..], wanted].concat();
        refused(&["--config", &path], 2, &wanted);
        refused(&["--config", &path, "--check"], 2, &wanted);
    };
    config("json.json", "{\n  \"realms\": [,]\n}", &["not a JSON object", "line 2 column 14"]);
    config("list.json", "[]", &["not a JSON object"]);
    config("key.json", r#"{"relms": []}"#, &["\"relms\": unknown; did you mean \"realms\"?"]);
    config("deep.json", r#"{"auth": {"tickt": {}}}"#, &["\"auth\".\"tickt\"", "\"ticket\""]);
    config("type.json", r#"{"hello_timeout": "10"}"#, &["\"hello_timeout\""]);
    config("own.json", r#"{"wampd": {"lisen": []}}"#, &["\"wampd\".\"lisen\"", "\"listen\""]);
    config(
        "urls.json",
        r#"{"wampd": {"listen": "ws://h"}}"#,
        &["\"wampd\".\"listen\": must be a list"],
    );
    config("open.json", r#"{"wampd": {"open": 1}}"#, &["true or false"]);
    config("object.json", r#"{"wampd": 5}"#, &["\"wampd\": must be an object"]);
    refused(&["--config", "/no/such/file"], 2, &["cannot read /no/such/file", "No such file"]);
    refused(&["--config", directory.to_str().unwrap()], 2, &["cannot read"]);
}

#[test]
fn of_certificates() {
    let directory = scratch("certificates");
    let bad = file(&directory, "bad.pem", "no certificate\n");
    let tls = ["-l", "wss://127.0.0.1:0/ws", "--tls-cert", &bad, "--tls-key", &bad];
    refused(&tls, 2, &["\"tls\"", "cert"]);
    let tls = ["-l", "wss://127.0.0.1:0/ws", "--tls-cert", "/none.pem", "--tls-key", &bad];
    refused(&tls, 2, &["cannot read /none.pem"]);
}

#[test]
fn of_static_files() {
    refused(&["--static", "/no/such/directory"], 2, &["/no/such/directory"]);
    let directory = scratch("static-mistakes");
    let plain = file(&directory, "plain", "");
    refused(&["--static", &plain], 2, &["no directory"]);
    let hidden = format!("/../x={}", directory.display());
    refused(&["--static", &hidden], 2, &["/../x"]);
}
