"""Who we are: by the options, by on_challenge, and the functions that help to answer."""

import asyncio

import pytest
from support import run

import libwamp
from libwamp import auth

SEED = "4ffddd896a530ce5ee8c86b83b0d31835490a97a9cd718cb2f09c9fd31c4a7d7"
USERS = {
    "ticket": {"joe": {"ticket": "tick", "role": "user"}},
    "wampcra": {"ann": {"secret": "hush"}, "eve": {"secret": "hush", "salt": "salt", "iterations": 1001, "keylen": 32}},
    "wamp-scram": {"sam": {"password": "pencil", "kdf": "pbkdf2", "iterations": 4096}},
    "cryptosign": {"kim": {"pubkey": auth.cryptosign_public_key(SEED)}},
}


@pytest.fixture(scope="module")
def url():
    with libwamp.Router({"realms": ["realm1"], "auth": USERS}) as router:
        yield router.listen()


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ticket", {"authid": "joe", "ticket": "tick"}),
        ("wampcra", {"authid": "ann", "secret": "hush"}),
        ("wampcra", {"authid": "eve", "secret": "hush"}),
        ("wamp-scram", {"authid": "sam", "secret": "pencil"}),
        ("cryptosign", {"authid": "kim", "privkey": SEED}),
    ],
    ids=lambda value: value if isinstance(value, str) else value["authid"],
)
def test_the_options_answer(url, method, options):
    async def main():
        async with libwamp.connect(url, "realm1", authmethods=[method], **options) as session:
            assert session.details["authid"] == options["authid"]
            assert session.details["authmethod"] == method

    run(main())


def test_a_wrong_ticket_is_refused_and_not_tried_again(url):
    async def main():
        closed = []
        with pytest.raises(libwamp.NotConnected) as caught:
            await libwamp.Connection(
                url, "realm1", authid="joe", ticket="tock", on_close=closed.append, retry_if_unreachable=True
            ).open()
        assert caught.value.name == "WAMP_ERR_AUTH"
        assert caught.value.uri.startswith("wamp.error.")
        assert [end.will_retry for end in closed] == [False]

    run(main())


def sign(method, extra):
    if method == "ticket":
        return "tick"
    if method == "wampcra":
        key = auth.cra_derive_key("hush", extra["salt"], extra["iterations"], extra["keylen"])
        return auth.cra_sign(key, extra["challenge"])
    assert method == "cryptosign"
    return auth.cryptosign_sign(SEED, extra["challenge"]), {}


async def sign_later(method, extra):
    return await asyncio.to_thread(sign, method, extra)


@pytest.mark.parametrize("answer", [sign, sign_later], ids=["function", "coroutine"])
@pytest.mark.parametrize(("method", "authid"), [("ticket", "joe"), ("wampcra", "eve"), ("cryptosign", "kim")])
def test_on_challenge_answers(url, method, authid, answer):
    async def main():
        seen = []

        def on_challenge(method, extra):
            seen.append(method)
            return answer(method, extra)

        extra = {"pubkey": auth.cryptosign_public_key(SEED)} if method == "cryptosign" else {}
        async with libwamp.connect(
            url, "realm1", authid=authid, authmethods=[method], authextra=extra, on_challenge=on_challenge
        ) as session:
            assert session.details["authid"] == authid
        assert seen == [method]

    run(main())


def fail(method, extra):
    raise ValueError("very secret")


async def fail_later(method, extra):
    await asyncio.sleep(0)
    raise libwamp.Error("com.example.no", ["that is not told"])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(fail, ValueError), (fail_later, libwamp.Error), (lambda method, extra: None, TypeError)],
    ids=["function", "coroutine", "none"],
)
def test_an_on_challenge_that_fails_ends_the_attempt(url, answer, kind):
    async def main():
        failures = []
        with pytest.raises(libwamp.NotConnected) as caught:
            await libwamp.connect(
                url,
                "realm1",
                authid="joe",
                authmethods=["ticket"],
                on_challenge=answer,
                on_user_error=lambda error, message: failures.append((error, message)),
            )
        assert caught.value.name == "WAMP_ERR_AUTH"
        assert "very secret" not in str(caught.value)
        [(error, message)] = failures
        assert isinstance(error, kind)
        assert "on_challenge" in message

    run(main())


def test_an_on_challenge_that_takes_too_long_is_cancelled(url):
    async def main():
        left = asyncio.Event()

        async def never(method, extra):
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        with pytest.raises(libwamp.NotConnected):
            await libwamp.connect(
                url, "realm1", authid="joe", authmethods=["ticket"], on_challenge=never, connect_timeout=0.3
            )
        await left.wait()

    run(main())


def test_credentials_that_change(url):
    async def main():
        tickets = iter(["tick"])
        async with libwamp.connect(
            url, "realm1", authid="joe", ticket="old", on_connect=lambda details: {"ticket": next(tickets)}
        ) as session:
            assert session.details["authid"] == "joe"

    run(main())


def test_the_functions_alone():
    # The example of RFC 7677 has SHA-256 and this salt and password.
    salted = auth.scram_salted_password("pbkdf2", "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096)
    message = (
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    assert auth.scram_client_proof(salted, message) == "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert auth.scram_server_signature(salted, message) == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert len(auth.cra_derive_key("secret", "salt", keylen=256)) == 344
    with pytest.raises(libwamp.LocalError) as caught:
        auth.cryptosign_public_key("no key")
    assert caught.value.name == "WAMP_ERR_ARGUMENT"
