//! Keys from passwords, made in slices: the router says how much work that is, and nobody shall
//! wait for work of which nothing comes any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::AuthError;

/// The word that a login is given up, for whoever is at work on it. Clones are the same word.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Gives the login up.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), AuthError> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(AuthError::GivenUp),
            false => Ok(()),
        }
    }
}

/// The number of rounds between two looks at [`Stop`]: a few milliseconds' work.
const SLICE: u32 = 4096;

/// PBKDF2-HMAC-SHA256 (RFC 8018).
pub(super) fn pbkdf2(
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    key: &mut [u8],
    stop: &Stop,
) -> Result<(), AuthError> {
    let keyed = keyed(password);
    for (number, block) in (1u32..).zip(key.chunks_mut(32)) {
        let mut mac = keyed.clone();
        mac.update(salt);
        mac.update(&number.to_be_bytes());
        let mut last = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let mut sum = last.clone();
        for round in 1..rounds {
            if round % SLICE == 0 {
                stop.check()?;
            }
            let mut mac = keyed.clone();
            mac.update(&*last);
            *last = mac.finalize().into_bytes().into();
            sum.iter_mut().zip(last.iter()).for_each(|(sum, byte)| *sum ^= byte);
        }
        stop.check()?;
        block.copy_from_slice(&sum[..block.len()]);
    }
    Ok(())
}

/// HMAC-SHA256 with this key.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(super) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hex;

    fn key(password: &str, salt: &str, rounds: u32, size: usize) -> String {
        let mut key = vec![0; size];
        pbkdf2(password.as_bytes(), salt.as_bytes(), rounds, &mut key, &Stop::default()).unwrap();
        hex(&key)
    }

    /// The first is in RFC 7914; the others are those of RFC 6070, with SHA-256.
    #[test]
    fn known_keys() {
        let one = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
        assert_eq!(key("passwd", "salt", 1, 32), one);
        let rounds = "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a";
        assert_eq!(key("password", "salt", 4096, 32), rounds);
        let odd =
            "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9";
        let (password, salt) = ("passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt");
        assert_eq!(key(password, salt, 4096, 40), odd);
    }

    #[test]
    fn work_ends_when_it_is_given_up() {
        let stop = Stop::default();
        let given_up = stop.clone();
        // Four billion rounds would take half an hour.
        let working =
            std::thread::spawn(move || pbkdf2(b"p", b"s", u32::MAX, &mut [0; 32], &given_up));
        stop.stop();
        assert_eq!(working.join().unwrap(), Err(AuthError::GivenUp));
    }
}
