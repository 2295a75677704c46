//! The reasons why a login cannot go on, in words that say what to change.

use thiserror::Error;

/// The reason why a challenge is not answered, or a router not trusted. No text of it holds a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is nothing to answer with.
    #[error("the router asks for {method}: set the option `{option}`, or answer in on_challenge")]
    NoCredential {
        /// The method of the CHALLENGE.
        method: &'static str,
        /// The option that is missing.
        option: &'static str,
    },
    /// A method that the library does not know.
    #[error(
        "the method `{0}` is unknown to the library: answer in on_challenge, or leave it out of \
         `authmethods`"
    )]
    UnknownMethod(String),
    /// A method that was not in HELLO: a false router could ask for the plain ticket this way.
    #[error(
        "the router asks for `{0}`, which was not offered: name it in `authmethods` if that is \
         wanted"
    )]
    NotOffered(String),
    /// Something is missing, of a wrong type or out of range in what the peer sent.
    #[error("{method}: `{field}` {problem}")]
    Malformed {
        /// The method.
        method: &'static str,
        /// The member of the message, or of the options.
        field: &'static str,
        /// The fault of the field; follows its name.
        problem: &'static str,
    },
    /// The router's nonce does not begin with ours, so this is not the answer to our HELLO.
    #[error("SCRAM: the router's nonce does not extend ours: the challenge is not for this login")]
    Nonce,
    /// Hashing would be so cheap that whoever asked for it could try out passwords.
    #[error(
        "the router wants the password hashed too cheaply, {what} is {given} and must be at least \
         {least}: store it on the router with a higher cost"
    )]
    TooCheap {
        /// The parameter.
        what: &'static str,
        /// Its value.
        given: u64,
        /// The lowest one that is accepted.
        least: u64,
    },
    /// Hashing would take very long, or very much memory.
    #[error(
        "the router wants the password hashed at an absurd cost, {what} is {given} and must be at \
         most {most}: store it on the router with a lower cost"
    )]
    TooCostly {
        /// The parameter.
        what: &'static str,
        /// Its value.
        given: u64,
        /// The highest one that is accepted.
        most: u64,
    },
    /// The memory that argon2 was told to use is not there.
    #[error(
        "hashing the password takes {0} KiB of memory, which the system cannot provide: store it \
         on the router with a lower memory cost"
    )]
    NoMemory(u32),
    /// A part of the library that this build does not have.
    #[error("{0}")]
    LeftOut(String),
    /// The session has ended before the answer was made.
    #[error("the login was abandoned")]
    GivenUp,
    /// The router could not prove who it is.
    #[error("the router is not authentic: {0}")]
    RouterNotAuthentic(&'static str),
    /// The client could not prove who it is; for routers, which tell clients no more than that.
    #[error("the client is not authentic: {0}")]
    ClientNotAuthentic(&'static str),
    /// The channel binding that was asked for and the one that is used are not the same.
    #[error(
        "channel binding: asked for {asked}, but {used}: use a router that supports it, or do \
         without"
    )]
    ChannelBinding {
        /// The channel binding that HELLO asked for.
        asked: String,
        /// The channel binding that came of it.
        used: String,
    },
    /// A key that cannot be used.
    #[error("{0}")]
    BadKey(String),
    /// SASLprep forbids the text.
    #[error(
        "`{0}` has characters that SASLprep (RFC 4013) forbids, such as control characters or \
         mixed directions of writing: choose another"
    )]
    BadText(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system provides no random bytes, without which no login is safe")]
    NoRandomness,
}

/// A text of the peer, short and in one line, for an error text.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
