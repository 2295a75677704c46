//! The connection option `tlsConfiguration`: one JSON object, whose files are read when it is
//! parsed.
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `ca` | the authorities to trust, instead of the system's | the system's |
//! | `cert`, `key` | the client's certificate (with its chain) and private key | none |
//! | `server_name` | the name to ask for and to find in the certificate | the URL's host |
//! | `min_version` | the least version of TLS, "1.2" or "1.3" | "1.2" |
//! | `pins` | keys that the server may have: "sha256/BASE64" of the SubjectPublicKeyInfo | any key |
//! | `verify` | false: neither the chain nor the name of its certificate counts | true |
//!
//! `ca`, `cert` and `key` are PEM texts or paths of PEM files.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Map, Value};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::os::lock;

use super::identity::Identity;
use super::verify::{Pin, Verifier, parse_pin};
use super::{TlsError, pem, provider};

/// The options of TLS connections.
pub struct TlsOptions {
    roots: Option<Arc<RootCertStore>>,
    /// Those of the system, or why there are none, where they are needed.
    system: Mutex<Option<Result<Arc<RootCertStore>, String>>>,
    pub(super) identity: Arc<Identity>,
    pub(super) server_name: Option<ServerName<'static>>,
    tls12: bool,
    pins: Vec<Pin>,
    verify: bool,
    /// Made for the first connection; the later ones resume its session.
    config: OnceLock<Arc<ClientConfig>>,
}

const KEYS: [&str; 7] = ["ca", "cert", "key", "server_name", "min_version", "pins", "verify"];

impl Default for TlsOptions {
    fn default() -> Self {
        TlsOptions {
            roots: None,
            system: Mutex::default(),
            identity: Arc::default(),
            server_name: None,
            tls12: true,
            pins: Vec::new(),
            verify: true,
            config: OnceLock::new(),
        }
    }
}

/// The private key is not shown.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("own_roots", &self.roots.as_ref().map(|roots| roots.len()))
            .field("identity", &self.identity)
            .field("server_name", &self.server_name)
            .field("tls12", &self.tls12)
            .field("pins", &self.pins.len())
            .field("verify", &self.verify)
            .finish()
    }
}

impl TlsOptions {
    /// Reads the option. The files that it names are read now.
    pub fn parse(object: &Map<String, Value>) -> Result<TlsOptions, String> {
        if let Some(unknown) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(unknown));
        }
        let text = |key: &str| match object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`{key}`: must be a string")),
        };
        let mut options = TlsOptions::default();
        if let Some(ca) = text("ca")? {
            let roots = pem::roots(ca).map_err(|why| format!("`ca`: {why}"))?;
            options.roots = Some(Arc::new(roots));
        }
        match (text("cert")?, text("key")?) {
            (None, None) => {}
            (Some(cert), Some(key)) => options.identity = Arc::new(Identity::load(cert, key)?),
            (Some(_), None) => return Err("`cert` goes with `key`, which is missing".to_owned()),
            (None, Some(_)) => return Err("`key` goes with `cert`, which is missing".to_owned()),
        }
        if let Some(name) = text("server_name")? {
            let name = ServerName::try_from(name.to_owned())
                .map_err(|_| format!("`server_name`: \"{name}\" is not a name or an address"))?;
            options.server_name = Some(name);
        }
        options.tls12 = match text("min_version")? {
            None | Some("1.2") => true,
            Some("1.3") => false,
            Some(_) => return Err("`min_version`: must be \"1.2\" or \"1.3\"".to_owned()),
        };
        if let Some(pins) = object.get("pins") {
            options.pins = parse_pins(pins).map_err(|why| format!("`pins`: {why}"))?;
        }
        if let Some(verify) = object.get("verify") {
            options.verify = verify.as_bool().ok_or("`verify`: must be true or false")?;
        }
        Ok(options)
    }

    /// A warning to write into the log with every connection, because nothing shows that the server
    /// is who it says.
    pub fn warning(&self) -> Option<&'static str> {
        (!self.verify && self.pins.is_empty()).then_some(
            "the server is not verified (`verify` is false in `tlsConfiguration`): anyone on the \
             path can read and change everything",
        )
    }

    /// Loads what connections will need. On the application's own thread: where the system's roots
    /// are is looked up in the environment (SSL_CERT_FILE, SSL_CERT_DIR), which a program may
    /// change while other threads run.
    pub fn prepare(&self) {
        if self.verify && self.roots.is_none() {
            let mut system = lock(&self.system);
            if !matches!(&*system, Some(Ok(_))) {
                *system = Some(system_roots());
            }
        }
    }

    fn system(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let mut system = lock(&self.system);
        system.get_or_insert_with(system_roots).clone().map_err(TlsError::NoRoots)
    }

    /// The configuration for rustls.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let roots = match (&self.roots, self.verify) {
            (_, false) => None,
            (Some(roots), true) => Some(roots.clone()),
            (None, true) => Some(self.system()?),
        };
        let verifier = Verifier::new(roots, self.pins.clone()).map_err(TlsError::Other)?;
        let versions = [&TLS13, &TLS12];
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(if self.tls12 { &versions } else { &versions[..1] })
            .map_err(|error| TlsError::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(self.identity.clone());
        // One server, so that a few sessions are enough to resume.
        config.resumption = Resumption::in_memory_sessions(4);
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

/// The roots of the system, read once: ten thousand connections share them.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    let mut known = lock(&ROOTS);
    if let Some(roots) = &*known {
        return Ok(roots.clone());
    }
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why = loaded.errors.first().map_or("none found".to_owned(), ToString::to_string);
        return Err(why);
    }
    Ok(known.insert(Arc::new(roots)).clone())
}

fn parse_pins(pins: &Value) -> Result<Vec<Pin>, String> {
    let wrong = "must be a list of strings, \"sha256/BASE64\" each";
    let pins = pins.as_array().filter(|pins| !pins.is_empty()).ok_or(wrong)?;
    pins.iter().map(|pin| parse_pin(pin.as_str().ok_or(wrong)?)).collect()
}

fn unknown_key(key: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3);
    match nearest {
        Some((_, known)) => format!("`{key}`: unknown; did you mean `{known}`?"),
        None => format!("`{key}`: unknown; the keys are {}", KEYS.join(", ")),
    }
}
