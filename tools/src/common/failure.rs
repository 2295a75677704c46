//! The end of a program that fails: one sentence on standard error, and an exit status.

use std::fmt::{self, Display};
use std::io::Write;
use std::process::ExitCode;

/// The exit statuses that both programs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The network, the operating system or somebody else did not do as asked.
    Failed = 1,
    /// The command line, or a file that it names, has to be changed.
    Usage = 2,
}

/// The reason why a program ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub code: u8,
    /// One sentence, without the program's name and without a full stop. Empty: nothing is said.
    pub text: String,
}

impl Failure {
    /// A failure that no other command line would have avoided.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure::with_code(Status::Failed as u8, text)
    }

    /// A failure that the user mends by changing the command line, or a file that it names.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure::with_code(Status::Usage as u8, text)
    }

    /// A failure with an exit status of the program's own.
    pub fn with_code(code: u8, text: impl Into<String>) -> Failure {
        Failure { code, text: one_line(&text.into()) }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Runs a program, says why it failed, and gives its exit status.
pub fn run(name: &str, program: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match program() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                // Whoever read it may have gone.
                let _ = writeln!(std::io::stderr(), "{name}: {failure}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// The text without line breaks and other control characters, which may come from a peer.
pub fn one_line(text: &str) -> String {
    let words = text.trim().split(|c: char| c.is_control()).map(str::trim);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        assert_eq!(Failure::new(" no\n\n  such\u{1b}[2J thing\n").text, "no such [2J thing");
        assert_eq!(Failure::usage("x").code, 2);
    }
}
