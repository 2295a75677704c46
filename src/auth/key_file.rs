//! Private keys for cryptosign, in the forms in which people keep them.
//!
//! * 64 hexadecimal digits: the seed;
//! * the text of an OpenSSH key (`ssh-keygen -t ed25519 -N ""`), of a PKCS#8 key
//!   (`openssl genpkey -algorithm ed25519`), or of a key file of Autobahn and Crossbar.io, which
//!   has a line `private-key-ed25519: <hex>`;
//! * the path of a file with one of these, or with the 32 bytes of the seed.
//!
//! Keys with a passphrase are refused: there is nobody who could be asked for it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::fields::unhex;
use super::{AuthError, PrivateKey};

/// Far more than any key file has.
const MOST_BYTES: u64 = 64 << 10;
/// The bytes before the seed in a PKCS#8 key of this type.
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const FORMS: &str = "give 64 hexadecimal digits, an OpenSSH or PKCS#8 key of type ed25519 without \
                     passphrase, or the path of a file with one of these";

/// A key out of a text, or out of the file whose path the text is.
pub fn load(text_or_path: &str) -> Result<PrivateKey, AuthError> {
    let text = text_or_path.trim();
    if text.is_empty() {
        return Err(bad(format!("the private key is empty: {FORMS}")));
    }
    // What has only hexadecimal digits is meant as a key, and must never appear in an error text.
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) && !Path::new(text).exists() {
        return parse(text.as_bytes());
    }
    let is_key = text.starts_with("-----BEGIN") || text.starts_with("ssh-ed25519 ");
    if is_key || text.contains('\n') {
        return parse(text.as_bytes());
    }
    let content = read(Path::new(text)).map_err(|error| {
        bad(format!(
            "`privkey` is not a key, and cannot be read as the path of a file ({error}): {FORMS}"
        ))
    })?;
    parse(&content).map_err(|error| bad(format!("the file of `privkey`: {error}")))
}

fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // Its whole size at once: a vector that grows would leave copies of the key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize));
    file.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// A key out of the content of a file.
fn parse(content: &[u8]) -> Result<PrivateKey, AuthError> {
    let text = std::str::from_utf8(content).map(str::trim).unwrap_or_default();
    if let Some(seed) = unhex::<32>(text) {
        return Ok(PrivateKey::from_seed(&Zeroizing::new(seed)));
    }
    if let Ok(seed) = <&[u8; 32]>::try_from(content) {
        return Ok(PrivateKey::from_seed(seed));
    }
    if let Some((label, body)) = pem(text) {
        let bytes = Zeroizing::new(body?);
        return match label {
            "OPENSSH PRIVATE KEY" => openssh(&bytes),
            "PRIVATE KEY" => pkcs8(&bytes),
            "ENCRYPTED PRIVATE KEY" => Err(encrypted()),
            _ if label.contains("PUBLIC") => Err(public()),
            _ => Err(bad("a key of this kind does not work with cryptosign, which needs ed25519")),
        };
    }
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Err(public());
    }
    if let Some(seed) = line(text, "private-key-ed25519:") {
        let seed = unhex::<32>(seed).map(Zeroizing::new);
        let seed = seed.ok_or_else(|| bad("`private-key-ed25519` must have 64 hexadecimal digits"));
        return Ok(PrivateKey::from_seed(&*seed?));
    }
    if line(text, "public-key-ed25519:").is_some() {
        return Err(public());
    }
    Err(bad(format!("this is not a private key: {FORMS}")))
}

/// The text behind a line's name.
fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

/// The label and the bytes of a text in PEM.
fn pem(text: &str) -> Option<(&str, Result<Vec<u8>, AuthError>)> {
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let body = rest.split_once("-----END").map(|(body, _)| body);
    let bytes = body.map(|body| {
        let digits = body.bytes().filter(|byte| !byte.is_ascii_whitespace());
        Zeroizing::new(digits.collect::<Vec<u8>>())
    });
    let bytes = bytes.and_then(|digits| STANDARD.decode(&*digits).ok());
    // Older kinds of keys have headers before the base64; their label says enough.
    let known = label == "OPENSSH PRIVATE KEY" || label == "PRIVATE KEY";
    let bytes = bytes.or((!known).then(Vec::new));
    Some((label, bytes.ok_or_else(|| bad("the key's text is damaged: copy the whole file"))))
}

fn pkcs8(bytes: &[u8]) -> Result<PrivateKey, AuthError> {
    let seed = bytes.strip_prefix(PKCS8).and_then(|seed| <&[u8; 32]>::try_from(seed).ok());
    seed.map(PrivateKey::from_seed)
        .ok_or_else(|| bad("this PKCS#8 key is not a plain ed25519 key, which cryptosign needs"))
}

/// PROTOCOL.key of OpenSSH: strings with their sizes before them.
fn openssh(bytes: &[u8]) -> Result<PrivateKey, AuthError> {
    let damaged = || bad("the OpenSSH key is damaged: copy the whole file");
    let mut outer = Reader(bytes.strip_prefix(b"openssh-key-v1\0").ok_or_else(damaged)?);
    let cipher = outer.string().ok_or_else(damaged)?;
    let kdf = outer.string().ok_or_else(damaged)?;
    if cipher != b"none" || kdf != b"none" {
        return Err(encrypted());
    }
    let _kdf_options = outer.string().ok_or_else(damaged)?;
    if outer.number().ok_or_else(damaged)? != 1 {
        return Err(bad("the file has several keys: give one with a single key"));
    }
    let _public_key = outer.string().ok_or_else(damaged)?;
    let mut inner = Reader(outer.string().ok_or_else(damaged)?);
    if inner.number().ok_or_else(damaged)? != inner.number().ok_or_else(damaged)? {
        return Err(damaged());
    }
    if inner.string().ok_or_else(damaged)? != b"ssh-ed25519" {
        return Err(bad("this SSH key is not of the type ed25519, which cryptosign needs"));
    }
    let public_key = inner.string().ok_or_else(damaged)?;
    let pair = inner.string().ok_or_else(damaged)?;
    let (seed, copy) = pair.split_first_chunk::<32>().ok_or_else(damaged)?;
    let key = PrivateKey::from_seed(seed);
    match copy == public_key && key.public_key() == public_key {
        true => Ok(key),
        false => Err(damaged()),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let size = usize::try_from(self.number()?).ok()?;
        let (string, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(string)
    }
}

fn bad(text: impl Into<String>) -> AuthError {
    AuthError::BadKey(text.into())
}

fn encrypted() -> AuthError {
    bad("the key is encrypted: remove its passphrase in a copy (`ssh-keygen -p -N \"\" -f COPY`)")
}

fn public() -> AuthError {
    bad("this is a public key: give the private one, whose file has the same name without `.pub`")
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::auth::hex;

    /// From autobahn's tests.
    const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAa38i/4dNWFuZN/72QAJbyOwZvkUyML/u2b2B1uW4RbQAAAJj4FLyB+BS8
gQAAAAtzc2gtZWQyNTUxOQAAACAa38i/4dNWFuZN/72QAJbyOwZvkUyML/u2b2B1uW4RbQ
AAAEBNV9l6aPVVaWYgpthJwM5YJWhRjXKet1PcfHMt4oBFEBrfyL/h01YW5k3/vZAAlvI7
Bm+RTIwv+7ZvYHW5bhFtAAAAFXNvbWV1c2VyQGZ1bmt0aGF0LmNvbQ==
-----END OPENSSH PRIVATE KEY-----";
    const SEED: &str = "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510";
    const PUBLIC: &str = "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d";

    const PASSPHRASE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBahtCtZe
M4oNcx2E5Oj2Z1AAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIPAf+RRugX8XYOn8
B8wY8QUQfZem8CQjvQCHy4cIu/gCAAAAkP7iMiiMFDd2B5WZdwWbcc5QhRsx9sodwDz9pZ
32K7Wda3Kut9jv9e3Tit6UXKx5fEEPy1bfD3mNWyuhFSThzBmYTcR1tEUoPDf9SvwYI1Nc
iatpVniTVxZsmScphqAFy5PYMv/sfEXXNvst+sJUFQL37CSd3kPTxtBwFLiYiYcmBdd9sp
pnkrYF2mkrXt1oYg==
-----END OPENSSH PRIVATE KEY-----
";
    const ECDSA: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQT14rRHlq+diYjuHOkrucRFZG8wF8vI
n/pRkIcmxYVtbVePANXzuxc9CPTh4d1AAhH9feAv2HkZ8O9boz68MGKfAAAAmB7O62Qezu
tkAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPXitEeWr52JiO4c
6Su5xEVkbzAXy8if+lGQhybFhW1tV48A1fO7Fz0I9OHh3UACEf194C/YeRnw71ujPrwwYp
8AAAAgFlWbeXA5B2UyqJ5mQbEOytiWdVaVhA83RHheYmMLgJAAAAAA
-----END OPENSSH PRIVATE KEY-----
";
    const PKCS8_TEXT: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIKAxfc3VKnYBptC6N13FltTj6kJucdCsYtbL5J1uOjb6
-----END PRIVATE KEY-----
";
    const AUTOBAHN: &str = "This is a comment\n\ncreator: me\nprivate-key-ed25519: 4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510\n";

    #[test]
    fn every_form_gives_the_key() {
        for text in [SEED, &SEED.to_uppercase(), &format!(" {SEED}\n"), OPENSSH, AUTOBAHN] {
            assert_eq!(hex(&load(text).unwrap().public_key()), PUBLIC, "{text}");
        }
        let windows = OPENSSH.replace('\n', "\r\n");
        assert_eq!(hex(&load(&windows).unwrap().public_key()), PUBLIC);
        assert_eq!(
            hex(&load(PKCS8_TEXT).unwrap().public_key()),
            "af85e1c9f23876704400de3026a4749431856e9d5cecf109190137928160dccb"
        );
    }

    #[test]
    fn files_are_read() {
        let path = std::env::temp_dir().join(format!("wamp-key-{}", std::process::id()));
        let seed = unhex::<32>(SEED).unwrap();
        for content in [OPENSSH.as_bytes(), SEED.as_bytes(), &seed] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(hex(&load(path.to_str().unwrap()).unwrap().public_key()), PUBLIC);
        }
        std::fs::write(&path, "hello").unwrap();
        let error = load(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("the file of `privkey`: this is not a private key"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = load(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("cannot be read as the path of a file"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_told() {
        for (text, word) in [
            ("", "is empty"),
            (PASSPHRASE, "encrypted"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                "encrypted",
            ),
            (ECDSA, "not of the type ed25519"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n\nAAAA\n-----END RSA PRIVATE KEY-----",
                "needs ed25519",
            ),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "public key"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "not a plain ed25519"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
                "damaged",
            ),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "damaged"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGK me@home", "public key"),
            ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHGK\n# two lines", "public key"),
            ("public-key-ed25519: aa\n#", "public key"),
            ("private-key-ed25519: aa\n#", "64 hexadecimal digits"),
            (&SEED[1..], "64 hexadecimal digits"),
            ("dear diary,\n", "cannot be read"),
            ("dear\ndiary", "not a private key"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let error = load(&SEED[..40]).unwrap_err().to_string();
        assert!(!error.contains(&SEED[..8]), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_keys_never_panic(at in 0usize..300, byte: u8, cut in 0usize..300) {
            let body: String = OPENSSH.lines().filter(|line| !line.starts_with('-')).collect();
            let mut bytes = STANDARD.decode(body).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = openssh(&bytes);
        }

        #[test]
        fn no_content_panics(content: Vec<u8>) {
            let _ = parse(&content);
        }
    }
}
