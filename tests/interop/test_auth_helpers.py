"""The wamp_auth_... functions make of random input what Autobahn's functions make of it."""

import asyncio
import base64
import hashlib
import random

import pytest
import txaio
from autobahn.wamp import auth
from autobahn.wamp.cryptosign import CryptosignKey
from autobahn.wamp.types import Challenge
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from libwamp.ffi import ffi, from_c, lib, to_c

ROUNDS = 50

txaio.use_asyncio()


@pytest.fixture(params=range(ROUNDS))
def dice(request) -> random.Random:
    return random.Random(request.param)


def text(dice: random.Random, letters: str = "abcXYZ0189 ,=%äöß€中😀") -> str:
    """A text of letters with one to four bytes."""
    return "".join(dice.choice(letters) for _ in range(dice.randint(1, 40)))


def made(function, *arguments) -> str:
    """What a function writes."""
    out = ffi.new("char[]", 512)
    arguments = [to_c(argument) if isinstance(argument, str) else argument for argument in arguments]
    size = function(*arguments, out, len(out))
    assert size >= 0, from_c(lib.wamp_last_error())
    assert size < len(out)
    assert function(*arguments, ffi.NULL, 0) == size
    return from_c(out)


def test_cra(dice):
    secret, salt, challenge = text(dice), text(dice), text(dice)
    iterations, keylen = dice.randint(1, 2000), dice.randint(1, 64)
    key = made(lib.wamp_auth_cra_derive_key, secret, salt, iterations, keylen)
    assert key == auth.derive_key(secret, salt, iterations, keylen).decode()
    for one in (key, secret):
        assert made(lib.wamp_auth_cra_sign, one, challenge) == auth.compute_wcs(one, challenge).decode()


def test_cryptosign(dice, tmp_path):
    seed, challenge, channel = (dice.randbytes(32) for _ in range(3))
    theirs = CryptosignKey.from_bytes(seed)
    file = tmp_path / "key"
    key = Ed25519PrivateKey.from_private_bytes(seed)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    asked = Challenge("cryptosign", {"challenge": challenge.hex()})
    for ours in (seed.hex(), str(file)):
        assert made(lib.wamp_auth_cryptosign_public_key, ours) == theirs.public_key()
        for bound, kind in ((None, None), (channel, "tls-unique")):
            signed = made(lib.wamp_auth_cryptosign_sign, ours, challenge.hex(), bound.hex() if bound else ffi.NULL)
            assert signed == asyncio.run(sign(theirs, asked, bound, kind))


async def sign(key: CryptosignKey, challenge: Challenge, channel: bytes | None, kind: str | None) -> str:
    txaio.config.loop = asyncio.get_running_loop()
    return await key.sign_challenge(challenge, channel, kind)


def test_scram(dice):
    """With a client of Autobahn's, which answers a challenge of ours."""
    password, authid = text(dice), "joe"
    client = auth.AuthScram(authid=authid, password=password)
    nonce = client.authextra["nonce"]
    extra = {
        "nonce": nonce + base64.b64encode(dice.randbytes(16)).decode(),
        "kdf": "argon2id-13",
        "salt": base64.b64encode(dice.randbytes(16)).decode(),
        "iterations": dice.randint(1, 4),
        "memory": 512,
    }
    theirs = client.on_challenge(None, Challenge("scram", extra)).decode()
    salted_password = made(
        lib.wamp_auth_scram_salted_password, extra["kdf"], password, extra["salt"], extra["iterations"], extra["memory"]
    )
    message = (
        f"n={authid},r={nonce},r={extra['nonce']},s={extra['salt']},i={extra['iterations']},c=,r={extra['nonce']}"
    )
    assert made(lib.wamp_auth_scram_client_proof, salted_password, message) == theirs
    signature = made(lib.wamp_auth_scram_server_signature, salted_password, message)
    quiet = type("Session", (), {"log": type("Log", (), {"info": print, "error": print})})
    assert client.on_welcome(quiet, {"scram_server_signature": signature}) is None
    wrong = base64.b64encode(dice.randbytes(32)).decode()
    assert client.on_welcome(quiet, {"scram_server_signature": wrong}) is not None


def test_pbkdf2(dice):
    """Autobahn's own client cannot do this; Python's library can."""
    # Letters that SASLprep knows, and leaves as they are.
    password, salt, iterations = text(dice, "abcXYZ0189 ,=%äöß€中"), dice.randbytes(16), dice.randint(4096, 5000)
    ours = made(
        lib.wamp_auth_scram_salted_password, "pbkdf2", password, base64.b64encode(salt).decode(), iterations, 0
    )
    theirs = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    assert base64.b64decode(ours) == theirs
