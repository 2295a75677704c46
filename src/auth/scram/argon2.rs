//! Argon2id, version 1.3, with one lane.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::auth::AuthError;

/// Hashes a password in `iterations` passes over `memory` KiB.
pub(super) fn argon2id(
    iterations: u32,
    memory: u32,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> Result<(), AuthError> {
    let made = Params::new(memory, iterations, 1, Some(hash.len())).and_then(|params| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password, salt, hash)
    });
    made.map_err(|error| match error {
        argon2::Error::OutOfMemory => AuthError::NoMemory(memory),
        // Costs and the size of the hash are within the function's limits.
        _ => AuthError::Malformed {
            method: "SCRAM",
            field: "salt",
            problem: "must have at least 8 bytes for argon2",
        },
    })
}
