"""The program decides about the clients of its router: plain and async, at once and later."""

import asyncio
import gc
import logging
import subprocess

import pytest
from support import Inbox, run, uri

import libwamp

REFUSED = "wamp.error.not_authorized"
FAILED = "wamp.error.authentication_failed"


def refuses(error):
    return pytest.raises(libwamp.Error, match=error)


async def turned_away(url, realm="realm1", **options):
    """The reason and the message of the ABORT."""
    with pytest.raises(libwamp.NotConnected) as caught:
        await libwamp.connect(url, realm, max_retries=0, **options)
    return caught.value.uri, caught.value.detail


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_who_may_join_and_as_whom(kind):
    asked = []

    def decide(details):
        asked.append(details)
        match details["authid"]:
            case "ann":
                return {"authid": "anna", "authrole": "admin", "authextra": {"floor": 3}}
            case "bob":
                return True
            case "eve":
                raise libwamp.Error("com.example.banned", ["not you"])
            case _:
                return False

    async def decide_later(details):
        await asyncio.sleep(0)
        return decide(details)

    async def main():
        with libwamp.Router(on_authenticate=decide if kind == "plain" else decide_later) as router:
            url = router.listen()
            async with libwamp.connect(url, "realm1", authid="ann", authextra={"a": 1}) as ann:
                told = ann.details
                assert (told["authid"], told["authrole"], told["authextra"]) == ("anna", "admin", {"floor": 3})
            assert asked[0]["realm"] == "realm1"
            assert asked[0]["authextra"] == {"a": 1}
            assert asked[0]["transport"]["peer"] == "127.0.0.1"
            async with libwamp.connect(url, "realm1", authid="bob") as bob:
                assert (bob.details["authid"], bob.details["authrole"]) == ("bob", "user")
            reason, message = await turned_away(url, authid="eve")
            assert reason == "com.example.banned"
            assert "not you" in message
            assert (await turned_away(url, authid="joe"))[0] == FAILED

    run(main())


def test_a_challenge_comes_first():
    def decide(details):
        if "signature" not in details:
            return libwamp.Challenge("ticket", {"hint": "the usual one"})
        assert details["challenge"] == {"hint": "the usual one"}
        return {"authrole": "user"} if details["signature"] == "open sesame" else False

    async def main():
        with libwamp.Router(on_authenticate=decide) as router:
            url = router.listen()
            async with libwamp.connect(url, "realm1", authid="ali", ticket="open sesame") as session:
                assert session.details["authrole"] == "user"
            assert (await turned_away(url, authid="ali", ticket="open barley"))[0] == FAILED

    run(main())


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_clients_may_do(kind):
    asked = []

    def decide(details):
        asked.append((details["action"], details["uri"], details["match"]))
        if details["uri"].endswith("cached"):
            return {"cache": True}
        if details["uri"].endswith("why"):
            raise libwamp.Error("com.example.closed", ["come back tomorrow"])
        return details["action"] == "publish"

    async def decide_later(details):
        await asyncio.sleep(0)
        return decide(details)

    async def main():
        with libwamp.Router(on_authorize=decide if kind == "plain" else decide_later) as router:
            async with libwamp.connect(router.listen(), "realm1") as session:
                cached, why = uri("cached"), uri("why")
                for _ in range(3):
                    await session.publish_ack(cached)
                await session.publish_ack(uri("topic"))
                with refuses(REFUSED):
                    await session.subscribe(uri("a."), print, {"match": "prefix"})
                with refuses("com.example.closed: come back tomorrow"):
                    await session.call(why)
            assert asked.count(("publish", cached, "exact")) == 1
            assert asked[-2][2] == "prefix"
            assert asked[-1] == ("call", why, "exact")

    run(main())


def test_answers_come_when_they_come():
    """While one client waits, others go on; its own requests stay in order."""
    gates = {}

    async def decide(details):
        gate = gates.get(details["uri"])
        if gate is not None:
            await gate.wait()
        return True

    async def main():
        with libwamp.Router(on_authorize=decide) as router:
            url = router.listen()
            async with libwamp.connect(url, "realm1") as slow, libwamp.connect(url, "realm1") as quick:
                topic, inbox = uri("topic"), Inbox()
                await quick.subscribe(topic, inbox)
                await quick.subscribe(topic + ".held", inbox)
                gates[topic + ".held"] = gate = asyncio.Event()
                first = asyncio.ensure_future(slow.publish_ack(topic + ".held", 1))
                second = asyncio.ensure_future(slow.publish_ack(topic, 2))
                await quick.publish_ack(topic, 0, wamp_options={"exclude_me": False})
                await inbox.received(1)
                assert not first.done()
                assert not second.done()
                gate.set()
                await asyncio.gather(first, second)
                assert [args for args, _ in await inbox.received(3)] == [(0,), (1,), (2,)]

    run(main())


def test_faults_of_the_program_refuse_and_are_told():
    told = []

    def decide(details):
        match details["authid"]:
            case "none":
                return None
            case "list":
                return ["yes"]
            case "key":
                return {"rule": "admin"}
            case "uri":
                raise libwamp.Error("not a uri")
            case _:
                raise ZeroDivisionError("secret")

    async def main():
        with libwamp.Router(on_authenticate=decide, on_user_error=lambda *args: told.append(args)) as router:
            url = router.listen()
            for authid, kind in (
                ("none", TypeError),
                ("list", TypeError),
                ("key", libwamp.OptionError),
                ("uri", libwamp.Error),
                ("other", ZeroDivisionError),
            ):
                reason, message = await turned_away(url, authid=authid)
                assert reason == FAILED
                assert "secret" not in message.replace("its secret is wrong", "")
                error, text = told.pop()
                assert isinstance(error, kind), authid
                assert text == "exception in on_authenticate"
            assert not told

    run(main())


def test_faults_are_logged_without_a_handler(caplog):
    async def main():
        with libwamp.Router(on_authenticate=lambda details: 1 / 0) as router:
            await turned_away(router.listen())

    run(main())
    faults = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in faults] == ["exception in on_authenticate"]


def test_no_answer_is_a_refusal():
    async def never(details):
        await asyncio.Event().wait()

    async def main():
        with libwamp.Router({"question_timeout": 0.1}, on_authenticate=never) as router:
            assert (await turned_away(router.listen()))[0] == FAILED

    run(main())


def test_it_belongs_to_a_loop():
    router = libwamp.Router(on_authorize=lambda details: True)
    with pytest.raises(RuntimeError, match="inside one"):
        router.listen()

    async def main():
        router.listen()
        with pytest.raises(RuntimeError, match="close it there"):
            await asyncio.to_thread(router.close)

    run(main())
    # In the next loop, once the first one has ended.
    run(asyncio.wait_for(listening(router), 10))
    router.close()
    router.close()


async def listening(router):
    router.listen()
    async with libwamp.connect(router.url, "realm1") as session:
        await session.publish_ack(uri("topic"))


def test_one_that_asks_nothing_needs_no_loop():
    with libwamp.Router() as router:
        assert router.listen().startswith("ws://")


def test_another_configuration():
    async def main():
        users = {"ann": {"ticket": "a"}, "bob": {"ticket": "b"}}
        with libwamp.Router({"auth": {"ticket": users}}, on_authorize=lambda details: True) as router:
            url = router.listen()
            async with (
                libwamp.connect(url, "realm1", authid="ann", ticket="a") as ann,
                libwamp.connect(url, "realm1", authid="bob", ticket="b", max_retries=0) as bob,
            ):
                router.reload({"auth": {"ticket": {"ann": users["ann"]}}})
                closed = await bob.wait_closed()
                assert closed.details["reason"] == "wamp.close.killed"
                await ann.publish_ack(uri("topic"))
                with pytest.raises(libwamp.OptionError) as caught:
                    router.reload({"auth": {"tiket": {}}})
                assert 'did you mean "ticket"?' in caught.value.detail

    run(main())


def test_listeners_as_they_are_configured():
    def role(name):
        return {"anonymous": {"role": name}}

    async def main():
        config = {
            "listeners": [
                {"url": "ws://127.0.0.1:0/guests", "auth": role("guest")},
                {"url": "rs://127.0.0.1:0", "auth": role("admin")},
            ]
        }
        with libwamp.Router(config) as router:
            url = router.listen(None)
            assert url == router.url
            assert url.endswith("/guests")
            assert router.listen(None) == ""
            session = await libwamp.connect(url, "realm1", max_retries=0)
            assert session.details["authrole"] == "guest"
            router.reload({"listeners": config["listeners"][1:]})
            assert (await session.wait_closed()).details["reason"] == "wamp.close.system_shutdown"
            async with libwamp.connect(router.url, "realm1") as admin:
                assert admin.details["authrole"] == "admin"

    run(main())


def test_a_certificate_says_who_it_is(tmp_path):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path, timeout=60)

    for name, *more in (
        ("ca", "-subj", "/CN=ca"),
        ("server", "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1"),
        ("ann", "-subj", "/O=us/CN=ann"),
    ):
        signed = [] if name == "ca" else ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE"]
        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-days",
            "2",
            *more,
            *signed,
        )

    def file(name):
        return str(tmp_path / name)

    async def main():
        config = {
            "tls": {"cert": file("server.pem"), "key": file("server.key"), "client_ca": file("ca.pem")},
            "auth": {"tls": {"anna": {"common_name": "ann", "role": "admin"}}},
        }
        with libwamp.Router(config) as router:
            url = router.listen("wss://127.0.0.1:0/ws")
            tls = {"ca": file("ca.pem"), "cert": file("ann.pem"), "key": file("ann.key")}
            async with libwamp.connect(url, "realm1", authmethods=["tls"], tlsConfiguration=tls) as session:
                told = session.details
                assert (told["authid"], told["authrole"], told["authmethod"]) == ("anna", "admin", "tls")
            tls = {"ca": file("ca.pem"), "cert": file("server.pem"), "key": file("server.key")}
            refused = await turned_away(url, authmethods=["tls"], tlsConfiguration=tls)
            assert refused[0] == FAILED

    run(main())


def test_one_that_asks_lives_until_it_is_closed():
    async def main():
        url = libwamp.Router(on_authorize=lambda details: True).listen()
        gc.collect()
        async with libwamp.connect(url, "realm1") as session:
            await session.publish_ack(uri("topic"))
            return session

    run(main())
