//! Helpers for programs that answer challenges themselves, or that keep credentials for a router.

use std::ffi::{c_char, c_int};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::auth::scram::{self, Kdf, Profile};
use crate::auth::{AuthError, Stop, cra, hex, key_file, unhex};
use crate::client::{Failure, Status};

use super::args::{Buffer, Text, from_c};
use super::guard::guard;

/// The key derived from a salted WAMP-CRA secret: a router may keep it instead of the secret, and
/// wamp_auth_cra_sign() needs it if the challenge has a `salt`.
///
/// `iterations` and `keylen` are those of the challenge; 0 stands for the usual 1000 and 32. The
/// result is base64, and this text itself is used as the key.
///
/// Like the other wamp_auth_... functions it needs no connection and may be called on any thread.
/// The result is written to `out`, which the caller owns, with a NUL at its end. Returns the number
/// of its characters, not counting the NUL. If that is not less than `out_size`, the result did not
/// fit and only an empty text was written, so (NULL, 0) asks for the size. Otherwise
/// WAMP_ERR_ARGUMENT (also for a cost that is out of range: see wamp_last_error()), WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_cra_derive_key(
    secret: *const c_char,
    salt: *const c_char,
    iterations: u32,
    keylen: u32,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(secret: Text, salt: Text, out[out_size]: Buffer);
    guard(|| {
        let (secret, salt) = (secret.required()?, salt.required()?);
        let usual = |given, usual| u64::from(if given == 0 { usual } else { given });
        let iterations = usual(iterations, cra::ITERATIONS);
        let keylen = usual(keylen, cra::KEY_BYTES);
        let key = cra::derive_key(
            secret.as_bytes(),
            salt.as_bytes(),
            iterations,
            keylen,
            &Stop::default(),
        )
        .map_err(refused)?;
        out.fill(key.expose())
    })
}

/// The signature of a WAMP-CRA challenge, which is passed as it was received. `key` is the secret
/// or, if the challenge has a `salt`, the result of wamp_auth_cra_derive_key().
///
/// Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_cra_sign(
    key: *const c_char,
    challenge: *const c_char,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(key: Text, challenge: Text, out[out_size]: Buffer);
    guard(|| {
        let (key, challenge) = (key.required()?, challenge.required()?);
        let signature = cra::sign(key.as_bytes(), challenge.as_bytes());
        out.fill(&signature)
    })
}

/// The public key that belongs to a private key for cryptosign, in the form that routers and
/// `authextra.pubkey` expect.
///
/// `privkey` is a seed of 64 hexadecimal digits, or the text or path of a key file: OpenSSH or
/// PKCS#8, of the type ed25519, without passphrase. Writes 64 hexadecimal digits to `out`; returns
/// as wamp_auth_cra_derive_key(), WAMP_ERR_ARGUMENT also if it is not such a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_cryptosign_public_key(
    privkey: *const c_char,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(privkey: Text, out[out_size]: Buffer);
    guard(|| {
        let key = key_file::load(privkey.required()?).map_err(refused)?;
        out.fill(&hex(&key.public_key()))
    })
}

/// Signs a cryptosign challenge. `privkey` as for wamp_auth_cryptosign_public_key(); `challenge`:
/// 64 hexadecimal digits, as received; `channel_id`: 64 hexadecimal digits if the login is bound to
/// its TLS channel, else NULL.
///
/// Writes to `out` what AUTHENTICATE needs, 192 hexadecimal digits: the signature and the signed
/// data. Returns as wamp_auth_cra_derive_key().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_cryptosign_sign(
    privkey: *const c_char,
    challenge: *const c_char,
    channel_id: *const c_char,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(privkey: Text, challenge: Text, channel_id: Text, out[out_size]: Buffer);
    guard(|| {
        let key = key_file::load(privkey.required()?).map_err(refused)?;
        let challenge = digits(challenge.required()?, "challenge")?;
        let channel_id =
            channel_id.optional()?.map(|text| digits(text, "channel_id")).transpose()?;
        out.fill(&key.sign(&challenge, channel_id.as_ref()))
    })
}

/// The SaltedPassword of SCRAM, from which proofs and stored keys are made. Takes as long as its
/// cost parameters demand, up to several seconds.
///
/// `kdf`, `salt` (base64), `iterations` and `memory` (KiB; only for argon2) are those of the
/// challenge. The spelling of `kdf` matters: "pbkdf2" and "argon2id13" are the specification's;
/// "argon2id-13" is that of Crossbar.io and Autobahn, where the base64 text of the hash replaces
/// the hash, and the password is used as it is, without SASLprep. Costs below 4096 iterations of
/// pbkdf2 or 512 KiB of memory are refused, and so are absurdly high ones.
///
/// Writes base64 to `out`; returns as wamp_auth_cra_derive_key().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_scram_salted_password(
    kdf: *const c_char,
    password: *const c_char,
    salt: *const c_char,
    iterations: u32,
    memory: u32,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(kdf: Text, password: Text, salt: Text, out[out_size]: Buffer);
    guard(|| {
        let (name, password) = (kdf.required()?, password.required()?);
        let salt = bytes(salt.required()?, "salt")?;
        let kdf = Kdf::new(name, iterations.into(), Some(memory.into())).map_err(refused)?;
        let profile = if name == "argon2id-13" { Profile::Crossbar } else { Profile::Wamp };
        let salted = scram::salted_password(profile, kdf, password, &salt, &Stop::default())
            .map_err(refused)?;
        out.fill(&Zeroizing::new(STANDARD.encode(&*salted)))
    })
}

/// The ClientProof of SCRAM: the signature for AUTHENTICATE. `salted_password`: what
/// wamp_auth_scram_salted_password() wrote; `auth_message`: the AuthMessage of RFC 5802, such as
/// "n=joe,r=OURS,r=BOTH,s=SALT,i=4096,c=biws,r=BOTH", where OURS and BOTH are the nonces of HELLO
/// and of the challenge. Crossbar.io's method "scram" has nothing after `c=`.
///
/// Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_scram_client_proof(
    salted_password: *const c_char,
    auth_message: *const c_char,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(salted_password: Text, auth_message: Text, out[out_size]: Buffer);
    scram_proof(scram::client_proof, salted_password, auth_message, out)
}

/// The ServerSignature of SCRAM, by which a client verifies the router: compare it with
/// `authextra.verifier` of WELCOME, or Crossbar.io's `scram_server_signature`. Takes the same
/// arguments, and returns as wamp_auth_scram_client_proof().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_auth_scram_server_signature(
    salted_password: *const c_char,
    auth_message: *const c_char,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(salted_password: Text, auth_message: Text, out[out_size]: Buffer);
    scram_proof(scram::server_signature, salted_password, auth_message, out)
}

#[cfg_attr(debug_assertions, track_caller)]
fn scram_proof(
    proof: fn(&[u8], &[u8]) -> [u8; 32],
    salted_password: Text<'_>,
    auth_message: Text<'_>,
    out: Buffer<'_>,
) -> c_int {
    guard(|| {
        let salted = bytes(salted_password.required()?, "salted_password")?;
        let message = auth_message.required()?;
        out.fill(&STANDARD.encode(proof(&salted, message.as_bytes())))
    })
}

fn refused(error: AuthError) -> Failure {
    Failure::new(Status::Argument, error.to_string())
}

fn digits(text: &str, name: &str) -> Result<[u8; 32], Failure> {
    unhex(text).ok_or_else(|| {
        Failure::new(Status::Argument, format!("`{name}` must have 64 hexadecimal digits"))
    })
}

fn bytes(text: &str, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let wrong = |_| Failure::new(Status::Argument, format!("`{name}` must be base64"));
    STANDARD.decode(text).map(Zeroizing::new).map_err(wrong)
}
