//! The kinds of questions to the program that embeds the router, and of ways to ask them.

/// The thread on which the program is told of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dispatch {
    /// One of the library's.
    #[default]
    Thread,
    /// One that asks for them.
    Manual,
    /// The I/O thread.
    Inline,
}

/// The subject of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// A login: may this client join?
    Login,
    /// A request of a client: may it do this?
    Action,
}
