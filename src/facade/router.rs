//! The embedded router, as `wampd` uses it: the router itself, and what a service manager hands
//! over.

use std::io;
use std::time::SystemTime;

use crate::codec::Timestamp;
use crate::os;

pub use crate::os::ReadySocket;
pub use crate::router::{Checked, Router, RouterError, RouterStats, Site};
pub use crate::transport::{Address, Endpoint, Page, PageBody, Protocol};

/// The time now, as the router's log in JSON has it.
pub fn timestamp() -> String {
    Timestamp::from(SystemTime::now()).text().unwrap_or_default()
}

/// The sockets that the process was started with, from descriptor 3 on, as many as `count` says.
/// The second call gives none.
pub fn inherited_sockets(count: usize) -> io::Result<Vec<ReadySocket>> {
    os::inherited(count)
}

/// The word of `known` that is nearest to this one, in a sentence.
pub fn nearest(word: &str, known: &[&str]) -> String {
    crate::router::nearest(word, known, "the keys are")
}
