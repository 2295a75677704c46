"""Connections: several sessions one after the other, what is durable in them, and the hooks around them."""

import asyncio
import contextlib
import logging
import socket

import pytest
from support import Inbox, run, uri

import libwamp

RETRY = {"initial_retry_delay": 0.01, "retry_delay_jitter": 0}
SLOW = {"initial_retry_delay": 1000, "max_retry_delay": 1000, "retry_delay_jitter": 0}


def test_it_comes_back_after_a_loss(router):
    async def main():
        opened, closed = asyncio.Queue(), asyncio.Queue()
        connection = libwamp.Connection(
            router.url, "realm1", on_open=opened.put_nowait, on_close=closed.put_nowait, **RETRY
        )
        assert not connection.is_open
        assert connection.session is None
        first = await connection.open()
        assert await opened.get() is first is connection.session
        assert connection.is_open
        assert connection.is_connected
        assert not connection.is_retrying
        assert connection.transport == ("websocket", router.url, "wamp.2.json")
        assert first.transport == connection.transport

        assert router.kick(first.id) == 1
        end = await first.wait_closed()
        assert end == await closed.get()
        assert end.reason == "lost"
        assert end.will_retry
        second = await opened.get()
        assert second is connection.session is not first
        assert second.is_open
        assert not first.is_open
        with pytest.raises(libwamp.NotConnected):
            await first.call("com.example.a")
        assert await second.publish_ack("com.example.topic") > 0
        assert connection.stats["sessions"] == 2

        await connection.close()
        last = await closed.get()
        assert last.reason == "closed"
        assert not last.will_retry
        assert await connection.wait_closed() == last
        assert connection.session is None
        assert connection.transport.type == "none"
        await connection.close()

        third = await connection.open()
        assert third is await opened.get()
        await third.leave()
        assert await connection.wait_closed() == await closed.get()

    run(main())


def test_handlers_may_be_coroutines(router):
    async def main():
        told = asyncio.Queue()

        async def on_open(session):
            await session.publish_ack("com.example.topic")
            told.put_nowait("open")

        async def on_close(closed):
            await asyncio.sleep(0)
            told.put_nowait(closed.reason)

        async with libwamp.Connection(router.url, "realm1", on_open=on_open, on_close=on_close):
            assert await told.get() == "open"
        assert await told.get() == "closed"

    run(main())


def test_sessions_one_after_the_other(router):
    async def main():
        connection = libwamp.Connection(router.url, "realm1", **RETRY)
        seen = []
        async for session in connection:
            seen.append(session)
            if len(seen) == 3:
                await connection.close()
            else:
                router.kick(session.id)
        assert len({session.id for session in seen}) == 3
        assert not any(session.is_open for session in seen)

    run(main())


def test_the_sessions_end_with_an_error_when_it_is_given_up(router):
    async def main():
        connection = libwamp.Connection(router.url, "realm1", max_retries=1, **SLOW)
        connection.on_close = lambda closed: connection.reconnect_now()
        with pytest.raises(libwamp.NotConnected):
            async for _ in connection:
                router.kick()
                router.close()  # what is tried again is refused
        assert (await connection.wait_closed()).status < 0

    run(main())


def test_pending_requests_tell_whether_they_may_be_repeated(router):
    async def main():
        async with libwamp.connect(router.url, "realm1") as callee:
            entered = asyncio.Event()

            async def never():
                entered.set()
                await asyncio.Event().wait()

            await callee.register("com.example.never", never)
            async with libwamp.Connection(router.url, "realm1", **RETRY) as connection:
                session = connection.session
                call = asyncio.create_task(session.call("com.example.never"))
                await entered.wait()
                router.kick(session.id)
                with pytest.raises(libwamp.OutcomeUnknown) as caught:
                    await call
                assert caught.value.name == "WAMP_ERR_OUTCOME_UNKNOWN"
                await session.wait_closed()
                with pytest.raises(libwamp.NotSent) as refused:
                    await session.call("com.example.never")
                assert refused.value.name == "WAMP_ERR_CLOSED"

    run(main())


def test_reconnect_now_and_stop_retrying(router):
    async def main():
        opened, closed = asyncio.Queue(), asyncio.Queue()
        connection = libwamp.Connection(
            router.url, "realm1", on_open=opened.put_nowait, on_close=closed.put_nowait, **SLOW
        )
        await connection.open()
        connection.reconnect_now()  # nothing to do, and no harm
        router.kick((await opened.get()).id)
        assert (await closed.get()).details["retry_delay"] > 500
        assert connection.is_retrying
        connection.reconnect_now()
        session = await opened.get()
        assert not connection.is_retrying

        assert connection.stop_retrying() is False
        assert session.is_open
        router.kick(session.id)
        assert not (await connection.wait_closed()).will_retry
        assert not (await closed.get()).will_retry

        session = await connection.open()
        router.kick(session.id)
        assert (await closed.get()).will_retry
        assert connection.stop_retrying() is True
        end = await connection.wait_closed()
        assert end == await closed.get()
        assert end.reason == "lost"

    run(main())


def test_on_close_may_stop_the_retries(router):
    async def main():
        connection = libwamp.Connection(router.url, "realm1", **SLOW)
        connection.on_close = lambda closed: connection.stop_retrying()
        session = await connection.open()
        router.kick(session.id)
        assert (await connection.wait_closed()).reason == "lost"

    run(main())


def test_one_session_is_not_joined_anew(router):
    async def main():
        last = asyncio.get_running_loop().create_future()

        def on_close(closed):
            if not closed.will_retry:
                last.set_result(closed)

        session = await libwamp.connect(router.url, "realm1", retry_if_unreachable=True, on_close=on_close, **SLOW)
        router.kick(session.id)
        assert (await session.wait_closed()).reason == "lost"
        assert (await last).reason == "lost"
        await session.leave()

    run(main())


def test_an_unreachable_router_is_tried_again_where_that_is_wanted():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"ws://127.0.0.1:{held.getsockname()[1]}/ws"

        async def main():
            closed = []
            connection = libwamp.Connection(
                url, "realm1", retry_if_unreachable=True, max_retries=2, on_close=closed.append, **RETRY
            )
            with pytest.raises(libwamp.NotConnected) as caught:
                await connection.open()
            assert caught.value.name == "WAMP_ERR_UNREACHABLE"
            assert [end.will_retry for end in closed] == [True, True, False]

        run(main())


def test_opening_can_be_cancelled_and_done_again(realm, router):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts in the kernel, never answers

        async def main():
            places = iter([f"ws://127.0.0.1:{silent.getsockname()[1]}/ws", router.url])
            asked = asyncio.Event()

            def next_place(details):
                asked.set()
                return {"url": next(places)}

            connection = libwamp.Connection("ws://127.0.0.1:1/", "realm1", on_connect=next_place)
            opening = asyncio.ensure_future(connection.open())
            await asked.wait()
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await connection.wait_closed()
            assert (await connection.open()).is_open
            await connection.close()

        run(main())


def test_it_is_opened_once(router):
    async def main():
        async with libwamp.Connection(router.url, "realm1") as connection:
            with pytest.raises(libwamp.LocalError) as caught:
                await connection.open()
            assert caught.value.name == "WAMP_ERR_STATE"
            assert connection.is_open

    run(main())


def test_durable_subscriptions_and_registrations(router):
    async def main():
        connection = libwamp.Connection(router.url, "realm1", **SLOW)
        told, inbox, closed = asyncio.Queue(), Inbox(), asyncio.Queue()
        connection.on_close = closed.put_nowait
        topic, procedure = uri("topic"), uri("procedure")
        subscription = connection.subscribe(
            topic,
            inbox,
            on_restored=lambda outage: told.put_nowait(("restored", outage)),
            on_suspended=lambda: told.put_nowait("suspended"),
        )
        registration = connection.register(procedure, lambda a, b: a + b)
        assert not subscription.active
        assert (subscription.topic, registration.procedure) == (topic, procedure)

        first = await connection.open()
        await subscription.wait_active()
        await registration.wait_active()
        assert subscription.active
        assert subscription in first.subscriptions
        assert registration in first.registrations
        assert await first.call(procedure, 2, 3) == 5
        await first.publish_ack(topic, 1, wamp_options={"exclude_me": False})
        await inbox.received(1)

        number = subscription._entry.number
        router.kick(first.id)
        assert await told.get() == "suspended"
        assert not subscription.active
        await closed.get()
        connection.reconnect_now()
        what, outage = await told.get()
        assert what == "restored"
        assert outage >= 0
        await registration.wait_active()
        second = connection.session
        assert subscription._entry.number == number
        assert await second.call(procedure, 3, 4) == 7
        await second.publish_ack(topic, 2, wamp_options={"exclude_me": False})
        assert await inbox.received(2) == [((1,), {}), ((2,), {})]

        assert await subscription.unsubscribe() is True
        await registration.unregister()
        assert second.subscriptions == second.registrations == []
        with pytest.raises(libwamp.Error):
            await second.call(procedure, 3, 4)
        with pytest.raises(libwamp.LocalError) as stale:
            await subscription.wait_active()
        assert stale.value.name == "WAMP_ERR_NO_SUCH_ID"
        await connection.close()

    run(main())


def test_what_is_durable_can_end_while_nothing_is_open(router):
    async def main():
        connection = libwamp.Connection(router.url, "realm1")
        subscription = connection.subscribe("com.example.topic", print)
        registration = connection.register("com.example.procedure", print)
        await subscription.unsubscribe()
        await registration.unregister()
        async with connection:
            assert connection.session.subscriptions == []
            assert await connection.session.publish_ack("com.example.topic") > 0
        other = connection.subscribe("com.example.topic", print)
        waiting = asyncio.create_task(other.wait_active())
        await connection.open()
        await waiting
        await connection.close()
        assert not other.active

    run(main())


def test_a_refused_registration_is_told_and_tried_again(router):
    async def main():
        errors, failures = asyncio.Queue(), asyncio.Queue()
        async with (
            libwamp.connect(router.url, "realm1") as other,
            libwamp.Connection(
                router.url, "realm1", on_user_error=lambda error, message: failures.put_nowait((error, message))
            ) as connection,
        ):
            procedure, silent = uri("taken"), uri("taken")
            taken = await other.register(procedure, lambda: "other")
            await other.register(silent, lambda: "other")
            connection.register(silent, lambda: "durable")
            error, message = await failures.get()
            assert error.uri == "wamp.error.procedure_already_exists"
            assert silent in message

            registration = connection.register(procedure, lambda: "durable", on_error=errors.put_nowait)
            with pytest.raises(libwamp.Error) as caught:
                await registration.wait_active()
            assert caught.value.uri == "wamp.error.procedure_already_exists"
            assert (await errors.get()).uri == caught.value.uri
            await taken.unregister()
            while not registration.active:
                with contextlib.suppress(libwamp.Error):
                    await registration.wait_active()
            assert await other.call(procedure) == "durable"

    run(main())


def test_waiting_for_what_is_durable_ends_with_the_connection():
    async def main():
        with libwamp.Router({"realms": ["realm1"]}) as router:
            connection = libwamp.Connection(router.listen(), "no.such.realm")
            waiting = asyncio.create_task(connection.subscribe("com.example.topic", print).wait_active())
            await asyncio.sleep(0)
            with pytest.raises(libwamp.NotConnected):
                await connection.open()
            with pytest.raises(libwamp.NotConnected):
                await waiting

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_on_connect_changes_where_to_and_as_whom(router, kind):
    async def main():
        seen = []

        def changed(details):
            seen.append(details)
            return {"url": router.url, "realm": "realm1"}

        async def later(details):
            await asyncio.sleep(0)
            return changed(details)

        hook = changed if kind == "function" else later
        async with libwamp.Connection("ws://127.0.0.1:1/", "no.such.realm", on_connect=hook) as connection:
            assert connection.session.realm == "realm1"
        assert [details["url"] for details in seen] == ["ws://127.0.0.1:1/"]
        assert seen[0]["retry_count"] == 0

    run(main())


def test_on_connect_may_give_up(router):
    async def main():
        with pytest.raises(libwamp.NotConnected) as caught:
            await libwamp.connect(router.url, "realm1", on_connect=lambda details: False)
        assert caught.value.name == "WAMP_ERR_CANCELED"

    run(main())


@pytest.mark.parametrize("wrong", [{"relm": "realm1"}, {"url": 1}, 7], ids=str)
def test_a_wrong_on_connect_is_told(router, wrong):
    async def main():
        failures = []
        with pytest.raises(libwamp.NotConnected) as caught:
            await libwamp.connect(
                router.url,
                "realm1",
                on_connect=lambda details: wrong,
                on_user_error=lambda error, message: failures.append((error, message)),
            )
        assert caught.value.name == "WAMP_ERR_CANCELED"
        [(error, message)] = failures
        assert isinstance(error, (libwamp.LocalError, TypeError))
        assert "on_connect" in message

    run(main())


def test_without_on_user_error_the_log_is_told(router, caplog):
    async def main():
        def on_open(session):
            raise ValueError("not now")

        async with libwamp.Connection(router.url, "realm1", on_open=on_open):
            pass

    with caplog.at_level(logging.ERROR, "libwamp"):
        run(main())
    assert "not now" in caplog.text
    assert "on_open" in caplog.text


def test_an_on_user_error_that_fails_is_logged(router, caplog):
    async def main():
        def fails(*arguments):
            raise ValueError("oh dear")

        async with libwamp.Connection(router.url, "realm1", on_open=fails, on_user_error=fails):
            pass

    with caplog.at_level(logging.ERROR, "libwamp"):
        run(main())
    assert "oh dear" in caplog.text


def test_on_internal_error_hears_of_a_peer_that_breaks_the_rules():
    async def nonsense(reader, writer):
        await reader.readexactly(4)
        writer.write(b"\x7f\xf1\0\0\0\0\0\2[]")
        await reader.read()
        writer.close()

    async def main():
        told = []
        async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            with pytest.raises(libwamp.NotConnected):
                await libwamp.connect(
                    f"rs://{host}:{port}",
                    "realm1",
                    on_internal_error=lambda error, message: told.append((error, message)),
                )
        assert len(told) == 1
        assert isinstance(told[0][0], libwamp.LocalError)

    run(main())
