//! Answers to challenges: `wamp_challenge_t`.

use std::ffi::{c_char, c_int};

use crate::protocol::uri;

use super::args::{Text, from_c};
use super::guard::guard;
use super::handles;
use super::loan;
use super::types::*;

/// Keeps a challenge beyond its callback, to answer it later from any thread; each retain needs a
/// matching wamp_challenge_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_challenge_retain(challenge: *mut wamp_challenge_t) -> c_int {
    guard(|| loan::retain(challenge).map(|_| 0))
}

/// Gives a challenge back. If it was never answered and no other reference is left, the attempt to
/// join ends with `wamp.error.cannot_authenticate`. Returns WAMP_OK or WAMP_ERR_HANDLE, also for
/// one that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_challenge_release(challenge: *mut wamp_challenge_t) -> c_int {
    guard(|| loan::release(challenge).map(|()| 0))
}

/// Answers a challenge. Allowed on any thread, once.
///
/// `signature` is what the method requires: the ticket itself, or a signature (see
/// wamp_auth_cra_sign() and its siblings). `extra` (JSON object, may be NULL) goes with it. Both
/// are copied. The router may challenge again, then accepts (WAMP_OPEN) or refuses (WAMP_CLOSE).
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION,
/// WAMP_ERR_STATE (answered already), WAMP_ERR_CLOSED (too late).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_challenge_reply(
    challenge: *mut wamp_challenge_t,
    signature: *const c_char,
    extra: *const c_char,
) -> c_int {
    from_c!(signature: Text, extra: Text);
    guard(|| {
        let object = handles::find(challenge)?;
        let (signature, extra) = (signature.required()?, extra.options()?);
        object.what.session.authenticate(object.what.round, signature, extra).map(|()| 0)
    })
}

/// Gives up joining: the router is sent an ABORT, and WAMP_CLOSE with WAMP_ERR_AUTH follows; there
/// is no further attempt.
///
/// `reason` is a URI, NULL for `wamp.error.cannot_authenticate`; `message` (may be NULL) is a text
/// for people. Returns as wamp_challenge_reply(), and WAMP_ERR_URI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_challenge_abort(
    challenge: *mut wamp_challenge_t,
    reason: *const c_char,
    message: *const c_char,
) -> c_int {
    from_c!(reason: Text, message: Text);
    guard(|| {
        let object = handles::find(challenge)?;
        let (reason, message) = (reason.optional()?, message.optional()?);
        let reason = reason.unwrap_or(uri::CANNOT_AUTHENTICATE);
        let message = message.unwrap_or("the application did not answer");
        object.what.session.refuse_challenge(object.what.round, reason, message).map(|()| 0)
    })
}
