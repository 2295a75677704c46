"""Event loops and threads: a connection belongs to one, and says so."""

import asyncio
import threading

import pytest
from support import LIMIT, Inbox, run, uri

import libwamp

RETRY = {"max_retries": -1, "initial_retry_delay": 0.01, "retry_delay_jitter": 0}


def uses(connection, session, registration, subscription, durable):
    """All that needs the loop."""
    return {
        "call": lambda: session.call("com.example.none"),
        "publish_ack": lambda: session.publish_ack("com.example.topic"),
        "publish": lambda: session.publish("com.example.topic"),
        "subscribe": lambda: session.subscribe("com.example.topic", print),
        "register": lambda: session.register("com.example.other", print),
        "unsubscribe": subscription.unsubscribe,
        "unregister": registration.unregister,
        "session.drain": session.drain,
        "session.wait_closed": session.wait_closed,
        "resolve": lambda: session.resolve("a:b"),
        "wait_closed": connection.wait_closed,
        "open": connection.open,
        "durable subscribe": lambda: connection.subscribe("com.example.topic", print),
        "durable register": lambda: connection.register("com.example.procedure", print),
        "durable unsubscribe": durable.unsubscribe,
        "wait_active": durable.wait_active,
        "stop_retrying": connection.stop_retrying,
        "reconnect_now": connection.reconnect_now,
    }


async def refused(use):
    with pytest.raises(RuntimeError) as caught:
        answer = use()
        if asyncio.iscoroutine(answer):
            await asyncio.wait_for(answer, LIMIT)
    return str(caught.value)


async def opened(router, **options):
    connection = libwamp.Connection(router.url, "realm1", **options)
    durable = connection.subscribe(uri("durable"), print)
    session = await connection.open()
    registration = await session.register(uri("procedure"), lambda a, b: a + b)
    subscription = await session.subscribe(uri("topic"), print)
    return connection, session, registration, subscription, durable


def test_use_in_another_thread_is_refused(router):
    async def main():
        connection, session, registration, *others = await opened(router)

        async def everything():
            every = uses(connection, session, registration, *others)
            every["close"], every["leave"] = connection.close, session.leave
            return [await refused(use) for use in every.values()]

        texts = await asyncio.to_thread(asyncio.run, everything())
        texts.append(await asyncio.to_thread(lambda: asyncio.run(refused(lambda: session.publish("com.example.t")))))
        for text in texts:
            assert repr(asyncio.get_running_loop()) in text
            assert threading.current_thread().name in text
        with pytest.raises(RuntimeError, match="(asyncio|uvloop)_"):
            await asyncio.to_thread(session.publish, "com.example.topic")
        assert await session.call(registration.procedure, 2, 3) == 5
        await connection.close()

    run(main())


def test_what_is_safe_in_another_thread(router):
    async def main():
        connection, session, *_ = await opened(router)

        def work(invocation):
            assert connection.is_open
            assert connection.stats["sessions"] == 1
            assert connection.transport.type == "websocket"
            for number in range(3):
                invocation.progress(number)
            return "end"

        async def endpoint(*, invocation):
            return await asyncio.to_thread(work, invocation)

        procedure, seen = uri("thread"), []
        await session.register(procedure, endpoint, details_arg="invocation")
        assert await session.call(procedure, wamp_on_progress=seen.append) == "end"
        assert seen == [0, 1, 2]
        await connection.close()

    run(main())


def test_use_after_the_end_of_its_loop_is_refused(router):
    everything = run(opened(router))

    async def main():
        for name, use in uses(*everything).items():
            assert "has ended" in await refused(use), name
        await everything[0].close()

    run(main())


def test_a_loop_that_stands_still_still_owns_its_connection(router):
    loop = asyncio.new_event_loop()
    try:
        inbox, topic = Inbox(), uri("standing")

        async def main():
            session = await libwamp.connect(router.url, "realm1")
            await session.subscribe(topic, inbox)
            return session

        session = loop.run_until_complete(main())
        session.publish(topic, 1, wamp_options={"exclude_me": False})  # between two runs: nothing else can interfere
        loop.run_until_complete(asyncio.wait_for(inbox.received(1), LIMIT))
        assert str(loop) in run(refused(lambda: session.call("com.example.none")))
        loop.run_until_complete(session.leave())
    finally:
        loop.close()


@pytest.mark.parametrize("how", ["connection", "session"])
def test_a_connection_that_its_loop_has_left_is_closed_then_opened(router, how):
    closed, inbox, topic = [], Inbox(), uri("left")
    connection = libwamp.Connection(router.url, "realm1", on_close=closed.append)
    durable = connection.subscribe(topic, inbox)

    async def first():
        session = await connection.open()
        await durable.wait_active()
        return session

    async def second():
        await (connection.close() if how == "connection" else session.leave())
        await connection.close()
        assert not connection.is_open
        assert not session.is_open
        assert (await connection.wait_closed()).reason == "closed"
        assert [end.reason for end in closed] == ["closed"]
        async with connection:
            await durable.wait_active()
            await connection.session.publish_ack(topic, 2, wamp_options={"exclude_me": False})
            assert await inbox.received(1) == [((2,), {})]

    session = run(first())
    run(second())
    assert router.stats["sessions"] <= 1


def test_what_happened_without_a_loop_harms_nothing(router):
    connection = libwamp.Connection(router.url, "realm1", **RETRY)
    topic, procedure, told = uri("missed"), uri("missed"), []
    durable = connection.subscribe(topic, told.append)
    connection.register(procedure, told.append)

    async def first():
        session = await connection.open()
        await durable.wait_active()
        waiting = asyncio.ensure_future(session.call(procedure, "first"))
        await asyncio.sleep(0)
        return waiting

    async def between():
        async with libwamp.connect(router.url, "realm1") as other:
            await other.publish_ack(topic, "between")
            call = asyncio.ensure_future(other.call(procedure, "between"))
            call.cancel()

    async def second():
        for _ in range(2):
            await connection.close()
            await connection.open()
        assert await connection.session.publish_ack(topic) > 0
        await connection.close()

    run(first())
    run(between())
    run(second())
    assert "between" not in told


@pytest.mark.parametrize("reason", [None, "wamp.close.normal"], ids=["cut off", "goodbye"])
def test_a_connection_lost_without_a_loop_is_closed_all_the_same(router, reason):
    connection = libwamp.Connection(router.url, "realm1", max_retries=0)

    async def first():
        return await connection.open()

    session = run(first())
    router.kick(session.id, reason)

    async def second():
        await connection.close()
        assert (await connection.wait_closed()).reason in ("lost", "closed")
        assert (await connection.open()).is_open
        await connection.close()

    run(second())
