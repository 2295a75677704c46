//! The sessions that README.md and docs/COMMANDS.md show are what happens.

use std::path::Path;
use std::process::Command;

fn is_what_happens(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let programs = Path::new(env!("CARGO_BIN_EXE_wampd")).parent().unwrap();
    let mut command = Command::new("python3");
    command.args(["tools/record.py", page]).current_dir(root).env("PROGRAMS", programs);
    let ended = command.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}\nto renew it: python3 tools/record.py --write {page}");
}

#[test]
fn of_the_readme() {
    is_what_happens("README.md");
}

#[test]
fn of_the_commands() {
    is_what_happens("docs/COMMANDS.md");
}
