//! The router's log lines, for its operator: who comes and goes, who is refused what, and who does
//! not keep up. As text, or each a JSON object.
//!
//! Their destination is left to [`crate::log`]. No lock may be held where one is written, as the
//! application takes it; what is found out under a lock is noted and written later. Lines of one
//! kind that come too fast are counted instead: a client that is refused a thousand times a second
//! must not fill the disk.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::codec::Timestamp;
use crate::codec::json::text::write_string;
use crate::log::{self, Level};
use crate::os::lock;

use super::mistake::Mistake;

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LogFormat {
    /// `router: joined session=7 realm=realm1`
    #[default]
    Text,
    /// `{"time":"...","level":"info","event":"joined","session":7,"realm":"realm1"}`
    Json,
}

impl LogFormat {
    /// Reads `"text"` or `"json"`.
    pub(super) fn parse(value: &Value) -> Result<LogFormat, Mistake> {
        match value.as_str() {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\"".into()),
        }
    }
}

/// The lines of one router.
#[derive(Debug, Default)]
pub(super) struct Journal {
    format: LogFormat,
    recent: Mutex<HashMap<&'static str, Recent>>,
}

/// The lines of one kind within the present second.
#[derive(Debug)]
struct Recent {
    since: Instant,
    written: u32,
    /// Lines of which only the number is told.
    suppressed: u64,
}

/// Lines of one kind that are written within a second.
const MOST: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// A line on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    level: Level,
    event: &'static str,
    fields: Vec<(&'static str, Field)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    Text(String),
}

impl Line {
    /// A line that says what has happened; its level tells how it is taken.
    pub(super) fn new(level: Level, event: &'static str) -> Line {
        Line { level, event, fields: Vec::new() }
    }

    /// True if somebody wants such lines: only then is it worth to make one.
    #[inline]
    pub(super) fn is_wanted(level: Level) -> bool {
        log::is_wanted(level)
    }

    /// Adds a number.
    pub(super) fn number(mut self, name: &'static str, number: u64) -> Line {
        self.fields.push((name, Field::Number(number)));
        self
    }

    /// Adds a text.
    pub(super) fn text(mut self, name: &'static str, text: impl Into<String>) -> Line {
        self.fields.push((name, Field::Text(text.into())));
        self
    }

    fn write(&self, format: LogFormat, now: SystemTime) -> String {
        let mut out = Vec::new();
        match format {
            LogFormat::Text => {
                out.extend_from_slice(b"router: ");
                out.extend_from_slice(self.event.as_bytes());
                for (name, field) in &self.fields {
                    out.push(b' ');
                    out.extend_from_slice(name.as_bytes());
                    out.push(b'=');
                    match field {
                        Field::Text(text) if is_plain(text) => {
                            out.extend_from_slice(text.as_bytes());
                        }
                        field => field.write(&mut out),
                    }
                }
            }
            LogFormat::Json => {
                out.extend_from_slice(b"{\"time\":");
                write_string(&mut out, &Timestamp::from(now).text().unwrap_or_default());
                out.extend_from_slice(b",\"level\":");
                write_string(&mut out, self.level.name());
                out.extend_from_slice(b",\"event\":");
                write_string(&mut out, self.event);
                for (name, field) in &self.fields {
                    out.push(b',');
                    write_string(&mut out, name);
                    out.push(b':');
                    field.write(&mut out);
                }
                out.push(b'}');
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Field {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Field::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Field::Text(text) => write_string(out, text),
        }
    }
}

/// True for what needs no quotes: nothing that a client says can look like another field or line.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@[]*+".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

impl Journal {
    /// A journal in this form.
    pub(super) fn new(format: LogFormat) -> Journal {
        Journal { format, recent: Mutex::default() }
    }

    /// Writes a line, unless there are too many of its kind. No lock may be held.
    pub(super) fn write(&self, line: Line) {
        if !Line::is_wanted(line.level) {
            return;
        }
        let Some(suppressed) = self.admit(line.event, Instant::now()) else {
            return;
        };
        let line = if suppressed > 0 { line.number("suppressed", suppressed) } else { line };
        log::write(line.level, || line.write(self.format, SystemTime::now()));
    }

    /// The number of lines that were suppressed before this one; `None` if it is one of them.
    fn admit(&self, event: &'static str, now: Instant) -> Option<u64> {
        let mut recent = lock(&self.recent);
        let new = || Recent { since: now, written: 0, suppressed: 0 };
        let recent = recent.entry(event).or_insert_with(new);
        if now.duration_since(recent.since) >= SECOND {
            (recent.since, recent.written) = (now, 0);
        }
        if recent.written == MOST {
            recent.suppressed += 1;
            return None;
        }
        recent.written += 1;
        Some(std::mem::take(&mut recent.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Line {
        Line::new(Level::Info, "joined").number("session", 7).text("realm", "realm1")
    }

    #[test]
    fn a_line_is_text_or_json() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(joined().write(LogFormat::Text, now), "router: joined session=7 realm=realm1");
        let json = joined().write(LogFormat::Json, now);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let time = json["time"].as_str().unwrap();
        assert!(time.starts_with("1970-01-01T00:00:00"), "{time}");
        let wanted = serde_json::json!({
            "time": time, "level": "info", "event": "joined", "session": 7, "realm": "realm1",
        });
        assert_eq!(json, wanted);
    }

    #[test]
    fn nothing_that_a_client_says_looks_like_another_field_or_line() {
        let now = SystemTime::UNIX_EPOCH;
        for said in ["joe realm=admin", "joe\nrouter: joined", "\"", "", "a=b", "\u{1b}[2J"] {
            let line = Line::new(Level::Warn, "login refused").text("authid", said);
            let text = line.write(LogFormat::Text, now);
            let quoted = text.strip_prefix("router: login refused authid=").unwrap();
            assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), said);
            assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        }
    }

    #[test]
    fn lines_that_come_too_fast_are_counted() {
        let journal = Journal::default();
        let begun = Instant::now();
        let admitted = (0..MOST + 10).filter_map(|_| journal.admit("login refused", begun));
        assert_eq!(admitted.count(), MOST as usize);
        assert_eq!(journal.admit("joined", begun), Some(0), "another kind");
        assert_eq!(journal.admit("login refused", begun + SECOND), Some(10));
        assert_eq!(journal.admit("login refused", begun + SECOND), Some(0));
    }
}
