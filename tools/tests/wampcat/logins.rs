//! Logins, and where secrets come from; TLS; transports.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::scene::{Ended, Scene};

const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn guarded() -> Scene {
    let config = json!({
        "auth": {
            "ticket": {"joe": {"ticket": "t i c k e t"}},
            "wampcra": {"ann": {"secret": "s e c r e t"}},
            "scram": {"sue": {"password": "s e c r e t", "iterations": 4096}},
            "wamp-scram": {"sam": {"password": "s e c r e t", "iterations": 4096}},
            "cryptosign": {"key": {"pubkey": PUBLIC}},
            "failure_delay": {"first": 0.001, "most": 0.001},
        }
    });
    Scene::with(&config.to_string(), "ws://127.0.0.1:0/ws")
}

fn with(scene: &Scene, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = scene.command(&[arguments, &["call", "wamp.session.count"]].concat());
    command.envs(variables.iter().copied());
    Ended::new(command.output().unwrap())
}

#[test]
fn each_login_from_the_environment_and_from_files() {
    let scene = guarded();
    let ticket = scene.secret("ticket", "t i c k e t\n");
    let secret = scene.secret("secret", "s e c r e t");
    let key = scene.secret("key", SEED);
    for (method, authid, variable, value, option, file) in [
        ("ticket", "joe", "WAMPCAT_TICKET", "t i c k e t", "--ticket-file", &ticket),
        ("wampcra", "ann", "WAMPCAT_SECRET", "s e c r e t", "--secret-file", &secret),
        ("scram", "sue", "WAMPCAT_SECRET", "s e c r e t", "--secret-file", &secret),
        ("wamp-scram", "sam", "WAMPCAT_SECRET", "s e c r e t", "--secret-file", &secret),
        ("cryptosign", "key", "WAMPCAT_PRIVKEY", SEED, "--privkey-file", &key),
    ] {
        let method = ["--authmethod", method, "--authid", authid];
        assert_eq!(with(&scene, &[(variable, value)], &method).good(), "1\n", "{method:?}");
        let file = [&method[..], &[option, file]].concat();
        assert_eq!(with(&scene, &[], &file).good(), "1\n", "{file:?}");
        // What is on the command line counts more than what is in the environment.
        assert_eq!(with(&scene, &[(variable, "wrong")], &file).good(), "1\n", "{file:?}");
        let words = with(&scene, &[(variable, &"0".repeat(64))], &method).bad(4);
        assert!(words.starts_with("the router refused the session: wamp.error."), "{words}");
    }
    let words = with(&scene, &[("WAMPCAT_TICKET", "t i c k e t")], &["--anonymous"]).bad(4);
    assert!(words.contains("no_matching_auth_method"), "{words}");
}

#[test]
fn secrets_are_never_shown() {
    let scene = guarded();
    for (method, authid, variable, value) in [
        ("ticket", "joe", "WAMPCAT_TICKET", "t i c k e t"),
        ("wampcra", "ann", "WAMPCAT_SECRET", "s e c r e t"),
        ("cryptosign", "key", "WAMPCAT_PRIVKEY", SEED),
    ] {
        let login = ["-vv", "--trace", "--authmethod", method, "--authid", authid];
        let extra = ["--authextra", "{\"token\": \"h u s h\"}"];
        let login = [&login[..], &extra].concat();
        let ended = with(&scene, &[(variable, value)], &login);
        assert!(
            ended.err.contains("AUTHENTICATE") && ended.err.contains("WELCOME"),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("[5,\"***\",{}]"), "{}", ended.err);
        for secret in [value, "h u s h"] {
            assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{}", ended.err);
        }
        assert_eq!(ended.good(), "1\n");
    }
}

#[test]
fn profiles() {
    let scene = guarded();
    let profiles = json!({
        "default": {"authid": "joe", "ticket": "t i c k e t", "authmethods": ["ticket"]},
        "ann": {"authid": "ann", "secret": "s e c r e t", "authmethods": ["wampcra"]},
        "odd": 5,
    });
    let file = scene.secret("wampcat/profiles.json", &profiles.to_string());
    assert_eq!(with(&scene, &[], &[]).good(), "1\n");
    assert_eq!(with(&scene, &[], &["-p", "ann"]).good(), "1\n");
    assert_eq!(with(&scene, &[("WAMPCAT_PROFILE", "ann")], &[]).good(), "1\n");
    assert_eq!(with(&scene, &[], &["-p", "ann", "--authid", "bob"]).status, 4);
    let words = with(&scene, &[], &["-p", "nan"]).bad(2);
    assert_eq!(words, format!("no profile 'nan' in {file}; there are: default, ann, odd"));
    let words = with(&scene, &[], &["-p", "odd"]).bad(2);
    assert_eq!(words, format!("profile file {file}: 'odd' must be a JSON object"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let words = with(&scene, &[], &[]).bad(2);
    let wanted =
        format!("profile file {file}: it holds secrets that others can read; chmod 600 {file}");
    assert_eq!(words, wanted);
    // Without secrets it may be read by everybody.
    let scene = Scene::new();
    let file = scene.secret("wampcat/profiles.json", "{\"default\": {\"realm\": \"realm7\"}}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let joined = with(&scene, &[], &["-v"]);
    assert!(joined.err.starts_with("joined realm7 on ws://"), "{}", joined.err);
    scene.secret("wampcat/profiles.json", "{");
    let words = with(&scene, &[], &[]).bad(2);
    assert!(words.contains("not a JSON object of profiles: EOF"), "{words}");
    let other = scene.secret("other.json", "{\"x\": {\"realm\": \"realm8\"}}");
    let joined = with(&scene, &[("WAMPCAT_PROFILES", &other)], &["-v", "-p", "x"]);
    assert!(joined.err.starts_with("joined realm8 on ws://"), "{}", joined.err);
}

#[test]
fn tls_and_its_refusals() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let config = json!({"tls": {"cert": certificate, "key": key}});
    let scene = Scene::with(&config.to_string(), "wss://127.0.0.1:0/ws");
    let ca = scene.secret("ca.pem", &certificate);
    let name = ["--server-name", "localhost"];
    assert_eq!(with(&scene, &[], &[&["--ca", &ca][..], &name].concat()).good(), "1\n");
    assert_eq!(with(&scene, &[("WAMPCAT_CA", &ca)], &name).good(), "1\n");
    assert_eq!(with(&scene, &[], &["--no-verify"]).good(), "1\n");
    let words = with(&scene, &[], &name).bad(3);
    assert!(words.contains("certificate"), "{words}");
    let words = with(&scene, &[], &["--ca", &ca]).bad(3);
    assert!(words.contains("127.0.0.1"), "{words}");
    let words = with(&scene, &[], &["--ca", "/nowhere"]).bad(2);
    assert!(words.contains("cannot read the file \"/nowhere\""), "{words}");
}

#[test]
fn each_transport_and_serializer() {
    for (url, protocol) in [
        ("ws://127.0.0.1:0/ws", "wamp.2."),
        ("rs://127.0.0.1:0", "wamp.2."),
        ("http://127.0.0.1:0/lp", "wamp.2."),
        ("ws+unix://DIRECTORY/ws.sock:/ws", "wamp.2."),
        ("rs+unix://DIRECTORY/rs.sock", "wamp.2."),
    ] {
        let scene = Scene::with("{}", url);
        for serializer in ["json", "msgpack", "cbor"] {
            let ended = with(&scene, &[], &["-v", "--serializer", serializer]);
            let protocol = format!("{protocol}{serializer}");
            assert!(ended.err.contains(&protocol), "{url} {}", ended.err);
            assert_eq!(ended.good(), "1\n");
        }
    }
}

#[test]
fn what_else_a_connection_can_have() {
    let scene = Scene::new();
    let more = [
        ["--compress", "--proxy", "none", "--min-tls", "1.3"],
        ["--header", "X-Greeting: hello", "--set", "autoping_interval=5", "--compress"],
    ];
    for options in more {
        assert_eq!(with(&scene, &[], &options).good(), "1\n", "{options:?}");
    }
    let words = with(&scene, &[], &["--proxy", "http://127.0.0.1:1"]).bad(3);
    assert!(words.contains("proxy"), "{words}");
}
