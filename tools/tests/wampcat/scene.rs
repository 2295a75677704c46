//! A router, and programs that are started, written to, waited for and ended.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::runtime::{Builder, Handle};

use wamp::router::Router;

/// Generous: met only where something hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A router, and a directory of its own.
pub struct Scene {
    pub url: String,
    pub directory: PathBuf,
    router: Arc<Router>,
}

impl Scene {
    /// A router that lets everybody do everything.
    pub fn new() -> Scene {
        Scene::with("{}", "ws://127.0.0.1:0/ws")
    }

    /// A router of this configuration, which listens there.
    pub fn with(config: &str, url: &str) -> Scene {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("wampcat-{}-{number}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        let url = url.replace("DIRECTORY", directory.to_str().unwrap());
        let router = Router::new(Some(config)).unwrap();
        let url = router.listen(&url, &runtime()).unwrap();
        Scene { url, directory, router }
    }

    /// The command, with nothing of the environment that would change what it does.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wampcat"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WAMP") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("WAMPCAT_URL", &self.url)
            .env("XDG_CONFIG_HOME", &self.directory)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::new(self.command(arguments).output().unwrap())
    }

    /// Runs it to its end, with this input.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::new(child.wait_with_output().unwrap())
    }

    /// Starts it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::new(self.command(arguments))
    }

    /// Starts it, and waits until it listens.
    pub fn listen(&self, arguments: &[&str]) -> Running {
        let running = self.start(arguments);
        running.err("listening to");
        running
    }

    /// Writes a script that sh runs, and gives its path.
    pub fn script(&self, text: &str) -> String {
        let path = self.directory.join("script.sh");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a file that nobody else can read.
    pub fn secret(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The number of messages that have come to the router.
    pub fn messages(&self) -> u64 {
        self.router.stats().messages_in
    }

    /// Ends the router; its clients have heard of it.
    pub fn close(&self) {
        assert!(self.router.close_within(Instant::now() + LIMIT));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.router.close();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn runtime() -> Handle {
    static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);
    let mut handle = RUNTIME.lock().unwrap();
    let made = handle.get_or_insert_with(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    });
    made.clone()
}

/// A program that has ended.
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn new(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!err.contains("panicked") && !err.contains("RUST_BACKTRACE"), "{err}");
        Ended { status: number(output.status), out, err }
    }

    /// The standard output of one that succeeded.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.status, 0, "{}", self.err);
        self.out
    }

    /// The one sentence of one that failed so.
    #[track_caller]
    pub fn bad(self, status: i32) -> String {
        assert_eq!((self.status, &*self.out), (status, ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        let sentence = self.err.strip_prefix("wampcat: ").unwrap_or(&self.err);
        sentence.trim_end().to_owned()
    }
}

fn number(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// A program that runs.
pub struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub fn new(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Running { stdin: child.stdin.take(), child, out, err }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    #[track_caller]
    pub fn out(&self) -> String {
        self.out.recv_timeout(LIMIT).unwrap()
    }

    /// The next line of its standard error with these words.
    #[track_caller]
    pub fn err(&self, words: &str) -> String {
        loop {
            let line = self.err.recv_timeout(LIMIT).unwrap();
            if line.contains(words) {
                return line;
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.id() as i32).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end, and gives the status.
    #[track_caller]
    pub fn status(mut self) -> i32 {
        let ended = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let limit = Timespec { tv_sec: LIMIT.as_secs() as i64, tv_nsec: 0 };
        let is_ended = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit)).unwrap() > 0;
        assert!(is_ended, "it does not end");
        number(self.child.wait().unwrap())
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub fn end(self) -> i32 {
        self.signal(Signal::TERM);
        self.status()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to pass");
        thread::sleep(Duration::from_millis(5));
    }
}

/// True while a process is there, and no zombie that nobody collects.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
    state == Some(false)
}
