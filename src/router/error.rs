//! The failures of a router.

/// The failure of a router, and what the user can change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The configuration cannot be used.
    #[error("router configuration: {0}")]
    Config(String),
    /// The URL is none to listen on.
    #[error("cannot listen: {0}")]
    Url(String),
    /// The operating system does not let us listen.
    #[error("cannot listen on {url}: {reason}; {hint}")]
    Bind {
        /// The URL to listen at.
        url: String,
        /// The operating system's message.
        reason: String,
        /// The thing to look at.
        hint: &'static str,
    },
    /// The operating system has nothing left to listen with.
    #[error("cannot listen on {url}: {reason}; raise the limits, or use less")]
    Exhausted {
        /// The URL to listen at.
        url: String,
        /// The operating system's message.
        reason: String,
    },
    /// The descriptors of the I/O threads are gone.
    #[error(
        "cannot listen on {url}: the library's I/O threads have failed; has the program closed \
         descriptors that are not its own?"
    )]
    Descriptors {
        /// The URL to listen at.
        url: String,
    },
    /// This build has no routers.
    #[error("{0}")]
    LeftOut(String),
    /// The router was closed.
    #[error("the router is closed; make a new one to listen again")]
    Closed,
}
