//! systemd: readiness, its watchdog, sockets that it hands over, and the units.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::daemon::{Daemon, LIMIT, ended, file, scratch, wampd};
use crate::wire::{Client, upgrade};

/// The place of a socket whose name is short enough.
fn place(name: &str) -> PathBuf {
    let place = env::temp_dir().join(format!("wampd-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&place);
    place
}

struct Manager(UnixDatagram);

impl Manager {
    fn next(&self) -> String {
        self.0.set_read_timeout(Some(LIMIT)).unwrap();
        let mut news = [0; 1000];
        let size = self.0.recv(&mut news).expect("news of wampd");
        String::from_utf8(news[..size].to_vec()).unwrap()
    }
}

#[test]
fn readiness_reload_and_end_are_told() {
    let (place, directory) = (place("notify"), scratch("notify"));
    let manager = Manager(UnixDatagram::bind(&place).unwrap());
    let config = file(&directory, "wampd.json", "{}");
    let mut command = wampd();
    command.args(["-l", "rs://127.0.0.1:0", "-c", &config]).env("NOTIFY_SOCKET", &place);
    let mut daemon = Daemon::spawn(&mut command);
    let ready = manager.next();
    assert!(ready.starts_with("READY=1\nSTATUS=listening at rs://127.0.0.1:"), "{ready}");
    let url = ready.split(" at ").nth(1).unwrap();
    assert!(Client::join(url, "realm1").is_ok());

    daemon.signal("HUP");
    assert_eq!(manager.next(), "RELOADING=1");
    assert_eq!(manager.next(), format!("READY=1\nSTATUS=reloaded, listening at {url}"));
    file(&directory, "wampd.json", "{");
    daemon.signal("HUP");
    assert_eq!(manager.next(), "RELOADING=1");
    assert!(manager.next().starts_with("READY=1\nSTATUS=not reloaded: "));

    daemon.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1");
    assert_eq!(daemon.wait().code(), Some(0));
    fs::remove_file(place).unwrap();
}

#[test]
fn the_watchdog_is_told_again_and_again() {
    let place = place("watchdog");
    let manager = Manager(UnixDatagram::bind(&place).unwrap());
    let mut command = wampd();
    command.args(["-l", "rs://127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "100000");
    let _daemon = Daemon::spawn(&mut command);
    assert!(manager.next().starts_with("READY=1"));
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    fs::remove_file(place).unwrap();
}

/// Runs it as systemd does: with these descriptors from 3 on, and its own process id told.
fn activated(descriptors: &[OwnedFd], arguments: &str) -> Daemon {
    let numbers: Vec<_> = descriptors.iter().map(|one| one.as_raw_fd().to_string()).collect();
    let mut command = Command::new("python3");
    let program = "import fcntl, os, sys\n\
        fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(',')]\n\
        for index, fd in enumerate(fds): os.dup2(fd, 3 + index)\n\
        os.closerange(3 + len(fds), 200)\n\
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))\n\
        os.execv(sys.argv[2], sys.argv[2:])";
    command.args(["-c", program, &numbers.join(","), env!("CARGO_BIN_EXE_wampd")]);
    command.args(arguments.split_whitespace());
    command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    for descriptor in descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty()).unwrap();
    }
    Daemon::spawn(&mut command)
}

#[test]
fn sockets_are_taken_over() {
    let place = place("activated");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let unix = UnixListener::bind(&place).unwrap();
    let sockets = [OwnedFd::from(tcp), OwnedFd::from(unix)];
    let listen =
        format!("-l ws://127.0.0.1:1/ws -l rs+unix://{} -l rs://127.0.0.1:0", place.display());
    let daemon = activated(&sockets, &listen);
    daemon.wait_for(|daemon| daemon.urls().len() == 3);
    let urls = daemon.urls();
    assert_eq!(urls[0], format!("ws://127.0.0.1:{port}/ws"));
    assert_eq!(upgrade(&urls[0], ""), "HTTP/1.1 101 Switching Protocols");
    assert!(Client::join(&urls[1], "realm1").is_ok());
    assert!(Client::join(&urls[2], "realm1").is_ok());
    assert_eq!(daemon.end(), Some(0));
    // Its file is systemd's.
    assert!(place.exists());
    fs::remove_file(place).unwrap();
}

#[test]
fn a_socket_without_a_url_is_for_websocket() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let daemon = activated(&[OwnedFd::from(tcp)], "");
    daemon.wait_for(|daemon| daemon.urls() == [format!("ws://127.0.0.1:{port}/ws")]);
    assert_eq!(upgrade(&daemon.url(), ""), "HTTP/1.1 101 Switching Protocols");
}

#[test]
fn a_socket_that_others_reach_needs_a_login() {
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let mut daemon = activated(&[OwnedFd::from(tcp)], "-l ws://127.0.0.1:8080/ws");
    assert_eq!(daemon.wait().code(), Some(2));
    assert!(daemon.log().contains("can be reached from other machines"), "{}", daemon.log());
}

#[test]
fn a_socket_that_others_reach_needs_a_login_later_too() {
    let directory = scratch("activated-reload");
    let closed = r#"{"auth": {"ticket": {"joe": {"ticket": "secret"}}}}"#;
    let config = file(&directory, "wampd.json", closed);
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let arguments = format!("-l ws://127.0.0.1:8080/ws -c {config}");
    let daemon = activated(&[OwnedFd::from(tcp)], &arguments);
    daemon.wait_for(|daemon| daemon.output().contains("Ctrl-C ends it"));
    file(&directory, "wampd.json", "{}");
    daemon.signal("HUP");
    daemon.wait_logged("not reloaded: ws://0.0.0.0:");
}

#[test]
fn sockets_are_taken_by_the_listeners_of_the_file() {
    let directory = scratch("activated-listeners");
    let config = r#"{
        "auth": {"ticket": {"joe": {"ticket": "secret"}}, "anonymous": {}},
        "listeners": [{"url": "rs://127.0.0.1:1", "methods": ["ticket"]},
                      {"url": "ws://127.0.0.1:0/ws"}]
    }"#;
    let config = file(&directory, "wampd.json", config);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let daemon = activated(&[OwnedFd::from(tcp)], &format!("-c {config}"));
    daemon.wait_for(|daemon| daemon.output().contains("Ctrl-C ends it"));
    let urls = daemon.urls();
    assert_eq!((urls.len(), &urls[0]), (2, &format!("rs://127.0.0.1:{port}")));
    assert!(Client::join(&urls[0], "realm1").is_err());
    assert!(Client::log_in(&urls[0], "realm1", "joe", "secret").is_ok());
    assert_eq!(upgrade(&urls[1], ""), "HTTP/1.1 101 Switching Protocols");
}

#[test]
fn a_descriptor_that_is_no_listener_is_refused() {
    let file = fs::File::open(env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml").unwrap();
    let mut daemon = activated(&[OwnedFd::from(file)], "");
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.log().contains("handed over"), "{}", daemon.log());
}

/// A unit as `make install` makes it, with the built program.
fn unit(name: &str, directory: &Path) -> (String, PathBuf) {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let text = fs::read_to_string(packaging.join(format!("{name}.in"))).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_wampd")).parent().unwrap();
    let text = text.replace("@BINDIR@", programs.to_str().unwrap());
    let text = text.replace("@SYSCONFDIR@", "/etc");
    let path = directory.join(name);
    fs::write(&path, &text).unwrap();
    (text, path)
}

#[test]
fn the_unit_leaves_the_service_no_more_than_it_needs() {
    let directory = scratch("units");
    let (service, path) = unit("wampd.service", &directory);
    let (_, socket) = unit("wampd.socket", &directory);
    for line in [
        "Type=notify",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "SystemCallFilter=@system-service",
        "RestartPreventExitStatus=2",
    ] {
        assert!(service.lines().any(|said| said == line), "{line} is missing");
    }
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    if analyze(&["--version"]).is_err() {
        return;
    }
    let (path, socket) = (path.to_str().unwrap(), socket.to_str().unwrap());
    let verified = analyze(&["verify", "--man=no", path, socket]).unwrap();
    let told = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = told.lines().filter(|line| line.contains("wampd")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{told}");
    // Of at most 10, in tenths.
    let judged = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager", path]);
    let judged = judged.unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[test]
fn the_configuration_to_begin_with_is_good() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/wampd.json");
    let (status, said, told) = ended(&["--check", "--config", packaging.to_str().unwrap()]);
    assert_eq!((status, said.as_str()), (Some(0), "the configuration is good\n"), "{told}");
}
