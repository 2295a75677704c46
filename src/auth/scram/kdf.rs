//! The functions that make keys of passwords, and the limits of their costs: a router names them,
//! and nobody else has checked them.

use zeroize::Zeroizing;

use crate::auth::AuthError;
use crate::auth::derive::{Stop, pbkdf2};
use crate::parts::Part;

use super::Profile;
use super::argon2::argon2id;

/// RFC 7677 wants no fewer, and fewer would help a false router to guess the password.
pub const LEAST_PBKDF2_ITERATIONS: u32 = 4096;
/// Seconds of work.
pub const MOST_PBKDF2_ITERATIONS: u32 = 10_000_000;
/// KiB that argon2 must use, and one pass will do. This is what Autobahn's tools make, for as many
/// passes as one likes; one pass over it takes about as long as the 4096 iterations of PBKDF2. Less
/// would fit into the fast memory of graphics cards, so that argon2 would lose its point.
pub const LEAST_MEMORY: u32 = 512;
/// KiB that argon2 may use: 1 GiB, which a client can be expected to have for a moment.
pub const MOST_MEMORY: u32 = 1 << 20;
/// KiB times passes: what Autobahn's tools make. A second or two of work, which cannot be stopped
/// on its way.
pub const MOST_MEMORY_PASSES: u64 = 1 << 21;

/// The hash of passwords, and its cost; within the limits of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kdf {
    /// PBKDF2-HMAC-SHA256.
    Pbkdf2 {
        /// Rounds.
        iterations: u32,
    },
    /// Argon2id, version 1.3, one lane.
    Argon2id {
        /// Passes.
        iterations: u32,
        /// KiB.
        memory: u32,
    },
}

impl Kdf {
    /// Checks a function's name and its cost, which nobody else has checked.
    pub fn new(name: &str, iterations: u64, memory: Option<u64>) -> Result<Kdf, AuthError> {
        let wrong = |field, problem| AuthError::Malformed { method: "SCRAM", field, problem };
        match name {
            "pbkdf2" => {
                let (least, most) = (LEAST_PBKDF2_ITERATIONS, MOST_PBKDF2_ITERATIONS);
                Ok(Kdf::Pbkdf2 { iterations: within("iterations", iterations, least, most)? })
            }
            "argon2id13" | "argon2id-13" => {
                Part::Argon2.require().map_err(AuthError::LeftOut)?;
                let memory = memory.ok_or(wrong("memory", "is missing"))?;
                let memory = within("memory", memory, LEAST_MEMORY, MOST_MEMORY)?;
                let most = MOST_MEMORY_PASSES / u64::from(memory);
                let most = u32::try_from(most).unwrap_or(u32::MAX);
                Ok(Kdf::Argon2id { iterations: within("iterations", iterations, 1, most)?, memory })
            }
            _ => Err(wrong("kdf", "must be pbkdf2, argon2id13 or argon2id-13")),
        }
    }

    /// The name in a CHALLENGE.
    pub fn name(self, profile: Profile) -> &'static str {
        match (self, profile) {
            (Kdf::Pbkdf2 { .. }, _) => "pbkdf2",
            (Kdf::Argon2id { .. }, Profile::Wamp) => "argon2id13",
            (Kdf::Argon2id { .. }, _) => "argon2id-13",
        }
    }

    /// Rounds or passes.
    pub fn iterations(self) -> u32 {
        match self {
            Kdf::Pbkdf2 { iterations } | Kdf::Argon2id { iterations, .. } => iterations,
        }
    }

    /// KiB, for those functions that need memory.
    pub fn memory(self) -> Option<u32> {
        match self {
            Kdf::Pbkdf2 { .. } => None,
            Kdf::Argon2id { memory, .. } => Some(memory),
        }
    }

    /// Hashes a password to 32 bytes. May take seconds.
    pub(super) fn hash(
        self,
        password: &[u8],
        salt: &[u8],
        stop: &Stop,
    ) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let mut hash = Zeroizing::new(vec![0; 32]);
        match self {
            Kdf::Pbkdf2 { iterations } => pbkdf2(password, salt, iterations, &mut hash, stop)?,
            Kdf::Argon2id { iterations, memory } => {
                argon2id(iterations, memory, password, salt, &mut hash)?;
            }
        }
        Ok(hash)
    }
}

fn within(what: &'static str, given: u64, least: u32, most: u32) -> Result<u32, AuthError> {
    match u32::try_from(given) {
        Ok(cost) if cost < least => {
            Err(AuthError::TooCheap { what, given, least: u64::from(least) })
        }
        Ok(cost) if cost <= most => Ok(cost),
        _ => Err(AuthError::TooCostly { what, given, most: u64::from(most) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_limits() {
        for (name, iterations, memory, word) in [
            ("pbkdf2", 4095, None, "iterations is 4095 and must be at least 4096"),
            ("pbkdf2", 10_000_001, None, "at most 10000000"),
            ("pbkdf2", 1 << 32, None, "at most 10000000"),
            ("argon2id13", 1, Some(511), "memory is 511 and must be at least 512"),
            ("argon2id13", 1, Some((1 << 20) + 1), "at most 1048576"),
            ("argon2id13", 3, Some(1 << 20), "at most 2"),
            ("argon2id13", 0, Some(512), "at least 1"),
            ("argon2id13", u64::MAX, Some(512), "at most 4096"),
            ("argon2id13", 1, None, "`memory` is missing"),
            ("scrypt", 5000, Some(512), "`kdf` must be"),
            ("", 5000, None, "`kdf` must be"),
        ] {
            let error = Kdf::new(name, iterations, memory).unwrap_err().to_string();
            assert!(error.contains(word), "{name} {iterations}: {error}");
        }
        let autobahn = Kdf::new("argon2id-13", 4096, Some(512)).unwrap();
        assert_eq!(autobahn, Kdf::Argon2id { iterations: 4096, memory: 512 });
    }
}
