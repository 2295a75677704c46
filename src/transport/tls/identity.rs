//! Gives the client's certificate to a server that asks for one, and notes that it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::{pem, provider};
use crate::transport::stream::Certificate;

/// The client's certificate and key, if it has them.
///
/// The note is that of the latest handshake: the attempts of a connection, which share this, come
/// one after the other. (With one of these for each handshake no session would be resumed.)
#[derive(Default)]
pub(super) struct Identity {
    pair: Option<Arc<CertifiedKey>>,
    note: AtomicU8,
}

/// The private key is not shown.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.pair.is_some() { "Identity" } else { "no Identity" })
    }
}

impl Identity {
    /// Each is a PEM text or the path of a PEM file.
    pub(super) fn load(cert: &str, key: &str) -> Result<Identity, String> {
        let der = pem::identity(cert, key)?;
        let pair = CertifiedKey::from_der(der.chain, der.key, &provider())
            .map_err(|error| format!("`cert` and `key` do not go together: {error}"))?;
        Ok(Identity { pair: Some(Arc::new(pair)), note: AtomicU8::default() })
    }

    /// True if the server asked for a certificate in the latest handshake.
    pub(super) fn take_note(&self) -> Certificate {
        match self.note.swap(NOT_ASKED, Ordering::Relaxed) {
            NOT_ASKED => Certificate::NotAsked,
            GIVEN => Certificate::Given,
            _ => Certificate::Missing,
        }
    }
}

const NOT_ASKED: u8 = 0;
const GIVEN: u8 = 1;
const MISSING: u8 = 2;

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.as_ref();
        let pair = pair.filter(|pair| pair.key.choose_scheme(sigschemes).is_some());
        self.note.store(if pair.is_some() { GIVEN } else { MISSING }, Ordering::Relaxed);
        pair.cloned()
    }

    fn has_certs(&self) -> bool {
        self.pair.is_some()
    }
}
