"""Calls whose input comes piece by piece. Not every router lets them pass."""

import asyncio
import time

import pytest
from support import run, uri

import libwamp
from libwamp import Result


@pytest.fixture
def url():
    with libwamp.Router({"realms": ["realm1"]}) as router:
        yield router.listen()


async def collect(name, *, invocation):
    """An endpoint that gives back what it got."""
    return [name, [shown(piece) async for piece in invocation.input()]]


def shown(piece):
    return [piece.args, piece.kwargs] if isinstance(piece, Result) else piece


async def later(pieces):
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


@pytest.mark.parametrize("kind", ["list", "generator"])
@pytest.mark.parametrize("pieces", [[], [1], [1, 2, 3], [[1, 2], Result([1, 2], {"a": 3}), None, "end"]], ids=str)
def test_the_callee_gets_all_pieces(url, kind, pieces):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:
            procedure = uri("collect")
            await callee.register(procedure, collect, details_arg="invocation")
            given = pieces if kind == "list" else later(pieces)
            told = await caller.call(procedure, "first", wamp_input=given)
            assert told == ["first", [shown(piece) for piece in pieces]]
            assert await caller.call(procedure, "only") == ["only", []]

    run(main())


def test_results_and_input_at_once(url):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:

            async def double(*, invocation):
                total = 0
                async for piece in invocation.input():
                    invocation.progress(piece * 2)
                    total += piece
                return total

            procedure, answers = uri("double"), asyncio.Queue()

            async def ask():
                for number in range(5):
                    yield number
                    assert await answers.get() == number * 2

            await callee.register(procedure, double, details_arg="invocation")
            assert await caller.call(procedure, wamp_input=ask(), wamp_on_progress=answers.put_nowait) == 10

    run(main())


def test_many_inputs_at_once(url):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:

            async def total(first, *, invocation):
                return first + sum([piece async for piece in invocation.input()])

            procedure = uri("total")
            await callee.register(procedure, total, details_arg="invocation")
            calls = [caller.call(procedure, number, wamp_input=later(range(10))) for number in range(100)]
            assert await asyncio.gather(*calls) == [number + 45 for number in range(100)]

    run(main())


def test_pieces_that_come_in_one_batch(url):
    async def main():
        async with libwamp.Connection(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:
            door = asyncio.Event()

            async def slow(name, *, invocation):
                await door.wait()
                return await collect(name, invocation=invocation)

            def pieces():
                yield from range(3)
                # The loop stands still until all but the end has come to the callee.
                while callee.stats["received"]["messages"].get("INVOCATION", 0) < 4:
                    time.sleep(0)

            procedure = uri("batch")
            await callee.session.register(procedure, slow, details_arg="invocation")
            call = asyncio.create_task(caller.call(procedure, "first", wamp_input=pieces()))
            for _ in range(10):  # further polls
                await callee.session.publish_ack("com.example.topic")
            assert not call.done()
            door.set()
            assert await call == ["first", [0, 1, 2]]

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_an_endpoint_may_answer_before_the_end(url, kind):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:
            runs = []

            def function(name, *, invocation):
                runs.append(name)
                return invocation.has_input

            async def coroutine(name, *, invocation):
                return function(name, invocation=invocation)

            procedure = uri("early")
            endpoint = function if kind == "function" else coroutine
            await callee.register(procedure, endpoint, details_arg="invocation")
            assert await caller.call(procedure, 1, wamp_input=range(100)) is True
            assert await caller.call(procedure, 2) is False
            assert runs == [1, 2]

    run(main())


def test_an_endpoint_that_does_not_expect_input_refuses_it(url):
    async def main():
        async with libwamp.connect(url, "realm1") as session:
            procedure = uri("plain")
            await session.register(procedure, lambda *args: list(args))
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure, 1, wamp_input=[2, 3])
            assert caught.value.uri == "wamp.error.invalid_argument"
            assert await session.call(procedure, 1) == [1]

    run(main())


def test_an_input_that_fails_ends_the_call(url):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:
            entered, left = asyncio.Event(), asyncio.Event()

            async def wait(*, invocation):
                entered.set()
                try:
                    await collect(None, invocation=invocation)
                finally:
                    left.set()

            async def broken():
                yield 1
                await entered.wait()
                raise KeyError("no more")

            procedure = uri("wait")
            await callee.register(procedure, wait, details_arg="invocation")
            with pytest.raises(KeyError):
                await caller.call(procedure, wamp_input=broken())
            await left.wait()
            with pytest.raises(TypeError):
                await caller.call(procedure, wamp_input=[object()])

    run(main())


def test_cancelling_ends_the_input(url):
    async def main():
        async with libwamp.connect(url, "realm1") as callee, libwamp.connect(url, "realm1") as caller:
            entered, left, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def wait(*, invocation):
                entered.set()
                try:
                    await collect(None, invocation=invocation)
                finally:
                    left.set()

            async def endless():
                try:
                    yield 1
                    await asyncio.Event().wait()
                finally:
                    closed.set()

            procedure = uri("wait")
            await callee.register(procedure, wait, details_arg="invocation")
            call = asyncio.create_task(caller.call(procedure, wamp_input=endless()))
            await entered.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await left.wait()
            await closed.wait()

    run(main())
