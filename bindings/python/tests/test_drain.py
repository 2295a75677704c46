"""Leaving without breaking off."""

import asyncio
import os
import signal
import sys

import pytest
from programs import BINDING
from support import Inbox, run, uri

import libwamp


class Slow:
    """An endpoint that waits for a door."""

    def __init__(self):
        self.entered, self.door = asyncio.Event(), asyncio.Event()

    async def __call__(self, value):
        self.entered.set()
        await self.door.wait()
        return value


@pytest.mark.parametrize("kind", ["session", "durable"])
def test_calls_that_are_served_are_answered(router, kind):
    async def main():
        async with (
            libwamp.Connection(router.url, "realm1") as connection,
            libwamp.connect(router.url, "realm1") as other,
        ):
            slow, procedure = Slow(), uri("slow")
            if kind == "session":
                await connection.session.register(procedure, slow)
            else:
                await connection.register(procedure, slow).wait_active()
            call = asyncio.create_task(other.call(procedure, 7))
            await slow.entered.wait()
            draining = asyncio.create_task(connection.drain())
            while connection.session.registrations:
                await asyncio.sleep(0)
            with pytest.raises(libwamp.Error) as caught:
                await other.call(procedure, 8)
            assert caught.value.uri == "wamp.error.no_such_procedure"
            assert not draining.done()
            slow.door.set()
            assert await call == 7
            assert await draining is True
            assert not connection.is_open
            assert await connection.drain() is True  # there is nothing left to do

    run(main())


def test_what_is_queued_is_sent_and_what_has_come_is_handled(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as other:
            there, here, topic, own = Inbox(), Inbox(), uri("there"), uri("own")
            await other.subscribe(topic, there)
            connection = libwamp.Connection(router.url, "realm1")
            session = await connection.open()

            async def handler(number):
                await asyncio.sleep(0)
                await session.publish_ack(topic, number)
                here(number)

            await session.subscribe(own, handler)
            for number in range(50):
                await session.publish_ack(own, number, wamp_options={"exclude_me": False})
            for _ in range(1000):
                session.publish(topic, "x" * 1000)
            assert await connection.drain() is True
            assert len(here.events) == 50
            assert len(await there.received(1050)) == 1050

    run(main())


def test_the_time_is_limited(router):
    async def main():
        async with (
            libwamp.Connection(router.url, "realm1") as connection,
            libwamp.connect(router.url, "realm1") as other,
        ):
            slow, procedure = Slow(), uri("slow")
            await connection.session.register(procedure, slow)
            call = asyncio.create_task(other.call(procedure, 7))
            await slow.entered.wait()
            assert await connection.drain(timeout=0.05) is False
            with pytest.raises(libwamp.Error) as caught:
                await call
            assert caught.value.uri == "wamp.error.canceled"
            assert not connection.is_open

    run(main())


@pytest.mark.parametrize("place", ["endpoint", "handler"])
def test_it_may_be_asked_for_from_within(router, place):
    async def main():
        connection = libwamp.Connection(router.url, "realm1")
        session = await connection.open()
        drained = asyncio.get_running_loop().create_future()

        async def stop():
            drained.set_result(await connection.drain())

        async with libwamp.connect(router.url, "realm1") as other:
            if place == "endpoint":
                await session.register("com.example.stop", stop)
                with pytest.raises(libwamp.Error):  # it has left before it answers
                    await other.call("com.example.stop")
            else:
                await session.subscribe("com.example.stop", stop)
                await other.publish_ack("com.example.stop")
            assert await drained is True

    run(main())


def test_a_loss_ends_it_too(router):
    async def main():
        async with libwamp.Connection(router.url, "realm1", max_retries=0) as connection:
            async with libwamp.connect(router.url, "realm1") as other:
                slow, procedure = Slow(), uri("slow")
                await connection.session.register(procedure, slow)
                call = asyncio.create_task(other.call(procedure, 7))
                await slow.entered.wait()
                draining = asyncio.create_task(connection.drain())
                while connection.session.registrations:
                    await asyncio.sleep(0)
                router.kick(connection.session.id)
                with pytest.raises(libwamp.Error):
                    await call
                slow.door.set()
                assert await draining is True

    run(main())


def test_never_opened_there_is_nothing_to_do():
    async def main():
        assert await libwamp.Connection("ws://127.0.0.1:1/", "realm1").drain() is True

    run(main())


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_example_answers_before_it_ends(router, signum):
    async def main():
        path = os.pathsep.join(filter(None, [str(BINDING), os.environ.get("PYTHONPATH")]))
        service = await asyncio.create_subprocess_exec(
            sys.executable,
            BINDING / "examples" / "service.py",
            router.url,
            "realm1",
            env={**os.environ, "PYTHONPATH": path},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert await service.stdout.readline() == b"serving\n"
            async with libwamp.connect(router.url, "realm1") as session:
                assert await session.call("com.myapp.slow_square", 2, 0) == 4
                call = asyncio.create_task(session.call("com.myapp.slow_square", 3, 1))
                assert await session.call("com.myapp.slow_square", 4, 0) == 16  # so the one before has arrived
                service.send_signal(signum)
                assert await call == 9
            out, err = await service.communicate()
        finally:
            if service.returncode is None:
                service.kill()
        assert out == b"all calls are answered\n"
        assert service.returncode == 0
        assert b"session" in err and b"is open" in err

    run(main())
