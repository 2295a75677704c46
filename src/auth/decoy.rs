//! Decoys: the challenges of users that a router does not know, so that nobody outside can tell
//! them from those that it knows. All of a decoy follows from its name by a keyed hash, and is the
//! same each time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use zeroize::Zeroizing;

use super::derive::keyed;
use super::fields::base64;
use super::secret::random;
use super::{AuthError, Secret, hex};

/// The key of decoys, known to the router only. Overwritten when dropped; its `Debug` output is
/// `***`.
#[derive(Clone)]
pub struct DecoyKey(Zeroizing<[u8; 32]>);

impl DecoyKey {
    /// The key of these bytes.
    pub fn from_bytes(key: [u8; 32]) -> DecoyKey {
        DecoyKey(Zeroizing::new(key))
    }

    /// A new key.
    pub fn generate() -> Result<DecoyKey, AuthError> {
        random().map(DecoyKey::from_bytes)
    }

    /// Bytes that belong to a name. `purpose` tells apart what is made for different ends.
    pub fn bytes(&self, purpose: &str, name: &str, size: usize) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.next_multiple_of(32)));
        let mut block = 0u32;
        while bytes.len() < size {
            bytes.extend_from_slice(&self.block(purpose, name, block));
            block += 1;
        }
        bytes.truncate(size);
        bytes
    }

    /// A key that belongs to a name.
    pub fn key(&self, purpose: &str, name: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.block(purpose, name, 0))
    }

    /// A secret that belongs to a name: nobody has it.
    pub fn secret(&self, purpose: &str, name: &str) -> Secret {
        Secret::new(hex(&*self.key(purpose, name)))
    }

    /// The place of a name among `count` that stand in a row, all as likely. Where a few are added
    /// to the row, most names keep their neighbourhood.
    pub fn place(&self, purpose: &str, name: &str, count: usize) -> usize {
        let [a, b, c, d, e, f, g, h, ..] = self.block(purpose, name, 0);
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        ((u128::from(number) * count as u128) >> 64) as usize
    }

    /// A salt that looks like `other` and belongs to a name: base64 or hexadecimal digits of as
    /// many bytes, or else a text with letters and digits in the same places.
    pub fn salt_like(&self, other: &str, name: &str) -> String {
        let bytes = self.bytes("salt text", name, other.len());
        let is_hex = other.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && other.len().is_multiple_of(2) {
            let digits = hex(&bytes[..other.len() / 2]);
            let is_upper = other.bytes().any(|byte| byte.is_ascii_uppercase());
            return if is_upper { digits.to_ascii_uppercase() } else { digits };
        }
        match STANDARD.decode(other) {
            Ok(decoded) if decoded.len() >= 6 => base64(&bytes[..decoded.len()]),
            _ => other.chars().zip(bytes.iter()).map(|(shape, byte)| like(shape, *byte)).collect(),
        }
    }

    fn block(&self, purpose: &str, name: &str, number: u32) -> [u8; 32] {
        let mut mac = keyed(&*self.0);
        // The purpose has no NUL, so that no name can be part of it.
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(&number.to_be_bytes());
        mac.update(name.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A character of the same kind.
fn like(shape: char, byte: u8) -> char {
    match shape {
        '0'..='9' => char::from(b'0' + byte % 10),
        'a'..='z' => char::from(b'a' + byte % 26),
        'A'..='Z' => char::from(b'A' + byte % 26),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DecoyKey {
        DecoyKey::from_bytes([7; 32])
    }

    #[test]
    fn what_is_made_depends_on_key_purpose_and_name() {
        let made = key().bytes("a", "joe", 80);
        assert_eq!((made.len(), &made), (80, &key().bytes("a", "joe", 80)));
        assert_ne!(made[..32], made[32..64]);
        assert_ne!(made, DecoyKey::generate().unwrap().bytes("a", "joe", 80));
        assert_ne!(made, key().bytes("b", "joe", 80));
        assert_ne!(made, key().bytes("a", "jo", 80));
        assert_eq!(format!("{:?}", key()), "***");
    }

    #[test]
    fn places_are_all_as_likely_and_seldom_change() {
        let mut counts = [0; 4];
        let mut moved = 0;
        for at in 0..4000 {
            let name = format!("user {at}");
            let place = key().place("place", &name, 4);
            counts[place] += 1;
            // Of a hundred in four groups one more comes in.
            let (before, after) =
                (key().place("place", &name, 100) / 25, key().place("place", &name, 101) / 25);
            moved += u32::from(before != after);
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        assert!(moved < 200, "{moved}");
        assert_eq!(key().place("place", "joe", 1), 0);
    }

    #[test]
    fn a_salt_looks_like_the_other() {
        for (other, is_alike) in [
            (
                "00ff17ab",
                (|salt| salt.bytes().all(|byte| byte.is_ascii_hexdigit())) as fn(&str) -> bool,
            ),
            ("AAECAwQFBgcICQoLDA0ODw==", |salt| STANDARD.decode(salt).unwrap().len() == 16),
            ("Grain 7", |salt| {
                let kinds = salt.bytes().map(|byte| byte.is_ascii_digit());
                kinds.eq("Grain 7".bytes().map(|byte| byte.is_ascii_digit()))
                    && salt.as_bytes()[5] == b' '
            }),
            ("s\u{e4}lz", |salt| salt.chars().nth(1) == Some('\u{e4}')),
        ] {
            let salt = key().salt_like(other, "joe");
            assert!(salt.len() == other.len() && salt != other && is_alike(&salt), "{salt}");
            assert_eq!(salt, key().salt_like(other, "joe"));
            assert_ne!(salt, key().salt_like(other, "ann"));
        }
    }
}
