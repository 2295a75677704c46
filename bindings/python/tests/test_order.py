"""Async handlers: in order, bounded, and never waiting for themselves."""

import asyncio
import random

import pytest
from support import Inbox, lanes_of, run, uri

import libwamp
from libwamp.lane import QUEUE

COUNT = 4 * QUEUE
UNAVAILABLE = "wamp.error.no_available_callee"  # what the router makes of the last callee's wamp.error.unavailable


def test_one_after_the_other_in_each_subscription(router):
    chance = random.Random(7)

    async def main():
        async with libwamp.connect(router.url, "realm1") as session, libwamp.connect(router.url, "realm1") as publisher:
            topics = [uri("order"), uri("order")]
            began, ended, most = Inbox(), Inbox(), 0
            running = set()

            async def handler(topic, number):
                nonlocal most
                assert topic not in running
                running.add(topic)
                most = max(most, len(running))
                began(topic, number)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                ended(topic, number)
                running.discard(topic)

            for topic in topics:
                await session.subscribe(topic, handler)
            for number in range(200):
                for topic in topics:
                    publisher.publish(topic, topic, number)
            await ended.received(400)
            for topic in topics:
                assert [args[1] for args, _ in ended.events if args[0] == topic] == list(range(200))
            assert most == 2  # subscriptions do not wait for each other

    run(main())


def test_a_slow_handler_makes_the_library_wait(router):
    async def main():
        async with (
            libwamp.Connection(router.url, "realm1") as connection,
            libwamp.connect(router.url, "realm1") as publisher,
        ):
            topic, inbox, door = uri("slow"), Inbox(), asyncio.Event()

            async def handler(number):
                await door.wait()
                inbox(number)

            await connection.session.subscribe(topic, handler)
            for number in range(COUNT):
                publisher.publish(topic, number)
            await publisher.publish_ack(topic, COUNT)
            while not (lanes_of(connection) and connection.stats["receive_queue_events"]):
                await asyncio.sleep(0)
            [lane] = lanes_of(connection)
            for _ in range(100):
                await asyncio.sleep(0)
            assert QUEUE <= len(lane) < QUEUE + 256
            door.set()
            events = await inbox.received(COUNT + 1)
            assert [args[0] for args, _ in events] == list(range(COUNT + 1))
            assert len(lane) == 0
            # It reads again as before.
            await publisher.publish_ack(topic, "more")
            assert (await inbox.received(COUNT + 2))[-1] == (("more",), {})

    run(main())


@pytest.mark.parametrize("what", ["call", "publish_ack", "subscribe", "close", "in a task"])
def test_a_handler_may_wait_for_its_own_connection(router, what):
    async def main():
        async with (
            libwamp.Connection(router.url, "realm1") as connection,
            libwamp.connect(router.url, "realm1") as publisher,
        ):
            session, topic, procedure = connection.session, uri("own"), uri("own")
            inbox, door = Inbox(), asyncio.Event()

            async def handler(number):
                await door.wait()
                if number == 0:
                    match what:
                        case "call":
                            assert await session.call(procedure) == 1
                        case "publish_ack":
                            await session.publish_ack(topic)
                        case "subscribe":
                            await (await session.subscribe(uri("own"), print)).unsubscribe()
                        case "close":
                            await connection.close()
                        case "in a task":
                            assert await asyncio.create_task(session.call(procedure)) == 1
                inbox(number)

            await publisher.register(procedure, lambda: 1)
            await session.subscribe(topic, handler)
            for number in range(COUNT):
                publisher.publish(topic, number)
            await publisher.publish_ack(topic, COUNT)
            while not (lanes_of(connection) and connection.stats["receive_queue_events"]):
                await asyncio.sleep(0)
            [lane] = lanes_of(connection)
            door.set()
            events = await inbox.received(1 if what == "close" else COUNT + 1)
            await lane.finished()
            assert [args[0] for args, _ in events] == list(range(len(events)))

    run(main())


def test_a_handler_may_wait_for_a_task_that_waits_for_the_connection(router):
    async def main():
        async with (
            libwamp.Connection(router.url, "realm1") as connection,
            libwamp.connect(router.url, "realm1") as publisher,
        ):
            session, topic, procedure, inbox = connection.session, uri("lock"), uri("lock"), Inbox()
            lock, door = asyncio.Lock(), asyncio.Event()

            async def handler(number):
                async with lock:
                    inbox(number)

            async def holder():
                async with lock:
                    await door.wait()
                    return await session.call(procedure)

            await publisher.register(procedure, lambda: 1)
            holding = asyncio.create_task(holder())
            await session.subscribe(topic, handler)
            for number in range(COUNT // 2):
                publisher.publish(topic, number)
            await publisher.publish_ack(topic, COUNT // 2)
            while not connection.stats["receive_queue_events"]:
                await asyncio.sleep(0)
            door.set()
            assert await holding == 1
            events = await inbox.received(COUNT // 2 + 1)
            assert [args[0] for args, _ in events] == list(range(COUNT // 2 + 1))

    run(main())


def test_what_waits_for_a_handler_ends_with_its_subscription(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as session:
            topic, got, entered, door = uri("ended"), [], asyncio.Event(), asyncio.Event()

            async def handler(number):
                got.append(number)
                entered.set()
                await door.wait()
                got.append("end")

            subscription = await session.subscribe(topic, handler)
            for number in range(3):
                await session.publish_ack(topic, number, wamp_options={"exclude_me": False})
            await entered.wait()
            await subscription.unsubscribe()
            door.set()
            await session.publish_ack(topic)
            assert got == [0, "end"]

    run(main())


def test_what_was_received_is_handled_after_a_loss(router):
    async def main():
        async with libwamp.Connection(router.url, "realm1", max_retries=0) as connection:
            topic, inbox, door, session = uri("lost"), Inbox(), asyncio.Event(), connection.session

            async def handler(number):
                await door.wait()
                inbox(number)

            await session.subscribe(topic, handler)
            for number in range(10):
                await session.publish_ack(topic, number, wamp_options={"exclude_me": False})
            router.kick()
            await session.wait_closed()
            door.set()
            assert [args[0] for args, _ in await inbox.received(10)] == list(range(10))

    run(main())


def test_no_more_endpoints_at_once_than_concurrency_says(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as callee, libwamp.connect(router.url, "realm1") as caller:
            entered, door = asyncio.Semaphore(0), asyncio.Event()

            async def endpoint(number):
                entered.release()
                await door.wait()
                return number

            procedure = uri("busy")
            registration = await callee.register(procedure, endpoint, concurrency=3)
            calls = [asyncio.create_task(caller.call(procedure, number)) for number in range(3)]
            for _ in calls:
                await entered.acquire()
            with pytest.raises(libwamp.Error) as caught:
                await caller.call(procedure, 3)
            assert caught.value.uri == UNAVAILABLE
            calls.pop().cancel()
            while registration._entry.running == 3:
                await asyncio.sleep(0)
            calls.append(asyncio.create_task(caller.call(procedure, 4)))
            await entered.acquire()
            door.set()
            assert await asyncio.gather(*calls) == [0, 1, 4]
            for wrong, error in ((0, ValueError), (-1, ValueError), ("3", TypeError), (None, TypeError)):
                with pytest.raises(error):
                    await callee.register(uri("wrong"), endpoint, concurrency=wrong)

    run(main())


def test_durable_registrations_have_a_limit_too(router):
    async def main():
        async with libwamp.Connection(router.url, "realm1") as connection:
            door, procedure = asyncio.Event(), uri("busy")
            registration = connection.register(procedure, door.wait, concurrency=1)
            await registration.wait_active()
            first = asyncio.create_task(connection.session.call(procedure))
            while not registration._entry.running:
                await asyncio.sleep(0)
            with pytest.raises(libwamp.Error) as caught:
                await connection.session.call(procedure)
            assert caught.value.uri == UNAVAILABLE
            door.set()
            assert await first is True

    run(main())


@pytest.mark.parametrize("outcome", ["result", "error"])
def test_progress_is_handled_before_the_call_returns(router, outcome):
    async def main():
        async with libwamp.connect(router.url, "realm1") as callee, libwamp.connect(router.url, "realm1") as caller:

            async def count(*, invocation):
                for number in range(50):
                    invocation.progress(number)
                if outcome == "error":
                    raise libwamp.Error("com.example.error.end")
                return "end"

            seen, chance = [], random.Random(8)

            async def on_progress(number):
                for _ in range(chance.randrange(5)):
                    await asyncio.sleep(0.0001)
                seen.append(number)

            procedure = uri("count")
            await callee.register(procedure, count, details_arg="invocation")
            try:
                assert await caller.call(procedure, wamp_on_progress=on_progress) == "end"
            except libwamp.Error as error:
                assert (error.uri, outcome) == ("com.example.error.end", "error")
            assert seen == list(range(50))

    run(main())


def test_a_cancelled_call_cancels_its_progress_handler(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as callee, libwamp.connect(router.url, "realm1") as caller:

            async def count(*, invocation):
                for number in range(5):
                    invocation.progress(number)
                return "end"

            entered, seen = asyncio.Event(), []

            async def on_progress(number):
                seen.append(number)
                entered.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    seen.append("left")

            procedure = uri("count")
            await callee.register(procedure, count, details_arg="invocation")
            call = asyncio.create_task(caller.call(procedure, wamp_on_progress=on_progress))
            await entered.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.sleep(0)
            assert seen == [0, "left"]

    run(main())
