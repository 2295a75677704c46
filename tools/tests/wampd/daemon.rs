//! A running `wampd`, and one that ends by itself.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

/// For a machine that is ten times slower.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The built program.
pub fn wampd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wampd"));
    for name in ["WAMP_LOG", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A directory of this test's own, empty.
pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wampd").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A file with this text.
pub fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The end of a program: its status, and what it said on standard output and standard error.
pub fn ended(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = wampd();
    let mut daemon = Daemon::spawn(command.args(arguments));
    let status = daemon.wait();
    (status.code(), daemon.output(), daemon.log())
}

/// A running `wampd`; killed when it is dropped.
pub struct Daemon {
    child: Child,
    said: Arc<Mutex<String>>,
    logged: Arc<Mutex<String>>,
    lines: Receiver<()>,
}

impl Daemon {
    /// Starts it, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Daemon {
        let daemon = Daemon::spawn(wampd().args(arguments));
        daemon.wait_for(|daemon| daemon.output().contains("Ctrl-C ends it"));
        daemon
    }

    /// Starts it, and waits for nothing.
    pub fn spawn(command: &mut Command) -> Daemon {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (news, lines) = channel();
        let gather = |stream: Box<dyn Read + Send>| {
            let text = Arc::new(Mutex::new(String::new()));
            let (ours, news) = (text.clone(), news.clone());
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|size| size > 0) {
                    ours.lock().unwrap().push_str(&std::mem::take(&mut line));
                    if news.send(()).is_err() {
                        return;
                    }
                }
            });
            text
        };
        let said = gather(Box::new(child.stdout.take().unwrap()));
        let logged = gather(Box::new(child.stderr.take().unwrap()));
        Daemon { child, said, logged, lines }
    }

    /// Waits until something holds of what it has said.
    pub fn wait_for(&self, holds: impl Fn(&Daemon) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            // Its end, too, wakes this.
            if self.lines.recv_timeout(left).is_err() {
                assert!(holds(self), "it said:\n{}\nand logged:\n{}", self.output(), self.log());
            }
        }
    }

    /// Waits until it has logged this.
    pub fn wait_logged(&self, text: &str) {
        self.wait_for(|daemon| daemon.log().contains(text));
    }

    /// Its words on standard output.
    pub fn output(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its words on standard error.
    pub fn log(&self) -> String {
        self.logged.lock().unwrap().clone()
    }

    /// The URLs that it has printed.
    pub fn urls(&self) -> Vec<String> {
        let output = self.output();
        output.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
    }

    /// The first one.
    pub fn url(&self) -> String {
        self.urls().first().cloned().expect("it printed a URL")
    }

    /// Sends a signal, as `kill` knows it.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end, and until all that it said is there.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        // Both readers end when it does.
        while self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < deadline, "it did not end; it logged:\n{}", self.log());
        self.child.wait().unwrap()
    }

    /// Asks it to end; its status.
    pub fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
