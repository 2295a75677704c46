//! What the environment asks for: WAMP_LOG and WAMP_TRACE. Without them nothing is written.

mod support;

use std::process::Command;

use support::{compile, good, scratch, source};

#[test]
fn the_environment_opens_the_log() {
    let program = scratch("environment").join("quickstart");
    compile(&source("examples-c/quickstart.c"), &program);
    let says = |name: &str, value: &str| {
        let mut command = Command::new(&program);
        command.env_remove("WAMP_LOG").env_remove("WAMP_TRACE").env(name, value);
        good(&mut command)
    };

    let silent = says("WAMP_LOG", "off");
    let traced = says("WAMP_TRACE", "1");
    for message in ["[1,\"realm1\",", "[2,", "[48,", "[50,", "[6,"] {
        assert!(traced.contains(message), "no {message} in\n{traced}");
        assert!(!silent.contains(message), "{silent}");
    }
    let logged = says("WAMP_LOG", "info");
    assert!(logged.lines().count() > silent.lines().count(), "nothing in the log:\n{logged}");
    assert!(!logged.contains("[48,"), "{logged}");
}
