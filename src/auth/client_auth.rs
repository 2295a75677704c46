//! The client's side of one attempt to join: what goes into HELLO, the answers to challenges, and
//! whether the router may be believed when it sends WELCOME.

#[cfg(test)]
mod tests;

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
    /// The nonce of SCRAM, where that is offered.
    nonce: String,
    /// The challenge that the router has to sign, where it has to.
    challenge: Option<[u8; 32]>,
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
    pub fn new(credentials: Arc<Credentials>, channel_id: Option<[u8; 32]>) -> ClientAuth {
        ClientAuth {
            credentials,
            channel_id,
            offered: Vec::new(),
            nonce: String::new(),
            challenge: None,
            channel_binding: None,
            server_signature: None,
            is_proven: false,
            is_bound: false,
            stop: Stop::default(),
        }
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
            // In base64 without padding, so that what a router appends continues it in both
            // ways that routers have: text after text, or bytes after bytes.
            let nonce = base64(random::<24>()?);
            let nonce = or_insert(&mut extra, "nonce", || nonce);
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

    /// True if nothing was offered or asked for, so that any WELCOME is as good.
    pub fn expects_nothing(&self) -> bool {
        let Credentials { router_key, channel_binding, .. } = &*self.credentials;
        router_key.is_none() && !channel_binding && self.offered.is_empty()
    }

    /// Checks the router's claim that we have joined, by the `authextra` of its WELCOME.
    ///
    /// It counts what was asked for and answered, not which method the router names.
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
            router: self.credentials.router_key.as_ref().zip(self.challenge.as_ref()),
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
            let challenge: [u8; 32] = random()?;
            let name = or_insert(extra, "challenge", || hex(&challenge));
            self.challenge = Some(Fields::new(cryptosign::METHOD, extra).hex(name)?);
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
