"""TLS with Crossbar.io: client certificates of all kinds, versions that do not meet, and who is not verified."""

import contextlib
import socket
import ssl
import threading
import warnings

import pytest
from client import LIMIT, Client, failed, joined
from conftest import Router
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat
from libwamp.ffi import lib
from pki import client_of_an_intermediate, make


def certificate(crossbar: Router, name: str) -> dict:
    pki = crossbar.pki
    return {"ca": str(pki.ca), "cert": str(getattr(pki, name)), "key": str(pki.client_key)}


def test_a_client_certificate(crossbar):
    tls = certificate(crossbar, "client")
    with joined(Client(crossbar.client_url, crossbar.realm, tlsConfiguration=tls)) as client:
        assert client.ask("wamp.session.count").kind == "RESULT"


KEYS = {
    "RSA, PKCS #1": (lambda: rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
    "RSA, PKCS #8": (lambda: rsa.generate_private_key(65537, 2048), PrivateFormat.PKCS8),
    "P-256, SEC 1": (lambda: ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL),
    "P-384, PKCS #8": (lambda: ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
    "Ed25519, PKCS #8": (ed25519.Ed25519PrivateKey.generate, PrivateFormat.PKCS8),
}


@pytest.mark.parametrize("kind", KEYS)
def test_client_certificates_of_all_kinds_with_a_chain(crossbar, kind):
    make_key, form = KEYS[kind]
    cert, key = client_of_an_intermediate(crossbar.pki, make_key(), form)
    tls = {"ca": crossbar.pki.ca.read_text(), "cert": cert, "key": key}
    with joined(Client(crossbar.client_url, crossbar.realm, tlsConfiguration=tls)) as client:
        assert client.ask("wamp.session.count").kind == "RESULT"
    # Without its chain the router does not know who has signed it.
    alone = {**tls, "cert": cert[: cert.index("-----BEGIN", 1)]}
    with Client(crossbar.client_url, crossbar.realm, tlsConfiguration=alone) as client:
        assert "client certificate" in failed(client, lib.WAMP_ERR_TLS)


def test_a_server_of_old(crossbar, tmp_path):
    """TLS 1.1, which is spoken no more."""
    pki = make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(pki.server, pki.server_key)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/"
        with Client(url, crossbar.realm, tlsConfiguration={"ca": str(pki.ca)}) as client:
            said = failed(client, lib.WAMP_ERR_TLS)
        server.join(LIMIT)
    assert "no version of TLS" in said and "`min_version`" in said


def test_no_client_certificate(crossbar):
    with Client(crossbar.client_url, crossbar.realm, tlsConfiguration={"ca": str(crossbar.pki.ca)}) as client:
        said = failed(client, lib.WAMP_ERR_TLS)
    assert "asks for a client certificate" in said and "`cert`" in said and crossbar.client_url in said


def test_a_client_certificate_that_the_router_does_not_trust(crossbar):
    tls = certificate(crossbar, "other_client")
    with Client(crossbar.client_url, crossbar.realm, tlsConfiguration=tls) as client:
        said = failed(client, lib.WAMP_ERR_TLS)
    assert "refuses our client certificate" in said and "`cert`" in said


def test_a_client_certificate_that_nobody_asked_for(crossbar):
    for url in (crossbar.tls_url, crossbar.raw_tls_url):
        with Client(url, crossbar.realm, tlsConfiguration=certificate(crossbar, "client")) as client:
            joined(client)


def test_who_is_not_verified_is_named_each_time(crossbar, log):
    with joined(Client(crossbar.tls_url, crossbar.realm, tlsConfiguration={"verify": False})) as client:
        client.close()
        joined(client)
    assert sum("is not verified" in line for line in log) == 2, log
