//! Tickets as a router keeps them: as they are, or hashed.

use std::fmt;

use zeroize::Zeroizing;

use super::derive::Stop;
use super::scram::{Kdf, Profile, salted_password};
use super::secret::same;
use super::{AuthError, Secret};

/// A ticket, by which a client is judged.
#[derive(Debug, Clone)]
pub enum Ticket {
    /// As it is.
    Plain(Secret),
    /// Hashed.
    Hashed(Box<TicketHash>),
}

/// The hash of a ticket: what SCRAM would make of it as a password, in the dialect of the
/// specification. Its `Debug` output does not show the hash.
#[derive(Clone)]
pub struct TicketHash {
    /// The hash that was used.
    pub kdf: Kdf,
    /// The salt, of this user only.
    pub salt: Vec<u8>,
    /// The SaltedPassword.
    pub hash: Zeroizing<[u8; 32]>,
}

impl Ticket {
    /// Judges the ticket that a client has given. Takes as long as its hash does, if it has one.
    pub fn verify(&self, given: &str) -> Result<(), AuthError> {
        let is_right = match self {
            Ticket::Plain(ticket) => ticket.matches(given),
            Ticket::Hashed(ticket) => ticket.matches(given)?,
        };
        match is_right {
            true => Ok(()),
            false => Err(AuthError::ClientNotAuthentic("its ticket is wrong")),
        }
    }
}

impl TicketHash {
    fn matches(&self, given: &str) -> Result<bool, AuthError> {
        let stop = Stop::default();
        match salted_password(Profile::Wamp, self.kdf, given, &self.salt, &stop) {
            Ok(hash) => Ok(same(&hash, &*self.hash)),
            // No ticket can have been hashed that SASLprep forbids.
            Err(AuthError::BadText(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for TicketHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketHash").field("kdf", &self.kdf).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_ticket_matches() {
        let kdf = Kdf::new("pbkdf2", 4096, None).unwrap();
        let salt = b"salt of joe".to_vec();
        let stop = Stop::default();
        let hash = salted_password(Profile::Wamp, kdf, "swordfish", &salt, &stop).unwrap();
        let hash = Zeroizing::new(<[u8; 32]>::try_from(&hash[..]).unwrap());
        let hashed = Ticket::Hashed(Box::new(TicketHash { kdf, salt, hash }));
        for ticket in [Ticket::Plain("swordfish".into()), hashed] {
            ticket.verify("swordfish").unwrap();
            for wrong in ["", "swordfis", "swordfish ", "sword\u{7}"] {
                let error = ticket.verify(wrong).unwrap_err();
                assert!(matches!(error, AuthError::ClientNotAuthentic(_)), "{error}");
            }
            let shown = format!("{ticket:?}");
            assert!(!shown.contains("sword") && !shown.contains("hash:"), "{shown}");
        }
    }
}
