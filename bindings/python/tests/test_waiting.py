"""Loops that watch no descriptors: there the library wakes them."""

import asyncio
from pathlib import Path

from loops import DeafLoop
from programs import output_of
from support import LIMIT, uri

import libwamp


def run(work):
    with asyncio.Runner(loop_factory=DeafLoop) as runner:
        return runner.run(asyncio.wait_for(work, LIMIT))


def test_calls_and_events_come(url, realm):
    async def work():
        topic, procedure, came = uri("topic"), uri("procedure"), asyncio.Queue()
        async with libwamp.connect(url, realm) as session:
            await session.subscribe(topic, came.put_nowait)
            await session.register(procedure, lambda a, b: a + b)
            for number in range(1000):  # several batches
                session.publish(topic, number, wamp_options={"exclude_me": False})
            assert [await came.get() for _ in range(1000)] == list(range(1000))
            assert await asyncio.gather(*(session.call(procedure, n, 1) for n in range(300))) == list(range(1, 301))

    run(work())


def test_a_slow_handler_holds_back_what_comes(url, realm):
    async def work():
        topic, seen, end = uri("topic"), [], asyncio.Event()

        async def slow(number):
            await asyncio.sleep(0)
            seen.append(number)
            if number == 4999:
                end.set()

        async with libwamp.connect(url, realm) as session:
            await session.subscribe(topic, slow)
            for number in range(5000):
                session.publish(topic, number, wamp_options={"exclude_me": False})
            await end.wait()
        assert seen == list(range(5000))

    run(work())


def test_a_connection_that_a_loop_has_left_is_closed_by_another(url, realm):
    connection = libwamp.Connection(url, realm)
    run(connection.open())
    run(connection.close())


def test_a_router_asks():
    async def work():
        def decide(details):
            return details["authid"] == "joe"

        with libwamp.Router(on_authenticate=decide) as router:
            async with libwamp.connect(router.listen(), "realm1", authid="joe") as session:
                return session.id

    assert run(work()) > 0


def test_a_program_may_end_with_all_open():
    told = output_of(
        """
        import asyncio, sys, libwamp
        sys.path.insert(0, sys.argv[1])
        from loops import DeafLoop

        async def main():
            router = libwamp.Router({"realms": ["realm1"]})
            connection = libwamp.Connection(router.listen("ws://127.0.0.1:0/ws"), "realm1")
            session = await connection.open()
            await session.subscribe("com.example.topic", print)
            session.publish("com.example.topic", "heard", wamp_options={"exclude_me": False})
            await session.call("wamp.session.count")
            await asyncio.sleep(0)
            return router, connection

        with asyncio.Runner(loop_factory=DeafLoop) as runner:
            left = runner.run(main())
        print("ended")
        """,
        str(Path(__file__).parent),
    )
    assert told.endswith("ended\n")
