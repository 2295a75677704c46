//! Verification that a server is who it should be: by the chain of its certificate, by its key, or
//! both.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::provider;

/// SHA-256 of a SubjectPublicKeyInfo.
pub(super) type Pin = [u8; 32];

/// Verifies certificate chains, unless that is switched off, and the server's key, if some are
/// named. That the server has the key of its certificate is verified in any case.
#[derive(Debug)]
pub(super) struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The server's key is none of those that were named.
#[derive(Debug, thiserror::Error)]
#[error("the key {found} is not pinned")]
pub(super) struct PinMismatch {
    /// The key as it would be written in the option.
    pub(super) found: String,
}

impl Verifier {
    /// Without `roots` any chain will do.
    pub(super) fn new(
        roots: Option<Arc<RootCertStore>>,
        pins: Vec<Pin>,
    ) -> Result<Verifier, String> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let chain = roots
            .map(|roots| WebPkiServerVerifier::builder_with_provider(roots, provider).build())
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Verifier { chain, pins, algorithms })
    }
}

/// Reads "sha256/BASE64".
pub(super) fn parse_pin(text: &str) -> Result<Pin, String> {
    let wrong = || {
        format!(
            "\"{text}\" is not a pin; write \"sha256/\" and the base64 of the SHA-256 of the \
             certificate's SubjectPublicKeyInfo"
        )
    };
    let digest = text.strip_prefix("sha256/").ok_or_else(wrong)?;
    let digest = STANDARD.decode(digest).map_err(|_| wrong())?;
    digest.try_into().map_err(|_| wrong())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if self.pins.is_empty() {
            return Ok(ServerCertVerified::assertion());
        }
        // The server's own key alone counts: without a verified chain the other certificates are
        // whatever the other side likes to send.
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let found: Pin = Sha256::digest(&key).into();
        if self.pins.contains(&found) {
            return Ok(ServerCertVerified::assertion());
        }
        let found = format!("sha256/{}", STANDARD.encode(found));
        let mismatch = OtherError(Arc::new(PinMismatch { found }));
        Err(CertificateError::Other(mismatch).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
