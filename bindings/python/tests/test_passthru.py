"""Payloads that nobody but the peers looks into, and the details around payloads."""

import asyncio
import json
import pickle

import pytest
from support import run, uri

import libwamp
from libwamp import Encoded, Result

DATA = b"\x83\xa5c\0\xff"
FORMS = [
    {"enc_algo": "x_own"},
    {"enc_algo": "x_own", "enc_serializer": "json"},
    {"ppt_scheme": "x_own"},
    {"ppt_scheme": "x_own", "ppt_serializer": "x_own", "ppt_cipher": "x_rot"},
    {"ppt_scheme": "x_own", "ppt_serializer": "json", "ppt_cipher": "x_rot"},
]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: "+".join(form))


class Reversing:
    """A codec: JSON, backwards."""

    def __init__(self):
        self.seen = []

    def encode(self, options, args, kwargs):
        self.seen.append(options)
        return json.dumps([args, kwargs]).encode()[::-1]

    def decode(self, details, data):
        self.seen.append(details)
        args, kwargs = json.loads(data[::-1])
        return args, kwargs


@forms
def test_a_binary_in_place_of_the_arguments_is_one_bytes_argument(router, form):
    async def main():
        async with libwamp.connect(router.url, "realm1") as session:
            got = asyncio.Queue()
            topic, procedure = uri("bare"), uri("bare")
            await session.subscribe(topic, lambda *args, **kwargs: got.put_nowait((args, kwargs)))
            await session.publish_ack(topic, DATA, wamp_options={**form, "exclude_me": False})
            session.publish(topic, bytearray(DATA), wamp_options={**form, "exclude_me": False})
            assert [await got.get(), await got.get()] == [((DATA,), {})] * 2

            def endpoint(*args, **kwargs):
                got.put_nowait((args, kwargs))
                return Result(args, options=form)

            await session.register(procedure, endpoint)
            assert await session.call(procedure, DATA, wamp_options=form) == DATA
            assert await got.get() == ((DATA,), {})
            for args, kwargs in ([1], {}), ([DATA, DATA], {}), ([], {}), ([DATA], {"a": 1}):
                with pytest.raises(libwamp.LocalError) as caught:
                    await session.call(procedure, *args, wamp_options=form, **kwargs)
                assert caught.value.name == "WAMP_ERR_PAYLOAD"

    run(main())


def test_an_encoded_binary_is_sent_as_it_is(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as session:
            procedure = uri("bare")
            await session.register(procedure, lambda *args: repr(args))
            bare = Encoded("json", json.dumps("\0g6Vj").encode())
            assert await session.call(procedure, bare, wamp_options=FORMS[1]) == repr((b"\x83\xa5c",))

    run(main())


@forms
def test_a_codec_makes_and_reads_all(router, form):
    async def main():
        codec = Reversing()
        async with libwamp.connect(router.url, "realm1", codec=codec) as session:
            got, topic, procedure, plain = asyncio.Queue(), uri("codec"), uri("codec"), uri("plain")
            await session.subscribe(topic, lambda *args, **kwargs: got.put_nowait((args, kwargs)))
            await session.publish_ack(topic, 1, [2], a="ä", wamp_options={**form, "exclude_me": False})
            assert await got.get() == ((1, [2]), {"a": "ä"})

            async def endpoint(*args, invocation, **kwargs):
                pieces = [piece async for piece in invocation.input()]
                invocation.progress("half", wamp_options=form)
                return Result([*args, *pieces], kwargs, options=form)

            await session.register(procedure, endpoint, details_arg="invocation")
            seen = []
            answer = await session.call(
                procedure, 1, a=2, wamp_options=form, wamp_on_progress=seen.append, wamp_input=["x", Result(["y"])]
            )
            assert answer == Result([1, "x", "y"], {"a": 2})
            assert seen == ["half"]
            assert all(form.items() <= details.items() for details in codec.seen)
            assert len(codec.seen) == 2 * (1 + 3 + 2)
            # Without such options it is not asked.
            await session.register(plain, lambda number: number)
            assert await session.call(plain, 5) == 5
            assert len(codec.seen) == 12

    run(main())


def test_the_library_does_json_without_a_cipher_itself(router):
    async def main():
        codec = Reversing()
        async with libwamp.connect(router.url, "realm1", codec=codec) as session:
            procedure, form = uri("own"), {"ppt_scheme": "wamp", "ppt_serializer": "json"}
            await session.register(procedure, lambda *args, **kwargs: Result(args, kwargs, options=form))
            assert await session.call(procedure, 1, b=DATA, wamp_options=form) == Result([1], {"b": DATA})
            assert codec.seen == []

    run(main())


class Failing:
    def encode(self, options, args, kwargs):
        if args == ["unsendable"]:
            raise ZeroDivisionError
        return DATA

    def decode(self, details, data):
        raise ZeroDivisionError


def test_what_a_codec_cannot_do_is_told(router):
    form = FORMS[2]

    async def main():
        told = asyncio.Queue()
        async with (
            libwamp.Connection(
                router.url, "realm1", on_user_error=lambda error, message: told.put_nowait((error, message))
            ) as connection,
            libwamp.connect(router.url, "realm1") as other,
        ):
            connection.set_codec(Failing())
            session, topic, procedure, answers = connection.session, uri("fails"), uri("fails"), uri("fails")
            with pytest.raises(ZeroDivisionError):
                await session.call(procedure, "unsendable", wamp_options=form)
            await session.subscribe(topic, print)
            await other.publish_ack(topic, DATA, wamp_options=form)
            error, _ = await told.get()
            assert error.name == "WAMP_ERR_PAYLOAD"

            await session.register(procedure, print)
            with pytest.raises(libwamp.Error) as caught:
                await other.call(procedure, DATA, wamp_options=form)
            assert caught.value.uri == "wamp.error.invalid_argument"
            error, message = await told.get()
            assert error.name == "WAMP_ERR_PAYLOAD"
            assert procedure in message

            async def answer(*, invocation):
                invocation.progress(DATA, wamp_options=form)
                return Result([DATA], options=form)

            await other.register(answers, answer, details_arg="invocation")
            with pytest.raises(libwamp.LocalError) as refused:
                await session.call(answers, wamp_on_progress=print)
            assert refused.value.name == "WAMP_ERR_PAYLOAD"
            error, message = await told.get()
            assert "progressive" in message
            assert told.empty()

            connection.set_codec(None)
            assert await session.call(answers, wamp_on_progress=print) == DATA

    run(main())


def test_input_that_cannot_be_read_ends_its_call(router):
    form = FORMS[2]

    class Once(Reversing):
        def decode(self, details, data):
            if self.seen:
                raise ValueError("the second one")
            return super().decode(details, data)

    async def main():
        callee = libwamp.connect(router.url, "realm1", codec=Once(), on_user_error=lambda error, message: None)
        async with callee as session, libwamp.connect(router.url, "realm1", codec=Reversing()) as caller:

            async def collect(first, *, invocation):
                return [piece async for piece in invocation.input()]

            procedure = uri("collect")
            await session.register(procedure, collect, details_arg="invocation")
            with pytest.raises(libwamp.Error) as caught:
                await caller.call(procedure, 1, wamp_options=form, wamp_input=[2, 3])
            assert caught.value.uri == "wamp.error.invalid_argument"

    run(main())


def test_wrong_codecs_are_refused():
    connection = libwamp.Connection("ws://127.0.0.1:1/", "realm1")
    for wrong in (7, print, json):
        with pytest.raises(TypeError):
            connection.set_codec(wrong)
    with pytest.raises(ValueError, match="wire"):
        libwamp.Connection("ws://127.0.0.1:1/", "realm1", payload_encoding="wire", codec=Reversing())


async def scripted(answers):
    """A RawSocket router that welcomes, and then answers calls: a message for each, with its request filled in."""

    async def serve(reader, writer):
        async def receive():
            head = await reader.readexactly(4)
            return json.loads(await reader.readexactly(int.from_bytes(head[1:], "big")))

        def send(message):
            text = json.dumps(message).encode()
            writer.write(len(text).to_bytes(4, "big") + text)

        await reader.readexactly(4)
        writer.write(b"\x7f\xf1\0\0")
        await receive()
        send([2, 7, {"roles": {"dealer": {"features": {"progressive_call_results": True}}}}])
        try:
            while (message := await receive())[0] == 48:
                for kind, *rest in answers[message[3]]:
                    send([kind, message[1], *rest] if kind == 50 else [kind, 48, message[1], *rest])
            send([6, {}, "wamp.close.goodbye_and_out"])
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def test_details_of_results_and_errors():
    answers = {
        "com.example.one": [(50, {"x": 1}, [5])],
        "com.example.two": [(50, {"x": 2}, [5, 6])],
        "com.example.none": [(50, {})],
        "com.example.progress": [(50, {"progress": True, "x": 3}, [1]), (50, {"x": 4}, [2])],
        "com.example.error": [(8, {"x": 5}, "com.example.error.full", ["args"], {"k": 1})],
    }

    async def main():
        async with await scripted(answers) as server:
            host, port = server.sockets[0].getsockname()
            async with libwamp.connect(f"rs://{host}:{port}", "realm1") as session:
                assert await session.call("com.example.one") == 5
                one = await session.call("com.example.one", wamp_details=True)
                assert (one.args, one.kwargs, one.details) == ([5], {}, {"x": 1})
                assert (await session.call("com.example.two")).details == {"x": 2}
                none = await session.call("com.example.none", wamp_details=True)
                assert (none.args, none.details) == ([], {})
                seen = []
                last = await session.call("com.example.progress", wamp_details=True, wamp_on_progress=seen.append)
                assert [(result.args, result.details["x"]) for result in [*seen, last]] == [([1], 3), ([2], 4)]
                with pytest.raises(libwamp.Error) as caught:
                    await session.call("com.example.error")
                assert caught.value.details == {"x": 5}
                assert pickle.loads(pickle.dumps(caught.value)).details == {"x": 5}
                assert libwamp.Error("com.example.own").details == {}

    run(main())
