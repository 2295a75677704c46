//! The C programs of the tree against the release library: the scenarios of tests/c in every dispatch mode, plain and
//! under valgrind, and the examples.

mod support;

use std::collections::VecDeque;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use support::{compile, has, read, run, scratch, skip, source};

/// Two processors are usual in continuous integration, and each program has several threads.
const AT_ONCE: usize = 2;
const LIMIT: Duration = Duration::from_secs(900);
const MODES: &[&str] = &["thread", "manual", "inline"];

/// Scenarios that are run over the other wires too.
const EVERY_WIRE: &[&str] = &[
    "callmore",
    "errors",
    "interrupt",
    "order",
    "patterns",
    "payload",
    "progress",
    "pubsub",
    "rpc",
    "shared",
    "sync",
];

/// Programs that a test against Crossbar.io drives: here they are compiled, no more.
const DRIVEN: &str = "interop_";

/// valgrind runs one thread at a time, and each of them some twenty times slower: long scenarios do less there.
const LESS: &[(&str, &str)] = &[("WAMP_TEST_COUNT", "2000"), ("WAMP_TEST_BYTES", "200000")];

/// Threads that a shutdown does not wait for look like leaks when the program ends.
const NOT_UNDER_VALGRIND: &[&str] = &["local_impatient"];
/// The status that valgrind gives to a program in which it found something.
const FOUND: &str = "99";

/// One program to run.
struct Job {
    program: PathBuf,
    arguments: Vec<String>,
    /// The option `serializers` of its connections.
    serializers: &'static str,
    under_valgrind: bool,
    wanted: Wanted,
}

#[derive(Clone)]
enum Wanted {
    /// Ends with status 0, and its output has this line.
    Line(String),
    /// Ends with status 1: it told why it could not do its work.
    Failure,
}

#[test]
fn scenarios() {
    let mut jobs = Vec::new();
    let programs = build("tests/c", "c-scenarios");
    for under_valgrind in [false, true] {
        for program in &programs {
            let name = name(program);
            if name.starts_with(DRIVEN) {
                continue;
            }
            if under_valgrind && NOT_UNDER_VALGRIND.contains(&name.as_ref()) {
                continue;
            }
            let modes = if read(&format!("tests/c/{name}.c")).contains("scenario.mode") {
                MODES
            } else {
                &["thread"]
            };
            let wires: &[&str] = match EVERY_WIRE.contains(&&*name) {
                true => &[r#"["json"]"#, r#"["msgpack"]"#, r#"["cbor"]"#],
                false => &[r#"["json"]"#],
            };
            for (mode, serializers) in
                modes.iter().flat_map(|mode| wires.iter().map(move |wire| (mode, wire)))
            {
                jobs.push(Job {
                    serializers,
                    program: program.clone(),
                    arguments: vec![String::new(), String::new(), (*mode).to_owned()],
                    under_valgrind,
                    wanted: Wanted::Line(format!("ok: {name}")),
                });
            }
        }
    }
    assert!(programs.len() >= 10, "most scenarios have gone");
    run_all(jobs);
}

/// Examples that bring a router of their own, and a line that shows that all went well.
const ALONE: &[(&str, &str)] = &[
    ("auth", "auth: done"),
    ("progress", "callee: nobody waits any more, so I stop"),
    ("quickstart", "2 + 3 = 5"),
    ("reconnect", "connection closed: closed by the application"),
];

#[test]
fn examples() {
    let url = format!("ws://127.0.0.1:{}/ws", closed_port());
    let programs = build("examples-c", "c-examples");
    let mut jobs = Vec::new();
    for under_valgrind in [false, true] {
        for program in &programs {
            let program_name = name(program);
            let job = |arguments, wanted| Job {
                serializers: "[]",
                program: program.clone(),
                arguments,
                under_valgrind,
                wanted,
            };
            if let Some((_, line)) = ALONE.iter().find(|(name, _)| *name == program_name) {
                jobs.push(job(Vec::new(), Wanted::Line((*line).to_owned())));
            }
            // The only one that takes no URL.
            if program_name != "quickstart" {
                jobs.push(job(vec![url.clone()], Wanted::Failure));
            }
        }
    }
    assert!(ALONE.iter().all(|(alone, _)| programs.iter().any(|program| name(program) == *alone)));
    run_all(jobs);
}

/// Compiles each C program of a folder.
fn build(folder: &str, name: &str) -> Vec<PathBuf> {
    let directory = scratch(name);
    let mut files: Vec<PathBuf> = fs::read_dir(source(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    let programs = files.iter().map(|file| {
        let program = directory.join(file.file_stem().unwrap());
        compile(file, &program);
        program
    });
    programs.collect()
}

fn name(program: &Path) -> String {
    program.file_name().unwrap().to_string_lossy().into_owned()
}

/// A port that refuses connections: nothing listens there any more. That another program takes it within the seconds of
/// the test is as good as impossible, because systems hand out free ports in turn.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn run_all(mut jobs: Vec<Job>) {
    if !has("valgrind") {
        skip(
            "valgrind is not installed: C programs were not checked for leaks and invalid memory accesses",
        );
        jobs.retain(|job| !job.under_valgrind);
    }
    // The tests of this file take turns.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = Mutex::new(VecDeque::from(jobs));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(job) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    if let Err(story) = job.run() {
                        failures.lock().unwrap().push(story);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n----\n"));
}

impl Job {
    /// What went wrong, if anything did.
    fn run(&self) -> Result<(), String> {
        let mut command = if self.under_valgrind {
            let mut valgrind = Command::new("valgrind");
            valgrind.args([
                "--quiet",
                "--leak-check=full",
                "--errors-for-leak-kinds=definite,possible",
                "--show-leak-kinds=definite,possible",
                "--fair-sched=yes",
                "--child-silent-after-fork=yes",
            ]);
            valgrind.arg(format!("--error-exitcode={FOUND}"));
            valgrind.arg(&self.program).envs(LESS.iter().copied());
            valgrind
        } else {
            Command::new(&self.program)
        };
        command.env("WAMP_TEST_SERIALIZERS", self.serializers);
        let ended = run(command.args(&self.arguments), LIMIT);
        let good = match &self.wanted {
            Wanted::Line(line) => ended.is_good() && ended.output.lines().any(|said| said == line),
            Wanted::Failure => ended.status.is_some_and(|status| status.code() == Some(1)),
        };
        if good { Ok(()) } else { Err(ended.story()) }
    }
}
