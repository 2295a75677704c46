//! The limits of what clients can have a realm keep, and the refusal of what is beyond.
//!
//! Each is counted where it is stored, so that to check one is to compare two numbers. What is
//! refused is refused whole, by `wamp.error.limit_exceeded`, with the option's name and its value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::uri;

use super::request::Refusal;

/// A limit that is set by an option.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    /// The name of the option.
    option: &'static str,
    /// The excess, for people.
    what: &'static str,
    most: usize,
    /// The requests that were refused, by whatever limit.
    refused: Arc<AtomicU64>,
}

impl Limit {
    /// The value.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Sets the value.
    pub(super) fn set(&mut self, most: usize) {
        self.most = most;
    }

    /// Refuses one more where there are `present`.
    #[inline]
    pub(super) fn check(&self, present: usize) -> Result<(), Refusal> {
        if present < self.most { Ok(()) } else { Err(self.exceeded()) }
    }

    /// The refusal of what is beyond.
    #[cold]
    pub(super) fn exceeded(&self) -> Refusal {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let Limit { option, what, most, .. } = self;
        let why = format!("{what}: the limit of this router is {most} (option \"{option}\")");
        Refusal::new(uri::LIMIT_EXCEEDED, why)
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $most:expr, $what:literal;)*) => {
        /// All limits of a realm.
        #[derive(Debug, Clone)]
        pub(super) struct Limits {
            $($(#[$doc])* pub(super) $name: Limit,)*
            refused: Arc<AtomicU64>,
        }

        impl Limits {
            /// The same limits, which count what is refused along with others.
            pub(super) fn counting_as(mut self, former: &Limits) -> Limits {
                $(self.$name.refused = former.refused.clone();)*
                self.refused = former.refused.clone();
                self
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                let refused = Arc::<AtomicU64>::default();
                $(let $name = Limit {
                    option: stringify!($name),
                    what: $what,
                    most: $most,
                    refused: refused.clone(),
                };)*
                Limits { $($name,)* refused }
            }
        }
    };
}

limits! {
    /// A gateway that has one subscription for each of its devices has some ten thousand. They take
    /// some 400 bytes each.
    max_subscriptions = 100_000, "too many subscriptions of one session";
    /// Patterns are for kinds of topics and procedures, of which people think; those of
    /// subscriptions and those of registrations are counted apart.
    max_patterns = 1000, "too many patterns of one session";
    /// As with subscriptions.
    max_registrations = 100_000, "too many registrations of one session";
    /// A hundred times what a program has that keeps a router busy.
    max_pending_calls = 100_000, "too many calls that wait for their answers";
    /// A last word is short.
    max_testament_bytes = 1 << 20, "too many bytes in the testaments of one session";
    /// Ten thousand sessions that an event is for, or not for. They are read under the lock.
    max_options_size = 256 << 10, "too many bytes in the options of a message";
    /// The present value of everything in a large plant.
    max_retained_topics = 100_000, "too many topics with retained events";
    /// A tenth of what a small machine has.
    max_retained_bytes = 64 << 20, "too many bytes of retained events";
    /// As with retained events.
    max_history_bytes = 64 << 20, "too many bytes of past events";
    /// Realms that are made on demand take a few KiB each, and go with their last session.
    max_realms = 10_000, "too many realms";
}

impl Limits {
    /// The number of requests that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
