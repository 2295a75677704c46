//! Signals: reloading, draining, and an end without it; and a reader that goes.

use std::process::Stdio;
use std::time::Duration;

use crate::daemon::{Daemon, LIMIT, file, scratch, wampd};
use crate::wire::{Client, connect, until};

#[test]
fn hangup_reads_the_configuration_again() {
    let directory = scratch("reload");
    let config = file(&directory, "wampd.json", r#"{"realms": ["one"]}"#);
    let daemon = Daemon::start(&["-l", "rs://127.0.0.1:0", "-c", &config]);
    let url = daemon.url();
    let mut client = Client::join(&url, "one").unwrap();
    assert!(Client::join(&url, "two").is_err());

    file(&directory, "wampd.json", r#"{"realms": ["one", "two"]}"#);
    daemon.signal("HUP");
    daemon.wait_logged(" reloaded");
    assert!(Client::join(&url, "two").is_ok());

    // A mistake changes nothing, and is told.
    file(&directory, "wampd.json", r#"{"relms": ["one"]}"#);
    daemon.signal("HUP");
    daemon.wait_logged("not reloaded: ");
    assert!(daemon.log().contains("\"relms\": unknown; did you mean \"realms\"?"));
    assert!(Client::join(&url, "two").is_ok());

    file(
        &directory,
        "wampd.json",
        r#"{"realms": ["two"], "wampd": {"metrics": "http://127.0.0.1:0"}}"#,
    );
    daemon.signal("HUP");
    let goodbye = client.receive().unwrap();
    assert!(goodbye.contains("wamp.close.close_realm"), "{goodbye}");
    daemon.wait_logged("reloaded in part");

    let text = r#"{"realms": ["two"], "log_format": "json"}"#;
    file(&directory, "wampd.json", text);
    daemon.signal("HUP");
    let _client = {
        daemon.wait_logged("\"reloaded\"");
        Client::join(&url, "two").unwrap()
    };
    daemon.wait_logged("\"event\":\"joined\"");
    assert_eq!(daemon.end(), Some(0));
}

/// A configuration that is refused at the start is refused later, too.
#[test]
fn hangup_opens_nothing_by_mistake() {
    let directory = scratch("reload-open");
    let closed = r#"{"auth": {"ticket": {"joe": {"ticket": "secret"}}}}"#;
    let config = file(&directory, "wampd.json", closed);
    let daemon = Daemon::start(&["-l", "rs://0.0.0.0:0", "-c", &config]);
    file(&directory, "wampd.json", "{}");
    daemon.signal("HUP");
    daemon.wait_logged("can be reached from other machines");
    let url = daemon.url().replace("0.0.0.0", "127.0.0.1");
    assert!(Client::join(&url, "realm1").is_err());
}

#[test]
fn it_says_goodbye_and_waits_for_the_answers() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(&["-l", "rs://127.0.0.1:0"]);
        let mut client = Client::join(&daemon.url(), "realm1").unwrap();
        daemon.signal(signal);
        let goodbye = client.receive().unwrap();
        assert!(goodbye.contains("wamp.close.system_shutdown"), "{goodbye}");
        client.send(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
        drop(client);
        assert_eq!(daemon.wait().code(), Some(0));
        assert!(!daemon.log().contains("cut off"), "{}", daemon.log());
    }
}

#[test]
fn whoever_does_not_answer_is_cut_off() {
    let mut daemon = Daemon::start(&["-l", "rs://127.0.0.1:0", "--drain", "0.2"]);
    let mut client = Client::join(&daemon.url(), "realm1").unwrap();
    daemon.signal("TERM");
    assert!(client.receive().unwrap().contains("wamp.close.system_shutdown"));
    assert_eq!(client.receive(), None);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(daemon.log().contains("cut off"), "{}", daemon.log());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut daemon = Daemon::start(&["-l", "rs://127.0.0.1:0", "--drain", "3600"]);
    let mut client = Client::join(&daemon.url(), "realm1").unwrap();
    daemon.signal("INT");
    assert!(client.receive().unwrap().contains("wamp.close.system_shutdown"));
    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.log().contains("wampd: ended at once"), "{}", daemon.log());
}

/// Nobody reads what it says: that is no reason to end, or to complain.
#[test]
fn outputs_that_are_closed_do_no_harm() {
    let directory = scratch("closed");
    let socket = directory.join("s");
    // The test's own directory may be too long for the system.
    let socket = match socket.as_os_str().len() {
        0..90 => socket,
        _ => std::env::temp_dir().join(format!("wampd-closed-{}", std::process::id())),
    };
    let url = format!("rs+unix://{}", socket.display());
    let mut command = wampd();
    command.args(["-l", &url, "-m", "http://127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    until(LIMIT, || socket.exists());
    let mut client = Client::join(&url, "realm1").unwrap();
    let status = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(status.unwrap().success());
    assert!(client.receive().unwrap().contains("wamp.close.system_shutdown"));
    client.send(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
    drop(client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_port_is_free_again_at_once() {
    let daemon = Daemon::start(&["--port", "0"]);
    let url = daemon.url();
    let open = connect(&url);
    assert_eq!(daemon.end(), Some(0));
    drop(open);
    let again = Daemon::start(&["--listen", &url]);
    assert_eq!(again.url(), url);
    until(Duration::from_secs(60), || connect(&url).peer_addr().is_ok());
}
