"""Certificates for one run of the tests: an authority, a server's and a client's certificate by it, and the
same client's by somebody else's authority."""

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

NAMES = ("ca.pem", "other_ca.pem", "server.pem", "server.key", "client.pem", "other_client.pem", "client.key")
LIFE = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Pki:
    """The paths of PEM files."""

    ca: Path
    other_ca: Path
    server: Path
    server_key: Path
    client: Path
    other_client: Path
    client_key: Path
    authority: tuple[x509.Certificate, Key] = field(repr=False)


def make(directory: Path) -> Pki:
    authority, authority_key = _authority("Authority of the tests")
    pki = Pki(*(directory / name for name in NAMES), (authority, authority_key))
    other, other_key = _authority("Somebody else's authority")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    server = (
        _end_entity("localhost", key, authority.subject, ExtendedKeyUsageOID.SERVER_AUTH)
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    client_key = ec.generate_private_key(ec.SECP256R1())
    for path, issuer, issuer_key in ((pki.client, authority, authority_key), (pki.other_client, other, other_key)):
        client = _end_entity("A client", client_key, issuer.subject, ExtendedKeyUsageOID.CLIENT_AUTH)
        path.write_bytes(client.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    pki.ca.write_bytes(authority.public_bytes(Encoding.PEM))
    pki.other_ca.write_bytes(other.public_bytes(Encoding.PEM))
    pki.server.write_bytes(server.public_bytes(Encoding.PEM))
    for path, private in ((pki.server_key, key), (pki.client_key, client_key)):
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pki


def client_of_an_intermediate(pki: Pki, key: Key, form: PrivateFormat) -> tuple[str, str]:
    """The PEM of a client's certificate with its chain, signed by an authority that ours has signed, and of its key."""
    issuer, issuer_key = _authority("Authority below", pki.authority)
    client = _end_entity("Another client", key, issuer.subject, ExtendedKeyUsageOID.CLIENT_AUTH)
    chain = (client.sign(issuer_key, hashes.SHA256()), issuer)
    private = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain), private.decode()


def _authority(name: str, above: tuple[x509.Certificate, Key] | None = None) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, issuer_key = (above[0].subject, above[1]) if above else (_name(name), key)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"),
        False,
    )
    certificate = (
        _certificate(name, key, issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _end_entity(
    name: str, key: Key, issuer: x509.Name, usage: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        _certificate(name, key, issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _certificate(name: str, key: Key, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
