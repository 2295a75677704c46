//! The client's side of one attempt to join: what goes into HELLO, the answers to challenges, and
//! whether the router may be believed when it sends WELCOME.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::cryptosign::{self, CHANNEL_BINDING, HelloContext};
use super::derive::Stop;
use super::error::quoted;
use super::fields::{Fields, base64, hex};
use super::scram::{self, Profile};
use super::secret::random;
use super::{AuthError, Credentials, Secret, cra};

/// The content of AUTHENTICATE.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The signature; for tickets the ticket itself.
    pub signature: Secret,
    /// The Extra.
    pub extra: Map<String, Value>,
}

impl From<Secret> for Answer {
    fn from(signature: Secret) -> Self {
        Answer { signature, extra: Map::new() }
    }
}

/// One attempt to join. Made anew for each, since nothing random may be used twice.
///
/// First [`ClientAuth::hello_extra`], then [`ClientAuth::answer`] for every CHALLENGE, at last
/// [`ClientAuth::welcome`]. Where the application itself has answered, only the first is asked.
pub struct ClientAuth {
    credentials: Arc<Credentials>,
    /// The id of the TLS channel, by `tls-exporter`.
    channel_id: Option<[u8; 32]>,
    offered: Vec<String>,
    /// The nonce of SCRAM.
    nonce: String,
    /// The challenge that the router has to sign.
    challenge: [u8; 32],
    /// The channel binding that HELLO asks for.
    channel_binding: Option<String>,
    /// The signature that a SCRAM login makes us expect of the router.
    server_signature: Option<[u8; 32]>,
    /// The router has signed with `router_key`.
    is_proven: bool,
    /// An answer was bound to the channel.
    is_bound: bool,
    stop: Stop,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth").field("offered", &self.offered).finish_non_exhaustive()
    }
}

impl ClientAuth {
    /// A new attempt. `channel_id` is what TLS exports of its channel for `tls-exporter` (RFC
    /// 9266), if there is TLS.
    pub fn new(
        credentials: Arc<Credentials>,
        channel_id: Option<[u8; 32]>,
    ) -> Result<ClientAuth, AuthError> {
        Ok(ClientAuth {
            credentials,
            channel_id,
            offered: Vec::new(),
            // In base64 without padding, so that what a router appends continues it in both
            // ways that routers have: text after text, or bytes after bytes.
            nonce: base64(random::<24>()?),
            challenge: random()?,
            channel_binding: None,
            server_signature: None,
            is_proven: false,
            is_bound: false,
            stop: Stop::default(),
        })
    }

    /// The stop that ends [`ClientAuth::answer`] before its time.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The `authextra` of HELLO when `methods` are offered: what they need, added to what the
    /// application gave. Where both have the same key, the application's value is sent.
    pub fn hello_extra(
        &mut self,
        methods: &[impl AsRef<str>],
        authextra: Option<&Map<String, Value>>,
    ) -> Result<Map<String, Value>, AuthError> {
        self.offered = methods.iter().map(|method| method.as_ref().to_owned()).collect();
        let mut extra = authextra.cloned().unwrap_or_default();
        if self.offers(scram::is_method) {
            let nonce = or_insert(&mut extra, "nonce", || self.nonce.clone());
            self.nonce = Fields::new("SCRAM", &extra).text(nonce)?.to_owned();
            if !scram::is_nonce(&self.nonce) {
                return Err(Fields::new("SCRAM", &extra).wrong("nonce", "must be base64"));
            }
        }
        if self.offers(|method| method == cryptosign::METHOD) {
            self.add_keys(&mut extra)?;
        }
        if self.credentials.channel_binding {
            if self.channel_id.is_none() {
                return Err(unbound("there is no TLS on this connection"));
            }
            or_insert(&mut extra, "channel_binding", || CHANNEL_BINDING.to_owned());
        }
        let binding = Fields::new("HELLO", &extra).optional_text("channel_binding")?;
        self.channel_binding = binding.map(str::to_owned);
        Ok(extra)
    }

    /// Answers a CHALLENGE; there may be several. Hashing passwords can take seconds: not for a
    /// thread that others wait for.
    pub fn answer(
        &mut self,
        method: &str,
        extra: &Map<String, Value>,
    ) -> Result<Answer, AuthError> {
        if !self.offers(|offered| offered == method) {
            return Err(AuthError::NotOffered(quoted(method)));
        }
        if self.credentials.router_key.is_some() && method != cryptosign::METHOD {
            return Err(AuthError::RouterNotAuthentic(
                "`router_key` is set, but in this method it does not sign: offer `cryptosign` \
                 alone",
            ));
        }
        let can_bind = [cryptosign::METHOD, Profile::Wamp.method()].contains(&method);
        if self.credentials.channel_binding && !can_bind {
            return Err(unbound("this method cannot be bound; `cryptosign` and `wamp-scram` can"));
        }
        match method {
            "ticket" => Ok(self.secret("ticket", "ticket")?.clone().into()),
            cra::METHOD => {
                Ok(cra::answer(self.secret(cra::METHOD, "secret")?, extra, &self.stop)?.into())
            }
            "wamp-scram" => self.scram(Profile::Wamp, extra),
            "scram" if self.credentials.scram_raw => self.scram(Profile::CrossbarRaw, extra),
            "scram" => self.scram(Profile::Crossbar, extra),
            cryptosign::METHOD => self.cryptosign(extra),
            _ => Err(AuthError::UnknownMethod(quoted(method))),
        }
    }

    /// Whether the router may be believed that we have joined, by the `authextra` of its WELCOME.
    ///
    /// What counts is what was asked for and answered, not which method the router names.
    pub fn welcome(&self, authextra: Option<&Map<String, Value>>) -> Result<(), AuthError> {
        if self.credentials.router_key.is_some() && !self.is_proven {
            return Err(AuthError::RouterNotAuthentic(
                "it accepted us without a signature, which `router_key` requires",
            ));
        }
        if self.credentials.channel_binding && !self.is_bound {
            return Err(unbound("the router accepted us without it"));
        }
        match &self.server_signature {
            Some(wanted) => scram::judge(wanted, authextra),
            // Otherwise a false router would only have to leave out the challenge. With other
            // methods on offer it could choose one in which it proves nothing anyway.
            None if self.offers(|_| true) && !self.offers(|method| !scram::is_method(method)) => {
                Err(AuthError::RouterNotAuthentic("it accepted us without the SCRAM we offered"))
            }
            None => Ok(()),
        }
    }

    fn offers(&self, which: impl Fn(&str) -> bool) -> bool {
        self.offered.iter().any(|method| which(method))
    }

    fn secret(&self, method: &'static str, option: &'static str) -> Result<&Secret, AuthError> {
        let credential = match option {
            "ticket" => &self.credentials.ticket,
            _ => &self.credentials.secret,
        };
        credential.as_ref().ok_or(AuthError::NoCredential { method, option })
    }

    fn scram(&mut self, profile: Profile, extra: &Map<String, Value>) -> Result<Answer, AuthError> {
        let method = profile.method();
        let secret = self.secret(method, "secret")?;
        let authid = self.credentials.authid.as_deref();
        let authid = authid.ok_or(AuthError::NoCredential { method, option: "authid" })?;
        let channel_id = match (self.channel_binding.as_deref(), profile, &self.channel_id) {
            (None, _, _) => None,
            (Some(CHANNEL_BINDING), Profile::Wamp, Some(channel_id)) => Some(channel_id),
            (Some(asked), _, _) => {
                return Err(AuthError::ChannelBinding {
                    asked: quoted(asked),
                    used: "the library does not support it here".to_owned(),
                });
            }
        };
        let answered =
            scram::answer(profile, authid, secret, &self.nonce, channel_id, extra, &self.stop)?;
        self.is_bound = channel_id.is_some();
        self.server_signature = Some(answered.server_signature);
        Ok(Answer { signature: answered.proof, extra: answered.extra })
    }

    fn cryptosign(&mut self, extra: &Map<String, Value>) -> Result<Answer, AuthError> {
        let missing = AuthError::NoCredential { method: cryptosign::METHOD, option: "privkey" };
        let key = self.credentials.privkey.as_ref().ok_or(missing)?;
        let hello = HelloContext {
            channel_binding: self.channel_binding.as_deref(),
            channel_id: self.channel_id.as_ref(),
            router: self.credentials.router_key.as_ref().map(|key| (key, &self.challenge)),
        };
        let signature = cryptosign::answer(key, &hello, extra)?;
        self.is_proven = hello.router.is_some();
        self.is_bound = self.channel_binding.is_some();
        Ok(Secret::new(signature).into())
    }

    /// Adds the keys that cryptosign has in HELLO. Without a key of ours it is all the
    /// application's.
    fn add_keys(&mut self, extra: &mut Map<String, Value>) -> Result<(), AuthError> {
        let Some(key) = &self.credentials.privkey else {
            return Ok(());
        };
        let public_key = hex(&key.public_key());
        or_insert(extra, "pubkey", || public_key.clone());
        if extra.get("pubkey").and_then(Value::as_str).map(str::to_lowercase) != Some(public_key) {
            return Err(AuthError::BadKey(
                "`pubkey` in `authextra` is not the public key of `privkey`: leave it out"
                    .to_owned(),
            ));
        }
        if self.credentials.router_key.is_some() {
            let name = or_insert(extra, "challenge", || hex(&self.challenge));
            self.challenge = Fields::new(cryptosign::METHOD, extra).hex(name)?;
        }
        Ok(())
    }
}

fn or_insert(
    extra: &mut Map<String, Value>,
    name: &'static str,
    value: impl FnOnce() -> String,
) -> &'static str {
    extra.entry(name).or_insert_with(|| value().into());
    name
}

fn unbound(used: &str) -> AuthError {
    AuthError::ChannelBinding { asked: CHANNEL_BINDING.to_owned(), used: used.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use serde_json::json;

    use crate::auth::PrivateKey;
    use crate::auth::scram::Kdf;
    use crate::auth::{scram_router, scram_router::Stored};

    const ALL: [&str; 5] = ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign"];
    const CHANNEL: [u8; 32] = [9; 32];

    fn credentials() -> Credentials {
        Credentials {
            authid: Some("joe".to_owned()),
            ticket: Some("ticket-secret".into()),
            secret: Some("the-secret".into()),
            privkey: Some(PrivateKey::from_seed(&[0x5a; 32])),
            ..Credentials::default()
        }
    }

    fn login(credentials: Credentials, channel_id: Option<[u8; 32]>) -> ClientAuth {
        ClientAuth::new(Arc::new(credentials), channel_id).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn offering(credentials: Credentials, methods: &[&str]) -> ClientAuth {
        let mut login = login(credentials, None);
        login.hello_extra(methods, None).unwrap();
        login
    }

    #[test]
    fn hello_has_what_the_methods_need() {
        let extra = |credentials, methods: &[&str]| {
            login(credentials, Some(CHANNEL)).hello_extra(methods, None).unwrap()
        };
        assert!(extra(credentials(), &["ticket", "wampcra", "anonymous"]).is_empty());
        for method in ["scram", "wamp-scram"] {
            let extra = extra(credentials(), &[method]);
            assert_eq!(extra.keys().collect::<Vec<_>>(), ["nonce"]);
            assert_eq!(extra["nonce"].as_str().map(str::len), Some(32));
        }
        let public_key = hex(&PrivateKey::from_seed(&[0x5a; 32]).public_key());
        assert_eq!(
            Value::Object(extra(credentials(), &["cryptosign"])),
            json!({"pubkey": public_key})
        );
        let strict =
            Credentials { router_key: Some([1; 32]), channel_binding: true, ..credentials() };
        let extra = extra(strict, &["cryptosign"]);
        assert_eq!(extra.keys().collect::<Vec<_>>(), ["pubkey", "challenge", "channel_binding"]);
        assert_eq!(extra["challenge"].as_str().map(str::len), Some(64));
        assert_eq!(extra["channel_binding"], "tls-exporter");
    }

    #[test]
    fn no_two_logins_are_alike() {
        let extra = || {
            let credentials = Credentials { router_key: Some([1; 32]), ..credentials() };
            login(credentials, None).hello_extra(&ALL, None).unwrap()
        };
        let (one, other) = (extra(), extra());
        assert_ne!(one["nonce"], other["nonce"]);
        assert_ne!(one["challenge"], other["challenge"]);
    }

    #[test]
    fn the_applications_keys_win_and_are_used() {
        let strict = Credentials { router_key: Some([1; 32]), ..credentials() };
        let mut login = login(strict, None);
        let own = object(json!({"nonce": "b3Vycw==", "challenge": "ab".repeat(32), "x": [1]}));
        let extra = login.hello_extra(&ALL, Some(&own)).unwrap();
        assert_eq!(extra["nonce"], "b3Vycw==");
        assert_eq!(extra["x"], json!([1]));
        assert_eq!(login.nonce, "b3Vycw==");
        assert_eq!(login.challenge, [0xab; 32]);
        for wrong in [
            json!({"nonce": 7}),
            json!({"nonce": "a,b"}),
            json!({"challenge": "ab"}),
            json!({"pubkey": "ab".repeat(32)}),
            json!({"channel_binding": true}),
        ] {
            assert!(login.hello_extra(&ALL, Some(&object(wrong.clone()))).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_was_offered_is_answered() {
        let mut login = offering(credentials(), &["wampcra", "cookie"]);
        let error = login.answer("ticket", &Map::new()).unwrap_err();
        assert_eq!(error, AuthError::NotOffered("ticket".to_owned()));
        let error = login.answer("cookie", &Map::new()).unwrap_err();
        assert_eq!(error, AuthError::UnknownMethod("cookie".to_owned()));
        let long = "x\n".repeat(1000);
        assert!(login.answer(&long, &Map::new()).unwrap_err().to_string().len() < 300);
        login.answer("wampcra", &object(json!({"challenge": "x"}))).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        for (method, option) in [
            ("ticket", "`ticket`"),
            ("wampcra", "`secret`"),
            ("scram", "`secret`"),
            ("wamp-scram", "`secret`"),
            ("cryptosign", "`privkey`"),
        ] {
            let mut login = offering(Credentials::default(), &[method]);
            let error = login.answer(method, &Map::new()).unwrap_err().to_string();
            assert!(error.contains(option) && error.contains("on_challenge"), "{error}");
        }
        let nameless = Credentials { authid: None, ..credentials() };
        let error = offering(nameless, &["scram"]).answer("scram", &Map::new()).unwrap_err();
        assert!(error.to_string().contains("`authid`"), "{error}");
    }

    #[test]
    fn tickets_are_handed_over() {
        let answer = offering(credentials(), &["ticket"]).answer("ticket", &Map::new()).unwrap();
        assert_eq!(answer.signature.expose(), "ticket-secret");
        assert!(answer.extra.is_empty());
        assert!(!format!("{answer:?}").contains("ticket-secret"));
    }

    /// A router that has what `profile` stores, and the client that joins it.
    fn scram_round(
        profile: Profile,
        credentials: Credentials,
    ) -> (ClientAuth, Result<Map<String, Value>, AuthError>) {
        let kdf = Kdf::new("argon2id13", 1, Some(512)).unwrap();
        let stored = Stored::new(profile, kdf, "the-secret", vec![3; 16]).unwrap();
        let channel = credentials.channel_binding.then_some(CHANNEL);
        let mut login = login(credentials, channel);
        let hello = login.hello_extra(&[profile.method()], None).unwrap();
        let router =
            scram_router::Challenger::new(profile, stored, "joe", &hello, channel).unwrap();
        let answer = login.answer(profile.method(), &router.extra()).unwrap();
        let welcome = router.verify(answer.signature.expose(), &answer.extra);
        (login, welcome)
    }

    #[test]
    fn scram_goes_both_ways_in_every_dialect() {
        let raw = Credentials { scram_raw: true, ..credentials() };
        let bound = Credentials { channel_binding: true, ..credentials() };
        for (profile, credentials) in [
            (Profile::Wamp, credentials()),
            (Profile::Wamp, bound),
            (Profile::Crossbar, credentials()),
            (Profile::CrossbarRaw, raw.clone()),
        ] {
            let (login, welcome) = scram_round(profile, credentials);
            let welcome = welcome.unwrap();
            login.welcome(Some(&welcome)).unwrap();
            assert!(login.welcome(None).is_err());
            assert!(login.welcome(Some(&Map::new())).is_err());
        }
        let (_, welcome) = scram_round(Profile::Crossbar, raw);
        assert!(welcome.is_err(), "the two forms of argon2 do not fit each other");
    }

    #[test]
    fn a_router_that_skips_scram_is_not_believed() {
        for (methods, is_good) in [
            (&["scram"][..], false),
            (&["scram", "wamp-scram"], false),
            (&["scram", "cookie"], true),
            (&["ticket"], true),
            (&[], true),
        ] {
            assert_eq!(offering(credentials(), methods).welcome(None).is_ok(), is_good);
        }
    }

    /// A router with a key, and the client that joins it.
    fn signed_round(
        router_key: Option<&PrivateKey>,
        credentials: Credentials,
    ) -> Result<(), AuthError> {
        let mut login = login(credentials, Some(CHANNEL));
        let hello = login.hello_extra(&["cryptosign"], None).unwrap();
        let router = cryptosign::Challenger::new(&hello, Some(CHANNEL), router_key).unwrap();
        let answer = login.answer("cryptosign", &router.extra())?;
        router.verify(answer.signature.expose()).unwrap();
        login.welcome(None)
    }

    #[test]
    fn a_router_key_must_have_signed() {
        let (right, wrong) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
        for channel_binding in [false, true] {
            let router_key = Some(right.public_key());
            let strict = Credentials { router_key, channel_binding, ..credentials() };
            signed_round(Some(&right), strict.clone()).unwrap();
            for router in [Some(&wrong), None] {
                let error = signed_round(router, strict.clone()).unwrap_err();
                assert!(matches!(error, AuthError::RouterNotAuthentic(_)), "{error}");
            }
            let easy = Credentials { channel_binding, ..credentials() };
            signed_round(None, easy).unwrap();
        }
        // Neither another method nor none at all is a way around it.
        let strict = Credentials { router_key: Some(right.public_key()), ..credentials() };
        let mut login = offering(strict, &ALL);
        for method in ["ticket", "wampcra", "scram", "wamp-scram"] {
            let error = login.answer(method, &object(json!({"challenge": "x"}))).unwrap_err();
            assert!(matches!(error, AuthError::RouterNotAuthentic(_)), "{error}");
        }
        assert!(login.welcome(None).is_err());
    }

    #[test]
    fn a_login_that_must_be_bound_is_bound_or_fails() {
        let bound = || Credentials { channel_binding: true, ..credentials() };
        assert!(login(bound(), None).hello_extra(&ALL, None).is_err());
        let mut login = login(bound(), Some(CHANNEL));
        login.hello_extra(&ALL, None).unwrap();
        for method in ["ticket", "wampcra", "scram"] {
            let error = login.answer(method, &object(json!({"challenge": "x"}))).unwrap_err();
            assert!(matches!(error, AuthError::ChannelBinding { .. }), "{error}");
        }
        assert!(matches!(login.welcome(None), Err(AuthError::ChannelBinding { .. })));
        let unbound = object(json!({"challenge": "00".repeat(32), "channel_binding": null}));
        let error = login.answer("cryptosign", &unbound).unwrap_err();
        assert!(matches!(error, AuthError::ChannelBinding { .. }), "{error}");
    }

    #[test]
    fn a_login_can_go_to_another_thread_and_shows_nothing() {
        fn is_send<T: Send + 'static>(value: T) -> T {
            value
        }
        let login = is_send(offering(credentials(), &ALL));
        let shown = format!("{login:?}");
        assert!(!shown.contains("secret") && !shown.contains(&login.nonce), "{shown}");
    }

    /// Anything that a router could write where a member of a challenge is expected.
    fn member() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0u64..600).prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            "[0-9a-f]{64}".prop_map(Value::from),
            "[A-Za-z0-9+/]{8}".prop_map(Value::from),
            Just(json!([1])),
            Just(json!({"a": 1})),
            Just(json!("pbkdf2")),
            Just(json!("argon2id-13")),
        ]
    }

    proptest! {
        #[test]
        fn no_challenge_panics_or_betrays(
            method in prop::sample::select(ALL.to_vec()),
            members in prop::collection::vec(member(), 7),
            extends in any::<bool>(),
        ) {
            let names =
                ["challenge", "salt", "keylen", "nonce", "kdf", "memory", "channel_binding"];
            let mut extra: Map<String, Value> =
                names.into_iter().map(str::to_owned).zip(members.iter().cloned()).collect();
            // Costs are limited, but the limits are seconds: no property needs so long.
            extra.insert("iterations".to_owned(), json!(1));
            let mut login = offering(credentials(), &ALL);
            if extends {
                extra.insert("nonce".to_owned(), format!("{}more", login.nonce).into());
            }
            match login.answer(method, &extra) {
                Ok(answer) => {
                    let text = format!("{answer:?}");
                    prop_assert!(!text.contains("secret"));
                }
                Err(error) => {
                    let text = format!("{error} {error:?}");
                    prop_assert!(!text.contains("the-secret") && !text.contains("ticket-secret"));
                }
            }
        }
    }
}
