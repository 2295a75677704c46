//! Texts that must not be seen: not in logs, not in error texts, not in freed memory.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::AuthError;

/// A password, ticket or signature. Overwritten when dropped; its `Debug` output is `***`.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes charge of a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for those who have to send or hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if `given` is the same text. How long that takes does not tell where they differ.
    pub fn matches(&self, given: &str) -> bool {
        // Of the texts themselves it would take longer where the length is right.
        same(&Sha256::digest(self.0.as_bytes()), &Sha256::digest(given))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret::new(text)
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const SIZE: usize>() -> Result<[u8; SIZE], AuthError> {
    let mut bytes = [0; SIZE];
    getrandom::fill(&mut bytes).map_err(|_| AuthError::NoRandomness)?;
    Ok(bytes)
}

/// True if both are the same, in a time that does not depend on where they differ.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("swordfish");
        assert_eq!(format!("{secret:?} {:?}", Some(secret.clone())), "*** Some(***)");
        assert_eq!(secret.expose(), "swordfish");
    }

    #[test]
    fn only_the_same_text_matches() {
        let secret = Secret::from("swordfish");
        assert!(secret.matches("swordfish"));
        for other in ["", "swordfis", "swordfish ", "Swordfish"] {
            assert!(!secret.matches(other), "{other}");
        }
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }
}
