"""Whatever the program's own code raises costs the one event that it was raised in, and is told."""

import asyncio
import time

import pytest
from support import LIMIT, run, uri

import libwamp

COUNT = 100
BATCH = 100  # events that wait together are handled together


class Odd(BaseException):
    """An exception that no `except Exception` sees."""


def raising(kind):
    if kind is asyncio.CancelledError:  # as it comes in practice: by the result of somebody's future
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        future.result()
    raise kind("one of many")


FAILURES = [ValueError, Odd, GeneratorExit, asyncio.CancelledError]
EXITS = [SystemExit, KeyboardInterrupt]
SHAPES = ["function", "coroutine"]


def shaped(shape, function):
    if shape == "function":
        return function

    async def coroutine(*args, **kwargs):
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return coroutine


def wait_for_batch(connection, count):
    """Blocks the loop until so many events wait for it."""
    end = time.monotonic() + LIMIT
    while connection.stats["receive_queue_events"] < count:
        assert time.monotonic() < end


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_handler_that_raises_costs_one_event(router, failure, shape):
    async def main():
        told, got, done = [], [], asyncio.Event()

        def handler(number):
            got.append(number)
            if number == COUNT - 1:
                done.set()
            if number == 0:
                raising(failure)

        def on_user_error(error, message):
            told.append((type(error), topic in message))

        topic = uri("raises")
        async with (
            libwamp.Connection(router.url, "realm1", on_user_error=on_user_error) as connection,
            libwamp.connect(router.url, "realm1") as publisher,
        ):
            await connection.session.subscribe(topic, shaped(shape, handler))
            for number in range(COUNT):
                publisher.publish(topic, number)
            wait_for_batch(connection, BATCH)
            await done.wait()
        assert got == list(range(COUNT))
        assert told == [(failure, True)]

    run(main())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failure", FAILURES)
def test_an_endpoint_that_raises_answers(router, failure, shape):
    async def main():
        told = []

        def endpoint(number):
            return number if number else raising(failure)

        callee = libwamp.connect(router.url, "realm1", on_user_error=lambda error, message: told.append(type(error)))
        async with callee as session, libwamp.connect(router.url, "realm1") as caller:
            procedure = uri("raises")
            await session.register(procedure, shaped(shape, endpoint))
            answers = await asyncio.gather(
                *(caller.call(procedure, number) for number in range(COUNT)), return_exceptions=True
            )
            assert answers[1:] == list(range(1, COUNT))
            canceled = failure is asyncio.CancelledError
            assert answers[0].uri == ("wamp.error.canceled" if canceled else "wamp.error.runtime_error")
            assert told == [failure]

    run(main())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_progress_handler_that_raises_costs_one_result(router, failure, shape):
    async def main():
        told, got = [], []

        def on_progress(number):
            got.append(number)
            if number == 0:
                raising(failure)

        async def count(*, invocation):
            for number in range(COUNT):
                invocation.progress(number)
            return "end"

        caller = libwamp.connect(router.url, "realm1", on_user_error=lambda error, message: told.append(type(error)))
        async with caller as session, libwamp.connect(router.url, "realm1") as callee:
            procedure = uri("raises")
            await callee.register(procedure, count, details_arg="invocation")
            assert await session.call(procedure, wamp_on_progress=shaped(shape, on_progress)) == "end"
            assert got == list(range(COUNT))
            assert told == [failure]

    run(main())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failure", FAILURES)
def test_hooks_that_raise_are_told(router, failure, shape):
    async def main():
        told = []
        fails = shaped(shape, lambda *_: raising(failure))
        connection = libwamp.Connection(
            router.url,
            "realm1",
            on_open=fails,
            on_close=fails,
            on_user_error=lambda error, message: told.append((type(error), message)),
        )
        subscription = connection.subscribe("com.example.topic", print, on_suspended=fails)
        await connection.open()
        await subscription.wait_active()
        assert await connection.session.publish_ack("com.example.topic") > 0
        await connection.close()
        while len(told) < 3:
            await asyncio.sleep(0)
        assert {kind for kind, _ in told} == {failure}
        assert sorted(message.split()[2] for _, message in told) == ["on_close", "on_open", "on_suspended"]

    run(main())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("hook", ["on_connect", "on_challenge"])
def test_a_question_that_raises_ends_the_attempt(failure, shape, hook):
    config = {"auth": {"ticket": {"joe": {"ticket": "secret"}}}}

    async def main():
        told = []
        with libwamp.Router(config) as router:
            with pytest.raises(libwamp.NotConnected):
                await libwamp.connect(
                    router.listen(),
                    "realm1",
                    authid="joe",
                    authmethods=["ticket"],
                    on_user_error=lambda error, message: told.append((type(error), hook in message)),
                    **{hook: shaped(shape, lambda *_: raising(failure))},
                )
        assert told == [(failure, True)]

    run(main())


@pytest.mark.parametrize("failure", FAILURES)
def test_an_on_user_error_that_raises_is_logged(router, failure, caplog):
    async def main():
        topic, got = uri("raises"), asyncio.Queue()

        def handler(number):
            got.put_nowait(number)
            raise ValueError

        listener = libwamp.connect(router.url, "realm1", on_user_error=lambda *_: raising(failure))
        async with listener as session:
            await session.subscribe(topic, handler)
            for number in range(COUNT):
                session.publish(topic, number, wamp_options={"exclude_me": False})
            assert [await got.get() for _ in range(COUNT)] == list(range(COUNT))

    run(main())
    assert caplog.text.count("exception in the handler of errors") == COUNT


@pytest.mark.parametrize("failure", [ValueError, Odd, asyncio.CancelledError])
def test_an_input_that_raises_ends_its_call(router, failure):
    async def main():
        async with libwamp.connect(router.url, "realm1") as callee, libwamp.connect(router.url, "realm1") as caller:

            async def collect(*, invocation):
                return [piece async for piece in invocation.input()]

            def pieces():
                yield 1
                raising(failure)

            procedure = uri("collect")
            await callee.register(procedure, collect, details_arg="invocation")
            with pytest.raises(failure):
                await caller.call(procedure, wamp_input=pieces())
            assert await caller.call(procedure, wamp_input=[1, 2]) == [1, 2]

    run(main())


@pytest.mark.parametrize("way_out", EXITS)
@pytest.mark.parametrize("place", ["handler", "on_user_error"])
def test_an_exit_is_raised_when_the_batch_is_done(router, way_out, place):
    got, told = [], []

    def handler(number):
        got.append(number)
        if number == 0:
            raise way_out if place == "handler" else ValueError

    def on_user_error(error, message):
        told.append(type(error))
        if place == "on_user_error":
            raise way_out

    async def main():
        topic = uri("exits")
        connection = libwamp.Connection(router.url, "realm1", on_user_error=on_user_error)
        await connection.open()
        publisher = await libwamp.connect(router.url, "realm1")
        await connection.session.subscribe(topic, handler)
        for number in range(COUNT):
            publisher.publish(topic, number)
        wait_for_batch(connection, BATCH)
        await asyncio.Event().wait()

    with pytest.raises(way_out):
        run(main())
    assert got == list(range(COUNT))
    assert told == [way_out if place == "handler" else ValueError]


@pytest.mark.parametrize("way_out", EXITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_endpoint_that_exits_answers_first(router, way_out, shape):
    loop = asyncio.new_event_loop()
    told = []

    async def main():
        callee = await libwamp.connect(
            router.url, "realm1", on_user_error=lambda error, message: told.append(type(error))
        )
        caller = await libwamp.connect(router.url, "realm1")
        procedure = uri("exits")

        def endpoint():
            raise way_out("and out")

        await callee.register(procedure, shaped(shape, endpoint))
        return callee, caller, procedure

    async def afterwards(call, *sessions):
        with pytest.raises(libwamp.Error) as caught:
            await call
        for session in sessions:
            await session.leave()
        return caught.value

    try:
        callee, caller, procedure = loop.run_until_complete(main())
        call = loop.create_task(caller.call(procedure))
        with pytest.raises(way_out):
            loop.run_until_complete(asyncio.wait_for(asyncio.shield(call), LIMIT))
        error = loop.run_until_complete(asyncio.wait_for(afterwards(call, callee, caller), LIMIT))
        assert (error.uri, error.args) == ("wamp.error.runtime_error", ("and out",))
        assert told == [way_out]
    finally:
        loop.close()
