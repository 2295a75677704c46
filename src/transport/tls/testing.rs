//! Certificates for tests, made when they are needed: good ones, and every kind of bad one.
//! Also part of `tests/hostile`, which uses more of it than the tests beside it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PublicKeyData, date_time_ymd,
};
use sha2::{Digest, Sha256};

/// An authority that signs whatever it is asked to.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Pair {
    /// The certificate, as PEM.
    pub cert: String,
    /// The private key, as PEM.
    pub key: String,
    /// SHA-256 of the public key.
    pub pin: [u8; 32],
}

/// The time in which a certificate is valid.
#[derive(Clone, Copy)]
pub(crate) enum Time {
    Now,
    Past,
    Future,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for names and addresses, of servers and clients alike.
    pub(crate) fn sign(&self, names: &[&str], time: Time) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let cert = params(names, time).signed_by(&key, &self.0).expect("a certificate");
        pair(cert.pem(), &key)
    }
}

/// A certificate that nobody else has signed; with `is_authority` one as `openssl req -x509` makes.
pub(crate) fn self_signed(names: &[&str], is_authority: bool) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(names, Time::Now);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let cert = params.self_signed(&key).expect("a certificate");
    pair(cert.pem(), &key)
}

fn params(names: &[&str], time: Time) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    (params.not_before, params.not_after) = match time {
        Time::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1)),
        Time::Past => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
        Time::Future => (date_time_ymd(2099, 1, 1), date_time_ymd(2100, 1, 1)),
    };
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn pair(cert: String, key: &KeyPair) -> Pair {
    let info = key.subject_public_key_info();
    let pin = Sha256::digest(&info).into();
    Pair { cert, key: key.serialize_pem(), pin }
}
