//! A bar that shows how far something is: on a terminal, and nowhere else.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

/// The time from one look of the bar to the next.
pub const EVERY: Duration = Duration::from_millis(100);

/// A bar on standard error.
#[derive(Debug)]
pub struct Bar {
    is_on: bool,
    is_shown: bool,
}

impl Bar {
    /// A bar that is shown where standard error is a terminal, if it is `wanted`.
    pub fn new(wanted: bool) -> Bar {
        Bar { is_on: wanted && io::stderr().is_terminal(), is_shown: false }
    }

    /// Shows that this part (0 to 1) is done, with a few words. The terminal is asked for its width
    /// each time, as it may have changed.
    pub fn show(&mut self, part: f64, words: &str) {
        if !self.is_on {
            return;
        }
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let line = line(columns, part, words);
        // Who looks at a terminal that is gone?
        let _ = write!(io::stderr().lock(), "\r{line}\u{1b}[K");
        self.is_shown = true;
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
            self.is_shown = false;
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line that is shorter than the terminal, so that it never wraps. A terminal that does not know
/// its width counts as one of 80 columns.
fn line(columns: usize, part: f64, words: &str) -> String {
    let room = if columns == 0 { 79 } else { columns - 1 };
    let words: String = words.chars().take(room).collect();
    let most = 30.min(room.saturating_sub(words.chars().count() + 3));
    if most < 5 {
        return words;
    }
    let full = (part.clamp(0.0, 1.0) * most as f64).round() as usize;
    format!("[{}{}] {words}", "#".repeat(full), " ".repeat(most - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_every_terminal() {
        for columns in 0..200 {
            for part in [-1.0, 0.0, 0.33, 1.0, 2.0] {
                let line = line(columns, part, "12,345 calls/s  1.23 ms");
                let room = if columns == 0 { 80 } else { columns };
                assert!(line.chars().count() < room.max(1), "{columns}: {line}");
            }
        }
        assert_eq!(line(80, 0.5, "x"), format!("[{}{}] x", "#".repeat(15), " ".repeat(15)));
        assert_eq!(line(3, 0.5, "words"), "wo");
    }
}
