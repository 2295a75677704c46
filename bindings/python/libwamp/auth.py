"""Helpers for `on_challenge`, to answer a challenge. They need no connection.

Bytes are base64 or hexadecimal text, as on the wire; wamp.h describes the arguments of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import check
from .ffi import CHARS, ffi, from_c, lib, to_c


def cra_derive_key(secret: str, salt: str, iterations: int = 1000, keylen: int = 32) -> str:
    """The key derived from a salted WAMP-CRA secret."""
    return _text(lib.wamp_auth_cra_derive_key, to_c(secret), to_c(salt), iterations, keylen)


def cra_sign(key: str, challenge: str) -> str:
    """The signature of a WAMP-CRA challenge; `key` is the secret, or the result of `cra_derive_key`."""
    return _text(lib.wamp_auth_cra_sign, to_c(key), to_c(challenge))


def cryptosign_public_key(privkey: str) -> str:
    """The public key for a private key, given as its seed, or as the text or the path of its file."""
    return _text(lib.wamp_auth_cryptosign_public_key, to_c(privkey))


def cryptosign_sign(privkey: str, challenge: str, channel_id: str | None = None) -> str:
    """The signature of a cryptosign challenge with the signed data, as AUTHENTICATE needs it."""
    channel = ffi.NULL if channel_id is None else to_c(channel_id)
    return _text(lib.wamp_auth_cryptosign_sign, to_c(privkey), to_c(challenge), channel)


def scram_salted_password(kdf: str, password: str, salt: str, iterations: int, memory: int = 0) -> str:
    """The SaltedPassword of SCRAM. May take seconds: then `await asyncio.to_thread(...)` it."""
    return _text(lib.wamp_auth_scram_salted_password, to_c(kdf), to_c(password), to_c(salt), iterations, memory)


def scram_client_proof(salted_password: str, auth_message: str) -> str:
    """The ClientProof of SCRAM: the signature for AUTHENTICATE."""
    return _text(lib.wamp_auth_scram_client_proof, to_c(salted_password), to_c(auth_message))


def scram_server_signature(salted_password: str, auth_message: str) -> str:
    """The ServerSignature of SCRAM, by which a client verifies the router."""
    return _text(lib.wamp_auth_scram_server_signature, to_c(salted_password), to_c(auth_message))


def _text(function: Callable[..., int], *arguments: Any) -> str:
    room = 256  # enough for all but long derived keys
    while True:
        text = ffi.new(CHARS, room)
        size = check(function(*arguments, text, room))
        if size < room:
            return from_c(text, size)
        room = size + 1
