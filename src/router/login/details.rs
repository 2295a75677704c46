//! The details of a login, for those who are asked about it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::auth::hex;

use super::super::auth::Applicant;
use super::Client;

impl Client {
    /// The details for those who are asked: what HELLO says, and where it comes from.
    pub(super) fn details(&self) -> Map<String, Value> {
        let Applicant { session, origin, channel_id, authid, authmethods, authextra, .. } =
            &self.applicant;
        let peer = origin.address().map(|address| address.to_string());
        let channel_id = channel_id.as_ref().map(|id| hex(id));
        let certificate = self.applicant.certificate.as_deref().map(pem);
        let transport = json!({"peer": peer, "channel_id": channel_id, "client_cert": certificate});
        let mut details = Map::new();
        details.insert("realm".to_owned(), json!(self.realm));
        details.insert("session".to_owned(), json!(session));
        details.insert("authid".to_owned(), json!(authid));
        details.insert("authmethods".to_owned(), json!(authmethods));
        details.insert("authextra".to_owned(), Value::Object(authextra.clone()));
        details.insert("transport".to_owned(), transport);
        details
    }
}

/// A certificate as PEM text.
fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
