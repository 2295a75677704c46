//! The configuration's `listeners`: where it listens, on which terms, and what a reload does.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};

use crate::daemon::{Daemon, ended, file, scratch};
use crate::wire::{Client, upgrade};

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols";

/// Guests, who may do everything, and a user with a ticket.
fn users() -> Value {
    json!({"ticket": {"joe": {"ticket": "secret"}}, "anonymous": {"role": "guest"}})
}

/// The URL of a Unix socket that is not there yet, with a path that is short enough.
fn local(name: &str) -> String {
    let name = format!("wampd-{name}-{}.sock", std::process::id());
    let place: PathBuf = env::temp_dir().join(name);
    let _ = fs::remove_file(&place);
    format!("rs+unix://{}", place.display())
}

/// A certificate for 127.0.0.1 in the key `tls`, and its PEM text.
fn tls() -> (Value, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = made.cert.pem();
    (json!({"cert": cert, "key": made.signing_key.serialize_pem()}), cert)
}

#[test]
fn each_listener_has_its_own_guests_and_users() {
    let directory = scratch("listeners");
    let config = json!({
        "auth": users(),
        "listeners": [
            {"url": "rs://127.0.0.1:0", "methods": ["anonymous"]},
            {"url": "rs://0.0.0.0:0", "methods": ["ticket"]},
        ],
    });
    let config = file(&directory, "wampd.json", &config.to_string());
    let (status, said, told) = ended(&["--check", "-c", &config]);
    assert_eq!((status, said.as_str()), (Some(0), "the configuration is good\n"), "{told}");
    let daemon = Daemon::start(&["-c", &config]);
    let urls = daemon.urls();
    assert_eq!(urls.len(), 2, "{urls:?}");
    assert!(urls[1].starts_with("rs://0.0.0.0:"), "{urls:?}");
    let open = format!("At {} each program of this machine may join", urls[0]);
    assert!(daemon.output().contains(&open), "{}", daemon.output());
    assert!(!daemon.output().contains("development"), "{}", daemon.output());
    let (guests, users) = (&urls[0], urls[1].replace("0.0.0.0", "127.0.0.1"));
    assert!(Client::join(guests, "realm1").is_ok());
    assert!(Client::log_in(guests, "realm1", "joe", "secret").is_err());
    assert!(Client::join(&users, "realm1").is_err());
    assert!(Client::log_in(&users, "realm1", "joe", "secret").is_ok());
    assert_eq!(daemon.end(), Some(0));
}

/// That another listener, or the whole router, lets strangers in does not matter.
#[test]
fn other_machines_are_judged_at_each_listener() {
    let directory = scratch("listeners-exposed");
    let (tls, cert) = tls();
    let with = |key: &str, value: &str| {
        let mut tls = tls.clone();
        tls["client_ca"] = cert.as_str().into();
        tls[key] = value.into();
        tls
    };
    let (needed, optional) = (with("client_cert", "required"), with("client_cert", "optional"));
    let guests = json!({"anonymous": {"role": "guest"}});
    let tickets = json!({"ticket": {"joe": {"ticket": "secret"}}});
    let [plain, secure] = ["rs://0.0.0.0:0", "rss://0.0.0.0:0"];
    for (index, (auth, listener, is_refused)) in [
        (users(), json!({"url": plain}), true),
        (users(), json!({"url": plain, "methods": ["ticket"]}), false),
        (users(), json!({"url": plain, "methods": ["ticket", "anonymous"]}), true),
        (users(), json!({"url": plain, "roles": ["user"]}), false),
        (users(), json!({"url": plain, "roles": ["guest"]}), true),
        (users(), json!({"url": plain, "auth": tickets}), false),
        (tickets.clone(), json!({"url": plain}), false),
        (tickets, json!({"url": plain, "auth": guests}), true),
        (users(), json!({"url": secure, "tls": tls}), true),
        (users(), json!({"url": secure, "tls": needed}), false),
        (users(), json!({"url": secure, "tls": optional}), true),
    ]
    .into_iter()
    .enumerate()
    {
        let url = listener["url"].as_str().unwrap();
        let refused = format!("wampd: {url} can be reached from other machines, and everybody");
        let listeners = json!([{"url": "rs://127.0.0.1:0"}, listener]);
        let config = json!({"auth": auth, "listeners": listeners}).to_string();
        let path = file(&directory, &format!("{index}.json"), &config);
        let (status, _, told) = ended(&["--check", "-c", &path]);
        assert_eq!(status, Some(if is_refused { 2 } else { 0 }), "{config}: {told}");
        assert_eq!(told.contains(&refused), is_refused, "{config}: {told}");
        if is_refused {
            let (status, said, told) = ended(&["-c", &path]);
            assert_eq!((status, said.as_str()), (Some(2), ""), "{config}");
            assert!(told.contains(&refused), "{told}");
        }
        let (status, _, _) = ended(&["--check", "--open", "-c", &path]);
        assert_eq!(status, Some(0), "{config}");
    }
}

#[test]
fn a_listener_has_its_own_certificate() {
    let directory = scratch("listeners-tls");
    let ((routers, routers_cert), (own, own_cert)) = (tls(), tls());
    let listeners = json!([
        {"url": "rss://127.0.0.1:0"},
        {"url": "wss://127.0.0.1:0/ws", "tls": own.clone()},
    ]);
    let config = json!({"tls": routers, "listeners": listeners});
    let config = file(&directory, "wampd.json", &config.to_string());
    let routers_cert = file(&directory, "router.pem", &routers_cert);
    let own_cert = file(&directory, "own.pem", &own_cert);
    let daemon = Daemon::start(&["-c", &config]);
    let urls = daemon.urls();
    for (url, cert, trusts) in [
        (&urls[0], &routers_cert, true),
        (&urls[0], &own_cert, false),
        (&urls[1], &routers_cert, false),
        (&urls[1], &own_cert, true),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wampcat"));
        command.args(["--url", url, "--ca", cert, "call", "wamp.session.count"]);
        let ended = command.output().unwrap();
        assert_eq!(ended.status.success(), trusts, "{url} {cert}: {ended:?}");
    }
    assert_eq!(daemon.end(), Some(0));

    // The router needs none where each listener has one.
    let listeners = json!([{"url": "wss://127.0.0.1:0/ws", "tls": own}]);
    let config = json!({"listeners": listeners}).to_string();
    let config = file(&directory, "own.json", &config);
    assert_eq!(ended(&["--check", "-c", &config]).0, Some(0));
    let named = ["--check", "-c", &config, "-l", "wss://127.0.0.1:0/ws"];
    assert_eq!(ended(&named).0, Some(0));
    let (status, _, told) = ended(&["--check", "-c", &config, "-l", "wss://127.0.0.1:0/other"]);
    assert_eq!(status, Some(2));
    assert!(told.contains("wss://127.0.0.1:0/other needs a certificate"), "{told}");
    let lacking = json!({"listeners": [{"url": "wss://127.0.0.1:0/ws"}]}).to_string();
    let lacking = file(&directory, "lacking.json", &lacking);
    let (status, _, told) = ended(&["--check", "-c", &lacking]);
    assert_eq!(status, Some(2));
    assert!(told.contains("lacking.json: \"listeners\"[0]: \"tls\" is missing"), "{told}");
}

#[test]
fn a_url_that_is_given_has_the_settings_of_its_entry() {
    let directory = scratch("listeners-named");
    let url = local("named");
    let listeners = json!([
        {"url": url, "methods": ["ticket"]},
        {"url": "ws://127.0.0.1:0/other"},
    ]);
    let config = json!({"auth": users(), "listeners": listeners});
    let path = file(&directory, "wampd.json", &config.to_string());
    let daemon = Daemon::start(&["-c", &path, "-l", &url]);
    assert_eq!(daemon.urls(), [url.as_str()]);
    assert!(Client::join(&url, "realm1").is_err());
    let mut joe = Client::log_in(&url, "realm1", "joe", "secret").unwrap();

    // It goes on without the entry, for all whom the router lets in.
    file(&directory, "wampd.json", &json!({"auth": users()}).to_string());
    daemon.signal("HUP");
    let goodbye = joe.receive().unwrap();
    assert!(goodbye.contains("wamp.close.system_shutdown"), "{goodbye}");
    daemon.wait_logged(&format!("listening url={url}"));
    assert!(Client::join(&url, "realm1").is_ok());

    // It is the only one, as before.
    file(&directory, "wampd.json", &config.to_string());
    daemon.signal("HUP");
    daemon.wait_for(|daemon| daemon.log().matches(" reloaded").count() == 2);
    assert!(Client::join(&url, "realm1").is_err());
    assert!(!daemon.log().contains("/other"), "{}", daemon.log());
    assert_eq!(daemon.end(), Some(0));
}

/// The URL of the listener with this path, once the log tells it.
fn logged(daemon: &Daemon, path: &str) -> String {
    let find = |daemon: &Daemon| {
        let log = daemon.log();
        let urls = log.lines().filter_map(|line| line.split_once(" listening url="));
        urls.map(|(_, url)| url.to_owned()).find(|url| url.ends_with(path))
    };
    daemon.wait_for(|daemon| find(daemon).is_some());
    find(daemon).unwrap()
}

#[test]
fn hangup_opens_and_closes_listeners() {
    let directory = scratch("listeners-reload");
    let going = local("going");
    let write = |urls: &[&str]| {
        let listeners: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
        file(&directory, "wampd.json", &json!({"listeners": listeners}).to_string())
    };
    let config = write(&[&going, "ws://127.0.0.1:0/stays"]);
    let daemon = Daemon::start(&["-c", &config]);
    let mut client = Client::join(&going, "realm1").unwrap();
    let stays = daemon.urls().remove(1);

    write(&["ws://127.0.0.1:0/stays", "ws://127.0.0.1:0/comes"]);
    daemon.signal("HUP");
    let goodbye = client.receive().unwrap();
    assert!(goodbye.contains("wamp.close.system_shutdown"), "{goodbye}");
    let comes = logged(&daemon, "/comes");
    assert_eq!((upgrade(&stays, ""), upgrade(&comes, "")), (SWITCHED.into(), SWITCHED.into()));
    daemon.wait_logged(&format!("listener closed url={going}"));
    assert!(!PathBuf::from(going.trim_start_matches("rs+unix://")).exists());

    // What would have been refused at the start changes nothing.
    write(&["ws://0.0.0.0:0/exposed", "ws://127.0.0.1:0/comes"]);
    daemon.signal("HUP");
    daemon.wait_logged("not reloaded: ws://0.0.0.0:0/exposed can be reached");
    assert_eq!((upgrade(&stays, ""), upgrade(&comes, "")), (SWITCHED.into(), SWITCHED.into()));

    // One that cannot be opened does not keep the others from it, and is tried again.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let late = format!("ws://{}/late", taken.local_addr().unwrap());
    write(&[&late, "ws://127.0.0.1:0/comes", "ws://127.0.0.1:0/also"]);
    daemon.signal("HUP");
    daemon.wait_logged(&format!("reloaded in part: cannot listen on {late}: "));
    assert_eq!(upgrade(&logged(&daemon, "/also"), ""), SWITCHED);
    drop(taken);
    daemon.signal("HUP");
    assert_eq!(logged(&daemon, "/late"), late);
    assert_eq!(upgrade(&late, ""), SWITCHED);
    assert_eq!(upgrade(&comes, ""), SWITCHED);
    let log = daemon.log();
    assert_eq!(log.matches("/comes").count(), 1, "{log}");
    assert!(log.contains(&format!("listener closed url={stays}")), "{log}");

    // Without any it is where it would be if it were started so; another program may be there.
    write(&[]);
    daemon.signal("HUP");
    daemon.wait_for(|daemon| daemon.log().contains("ws://127.0.0.1:8080/ws"));
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_listener_that_is_named_elsewhere_stays_until_the_end() {
    let directory = scratch("listeners-left");
    let own = json!({"wampd": {"listen": ["ws://127.0.0.1:0/own"]}});
    let config = file(&directory, "wampd.json", &own.to_string());
    let daemon = Daemon::start(&["-c", &config]);
    let own = daemon.url();
    let listed = json!({"listeners": [{"url": "ws://127.0.0.1:0/listed"}]});
    file(&directory, "wampd.json", &listed.to_string());
    daemon.signal("HUP");
    assert_eq!(upgrade(&logged(&daemon, "/listed"), ""), SWITCHED);
    daemon.wait_logged(&format!("reloaded in part: it listens at {own} until it ends"));
    assert_eq!(upgrade(&own, ""), SWITCHED);
    assert_eq!(daemon.end(), Some(0));
}
