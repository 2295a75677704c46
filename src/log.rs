//! The log: silent unless the application sets a sink or the environment variable `WAMP_LOG`
//! names a level (`error warn info debug trace`), which then go to standard error.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Once};

use crate::os::{self, lock};

/// The weight of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something failed, and nobody else was told.
    Error = 1,
    /// Something is odd.
    Warn = 2,
    /// Connections come and go.
    Info = 3,
    /// For who looks for a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

const NAMES: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Level {
    /// Its name, as `WAMP_LOG` has it.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// Takes log lines; may be called on any thread.
pub(crate) trait Sink: Send + Sync {
    /// One line without its end.
    fn line(&self, level: Level, text: &str);
}

static LEVEL: AtomicU8 = AtomicU8::new(0);
static SINK: Mutex<Option<Arc<dyn Sink>>> = Mutex::new(None);

/// Sets the sink and the highest level it wants (0: none). The former sink is returned, to be
/// dropped where no lock is held.
pub(crate) fn set(level: u8, sink: Option<Arc<dyn Sink>>) -> Option<Arc<dyn Sink>> {
    read_environment();
    let mut current = lock(&SINK);
    LEVEL.store(if sink.is_some() { level.min(5) } else { 0 }, Ordering::Relaxed);
    std::mem::replace(&mut *current, sink)
}

/// Reads `WAMP_LOG`, once.
pub(crate) fn read_environment() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = std::env::var("WAMP_LOG").unwrap_or_default().to_ascii_lowercase();
        if let Some(level) = NAMES.iter().position(|name| *name == wanted) {
            LEVEL.store(level as u8, Ordering::Relaxed);
        }
    });
}

/// True if somebody wants lines of this level.
#[inline]
pub(crate) fn is_wanted(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes a line if somebody wants it.
pub(crate) fn write(level: Level, text: impl FnOnce() -> String) {
    if is_wanted(level) {
        tell(level, &text());
    }
}

/// Writes a line that was asked for by itself, whatever the level.
pub(crate) fn tell(level: Level, text: &str) {
    let sink = lock(&SINK).clone();
    match sink {
        Some(sink) => sink.line(level, text),
        // A host may have closed its standard error, or whoever read it may have gone: that is no
        // reason to panic, nor for a signal.
        None => {
            let _held = os::NoSigpipe::begin();
            let _ = writeln!(std::io::stderr(), "wamp {}: {text}", level.name());
        }
    }
}

/// True if the environment variable `WAMP_TRACE` asks for a trace of all messages.
pub(crate) fn wants_trace() -> bool {
    static WANTED: LazyLock<bool> = LazyLock::new(|| {
        std::env::var_os("WAMP_TRACE").is_some_and(|value| !value.is_empty() && value != "0")
    });
    *WANTED
}
