//! Cryptosign: challenges of 32 bytes, signed with ed25519.
//!
//! The signed text is the challenge, or with channel binding the challenge XOR the id of the TLS
//! channel, so that a signature is worth nothing on another connection. A signature is sent as 96
//! bytes in hexadecimal digits: the signature and, once more, what was signed. The router can be
//! asked to prove itself in the same way.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde_json::{Map, Value};

use super::AuthError;
use super::error::quoted;
use super::fields::{Fields, hex, unhex};
use super::secret::random;

/// The method's name.
pub const METHOD: &str = "cryptosign";
/// The one channel binding that is offered (RFC 9266). `tls-unique`, which some routers have
/// instead, does not exist in TLS 1.3.
pub const CHANNEL_BINDING: &str = "tls-exporter";

/// An ed25519 key that signs. Overwritten when dropped; its `Debug` output is `***`.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key that belongs to a seed; see [`super::key_file`] for other forms.
    pub fn from_seed(seed: &[u8; 32]) -> PrivateKey {
        PrivateKey(SigningKey::from_bytes(seed))
    }

    /// A new key.
    pub fn generate() -> Result<PrivateKey, AuthError> {
        Ok(PrivateKey::from_seed(&zeroize::Zeroizing::new(random()?)))
    }

    /// The public key, by which routers know the client.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs a challenge: 192 hexadecimal digits.
    pub fn sign(&self, challenge: &[u8; 32], channel_id: Option<&[u8; 32]>) -> String {
        let message = bound(challenge, channel_id);
        hex(&self.0.sign(&message).to_bytes()) + &hex(&message)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The bytes to be signed for a challenge.
fn bound(challenge: &[u8; 32], channel_id: Option<&[u8; 32]>) -> [u8; 32] {
    let channel_id = channel_id.unwrap_or(&[0; 32]);
    std::array::from_fn(|at| challenge[at] ^ channel_id[at])
}

/// True if `signature`, of 192 hexadecimal digits, is that of the owner of a public key for this
/// very challenge.
pub fn verify(
    public_key: &[u8; 32],
    challenge: &[u8; 32],
    channel_id: Option<&[u8; 32]>,
    signature: &str,
) -> bool {
    let message = bound(challenge, channel_id);
    let Some(bytes) = unhex::<96>(signature).filter(|bytes| bytes[64..] == message) else {
        return false;
    };
    let Some((signature, Ok(key))) =
        bytes.first_chunk().map(|bytes| (bytes, VerifyingKey::from_bytes(public_key)))
    else {
        return false;
    };
    key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok()
}

/// The parts of HELLO on which the answer depends.
#[derive(Debug)]
pub(super) struct HelloContext<'a> {
    /// The channel binding, by its name.
    pub(super) channel_binding: Option<&'a str>,
    /// The id of our TLS channel.
    pub(super) channel_id: Option<&'a [u8; 32]>,
    /// The key that the router must have, and what it was given to sign.
    pub(super) router: Option<(&'a [u8; 32], &'a [u8; 32])>,
}

/// The answer to the Extra of a CHALLENGE, after the router has proved itself where it had to.
pub(super) fn answer(
    key: &PrivateKey,
    hello: &HelloContext<'_>,
    extra: &Map<String, Value>,
) -> Result<String, AuthError> {
    let fields = Fields::new(METHOD, extra);
    let challenge = fields.hex("challenge")?;
    let used = fields.optional_text("channel_binding")?;
    let channel_id = match (hello.channel_binding, used) {
        (None, None) => None,
        (Some(CHANNEL_BINDING), Some(CHANNEL_BINDING)) if hello.channel_id.is_some() => {
            hello.channel_id
        }
        (Some(asked), Some(used)) if asked == used => {
            return Err(AuthError::ChannelBinding {
                asked: quoted(asked),
                used: "the library does not support it on this connection".to_owned(),
            });
        }
        (asked, used) => {
            return Err(AuthError::ChannelBinding {
                asked: asked.map_or("none".to_owned(), quoted),
                used: used.map_or("the router uses none".to_owned(), |used| {
                    format!("the router uses {}", quoted(used))
                }),
            });
        }
    };
    if let Some((router_key, ours)) = hello.router {
        let signature = fields.optional_text("signature")?.ok_or(AuthError::RouterNotAuthentic(
            "it did not sign our challenge, as `router_key` requires",
        ))?;
        if !verify(router_key, ours, channel_id, signature) {
            return Err(AuthError::RouterNotAuthentic(
                "the signature of our challenge is not that of `router_key`",
            ));
        }
    }
    Ok(key.sign(&challenge, channel_id))
}

/// The router's side of one login.
#[derive(Debug)]
pub struct Challenger {
    public_key: [u8; 32],
    challenge: [u8; 32],
    channel_id: Option<[u8; 32]>,
    extra: Map<String, Value>,
}

impl Challenger {
    /// A new challenge for the authextra of a HELLO. `channel_id` is that of the TLS channel, if
    /// there is one; `router_key` signs the client's challenge, if the client sent one.
    ///
    /// The caller has to find out whether the client's public key is known, and to whom it belongs:
    /// see [`Challenger::public_key`].
    pub fn new(
        authextra: &Map<String, Value>,
        channel_id: Option<[u8; 32]>,
        router_key: Option<&PrivateKey>,
    ) -> Result<Challenger, AuthError> {
        let fields = Fields::new(METHOD, authextra);
        let public_key = fields.hex("pubkey")?;
        let wanted = fields.optional_text("channel_binding")?;
        let channel_id = match (wanted, channel_id) {
            (None, _) => None,
            (Some(CHANNEL_BINDING), Some(channel_id)) => Some(channel_id),
            (Some(wanted), _) => {
                return Err(AuthError::ChannelBinding {
                    asked: quoted(wanted),
                    used: "the router has none on this connection".to_owned(),
                });
            }
        };
        let challenge = random()?;
        let mut extra = Map::new();
        extra.insert("challenge".to_owned(), hex(&challenge).into());
        extra.insert("channel_binding".to_owned(), channel_id.map(|_| CHANNEL_BINDING).into());
        if let (Some(key), Some(_)) = (router_key, fields.value("challenge")) {
            let theirs = fields.hex("challenge")?;
            extra.insert("pubkey".to_owned(), hex(&key.public_key()).into());
            extra.insert("signature".to_owned(), key.sign(&theirs, channel_id.as_ref()).into());
        }
        Ok(Challenger { public_key, challenge, channel_id, extra })
    }

    /// The key that the client says it has.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The Extra of the CHALLENGE.
    pub fn extra(&self) -> Map<String, Value> {
        self.extra.clone()
    }

    /// Judges the signature of the AUTHENTICATE.
    pub fn verify(&self, signature: &str) -> Result<(), AuthError> {
        match verify(&self.public_key, &self.challenge, self.channel_id.as_ref(), signature) {
            true => Ok(()),
            false => Err(AuthError::ClientNotAuthentic("its signature is wrong")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    const CHANNEL: &str = "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff";
    const KEYS: [&str; 3] = [
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
        "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
    ];
    const CHALLENGES: [&str; 3] = [
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
        "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
    ];
    /// The specification's, first without a channel id, then with one.
    const SIGNATURES: [&str; 6] = [
        "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660fb26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
        "7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1ec184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30bb05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
        "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
        "305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a427c3015599d83ca28b4c652333920223844ef0725eb5dc2febfd6af7677b73f01d0852a29b460fc92ec943242ac638a053bbacc200512b18b30d15083cbdc9282",
        "ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4d2c4bfdb4eb9526def42deeb7e31602a6ff99eba893e0a4ad4d45892ca75e608d2b75e24a189a7f78ca776ba36fc53f6c3e31c32f251f2c524f0a44202f2902d",
    ];

    fn bytes(text: &str) -> [u8; 32] {
        unhex(text).unwrap()
    }

    fn key(number: usize) -> PrivateKey {
        PrivateKey::from_seed(&bytes(KEYS[number]))
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        for (number, wanted) in SIGNATURES.iter().enumerate() {
            let key = key(number % 3);
            let challenge = bytes(CHALLENGES[number % 3]);
            let channel = (number >= 3).then(|| bytes(CHANNEL));
            assert_eq!(key.sign(&challenge, channel.as_ref()), *wanted);
            assert!(verify(&key.public_key(), &challenge, channel.as_ref(), wanted));
        }
    }

    /// The example of a router that proves itself.
    #[test]
    fn the_routers_signature_in_the_specification_is_right() {
        let router = bytes("4a3838f6fe75251e613329d53fc69b262d5eac97fb1d73bebbaed4015b53c862");
        let ours = bytes("bbae60ea44cdd7b20dc7010a618b0f0803fab25a817520b4b7f057299b524deb");
        let signature = "fd5128d2d207ba58a9d1d6f41b72c747964ad9d1294077b3b1eee6130b05843ab12c53c7f2519f73d4feb82db19d8ca0fc26b62bde6518e79a882f5795bc9f00bbae60ea44cdd7b20dc7010a618b0f0803fab25a817520b4b7f057299b524deb";
        assert!(verify(&router, &ours, None, signature));
        let hello = HelloContext {
            channel_binding: None,
            channel_id: None,
            router: Some((&router, &ours)),
        };
        let challenge = |signature: Value| {
            let extra = json!({"challenge": CHALLENGES[0], "signature": signature});
            answer(&key(0), &hello, extra.as_object().unwrap())
        };
        assert_eq!(challenge(signature.into()).unwrap(), SIGNATURES[0]);
        // Its own signature of something else, none, and rubbish.
        for wrong in [json!(SIGNATURES[0]), json!(null), json!(""), json!(signature[..190])] {
            let error = challenge(wrong).unwrap_err();
            assert!(matches!(error, AuthError::RouterNotAuthentic(_)), "{error}");
        }
    }

    #[test]
    fn only_the_right_signature_verifies() {
        let key = key(0);
        let challenge = bytes(CHALLENGES[0]);
        let good = SIGNATURES[0];
        let public = key.public_key();
        assert!(verify(&public, &challenge, None, good));
        assert!(!verify(&public, &bytes(CHALLENGES[1]), None, good));
        assert!(!verify(&public, &challenge, Some(&bytes(CHANNEL)), good));
        assert!(!verify(&self::key(1).public_key(), &challenge, None, good));
        assert!(!verify(&[0; 32], &challenge, None, good));
        assert!(!verify(&[0xff; 32], &challenge, None, good));
        for wrong in ["", "00", &good[..128], &good.replacen('b', "c", 1), &"0".repeat(192)] {
            assert!(!verify(&public, &challenge, None, wrong), "{wrong}");
        }
    }

    #[test]
    fn the_channel_binding_must_be_the_one_asked_for() {
        let channel = bytes(CHANNEL);
        let signed = |asked: Option<&str>, channel_id, used: Value| {
            let hello = HelloContext { channel_binding: asked, channel_id, router: None };
            let extra = json!({"challenge": CHALLENGES[0], "channel_binding": used});
            answer(&key(0), &hello, extra.as_object().unwrap())
        };
        let ours = Some(CHANNEL_BINDING);
        assert_eq!(signed(None, None, json!(null)).unwrap(), SIGNATURES[0]);
        assert_eq!(signed(None, Some(&channel), json!(null)).unwrap(), SIGNATURES[0]);
        assert_eq!(signed(ours, Some(&channel), json!("tls-exporter")).unwrap(), SIGNATURES[3]);
        for (asked, used) in [
            (ours, json!(null)),
            (ours, json!("tls-unique")),
            (None, json!("tls-exporter")),
            (Some("tls-unique"), json!("tls-unique")),
        ] {
            let error = signed(asked, Some(&channel), used).unwrap_err();
            assert!(matches!(error, AuthError::ChannelBinding { .. }), "{error}");
        }
        assert!(signed(ours, None, json!("tls-exporter")).is_err());
    }

    #[test]
    fn malformed_challenges_are_told() {
        let hello = HelloContext { channel_binding: None, channel_id: None, router: None };
        for extra in [
            json!({}),
            json!({"challenge": 7}),
            json!({"challenge": ""}),
            json!({"challenge": CHALLENGES[0][1..]}),
            json!({"challenge": format!("{}00", CHALLENGES[0])}),
            json!({"challenge": "g".repeat(64)}),
            json!({"challenge": CHALLENGES[0], "channel_binding": 1}),
        ] {
            let error = answer(&key(0), &hello, extra.as_object().unwrap()).unwrap_err();
            assert!(matches!(error, AuthError::Malformed { .. }), "{extra}: {error}");
        }
    }

    #[test]
    fn both_sides_agree() {
        let (client, router) = (key(0), PrivateKey::generate().unwrap());
        let (ours, channel) = (bytes(CHALLENGES[2]), bytes(CHANNEL));
        for binding in [None, Some(CHANNEL_BINDING)] {
            let hello = json!({
                "pubkey": hex(&client.public_key()),
                "challenge": hex(&ours),
                "channel_binding": binding,
            });
            let hello = hello.as_object().unwrap();
            let challenger = Challenger::new(hello, Some(channel), Some(&router)).unwrap();
            assert_eq!(challenger.public_key(), &client.public_key());
            let router_key = router.public_key();
            let hello = HelloContext {
                channel_binding: binding,
                channel_id: Some(&channel),
                router: Some((&router_key, &ours)),
            };
            challenger.verify(&answer(&client, &hello, &challenger.extra()).unwrap()).unwrap();
            assert!(challenger.verify(SIGNATURES[0]).is_err());
            let wrong = answer(&key(1), &hello, &challenger.extra()).unwrap();
            assert!(challenger.verify(&wrong).is_err());
        }
    }

    #[test]
    fn a_router_refuses_what_it_cannot_do() {
        let public = hex(&key(0).public_key());
        for hello in [
            json!({}),
            json!({"pubkey": "00"}),
            json!({"pubkey": public, "challenge": "00"}),
            json!({"pubkey": public, "channel_binding": "tls-unique"}),
            json!({"pubkey": public, "channel_binding": "tls-exporter"}),
        ] {
            let refused = Challenger::new(hello.as_object().unwrap(), None, Some(&key(1)));
            assert!(refused.is_err(), "{hello}");
        }
    }

    #[test]
    fn a_private_key_is_not_shown() {
        assert_eq!(format!("{:?}", key(0)), "***");
    }
}
