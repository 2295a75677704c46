//! Certificates and keys out of PEM, which is given as a text or as the path of a file.

use std::borrow::Cow;
use std::fs;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate chain and the key of its first certificate.
pub(super) struct IdentityDer {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// A certificate and its key; the errors name the option.
pub(super) fn identity(cert: &str, key: &str) -> Result<IdentityDer, String> {
    let chain = certificates(cert).map_err(|why| format!("`cert`: {why}"))?;
    let key = private_key(key).map_err(|why| format!("`key`: {why}"))?;
    Ok(IdentityDer { chain, key })
}

/// The authorities to trust.
pub(super) fn roots(ca: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn certificates(source: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(source)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("there is no \"BEGIN CERTIFICATE\" in it; convert it to PEM".to_owned()),
        Err(error) => Err(broken(&error)),
    }
}

fn private_key(source: &str) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read(source)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        // The one is of PKCS #8, the other of older forms.
        _ if contains(&pem, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(&pem, b"4,ENCRYPTED") => {
            "it is encrypted; decrypt it, as by `openssl pkey`, and protect the file".to_owned()
        }
        PemError::NoItemsFound => {
            "there is no \"BEGIN PRIVATE KEY\" in it; convert it to PEM".to_owned()
        }
        other => broken(&other),
    })
}

/// The text itself, or what is in the file of that name.
fn read(source: &str) -> Result<Cow<'_, [u8]>, String> {
    if source.contains("-----BEGIN ") {
        return Ok(Cow::Borrowed(source.as_bytes()));
    }
    match fs::read(source) {
        Ok(content) => Ok(Cow::Owned(content)),
        // Half a text, which may be a key, is not to be seen in a log.
        Err(_) if source.contains('\n') || source.len() > 4096 || is_bare_key(source) => {
            Err("it is neither a PEM text nor the path of a file".to_owned())
        }
        Err(error) => Err(format!("cannot read the file \"{source}\": {error}")),
    }
}

/// The base64 of a key begins so, as its DER does.
fn is_bare_key(source: &str) -> bool {
    source.trim_start().starts_with("MC") || source.trim_start().starts_with("MI")
}

/// The errors of the PEM reader quote what they have read, which may be a key.
fn broken(error: &PemError) -> String {
    let what = match error {
        PemError::MissingSectionEnd { .. } => "its END line is missing",
        PemError::IllegalSectionStart { .. } => "its BEGIN line is malformed",
        PemError::Base64Decode(_) => "it is not base64 between BEGIN and END",
        _ => "it cannot be read",
    };
    format!("it is not valid PEM: {what}")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
