//! The log of `wampd`, on standard error: lines of the router and of the program itself, for people
//! or as JSON objects. systemd's journal has the time by itself.

use std::env;

use serde_json::json;
use wamp::facade::router::timestamp;
use wamp::facade::{Level, set_log};

use wamp_tools::output::tell;
use wamp_tools::paint::Paint;

use crate::options::{LogFormat, LogLevel};

/// The log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journal {
    format: LogFormat,
    paint: Paint,
    /// Lines go to systemd's journal.
    is_kept: bool,
    level: Level,
}

impl Journal {
    /// A log in this form, from this weight on.
    pub(crate) fn new(format: LogFormat, level: LogLevel) -> Journal {
        let level = match level {
            LogLevel::Error => Level::Error,
            LogLevel::Warn => Level::Warn,
            LogLevel::Info => Level::Info,
            LogLevel::Debug => Level::Debug,
        };
        let is_kept = env::var_os("JOURNAL_STREAM").is_some();
        Journal { format, paint: Paint::stderr(), is_kept, level }
    }

    /// True if people are there to be greeted.
    pub(crate) fn greets(self) -> bool {
        self.format == LogFormat::Text && !self.is_kept
    }

    /// Takes the router's lines from now on, from the given weight on if that is heavier.
    pub(crate) fn listen(self, at_least: Level) {
        set_log(Some(self.level.min(at_least)), move |level, text| self.write(level, text));
    }

    /// Takes the router's lines of the weight that was asked for.
    pub(crate) fn listen_to_all(self) {
        self.listen(self.level);
    }

    /// Writes a line of the program itself.
    pub(crate) fn tell(self, level: Level, event: &str, message: &str) {
        if level > self.level {
            return;
        }
        match self.format {
            LogFormat::Text => self.write(level, &format!("{event}: {message}")),
            LogFormat::Json => tell(&object(level, event, message)),
        }
    }

    fn write(self, level: Level, text: &str) {
        match self.format {
            // The router's own lines are objects already.
            LogFormat::Json if text.starts_with('{') => tell(text),
            LogFormat::Json => tell(&object(level, "message", text)),
            LogFormat::Text => tell(&self.text(level, text)),
        }
    }

    fn text(self, level: Level, text: &str) -> String {
        let text = text.strip_prefix("router: ").unwrap_or(text);
        if self.is_kept {
            return format!("<{}>{text}", priority(level));
        }
        let time = timestamp();
        // To the second, which is enough for people.
        let time = time.get(..19).unwrap_or(&time);
        let name = format!("{:5}", level.name());
        let name = match level {
            Level::Error => self.paint.red(&name),
            Level::Warn => self.paint.yellow(&name),
            _ => self.paint.green(&name),
        };
        format!("{} {name} {text}", self.paint.dim(&format!("{time}Z")))
    }
}

fn object(level: Level, event: &str, message: &str) -> String {
    let (time, level) = (timestamp(), level.name());
    json!({"time": time, "level": level, "event": event, "message": message}).to_string()
}

/// The weight as syslog counts it.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}
