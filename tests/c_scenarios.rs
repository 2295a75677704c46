//! The C programs of the tree against the release library: the scenarios of tests/c and the
//! examples, plain and under valgrind. Each scenario is a test of its own, in every dispatch mode,
//! under valgrind in two of them; `WAMP_TEST_LONG=1` has valgrind try each mode with each
//! serializer, which takes several times as long.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use support::{compile, has, read, run, scratch, skip, source};

/// Guard against hanging: the longest scenario takes some 20 s alone, under valgrind.
const LIMIT: Duration = Duration::from_secs(300);
const MODES: &[&str] = &["thread", "manual", "inline"];
const JSON: &[&str] = &["json"];
const WIRES: &[&str] = &["json", "msgpack", "cbor"];

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

/// valgrind runs one thread at a time, and each of them some twenty times slower: long scenarios do
/// less there.
const LESS: &[(&str, &str)] = &[("WAMP_TEST_COUNT", "2000"), ("WAMP_TEST_BYTES", "200000")];

/// The status that valgrind gives to a program in which it found something.
const FOUND: i32 = 99;

/// Makes a test of each scenario. The second list is not for valgrind, which takes for leaks what a
/// process leaves that ends without a shutdown, for errors the faults that a crash reporter is
/// tried with, and the limit of descriptors for its own.
macro_rules! scenarios {
    ([$($checked:ident)*], [$($plain:ident)*]) => {
        const SCENARIOS: &[&str] = &[$(stringify!($checked),)* $(stringify!($plain),)*];

        mod plain {
            $(#[test]
            fn $checked() {
                super::scenario(stringify!($checked), false);
            })*
            $(#[test]
            fn $plain() {
                super::scenario(stringify!($plain), false);
            })*
        }

        mod valgrind {
            $(#[test]
            fn $checked() {
                super::scenario(stringify!($checked), true);
            })*
        }
    };
}

scenarios!(
    [
        callmore
        cancel
        connect_hook
        durable
        encodings
        errors
        history
        interrupt
        lifetime
        local_arguments
        local_auth
        local_cancel
        local_challenge
        local_copies
        local_deadlock
        local_durable
        local_ends
        local_failures
        local_fork
        local_frozen
        local_handles
        local_misuse
        local_options
        local_queue
        local_quiesce
        local_router
        local_router_hooks
        local_router_reload
        local_shutdown
        local_shutdown_again
        local_sigpipe
        local_sizes
        local_stale
        local_strict
        local_texts
        local_unreachable
        manual
        meta
        order
        patterns
        payload
        progress
        pubsub
        revocation
        rpc
        session
        shared
        sync
        testament
        threads
        transports
        whitelist
    ],
    [
        local_closed_fds
        local_exhausted
        local_impatient
        local_last_moments
        local_router_end
        local_signals
    ]
);

#[test]
fn every_scenario_is_listed() {
    let files: BTreeSet<String> = c_files("tests/c").into_iter().collect();
    let (driven, found): (BTreeSet<_>, _) =
        files.into_iter().partition(|name| name.starts_with(DRIVEN));
    let listed = SCENARIOS.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found, listed, "the programs of tests/c (left), and the list above");
    for name in driven {
        program("tests/c", &name);
    }
}

/// Runs a scenario in each of its modes, and over its wires.
fn scenario(name: &str, under_valgrind: bool) {
    if under_valgrind && !has_valgrind() {
        return;
    }
    let modes = if read(&format!("tests/c/{name}.c")).contains("scenario.mode") {
        MODES
    } else {
        &MODES[..1]
    };
    let wires = if EVERY_WIRE.contains(&name) { WIRES } else { JSON };
    let all = !under_valgrind || std::env::var_os("WAMP_TEST_LONG").is_some_and(|long| long == "1");
    let program = program("tests/c", name);
    // Each run of valgrind takes seconds to begin with: "thread" mode and one other find most of
    // what all of them do, and so does one wire for each.
    let turn = SCENARIOS.iter().position(|scenario| *scenario == name).unwrap_or_default();
    for (index, mode) in modes.iter().enumerate() {
        if !all && index > 0 && index != 1 + turn % (MODES.len() - 1) {
            continue;
        }
        let wires = if all { wires } else { &wires[(index + turn) % wires.len()..][..1] };
        for wire in wires {
            let mut command = command(&program, under_valgrind);
            command.args(["", "", mode]).env("WAMP_TEST_SERIALIZERS", format!("[\"{wire}\"]"));
            must_say(command, &format!("ok: {name}"));
        }
    }
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
    try_examples(false);
}

#[test]
fn examples_under_valgrind() {
    if has_valgrind() {
        try_examples(true);
    }
}

fn try_examples(under_valgrind: bool) {
    let url = format!("ws://127.0.0.1:{}/ws", closed_port());
    let names = c_files("examples-c");
    assert!(ALONE.iter().all(|(alone, _)| names.iter().any(|name| name == alone)));
    for name in names {
        let program = program("examples-c", &name);
        if let Some((_, line)) = ALONE.iter().find(|(alone, _)| *alone == name) {
            must_say(command(&program, under_valgrind), line);
        }
        // The only one that takes no URL.
        if name != "quickstart" {
            let mut command = command(&program, under_valgrind);
            let ended = run(command.arg(&url), LIMIT);
            // It told why it could not do its work.
            let refused = ended.status.is_some_and(|status| status.code() == Some(1));
            assert!(refused, "{}", ended.story());
        }
    }
}

/// The names of the C programs of a folder.
fn c_files(folder: &str) -> Vec<String> {
    let files = fs::read_dir(source(folder)).unwrap().map(|entry| entry.unwrap().path());
    let programs = files.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    programs.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// The compiled program of a name: that of `make`, where the environment tells its folder, else
/// made now.
fn program(folder: &str, name: &str) -> PathBuf {
    let built = if folder == "tests/c" { "WAMP_C_BIN" } else { "WAMP_EXAMPLES_BIN" };
    if let Some(directory) = std::env::var_os(built).filter(|directory| !directory.is_empty()) {
        return PathBuf::from(directory).join(name);
    }
    // Each test has a folder of its own, because two of them may compile the same program.
    let test = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let program = scratch(&format!("c-{test}-{name}")).join(name);
    compile(&source(folder).join(format!("{name}.c")), &program);
    program
}

/// A port that refuses connections: nothing listens there any more. That another program takes it
/// within the seconds of the test is as good as impossible, because systems hand out free ports in
/// turn.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn has_valgrind() -> bool {
    let has = has("valgrind");
    if !has {
        skip(
            "valgrind is not installed: C programs were not checked for leaks and invalid memory accesses",
        );
    }
    has
}

/// The beginning of a command that runs a program.
fn command(program: &PathBuf, under_valgrind: bool) -> Command {
    if !under_valgrind {
        return Command::new(program);
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--quiet",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,possible",
        "--show-leak-kinds=definite,possible",
        "--fair-sched=yes",
        "--child-silent-after-fork=yes",
    ]);
    valgrind.arg(format!("--error-exitcode={FOUND}")).arg(program).envs(LESS.iter().copied());
    valgrind
}

/// Runs a program that must end with status 0, and say this line.
fn must_say(mut command: Command, line: &str) {
    let ended = run(&mut command, LIMIT);
    if ended.status.is_some_and(|status| status.code() == Some(FOUND)) {
        // A word for those who judge failures: this one is no chance.
        panic!("VALGRIND: {}", ended.story());
    }
    let good = ended.is_good() && ended.output.lines().any(|said| said == line);
    assert!(good, "{}", ended.story());
}
