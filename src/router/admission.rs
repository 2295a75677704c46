//! The reason why a client was let in, which may hold no more under another configuration.

use super::certificate::Mark;

/// See the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is not for a configuration to decide: it is one of the router itself.
    #[default]
    Unconditional,
    /// Anybody is let in, with this role.
    Anonymous { role: String },
    /// It has proved to be a user by these methods, which has this role.
    Known {
        authid: String,
        methods: Vec<&'static str>,
        role: String,
        /// The mark of its certificate by which it is known, if it is.
        mark: Option<Mark>,
    },
    /// The procedure has let it in that knows the users of this method, or else anonymous ones.
    Procedure(Option<&'static str>),
    /// The program alone has let it in.
    Program,
}

/// The reason why a session may not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawal {
    /// It would not be let in.
    Removed,
    /// It would have another role.
    OtherRole,
    /// The listener by which it came does not let it into this realm.
    OtherRealm,
    /// The listener by which it came is closed.
    Closed,
}
