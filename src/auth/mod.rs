//! Authentication as pure functions: a challenge in, an answer out.
//!
//! A client gives its [`Credentials`] to a [`ClientAuth`] for each attempt to join; a router has a
//! `Challenger` for each method: [`cra`], [`scram_router`], [`cryptosign`]; and for tickets
//! [`ticket`]. No socket, no clock and no thread is in here, only random bytes come from the
//! operating system. When messages are sent, what a failure does to a session, and who may become
//! what is left to clients and routers.
//!
//! Two rules hold everywhere: what the peer says is doubted until it is checked, and no secret
//! appears in an error text or in `Debug` output.

mod client_auth;
pub mod cra;
pub mod cryptosign;
mod decoy;
mod derive;
mod error;
mod fields;
pub mod key_file;
pub mod scram;
pub mod scram_router;
mod secret;
pub mod ticket;

pub use client_auth::{Answer, ClientAuth};
pub use cryptosign::PrivateKey;
pub use decoy::DecoyKey;
pub use derive::Stop;
pub use error::AuthError;
pub use fields::{hex, unhex};
pub use secret::Secret;

/// The secrets with which a client can answer challenges.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The name that we go by. SCRAM cannot do without; other methods leave it to the router.
    pub authid: Option<String>,
    /// For the method `ticket`.
    pub ticket: Option<Secret>,
    /// The password for `wampcra`, `scram` and `wamp-scram`.
    pub secret: Option<Secret>,
    /// The key for `cryptosign`.
    pub privkey: Option<PrivateKey>,
    /// The public key that the router must have. Then only `cryptosign` is answered, and only
    /// after the router has signed a challenge of ours with it.
    pub router_key: Option<[u8; 32]>,
    /// True if the login must be bound to its TLS channel (`tls-exporter`), so that nobody in
    /// between can pass it on. Methods and routers that cannot do that are refused then.
    pub channel_binding: bool,
    /// For the method `scram` with argon2: whether the router's stored keys were made of the hash
    /// itself, as the specification says, and not of its base64 text, as Autobahn's tools do. The
    /// router does not tell.
    pub scram_raw: bool,
}

impl Credentials {
    /// The methods to offer when the application names no `authmethods`; `anonymous` when there is
    /// nothing to answer with.
    ///
    /// Applications should name the one method that their router has set up for them: routers
    /// choose, but do not try another when the first has failed. In this order of ours methods
    /// that show nothing of a secret stand before those that do: signatures; SCRAM, whose costs are
    /// checked and with which routers prove themselves; CRA, which a false router could use to try
    /// out passwords; and last the ticket, which is the secret itself. `wamp-scram` stands behind
    /// `scram` and `wampcra` because Crossbar.io, which takes the first method that it has set up,
    /// does not know it and aborts as soon as it comes to such a name.
    pub fn methods(&self) -> Vec<&'static str> {
        let mut methods = Vec::new();
        if self.privkey.is_some() {
            methods.push(cryptosign::METHOD);
        }
        if self.router_key.is_some() {
            // Nothing else is answered.
            return methods;
        }
        if self.secret.is_some() {
            methods.extend(["scram", "wampcra", "wamp-scram"]);
        }
        if self.ticket.is_some() {
            methods.push("ticket");
        }
        if methods.is_empty() {
            methods.push("anonymous");
        }
        methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_depends_on_what_there_is() {
        let mut credentials = Credentials::default();
        assert_eq!(credentials.methods(), ["anonymous"]);
        credentials.ticket = Some("t".into());
        assert_eq!(credentials.methods(), ["ticket"]);
        credentials.secret = Some("s".into());
        assert_eq!(credentials.methods(), ["scram", "wampcra", "wamp-scram", "ticket"]);
        credentials.privkey = Some(PrivateKey::from_seed(&[1; 32]));
        assert_eq!(credentials.methods()[0], "cryptosign");
        credentials.router_key = Some([2; 32]);
        assert_eq!(credentials.methods(), ["cryptosign"]);
    }

    #[test]
    fn credentials_show_no_secret() {
        let credentials = Credentials {
            authid: Some("joe".to_owned()),
            ticket: Some("ticket-secret".into()),
            secret: Some("the-secret".into()),
            privkey: Some(PrivateKey::from_seed(&[0x5a; 32])),
            ..Credentials::default()
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("joe"));
        for secret in ["ticket-secret", "the-secret", "5a5a", "90, 90"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
