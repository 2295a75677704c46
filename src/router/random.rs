//! Ids and names that nobody may foresee: who guesses a session's id may end it, and a stranger's
//! name may be that of somebody with rights.

use crate::auth::AuthError;
use crate::codec::MAX_ID;
use crate::os::random;

/// An id of the global scope (basic profile, "IDs"): any from 1 to 2^53, each as likely.
#[inline]
pub(super) fn id() -> Result<u64, AuthError> {
    // There are as many ids as numbers of 53 bits.
    number().map(|number| number % MAX_ID + 1)
}

/// A name for somebody who has none.
pub(super) fn name() -> Result<String, AuthError> {
    number().map(|number| format!("{number:016x}"))
}

fn number() -> Result<u64, AuthError> {
    random().map(u64::from_ne_bytes).map_err(|_| AuthError::NoRandomness)
}
