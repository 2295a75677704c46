//! The dispatch mode: how events reach the application (option `dispatch`).

/// A way in which events reach the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Callbacks run on a library thread, one at a time per connection.
    Thread,
    /// The host calls for events.
    Manual,
    /// Callbacks run on the I/O thread.
    Inline,
}
