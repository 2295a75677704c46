"""Remote procedure calls: results of every shape, errors, late answers, cancellation."""

import asyncio
import logging

import pytest
from samples import SAMPLES
from support import run, uri

import libwamp
from libwamp import Result


@pytest.mark.parametrize("value", SAMPLES.values(), ids=SAMPLES.keys())
def test_values_come_back_unchanged(url, realm, value):
    async def main():
        async with libwamp.connect(url, realm) as session:
            seen = []

            def echo(*args, **kwargs):
                seen.append((args, kwargs))
                return Result(args, kwargs)

            procedure = uri("echo")
            await session.register(procedure, echo)
            assert await session.call(procedure, value) == value
            assert await session.call(procedure, value, again=value) == Result([value], {"again": value})
            assert seen == [((value,), {}), ((value,), {"again": value})]

    run(main())


def test_arguments_of_every_shape(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("shape")
            await session.register(procedure, lambda *args, **kwargs: [list(args), kwargs])
            assert await session.call(procedure) == [[], {}]
            assert await session.call(procedure, 1, None, [2]) == [[1, None, [2]], {}]
            assert await session.call(procedure, a=1, ключ="ä") == [[], {"a": 1, "ключ": "ä"}]
            names = {"self": 1, "procedure": 2, "options": 3, "topic": 4}
            assert await session.call(procedure, 0, **names) == [[0], names]

    run(main())


@pytest.mark.parametrize(
    ("returned", "seen"),
    [
        (None, None),
        (7, 7),
        ([1, 2], [1, 2]),
        ({"a": 1}, {"a": 1}),
        (Result(), None),
        (Result([5]), 5),
        (Result([1, 2]), Result([1, 2])),
        (Result([1], {"a": 2}), Result([1], {"a": 2})),
        (Result(kwargs={"a": 2}), Result([], {"a": 2})),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_results_are_unwrapped(url, realm, kind, returned, seen):
    def function():
        return returned

    async def coroutine():
        await asyncio.sleep(0)
        return returned

    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("result")
            await session.register(procedure, function if kind == "function" else coroutine)
            assert await session.call(procedure) == seen

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_an_error_keeps_its_uri_and_arguments(url, realm, kind):
    error = libwamp.Error("com.example.error.full", ["tout", 2, b"\0\1"], {"left": ["a"], "naïve": None})

    def function():
        raise error

    async def coroutine():
        await asyncio.sleep(0)
        raise error

    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("fails")
            await session.register(procedure, function if kind == "function" else coroutine)
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure)
            assert caught.value.uri == "com.example.error.full"
            assert caught.value.args == ("tout", 2, b"\0\1")
            assert caught.value.kwargs == {"left": ["a"], "naïve": None}

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_other_exceptions_are_runtime_errors(url, realm, kind, caplog):
    def function():
        raise KeyError("nothing here")

    async def coroutine():
        await asyncio.sleep(0)
        raise KeyError("nothing here")

    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("fails")
            await session.register(procedure, function if kind == "function" else coroutine)
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure)
            assert caught.value.uri == "wamp.error.runtime_error"
            assert caught.value.args == ("'nothing here'",)

    with caplog.at_level(logging.ERROR, "libwamp"):
        run(main())
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, "\ud800"], ids=repr)
def test_a_result_that_json_does_not_know_is_a_runtime_error(url, realm, value):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("odd")
            await session.register(procedure, lambda: value)
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure)
            assert caught.value.uri == "wamp.error.runtime_error"
            with pytest.raises((TypeError, ValueError)):
                await session.call(procedure, value)

    run(main())


def test_a_call_of_wrong_arguments_is_answered(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("two")
            await session.register(procedure, lambda a, b: a + b)
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure, 1)
            assert caught.value.uri == "wamp.error.invalid_argument"
            assert "missing 1 required" in caught.value.args[0]

    run(main())


def test_no_such_procedure(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            with pytest.raises(libwamp.Error) as caught:
                await session.call(uri("nobody"))
            assert caught.value.uri == "wamp.error.no_such_procedure"

    run(main())


def test_a_procedure_is_registered_once(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as first, libwamp.connect(url, realm) as second:
            procedure = uri("single")
            await first.register(procedure, lambda: 1)
            with pytest.raises(libwamp.Error) as caught:
                await second.register(procedure, lambda: 2)
            assert caught.value.uri == "wamp.error.procedure_already_exists"
            assert await second.call(procedure) == 1

    run(main())


def test_unregister(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("short")
            registration = await session.register(procedure, lambda: 1)
            assert registration.active
            assert registration.id > 0
            assert await session.call(procedure) == 1
            await session.unregister(registration)
            assert not registration.active
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure)
            assert caught.value.uri == "wamp.error.no_such_procedure"
            with pytest.raises(libwamp.LocalError) as stale:
                await registration.unregister()
            assert stale.value.name == "WAMP_ERR_NO_SUCH_ID"
            await session.register(procedure, lambda: 2)
            assert await session.call(procedure) == 2

    run(main())


def test_answers_may_come_late_and_in_any_order(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            doors = [asyncio.Event() for _ in range(50)]
            arrived = asyncio.Event()
            waiting = []

            async def wait(number):
                waiting.append(number)
                if len(waiting) == len(doors):
                    arrived.set()
                await doors[number].wait()
                return number

            procedure = uri("late")
            await callee.register(procedure, wait)
            done = []
            calls = [asyncio.create_task(caller.call(procedure, number)) for number in range(len(doors))]
            for call in calls:
                call.add_done_callback(lambda call: done.append(call.result()))
            await arrived.wait()
            assert waiting == list(range(len(doors)))
            for number in reversed(range(len(doors))):
                doors[number].set()
                assert await calls[number] == number
            await asyncio.sleep(0)
            assert done == list(reversed(range(len(doors))))

    run(main())


def test_an_endpoint_can_call(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            inner, outer = uri("inner"), uri("outer")

            async def outward(n):
                return 1 + await session.call(inner, n)

            await session.register(inner, lambda n: n * 2)
            await session.register(outer, outward)
            assert await asyncio.gather(*(session.call(outer, n) for n in range(200))) == [
                1 + n * 2 for n in range(200)
            ]

    run(main())


def test_a_cancelled_task_leaves_the_session_whole(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            entered, door, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def slow():
                entered.set()
                try:
                    await door.wait()
                    raise libwamp.Error("com.example.error.too_late")
                finally:
                    left.set()

            procedure, other = uri("slow"), uri("other")
            await callee.register(procedure, slow)
            await callee.register(other, lambda: "well")
            call = asyncio.create_task(caller.call(procedure))
            await entered.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await caller.call(other) == "well"
            door.set()
            await left.wait()
            assert await caller.call(other) == "well"

    run(main())


def test_a_cancelled_register_is_undone(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("undone")
            task = asyncio.create_task(session.register(procedure, lambda: 1))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # Requests are served in order: once this one is answered, so is the undoing.
            other = await session.register(uri("other"), lambda: 2)
            await session.unregister(other)
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure)
            assert caught.value.uri == "wamp.error.no_such_procedure"

    run(main())


def test_progressive_results(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:

            async def count(n, *, invocation):
                assert invocation.procedure == procedure
                for number in range(n):
                    if invocation.wants_progress:
                        invocation.progress(number)
                    await asyncio.sleep(0)
                return n

            procedure = uri("count")
            await callee.register(procedure, count, details_arg="invocation")
            seen = []
            assert await caller.call(procedure, 5, wamp_on_progress=seen.append) == 5
            assert seen == [0, 1, 2, 3, 4]
            assert await caller.call(procedure, 5) == 5

    run(main())


def test_a_progress_handler_that_fails_is_told(url, realm):
    async def main():
        failures = []
        caller = libwamp.connect(url, realm, on_user_error=lambda error, message: failures.append(error))
        async with libwamp.connect(url, realm) as callee, caller as session:

            async def count(*, invocation):
                invocation.progress(1)
                return 2

            def fail(value):
                raise ValueError(value)

            procedure = uri("count")
            await callee.register(procedure, count, details_arg="invocation")
            assert await session.call(procedure, wamp_on_progress=fail) == 2
            assert [str(error) for error in failures] == ["1"]

    run(main())


@pytest.mark.parametrize("mode", ["killnowait", "kill"])
def test_a_cancelled_task_cancels_its_endpoint(url, realm, mode):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            entered, left, seen = asyncio.Event(), asyncio.Event(), []

            async def slow(*, invocation):
                seen.append(invocation.is_canceled)
                entered.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    seen.append(invocation.is_canceled)
                    raise
                finally:
                    left.set()

            procedure = uri("slow")
            await callee.register(procedure, slow, details_arg="invocation")
            call = asyncio.create_task(caller.call(procedure, wamp_cancel_mode=mode))
            await entered.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await left.wait()
            assert seen == [False, True]

    run(main())


def test_a_skipped_call_goes_on_at_the_callee(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            entered, door, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def slow():
                entered.set()
                await door.wait()
                left.set()

            procedure = uri("slow")
            await callee.register(procedure, slow)
            call = asyncio.create_task(caller.call(procedure, wamp_cancel_mode="skip"))
            await entered.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            door.set()
            await left.wait()

    run(main())


def test_a_call_has_a_time_limit(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            procedure = uri("never")
            await callee.register(procedure, lambda: asyncio.get_running_loop().create_future())
            with pytest.raises(libwamp.TimedOut) as caught:
                await caller.call(procedure, wamp_timeout=0.05)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.uri == "wamp.error.timeout"

    run(main())


def test_a_result_may_have_options(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure, progressing = uri("options"), uri("options")

            async def progress(*, invocation):
                invocation.progress(1, wamp_options={"x_app": True})
                return Result([2], options={"x_app": True})

            await session.register(procedure, lambda: Result([7], options={"x_app": True}))
            await session.register(progressing, progress, details_arg="invocation")
            assert await session.call(procedure) == 7
            seen = []
            assert await session.call(progressing, wamp_on_progress=seen.append) == 2
            assert seen == [1]

    run(main())


def test_options_reach_the_router(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            with pytest.raises(libwamp.LocalError) as caught:
                await session.call("not a uri")
            assert caught.value.name == "WAMP_ERR_URI"
            with pytest.raises(ValueError):
                await session.call("com.example.nul\0")
            procedure = uri("plain")
            await session.register(procedure, lambda: 1, {"invoke": "single"})
            assert await session.call(procedure, wamp_options={}) == 1

    run(main())


def test_many_calls_at_once(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            procedure = uri("square")
            await callee.register(procedure, lambda n: n * n)
            results = await asyncio.gather(*(caller.call(procedure, n) for n in range(5000)))
            assert results == [n * n for n in range(5000)]

    run(main())
