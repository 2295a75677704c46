//! Colour on a terminal, and nowhere else.

use std::env;
use std::io::{self, IsTerminal};

/// The colours of one of the outputs, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// The colours of standard output.
    pub fn stdout() -> Paint {
        Paint::when(io::stdout().is_terminal())
    }

    /// The colours of standard error.
    pub fn stderr() -> Paint {
        Paint::when(io::stderr().is_terminal())
    }

    /// No colours at all.
    pub const fn none() -> Paint {
        Paint { on: false }
    }

    fn when(is_terminal: bool) -> Paint {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Paint { on: is_terminal && !is_dumb && !is_set("NO_COLOR") }
    }

    /// True if there are colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// The text in bold.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// The text, less noticeable.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// The text in red: it failed.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// The text in green: it is good.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// The text in yellow: it is odd.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// The text in cyan: a name.
    pub fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self.on {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
