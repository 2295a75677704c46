"""Who may log in to the node, and how the node knows them.

Users are named after what is special about them. All have the role `user`, and PASSWORD where there is one.
"""

import base64
import hashlib
import hmac
import secrets

from argon2.low_level import Type, hash_secret_raw
from nacl.signing import SigningKey

ROLE = "user"
PASSWORD = "pässword, 16 €"  # not ASCII: it is UTF-8 that gets hashed
SEED = secrets.token_bytes(32).hex()
PUBLIC_KEY = SigningKey(bytes.fromhex(SEED)).verify_key.encode().hex()


SALT = secrets.token_bytes(16)
ITERATIONS, MEMORY = 2, 512  # of argon2id
PBKDF2_ITERATIONS = 4096


def auth() -> dict:
    """The `auth` of a transport."""
    salted = {"secret": PASSWORD, "role": ROLE, "salt": "Grains of salt"}
    return {
        "anonymous": {"type": "static", "role": "anonymous"},
        "ticket": {"type": "static", "principals": {"ticket": {"ticket": PASSWORD, "role": ROLE}}},
        "wampcra": {
            "type": "static",
            "users": {
                "plain": {"secret": PASSWORD, "role": ROLE},
                "salted": {**salted, "iterations": 1000, "keylen": 32},
                "salted otherwise": {**salted, "iterations": 1077, "keylen": 20},
            },
        },
        "scram": {
            "type": "static",
            "principals": {
                "argon2id": _scram("argon2id", "argon2id-13", ITERATIONS, MEMORY),
                "raw": _scram("raw", "argon2id-13", ITERATIONS, MEMORY),
                "pbkdf2": _scram("pbkdf2", "pbkdf2", PBKDF2_ITERATIONS, 0),
            },
        },
        "cryptosign": {"type": "static", "principals": {"key": {"authorized_keys": [PUBLIC_KEY], "role": ROLE}}},
    }


def scram_proof(user: str, message: str) -> str:
    """The answer to a challenge of SCRAM, for an AuthMessage."""
    key = _key(user, b"Client Key")
    signature = hmac.digest(hashlib.sha256(key).digest(), message.encode(), "sha256")
    return base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()


def _key(user: str, name: bytes) -> bytes:
    if user == "pbkdf2":
        salted_password = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, PBKDF2_ITERATIONS)
    else:
        salted_password = hash_secret_raw(
            PASSWORD.encode(), SALT, ITERATIONS, MEMORY, parallelism=1, hash_len=32, type=Type.ID
        )
    if user == "argon2id":
        # So autobahn.wamp.auth.derive_scram_credential() has it. `raw` is as the specification says.
        salted_password = base64.b64encode(salted_password).rstrip(b"=")
    return hmac.digest(salted_password, name, "sha256")


def _scram(user: str, kdf: str, iterations: int, memory: int) -> dict:
    return {
        "kdf": kdf,
        "iterations": iterations,
        "memory": memory,
        "salt": SALT.hex(),
        "stored-key": hashlib.sha256(_key(user, b"Client Key")).hexdigest(),
        "server-key": _key(user, b"Server Key").hex(),
        "role": ROLE,
    }
