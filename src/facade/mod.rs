//! The one door of the crate for Rust: `wampd` and `wampcat` (`tools/`) come in here.
//!
//! No public API: it has what these programs need, and changes with them.

pub mod client;
pub mod router;

use std::sync::Arc;

use crate::log;

pub use crate::log::Level;

/// Has lines of this level, and heavier ones, go to `sink`, which any thread may call; without a
/// level none. The messages of connections with the option `trace`, secrets masked, go there, too.
pub fn set_log(level: Option<Level>, sink: impl Fn(Level, &str) + Send + Sync + 'static) {
    struct Lines<F>(F);

    impl<F: Fn(Level, &str) + Send + Sync> log::Sink for Lines<F> {
        fn line(&self, level: Level, text: &str) {
            (self.0)(level, text);
        }
    }

    drop(log::set(level.map_or(0, |level| level as u8), Some(Arc::new(Lines(sink)))));
}
