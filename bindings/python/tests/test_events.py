"""Publish and subscribe: values of every shape, order, several handlers, a full send queue."""

import asyncio
import time

import pytest
from samples import SAMPLES
from support import Inbox, run, uri

import libwamp


@pytest.mark.parametrize("value", SAMPLES.values(), ids=SAMPLES.keys())
def test_values_arrive_unchanged(url, realm, value):
    async def main():
        async with libwamp.connect(url, realm) as publisher, libwamp.connect(url, realm) as subscriber:
            topic, inbox = uri("values"), Inbox()
            await subscriber.subscribe(topic, inbox)
            publisher.publish(topic, value)
            publisher.publish(topic, value, named=value)
            assert await inbox.received(2) == [((value,), {}), ((value,), {"named": value})]

    run(main())


def test_arguments_of_every_shape(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as publisher, libwamp.connect(url, realm) as subscriber:
            topic, inbox = uri("shape"), Inbox()
            await subscriber.subscribe(topic, inbox)
            publisher.publish(topic)
            publisher.publish(topic, 1, None)
            publisher.publish(topic, self=1, topic=2, options=3)
            assert await inbox.received(3) == [
                ((), {}),
                ((1, None), {}),
                ((), {"self": 1, "topic": 2, "options": 3}),
            ]

    run(main())


def test_acknowledged_publication(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as publisher, libwamp.connect(url, realm) as subscriber:
            topic, events = uri("acknowledged"), asyncio.Queue()
            subscription = await subscriber.subscribe(
                topic, lambda *args, event: events.put_nowait((args, event)), details_arg="event"
            )
            assert subscription.id > 0
            publication = await publisher.publish_ack(topic, "x")
            args, event = await events.get()
            assert args == ("x",)
            assert event.publication == publication > 0
            assert event.topic == topic

    run(main())


def test_own_events_only_where_asked_for(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            topic, inbox = uri("own"), Inbox()
            await session.subscribe(topic, inbox)
            await session.publish_ack(topic, 1)
            await session.publish_ack(topic, 2, wamp_options={"exclude_me": False})
            assert await inbox.received(1) == [((2,), {})]

    run(main())


ROOM = 32 * 1024  # for the payloads that are read together
MIXTURES = {
    "small": list(range(300)),
    "bytes": [1, b"\0\1", "\0 no base64", {"k": b""}],
    "some long": [0, "x" * ROOM, 1, "y" * (ROOM - 100), [], "z" * (2 * ROOM), {}],
    "nearly too long": ["x" * size for size in range(ROOM - 60, ROOM + 10)],
    "nested": [1, [[[[[[[[[[{"a": [None]}]]]]]]]]]], None],
}


@pytest.mark.parametrize("values", MIXTURES.values(), ids=MIXTURES.keys())
def test_events_that_come_together(router, values):
    async def main():
        to = (router.url, "realm1")  # our own, as its speed makes no difference to this
        connection = libwamp.Connection(*to)
        async with libwamp.connect(*to) as publisher:
            topic, inbox = uri("together"), Inbox()
            await (await connection.open()).subscribe(topic, inbox)
            for value in values:
                publisher.publish(topic, value)
                publisher.publish(topic)
                publisher.publish(topic, 1, named=value)
            deadline = time.monotonic() + 60
            while connection.stats["receive_queue_events"] < 3 * len(values):  # before the loop takes any
                assert time.monotonic() < deadline
            events = await inbox.received(3 * len(values))
            each = ([((value,), {}), ((), {}), ((1,), {"named": value})] for value in values)
            assert events == [event for three in each for event in three]
        await connection.close()

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_ten_thousand_events_in_order(url, realm, kind):
    async def main():
        async with libwamp.connect(url, realm) as publisher, libwamp.connect(url, realm) as subscriber:
            topic, inbox = uri("order"), Inbox()

            async def coroutine(number):
                inbox(number)

            await subscriber.subscribe(topic, inbox if kind == "function" else coroutine)
            for number in range(10_000):
                publisher.publish(topic, number)
            events = await inbox.received(10_000)
            assert [args[0] for args, _ in events] == list(range(10_000))

    run(main())


def test_a_flood_waits_for_room_and_loses_nothing(url, realm):
    count, text = 2000, "x" * 16384

    async def main():
        async with (
            libwamp.connect(url, realm, send_queue_bytes=65536) as publisher,
            libwamp.connect(url, realm) as subscriber,
        ):
            topic, inbox = uri("flood"), Inbox()
            await subscriber.subscribe(topic, lambda number, text: inbox(number))
            for number in range(count):
                while True:
                    try:
                        publisher.publish(topic, number, text)
                        break
                    except libwamp.QueueFull:
                        await publisher.drain()
            events = await inbox.received(count)
            assert [args[0] for args, _ in events] == list(range(count))

    run(main())


def test_awaited_requests_wait_for_room_themselves(url, realm):
    async def main():
        async with libwamp.connect(url, realm, send_queue_bytes=65536) as session:
            procedure, text = uri("echo"), "y" * 16384

            async def echo(number, text):
                return number if number % 2 else text

            await session.register(procedure, echo)
            results = await asyncio.gather(*(session.call(procedure, number, text) for number in range(500)))
            assert results == [number if number % 2 else text for number in range(500)]
            topic = uri("flood")
            assert all(await asyncio.gather(*(session.publish_ack(topic, text) for _ in range(500))))
            await session.drain()

    run(main())


def test_several_handlers_of_a_topic(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as publisher, libwamp.connect(url, realm) as subscriber:
            topic, first, second = uri("shared"), Inbox(), Inbox()
            one = await subscriber.subscribe(topic, first)
            two = await subscriber.subscribe(topic, second)
            await publisher.publish_ack(topic, 1)
            await first.received(1)
            await second.received(1)
            assert await subscriber.unsubscribe(one) is False
            assert not one.active
            assert two.active
            await publisher.publish_ack(topic, 2)
            await second.received(2)
            assert await two.unsubscribe() is True
            assert not two.active
            await publisher.publish_ack(topic, 3)

            # Subscribed anew, the next event is the first that arrives.
            again = Inbox()
            await subscriber.subscribe(topic, again)
            await publisher.publish_ack(topic, 4)
            assert await again.received(1) == [((4,), {})]
            assert first.events == [((1,), {})]
            assert second.events == [((1,), {}), ((2,), {})]
            with pytest.raises(libwamp.LocalError) as stale:
                await one.unsubscribe()
            assert stale.value.name == "WAMP_ERR_NO_SUCH_ID"

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_failing_handler_is_told_to_on_user_error(url, realm, kind):
    async def main():
        told, topic, inbox = asyncio.Queue(), uri("fails"), Inbox()
        listener = libwamp.connect(url, realm, on_user_error=lambda *error: told.put_nowait(error))
        async with libwamp.connect(url, realm) as publisher, listener as subscriber:

            def function(number):
                inbox(number)
                if number == 1:
                    raise ValueError("not this one")

            async def coroutine(number):
                await asyncio.sleep(0)
                function(number)

            await subscriber.subscribe(topic, function if kind == "function" else coroutine)
            for number in range(3):
                publisher.publish(topic, number)
            await inbox.received(3)
            error, message = await told.get()
            assert isinstance(error, ValueError)
            assert topic in message

    run(main())


def test_a_cancelled_subscribe_is_undone(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            topic, inbox, other = uri("undone"), Inbox(), Inbox()
            task = asyncio.create_task(session.subscribe(topic, inbox))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await session.subscribe(topic, other)
            await session.publish_ack(topic, 1, wamp_options={"exclude_me": False})
            await other.received(1)
            assert inbox.events == []

    run(main())


def test_bad_topics_and_values_are_refused_here(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            with pytest.raises(libwamp.LocalError) as caught:
                session.publish("", 1)
            assert caught.value.name == "WAMP_ERR_URI"
            with pytest.raises(TypeError):
                session.publish("com.example.topic", object())
            with pytest.raises(ValueError):
                session.publish("com.example.topic", float("inf"))
            with pytest.raises(ValueError):
                session.publish("com.example.topic", "\udcff")
            await session.publish_ack("com.example.topic", "well")

    run(main())
