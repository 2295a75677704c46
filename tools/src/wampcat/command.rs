//! A command that answers a call: started, fed, read, and killed where it does not end.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use wamp::facade::client::Parts;
use wamp_tools::Failure;

use crate::cli::{Register, Words};
use crate::link::until;
use crate::options::SECRET_VARIABLES;
use crate::values::{self, quoted};

/// The most that a command may write: as much as a message may have.
const MOST_OUTPUT: usize = 16 << 20;
/// The end of what it writes to its standard error, which the caller gets.
const MOST_COMPLAINT: usize = 2048;
/// The time from being asked to end to being killed; and for the rest of the output once it has
/// ended, which something that it has left behind may keep open.
const GRACE: Duration = Duration::from_secs(1);

/// The command that is run for a call.
#[derive(Debug, Clone)]
pub struct Recipe {
    program: OsString,
    arguments: Vec<OsString>,
    limit: Option<Duration>,
    is_text: bool,
    is_whole: bool,
    error: String,
}

/// The answer that a command has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The result.
    Result(Parts),
    /// The error, what the caller is told, and the same in words.
    Error { uri: String, parts: Parts, words: String },
    /// None: it was stopped.
    Stopped,
}

impl Recipe {
    /// Takes the command of `register`, which must exist.
    pub fn new(register: &Register) -> Result<Recipe, Failure> {
        let [program, arguments @ ..] = &register.command[..] else {
            return Err(Failure::usage("a command is needed after --"));
        };
        if !is_there(Path::new(program)) {
            let program = Path::new(program).display();
            return Err(Failure::usage(format!("there is no command '{program}'")));
        }
        Ok(Recipe {
            program: program.clone(),
            arguments: arguments.to_vec(),
            limit: register.limit.filter(|limit| *limit > 0.0).map(Duration::from_secs_f64),
            is_text: register.text,
            is_whole: register.whole,
            error: register.error.clone(),
        })
    }

    /// True if the command reads plain text.
    pub fn is_text(&self) -> bool {
        self.is_text
    }

    /// Runs the command once; until `stop`, at the longest.
    pub async fn run(&self, input: &[u8], stop: impl Future<Output = ()>) -> Answer {
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                return self.failed(format!("cannot run the command: {error}"), json!({}));
            }
        };
        let group = child.id().and_then(|id| Pid::from_raw(id as i32));
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let deadline = self.limit.map(|limit| Instant::now() + limit);
        let ended = tokio::select! {
            ended = converse(&mut child, input, &mut output, &mut complaint) => Some(ended),
            () = until(deadline) => None,
            () = stop => {
                kill(&mut child, group).await;
                return Answer::Stopped;
            }
        };
        match ended {
            Some(Ok(Some(status))) if status.success() => self.result(&output),
            Some(Ok(Some(status))) => self.complaint(status, &complaint),
            Some(Ok(None)) => {
                kill(&mut child, group).await;
                self.failed(format!("the command wrote more than {MOST_OUTPUT} bytes"), json!({}))
            }
            Some(Err(error)) => {
                kill(&mut child, group).await;
                self.failed(format!("the command cannot be read: {error}"), json!({}))
            }
            None => {
                kill(&mut child, group).await;
                let limit = self.limit.unwrap_or_default().as_secs_f64();
                let words = format!("the command was killed after {limit} s");
                Answer::Error { parts: Parts::text(&words), uri: TIMEOUT.to_owned(), words }
            }
        }
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that all that it starts can be killed with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn result(&self, output: &[u8]) -> Answer {
        let Ok(text) = std::str::from_utf8(output) else {
            return self.failed("the command's output is not UTF-8".to_owned(), json!({}));
        };
        if self.is_text {
            let text = text.strip_suffix('\n').unwrap_or(text);
            return Answer::Result(Parts::text(text));
        }
        if text.trim().is_empty() {
            return Answer::Result(Parts::default());
        }
        let parts = match self.is_whole {
            true => whole(text),
            false => serde_json::from_str::<&RawValue>(text)
                .map(|value| Parts { args: Some(format!("[{}]", value.get())), kwargs: None })
                .map_err(|error| format!("not JSON: {error}")),
        };
        match parts {
            Ok(parts) => Answer::Result(parts),
            Err(error) => self.failed(format!("the command's output is {error}"), json!({})),
        }
    }

    fn complaint(&self, status: ExitStatus, complaint: &[u8]) -> Answer {
        let details = match (status.code(), status.signal()) {
            (Some(code), _) => json!({"status": code}),
            (None, signal) => json!({"signal": signal}),
        };
        let words = String::from_utf8_lossy(complaint);
        match words.trim() {
            "" => self.failed(format!("the command failed: {status}"), details),
            words => self.failed(words.to_owned(), details),
        }
    }

    fn failed(&self, words: String, details: Value) -> Answer {
        let kwargs = details.as_object().is_some_and(|details| !details.is_empty());
        let kwargs = kwargs.then(|| details.to_string());
        let parts = Parts { kwargs, ..Parts::text(&words) };
        Answer::Error { uri: self.error.clone(), parts, words }
    }
}

const TIMEOUT: &str = "wamp.error.timeout";

/// Feeds and reads a command until it has ended. `None`: it writes too much.
async fn converse(
    child: &mut Child,
    input: &[u8],
    output: &mut Vec<u8>,
    complaint: &mut Vec<u8>,
) -> io::Result<Option<ExitStatus>> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let feed = async move {
        // A command need not read what it gets.
        let _ = stdin.write_all(input).await;
    };
    let read = async {
        let mut most = stdout.take(MOST_OUTPUT as u64 + 1);
        let all = async {
            let read = most.read_to_end(output).await.map_err(Some)?;
            if read > MOST_OUTPUT { Err(None) } else { Ok(()) }
        };
        let others = async {
            tokio::join!(feed, read_tail(stderr, complaint));
            Ok(())
        };
        tokio::try_join!(all, others)
    };
    tokio::pin!(read);
    let (ended, is_read) = tokio::select! {
        is_read = &mut read => (None, Some(is_read)),
        status = child.wait() => (Some(status?), None),
    };
    let is_read = match is_read {
        Some(is_read) => is_read,
        // What is still open then is somebody else's.
        None => timeout(GRACE, read).await.unwrap_or(Ok(((), ()))),
    };
    match (is_read, ended) {
        (Err(None), _) => Ok(None),
        (Err(Some(error)), _) => Err(error),
        (Ok(_), Some(status)) => Ok(Some(status)),
        (Ok(_), None) => child.wait().await.map(Some),
    }
}

/// Reads all, and keeps the end of it.
async fn read_tail(mut from: impl AsyncRead + Unpin, tail: &mut Vec<u8>) {
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut block).await {
        tail.extend_from_slice(&block[..count]);
        let surplus = tail.len().saturating_sub(MOST_COMPLAINT);
        tail.drain(..surplus);
    }
}

/// Kills a command and all that it has started: first with the request to end.
async fn kill(child: &mut Child, group: Option<Pid>) {
    // Refused where nobody is left of it.
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    let _ = signal(Signal::TERM);
    let _ = timeout(GRACE, child.wait()).await;
    let _ = signal(Signal::KILL);
    let _ = child.wait().await;
}

fn whole(text: &str) -> Result<Parts, String> {
    let members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    // What a command has read it may write again, as cat does.
    let is_known = |name: &str| matches!(name, "args" | "kwargs" | "procedure" | "details");
    if let Some(name) = members.keys().find(|name| !is_known(name)) {
        return Err(format!("wrong: `{name}` is neither `args` nor `kwargs`"));
    }
    let part = |name: &str| members.get(name).map(|value| value.get().to_owned());
    let words =
        Words { words: Vec::new(), strings: false, args: part("args"), kwargs: part("kwargs") };
    values::parts(&words).map_err(|failure| format!("wrong: {}", failure.text.replace("--", "")))
}

/// True if a command can be found.
fn is_there(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.exists();
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// The text of a call that a command reads.
pub fn input(is_text: bool, call: &wamp::facade::client::Message) -> Vec<u8> {
    let shown = values::Shown::new(&call.parts);
    if is_text {
        return shown.words(true).iter().map(|word| format!("{word}\n")).collect::<String>().into();
    }
    let (procedure, details) = (quoted(&call.uri), &call.details);
    let members = shown.members();
    format!("{{\"procedure\":{procedure},{members},\"details\":{details}}}\n").into()
}
