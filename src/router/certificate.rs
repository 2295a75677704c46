//! Client certificates: the marks of one, and those by which users are known.
//!
//! TLS has found out that a certificate may be believed, and that the client has its key.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::name::Name;

use crate::auth::unhex;

use super::mistake::Mistake;

/// Something by which a certificate is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// SHA-256 of it.
    Fingerprint([u8; 32]),
    /// The common name (CN) of its subject, which has only one.
    CommonName(String),
    /// A name that it has beside the subject, as `DNS:sensor.example.com`.
    AltName(String),
}

/// The keys of marks in the configuration.
const KEYS: [&str; 3] = ["fingerprint", "common_name", "subject_alt_name"];

/// The type of a common name in a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The kinds of names beside the subject, apart from those of DNS.
const ALT_NAMES: [&str; 2] = ["email:", "URI:"];

/// The marks of a certificate in DER: the most telling ones first.
pub(super) fn marks(certificate: &[u8]) -> Vec<Mark> {
    let mut marks = vec![Mark::Fingerprint(Sha256::digest(certificate).into())];
    let Ok(parsed) = Certificate::from_der(certificate) else {
        return marks;
    };
    let parsed = parsed.tbs_certificate();
    if let Ok(Some((_, SubjectAltName(names)))) = parsed.get_extension() {
        marks.extend(names.iter().filter_map(alt_name).map(Mark::AltName));
    }
    marks.extend(common_name(parsed.subject()).map(Mark::CommonName));
    marks
}

/// Reads the marks that a user's certificate has to have one of.
pub(super) fn parse(entries: &Map<String, Value>) -> Result<Vec<Mark>, Mistake> {
    let given: Vec<_> = KEYS.into_iter().filter(|key| entries.contains_key(*key)).collect();
    let [key] = given[..] else {
        let why = match given.as_slice() {
            [] => "needs one of fingerprint, common_name, subject_alt_name",
            _ => "has more than one of fingerprint, common_name, subject_alt_name: choose one",
        };
        return Err(why.into());
    };
    if key == "fingerprint" {
        return fingerprints(&entries[key]).map_err(|mistake| mistake.within(key));
    }
    let name = entries[key].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Mistake::of(key, "must be a string that is not empty"))?;
    let name = name.to_owned();
    if key == "common_name" {
        return Ok(vec![Mark::CommonName(name)]);
    }
    if let Some(name) = name.strip_prefix("DNS:") {
        return Ok(vec![Mark::AltName(dns(name))]);
    }
    match ALT_NAMES.iter().any(|kind| name.starts_with(kind)) {
        true => Ok(vec![Mark::AltName(name)]),
        false => Err(Mistake::of(key, "must begin with its kind: DNS:, email: or URI:")),
    }
}

/// One fingerprint, or a list of them.
fn fingerprints(value: &Value) -> Result<Vec<Mark>, Mistake> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let read = |text: &Value| {
        let digits = text.as_str()?.replace(':', "");
        unhex::<32>(&digits).map(Mark::Fingerprint)
    };
    let marks: Option<Vec<_>> = list.iter().map(read).collect();
    marks.filter(|marks| !marks.is_empty()).ok_or_else(|| {
        "must be a SHA-256 of 64 hexadecimal digits, with or without colons, or a list of such"
            .into()
    })
}

/// The common name of a subject that has one, and no other.
fn common_name(subject: &Name) -> Option<String> {
    let mut names = subject.iter().filter(|entry| entry.oid == COMMON_NAME);
    let (Some(_), None) = (names.next(), names.next()) else {
        return None;
    };
    let name: DirectoryString = subject.common_name().ok()??;
    Some(name.value().into_owned())
}

/// A name of DNS, in which case does not matter.
fn dns(name: &str) -> String {
    format!("DNS:{}", name.to_ascii_lowercase())
}

fn alt_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(dns(name.as_str())),
        GeneralName::Rfc822Name(name) => Some(format!("email:{}", name.as_str())),
        GeneralName::UniformResourceIdentifier(name) => Some(format!("URI:{}", name.as_str())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::transport::tls::testing::{Authority, Time};

    #[test]
    fn a_certificate_has_marks() {
        let pair = Authority::new("ours").sign(&["a.example.com", "127.0.0.1"], Time::Now);
        let der = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
        let told = marks(&der);
        let fingerprint = Mark::Fingerprint(Sha256::digest(&der).into());
        assert_eq!(told[0], fingerprint);
        assert!(told.contains(&Mark::AltName("DNS:a.example.com".to_owned())), "{told:?}");
        assert!(told.contains(&Mark::CommonName("rcgen self signed cert".to_owned())), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(marks(b"no certificate").len(), 1);
    }

    #[test]
    fn marks_are_read() {
        let read = |value: Value| parse(value.as_object().unwrap()).map_err(|e| e.to_string());
        let digits = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        let both = read(json!({"fingerprint": [digits, colons]})).unwrap();
        assert_eq!(both, vec![Mark::Fingerprint([0xab; 32]); 2]);
        let names = read(json!({"subject_alt_name": "email:joe@example.com", "role": "x"}));
        assert_eq!(names, Ok(vec![Mark::AltName("email:joe@example.com".to_owned())]));
        let dns = read(json!({"subject_alt_name": "DNS:Sensor.Example.com"}));
        assert_eq!(dns, Ok(vec![Mark::AltName("DNS:sensor.example.com".to_owned())]));
        for (value, told) in [
            (json!({}), "needs one of"),
            (json!({"common_name": "a", "fingerprint": digits}), "more than one"),
            (json!({"fingerprint": "ab"}), "\"fingerprint\": must be a SHA-256"),
            (json!({"fingerprint": []}), "\"fingerprint\": must be a SHA-256"),
            (json!({"common_name": ""}), "\"common_name\": must be a string that is not empty"),
            (json!({"common_name": 1}), "\"common_name\": must be a string"),
            (json!({"subject_alt_name": "a"}), "\"subject_alt_name\": must begin with its kind"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
