//! Programs in other runtimes that hold the library in their process: what they do with signals,
//! threads and collections of their own goes on.

mod support;

use std::os::unix::fs::symlink;
use std::process::Command;

use support::{build, good, has, library, scratch, skip, source};

#[test]
fn mono_takes_its_signals_and_collects_while_callbacks_run() {
    if !has("mcs") || !has("mono") {
        return skip("mono is not installed: a managed runtime as the host was not tried");
    }
    let directory = scratch("hosts-mono");
    let program = directory.join("Calls.exe");
    let mut compiler = Command::new("mcs");
    compiler.arg(format!("-out:{}", program.display())).arg(source("tests/csharp/Calls.cs"));
    build(&mut compiler);
    // Where Mono looks for the libraries of a program.
    symlink(library().join("libwamp.so"), directory.join("libwamp.so")).unwrap();
    let said = good(Command::new("mono").arg(&program));
    assert!(said.contains("called 20000, caught 15000, failed 0"), "{said}");
}
