"""Logging in to Crossbar.io by each method that it knows, in clear and over TLS."""

import base64
import hashlib
import secrets

import pytest
import users
from autobahn.wamp.auth import compute_wcs, derive_key
from client import Client, Event
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from libwamp.ffi import lib

# What each user logs in with. The methods are named because Crossbar.io takes the first one that it has set up.
LOGINS = {
    "anonymous": {"authmethods": ["anonymous"]},
    "ticket": {"authmethods": ["ticket"], "authid": "ticket", "ticket": users.PASSWORD},
    "wampcra": {"authmethods": ["wampcra"], "authid": "plain", "secret": users.PASSWORD},
    "wampcra-salted": {"authmethods": ["wampcra"], "authid": "salted", "secret": users.PASSWORD},
    "wampcra-salted-otherwise": {"authmethods": ["wampcra"], "authid": "salted otherwise", "secret": users.PASSWORD},
    "scram-argon2id": {"authmethods": ["scram"], "authid": "argon2id", "secret": users.PASSWORD},
    "scram-argon2id-raw": {
        "authmethods": ["scram"], "authid": "raw", "secret": users.PASSWORD, "scram_raw": True,
    },
    "scram-pbkdf2": {"authmethods": ["scram"], "authid": "pbkdf2", "secret": users.PASSWORD},
    "cryptosign": {"authmethods": ["cryptosign"], "authid": "key", "privkey": users.SEED},
    "cryptosign-by-key-alone": {"authmethods": ["cryptosign"], "privkey": users.SEED},
    # Without authmethods, where what is offered of itself suits the user.
    "ticket-of-itself": {"authid": "ticket", "ticket": users.PASSWORD},
    "scram-of-itself": {"authid": "argon2id", "secret": users.PASSWORD},
    "cryptosign-of-itself": {"authid": "key", "privkey": users.SEED},
    "anonymous-of-itself": {},
}

OTHER_SEED = secrets.token_bytes(32).hex()
WRONG = {
    "ticket": {"ticket": "wrong"},
    "wampcra": {"secret": "wrong"},
    "wampcra-salted": {"secret": "wrong"},
    "scram-argon2id": {"secret": "wrong"},
    "scram-argon2id-raw": {"scram_raw": False},
    "scram-pbkdf2": {"secret": "wrong"},
    "cryptosign": {"privkey": OTHER_SEED},
    "cryptosign-by-key-alone": {"privkey": OTHER_SEED},
    "ticket-of-itself": {"authid": "nobody"},
    "scram-of-itself": {"authid": "nobody"},
}

# A login that fails is not tried again, however eager the connection is.
EAGER = {"max_retries": -1, "initial_retry_delay": 0.01, "retry_if_unreachable": True}


@pytest.fixture(params=["ws", "wss"])
def door(request, crossbar) -> tuple[str, dict]:
    """A transport for users, and the options that it wants."""
    if request.param == "ws":
        return crossbar.auth_url, {}
    return crossbar.tls_url, {"tlsConfiguration": {"ca": str(crossbar.pki.ca)}}


def failed(client: Client, event: Event, status: int) -> str:
    """The connection has ended for good, at its first attempt. Gives what it says."""
    assert event.kind == "CLOSE", event
    assert event.status == status, event
    assert not event.details.get("will_retry"), event
    assert len(client.seen("CONNECT")) == 1
    return event.message


@pytest.mark.parametrize("name", LOGINS)
def test_the_right_secret(crossbar, door, name):
    url, options = door
    login = LOGINS[name]
    with Client(url, crossbar.realm, **options, **login) as client:
        event = client.open()
        assert event.kind == "OPEN", event
        method = login.get("authmethods", [name.removesuffix("-of-itself")])[0]
        assert client.welcome("authmethod") == method
        assert client.welcome("authrole") == ("anonymous" if method == "anonymous" else users.ROLE)
        if "authid" in login:
            assert client.welcome("authid") == login["authid"]
        assert len(client.seen("CONNECT")) == 1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_secret(crossbar, door, name):
    url, options = door
    with Client(url, crossbar.realm, **EAGER, **options, **{**LOGINS[name], **WRONG[name]}) as client:
        event = client.open()
        message = failed(client, event, lib.WAMP_ERR_AUTH)
        # The router's own words, which say what it does not like.
        assert event.details["reason"] == "wamp.error.not_authorized", event
        assert event.details["message"] and event.details["message"] in message
        assert users.PASSWORD not in message


@pytest.mark.parametrize(
    ("login", "word"),
    [
        ({"authmethods": ["ticket"], "authid": "ticket"}, "`ticket`"),
        ({"authmethods": ["wampcra"], "authid": "plain"}, "`secret`"),
        ({"authmethods": ["cryptosign"], "authid": "key", "authextra": {"pubkey": users.PUBLIC_KEY}}, "`privkey`"),
    ],
    ids=["ticket", "wampcra", "cryptosign"],
)
def test_nothing_to_answer_with(crossbar, login, word):
    with Client(crossbar.auth_url, crossbar.realm, **EAGER, **login) as client:
        assert word in failed(client, client.open(), lib.WAMP_ERR_AUTH)


@pytest.mark.parametrize("form", ["seed file", "openssh", "openssh text", "pkcs8"])
def test_forms_of_a_private_key(crossbar, tmp_path, form):
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(users.SEED))
    shape = PrivateFormat.PKCS8 if form == "pkcs8" else PrivateFormat.OpenSSH
    text = key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()
    file = tmp_path / "key"
    file.write_text(f"{users.SEED}\n" if form == "seed file" else text)
    privkey = text if form == "openssh text" else str(file)
    with Client(crossbar.auth_url, crossbar.realm, **{**LOGINS["cryptosign"], "privkey": privkey}) as client:
        assert client.open().kind == "OPEN"


# ---- by the program's own answers, which Autobahn computes ----


def test_a_ticket_by_challenge(crossbar, door):
    url, options = door
    with Client(url, crossbar.realm, authmethods=["ticket"], authid="ticket", **options) as client:
        client.ask_for_challenges()
        challenge = client.open()
        assert (challenge.kind, challenge.uri) == ("CHALLENGE", "ticket")
        assert client.answer(challenge, users.PASSWORD).kind == "OPEN"


@pytest.mark.parametrize("user", ["plain", "salted"])
def test_wampcra_by_challenge(crossbar, door, user):
    url, options = door
    with Client(url, crossbar.realm, authmethods=["wampcra"], authid=user, **options) as client:
        client.ask_for_challenges()
        challenge = client.open()
        assert (challenge.kind, challenge.uri) == ("CHALLENGE", "wampcra")
        extra, key = challenge.details, users.PASSWORD.encode()
        if user == "salted":
            key = derive_key(users.PASSWORD, extra["salt"], extra["iterations"], extra["keylen"])
        signature = compute_wcs(key, extra["challenge"].encode()).decode()
        assert client.answer(challenge, signature).kind == "OPEN"
        assert client.welcome("authid") == user


def test_cryptosign_by_challenge(crossbar, door):
    url, options = door
    extra = {"pubkey": users.PUBLIC_KEY}
    with Client(url, crossbar.realm, authmethods=["cryptosign"], authid="key", authextra=extra, **options) as client:
        client.ask_for_challenges()
        challenge = client.open()
        assert (challenge.kind, challenge.uri) == ("CHALLENGE", "cryptosign")
        data = bytes.fromhex(challenge.details["challenge"])
        signature = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(users.SEED)).sign(data)
        assert client.answer(challenge, signature.hex() + data.hex()).kind == "OPEN"


@pytest.mark.parametrize("user", ["argon2id", "raw", "pbkdf2"])
def test_scram_by_challenge(crossbar, door, user):
    """With the arithmetic in Python: Autobahn's own client cannot do all of it."""
    url, options = door
    nonce = base64.b64encode(secrets.token_bytes(16)).decode()
    login = {"authmethods": ["scram"], "authid": user, "authextra": {"nonce": nonce}}
    with Client(url, crossbar.realm, **login, **options) as client:
        client.ask_for_challenges()
        challenge = client.open()
        assert (challenge.kind, challenge.uri) == ("CHALLENGE", "scram")
        extra = challenge.details
        message = (
            f"n={user},r={nonce},r={extra['nonce']},s={extra['salt']},i={extra['iterations']},c=,r={extra['nonce']}"
        )
        assert client.answer(challenge, users.scram_proof(user, message)).kind == "OPEN"


def test_a_wrong_answer_to_a_challenge(crossbar):
    with Client(crossbar.auth_url, crossbar.realm, authmethods=["ticket"], authid="ticket", **EAGER) as client:
        client.ask_for_challenges()
        failed(client, client.answer(client.open(), "wrong"), lib.WAMP_ERR_AUTH)


# ---- whom we talk to ----


def test_the_router_proves_its_key(crossbar, door):
    url, options = door
    login = {**LOGINS["cryptosign"], "router_key": crossbar.public_key}
    with Client(url, crossbar.realm, **options, **login) as client:
        event = client.open()
        assert event.kind == "OPEN", event


def test_a_router_with_another_key(crossbar, door):
    url, options = door
    with Client(url, crossbar.realm, **EAGER, **options, **LOGINS["cryptosign"], router_key="ab" * 32) as client:
        assert "`router_key`" in failed(client, client.open(), lib.WAMP_ERR_AUTH)


def test_a_channel_binding_that_the_router_does_not_know(crossbar):
    options = {"tlsConfiguration": {"ca": str(crossbar.pki.ca)}, "channel_binding": "tls-exporter"}
    with Client(crossbar.tls_url, crossbar.realm, **EAGER, **options, **LOGINS["cryptosign"]) as client:
        assert "tls-exporter" in failed(client, client.open(), lib.WAMP_ERR_AUTH)


def test_the_system_does_not_know_the_authority(crossbar):
    untrusted(crossbar, {}, "`ca`")


def test_another_authority(crossbar):
    untrusted(crossbar, {"ca": str(crossbar.pki.other_ca)}, "`ca`")


def test_another_name(crossbar):
    untrusted(crossbar, {"ca": str(crossbar.pki.ca), "server_name": "router.example"}, "router.example")


def test_another_key(crossbar):
    untrusted(crossbar, {"ca": str(crossbar.pki.ca), "pins": [pin(b"another key")]}, "`pins`")


def test_in_clear_where_tls_is_wanted(crossbar):
    url = crossbar.tls_url.replace("wss://", "ws://")
    with Client(url, crossbar.realm, **LOGINS["anonymous"]) as client:
        # Crossbar.io hangs up without a word.
        assert "closed the connection" in failed(client, client.open(), lib.WAMP_ERR_UNREACHABLE)


def test_a_pinned_key(crossbar):
    certificate = x509.load_pem_x509_certificate(crossbar.pki.server.read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for tls in ({"ca": str(crossbar.pki.ca), "pins": [pin(key)]}, {"verify": False, "pins": [pin(key)]}):
        with Client(crossbar.tls_url, crossbar.realm, tlsConfiguration=tls, **LOGINS["ticket"]) as client:
            assert client.open().kind == "OPEN"


def test_a_name_of_the_certificate(crossbar):
    tls = {"ca": crossbar.pki.ca.read_text(), "server_name": "localhost", "min_version": "1.3"}
    with Client(crossbar.tls_url, crossbar.realm, tlsConfiguration=tls, **LOGINS["ticket"]) as client:
        assert client.open().kind == "OPEN"


def pin(key: bytes) -> str:
    return "sha256/" + base64.b64encode(hashlib.sha256(key).digest()).decode()


def untrusted(crossbar, tls: dict, word: str) -> None:
    # An attempt that fails before there is a session is repeated only where that is asked for.
    with Client(crossbar.tls_url, crossbar.realm, tlsConfiguration=tls, **LOGINS["ticket"]) as client:
        assert word in failed(client, client.open(), lib.WAMP_ERR_TLS)
