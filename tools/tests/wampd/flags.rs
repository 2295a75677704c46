//! The options that say where it listens, who may join and what is logged.

use std::fs;

use serde_json::Value;

use crate::daemon::{Daemon, ended, file, scratch, wampd};
use crate::wire::{Client, connect, fetch, upgrade};

#[test]
fn alone_it_is_a_router_for_development() {
    let daemon = Daemon::start(&["--port", "0"]);
    let url = daemon.url();
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/ws"), "{url}");
    assert_eq!(upgrade(&url, ""), "HTTP/1.1 101 Switching Protocols");
    // Whoever looks there with a browser is told what it is.
    assert_eq!(fetch(&url, "/", "").1, "This is wampd, a WAMP router: WebSocket only.\n");
    assert!(fetch(&url, "/ws", "").0.starts_with("HTTP/1.1 426"));
    assert!(fetch(&url, "/other", "").0.starts_with("HTTP/1.1 404"));
    let said = daemon.output();
    assert!(said.contains("router for development"), "{said}");
    assert!(said.contains("may join any realm, without a\nlogin"), "{said}");
    assert_eq!(daemon.end(), Some(0));
}

/// The port that a newcomer gets; another program may have it here.
#[test]
fn the_usual_url_is_the_one_that_is_told() {
    let mut daemon = Daemon::spawn(&mut wampd());
    let taken = "cannot listen on ws://127.0.0.1:8080/ws: ";
    daemon.wait_for(|daemon| {
        daemon.output().contains("ws://127.0.0.1:8080/ws") || daemon.log().contains(taken)
    });
    if daemon.log().contains(taken) {
        assert_eq!(daemon.wait().code(), Some(1));
    }
}

#[test]
fn every_transport_is_listened_at() {
    let directory = scratch("transports");
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = file(&directory, "cert.pem", &certificate.cert.pem());
    let key = file(&directory, "key.pem", &certificate.signing_key.serialize_pem());
    // A short path, as the system wants it.
    let socket = std::env::temp_dir().join(format!("wampd-{}.sock", std::process::id()));
    let unix = format!("rs+unix://{}", socket.display());
    let mut arguments = vec!["--tls-cert", &cert, "--tls-key", &key];
    let urls = [
        "ws://127.0.0.1:0/ws",
        "wss://127.0.0.1:0/ws",
        "rs://127.0.0.1:0",
        "rss://127.0.0.1:0",
        "http://127.0.0.1:0/lp",
        "https://127.0.0.1:0/lp",
        &unix,
    ];
    urls.iter().for_each(|url| arguments.extend(["--listen", url]));
    let daemon = Daemon::start(&arguments);
    let got = daemon.urls();
    assert_eq!(got.len(), urls.len());
    for (got, asked) in got.iter().zip(urls) {
        assert_eq!(got.split(':').next(), asked.split(':').next());
    }
    assert_eq!(upgrade(&got[0], ""), "HTTP/1.1 101 Switching Protocols");
    assert!(Client::join(&got[2], "realm1").is_ok());
    assert!(Client::join(&got[6], "realm1").is_ok());
    let (head, _) = fetch(&got[4], "/lp/open", "");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    assert_eq!(daemon.end(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn only_the_realms_that_are_named_are_there() {
    let daemon = Daemon::start(&["-l", "rs://127.0.0.1:0", "-r", "one", "--realm", "two"]);
    assert!(Client::join(&daemon.url(), "one").is_ok());
    assert!(Client::join(&daemon.url(), "two").is_ok());
    let refused = Client::join(&daemon.url(), "three").err().unwrap();
    assert!(refused.contains("wamp.error.no_such_realm"), "{refused}");
}

#[test]
fn a_file_says_all_that_options_can() {
    let directory = scratch("config");
    fs::create_dir(directory.join("www")).unwrap();
    file(&directory.join("www"), "index.html", "hello");
    let www = directory.join("www");
    let config = serde_json::json!({
        "realms": ["realm1"],
        "auth": {"ticket": {"joe": {"ticket": "secret"}}},
        "wampd": {
            "listen": ["rs://0.0.0.0:0", "ws://127.0.0.1:0/ws"],
            "metrics": "http://127.0.0.1:0",
            "static": {"/": www},
            "drain": 0.5,
        },
    });
    let config = file(&directory, "wampd.json", &config.to_string());
    let daemon = Daemon::start(&["--config", &config]);
    let urls = daemon.urls();
    assert!(urls[3].starts_with("http://127.0.0.1:") && urls[3].ends_with("/metrics"), "{urls:?}");
    assert!(urls[0].starts_with("rs://0.0.0.0:"), "{urls:?}");
    assert_eq!(fetch(&urls[1], "/", "").1, "hello");
    let local = urls[0].replace("0.0.0.0", "127.0.0.1");
    let refused = Client::join(&local, "realm1").err().unwrap();
    assert!(refused.contains("wamp.error."), "{refused}");
    // Whoever has to log in need not be told that it is open.
    assert!(!daemon.output().contains("development"));
}

#[test]
fn options_count_more_than_the_file() {
    let directory = scratch("both");
    let config = r#"{"realms": ["one"], "wampd": {"listen": ["ws://127.0.0.1:0/ws"]}}"#;
    let config = file(&directory, "wampd.json", config);
    let daemon = Daemon::start(&["-c", &config, "-l", "rs://127.0.0.1:0", "-r", "two"]);
    assert_eq!(daemon.urls().len(), 1);
    assert!(Client::join(&daemon.url(), "two").is_ok());
    assert!(Client::join(&daemon.url(), "one").is_err());
}

#[test]
fn other_machines_are_let_in_only_where_that_is_meant() {
    let everywhere = ["--listen", "rs://0.0.0.0:0"];
    let (status, _, told) = ended(&everywhere);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("rs://0.0.0.0:0 can be reached from other machines"), "{told}");
    assert!(told.contains("--open"), "{told}");

    let daemon = Daemon::start(&["--listen", "rs://0.0.0.0:0", "--open"]);
    assert!(daemon.output().contains("everybody may join any realm"));

    let directory = scratch("exposed");
    let check = |name: &str, config: &str| {
        let config = file(&directory, name, config);
        ended(&["-l", "rs://0.0.0.0:0", "-c", &config, "--check"]).0
    };
    let all = r#"{"call": true, "register": true, "publish": true, "subscribe": true}"#;
    let open = format!(
        r#"{{"roles": {{"anonymous": [{{"uri": "", "match": "prefix", "allow": {all}}}]}}}}"#
    );
    assert_eq!(check("all.json", &open), Some(2));
    let auth = r#"{"auth": {"anonymous": {"role": "guest"}}}"#;
    assert_eq!(check("guests.json", auth), Some(2));
    let some = open.replace("\"register\": true", "\"register\": false");
    assert_eq!(check("some.json", &some), Some(0));
    let login = r#"{"auth": {"ticket": {"joe": {"ticket": "secret"}}}}"#;
    assert_eq!(check("login.json", login), Some(0));
    assert_eq!(check("meant.json", r#"{"wampd": {"open": true}}"#), Some(0));
}

#[test]
fn the_log_is_text_or_objects() {
    let daemon = Daemon::start(&["-l", "rs://127.0.0.1:0"]);
    let _client = Client::join(&daemon.url(), "realm1").unwrap();
    daemon.wait_logged(" info  joined session=");

    let mut command = wampd();
    let daemon = Daemon::spawn(command.args(["-l", "rs://127.0.0.1:0", "--log", "json"]));
    daemon.wait_logged("listening");
    let log = daemon.log();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["level"]), (&"listening".into(), &"info".into()));
    let _client = Client::join(line["url"].as_str().unwrap(), "realm1").unwrap();
    daemon.wait_logged("joined");
    let log = daemon.log();
    let lines = log.lines().map(serde_json::from_str::<Value>);
    assert!(lines.map(Result::unwrap).any(|line| line["event"] == "joined"));
    // Programs are not greeted.
    assert_eq!(daemon.output(), "");

    let daemon = Daemon::start(&["-l", "rs://127.0.0.1:0", "--log-level", "error"]);
    let _client = Client::join(&daemon.url(), "realm1").unwrap();
    let mut daemon = daemon;
    daemon.signal("TERM");
    daemon.wait();
    assert_eq!(daemon.log(), "");
}

#[test]
fn help_and_version_are_told() {
    for (argument, wanted) in [
        ("--help", "Usage: wampd [OPTIONS]"),
        ("-h", "Examples:"),
        ("--version", concat!("wampd ", env!("CARGO_PKG_VERSION"))),
    ] {
        let (status, said, told) = ended(&[argument]);
        assert_eq!((status, told.as_str()), (Some(0), ""), "{argument}");
        assert!(said.contains(wanted), "{said}");
    }
}

/// Each option is in the manual page and in what a shell completes.
#[test]
fn pages_have_every_option() {
    let (_, help, _) = ended(&["--help"]);
    let words = help.split_whitespace().filter(|word| word.starts_with("--"));
    let options: Vec<_> =
        words.map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric())).collect();
    assert!(options.len() > 10, "{help}");
    for page in ["man", "bash", "zsh", "fish"] {
        let (status, text, _) = ended(&["--page", page]);
        assert_eq!(status, Some(0));
        let text = text.replace("\\-", "-");
        for option in &options {
            let name = option.trim_start_matches('-');
            assert!(text.contains(name), "{page} lacks {option}");
        }
    }
}

#[test]
fn a_check_starts_nothing() {
    let (status, said, told) = ended(&["--check"]);
    assert_eq!((status, told.as_str()), (Some(0), ""));
    assert_eq!(said, "the configuration is good\n");
}

/// One that listens, under a limit as the shell sets it.
fn limited(limit: &str) -> Daemon {
    let mut command = std::process::Command::new("sh");
    let script = format!(r#"ulimit {limit} && exec "$0" "$@""#);
    command.args(["-c", &script, env!("CARGO_BIN_EXE_wampd"), "-l", "rs://127.0.0.1:0"]);
    command.env_remove("JOURNAL_STREAM");
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_for(|daemon| daemon.output().contains("Ctrl-C ends it"));
    daemon
}

/// Shells allow 1024 descriptors, and the system more.
#[test]
fn it_takes_as_many_descriptors_as_there_are() {
    let daemon = limited("-Sn 40");
    let url = daemon.url();
    let clients: Vec<_> = (0..100).map(|_| Client::join(&url, "realm1").unwrap()).collect();
    assert_eq!(clients.len(), 100);
}

/// Whoever runs it learns why nobody comes in, and they do once others have gone.
#[test]
fn a_lack_of_descriptors_is_told() {
    let daemon = limited("-n 40");
    let (url, advice) = (daemon.url(), "allow it more open files, or lower max_connections");
    let clients: Vec<_> = (0..40).map(|_| connect(&url)).collect();
    daemon.wait_logged("clients not accepted");
    daemon.wait_logged(advice);
    drop(clients);
    Client::join(&url, "realm1").unwrap();
    assert_eq!(daemon.log().matches(advice).count(), 1, "{}", daemon.log());
}
