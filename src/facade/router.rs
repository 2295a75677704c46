//! The embedded router, as `wampd` uses it: the router itself, its log, and what a service manager
//! hands over.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::codec::Timestamp;
use crate::{log, os};

pub use crate::log::Level;
pub use crate::router::{ReadySocket, Router, RouterError, RouterStats, Site};
pub use crate::transport::{Address, Endpoint, Page, PageBody, Protocol};

/// Has lines of this level, and heavier ones, go to `sink`, which any thread may call.
pub fn set_log(level: Level, sink: impl Fn(Level, &str) + Send + Sync + 'static) {
    log::set(level as u8, Some(Arc::new(FnSink(sink))));
}

/// The time now, as the router's log in JSON has it.
pub fn timestamp() -> String {
    Timestamp::from(SystemTime::now()).text().unwrap_or_default()
}

/// The sockets that the process was started with, from descriptor 3 on, as many as `count` says.
/// The second call gives none.
pub fn inherited_sockets(count: usize) -> io::Result<Vec<ReadySocket>> {
    os::inherited(count).into_iter().map(ReadySocket::new).collect()
}

/// The word of `known` that is nearest to this one, in a sentence.
pub fn nearest(word: &str, known: &[&str]) -> String {
    crate::router::nearest(word, known, "the keys are")
}

struct FnSink<F>(F);

impl<F: Fn(Level, &str) + Send + Sync> log::Sink for FnSink<F> {
    fn line(&self, level: Level, text: &str) {
        (self.0)(level, text);
    }
}
