//! `argon2` in a build without: a [`Kdf`](crate::auth::scram::Kdf) of it is refused when it is
//! made.

use crate::auth::AuthError;
use crate::parts::Part;

/// Refuses.
pub(super) fn argon2id(
    _iterations: u32,
    _memory: u32,
    _password: &[u8],
    _salt: &[u8],
    _hash: &mut [u8],
) -> Result<(), AuthError> {
    Err(AuthError::LeftOut(Part::Argon2.left_out()))
}
