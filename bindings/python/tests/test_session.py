"""Joining and leaving, and the ways in which that fails."""

import asyncio
import gc
import socket

import pytest
from support import Inbox, run, uri

import libwamp


def test_what_a_session_tells(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            assert session.id > 0
            assert session.realm == realm
            assert "broker" in session.details["roles"]
            assert session.is_open
            assert str(session.id) in repr(session)
        assert not session.is_open
        assert "closed" in repr(session)

    run(main())


def test_what_the_session_and_the_router_can_do(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            features = session.features
            assert features["caller"]["progressive_call_results"] is True
            assert features["dealer"]["progressive_call_results"] is True
            assert session.transport.type == "websocket"
            assert session.transport.url == url
        with pytest.raises(libwamp.NotConnected):
            print(session.features)

    run(main())


def test_what_is_active_on_a_session(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session, libwamp.connect(url, realm) as other:
            assert session.subscriptions == session.registrations == []
            one = await session.subscribe(uri("a"), print)
            two = await session.subscribe(uri("b"), print)
            procedure = await session.register(uri("c"), print)
            assert session.subscriptions == [one, two]
            assert session.registrations == [procedure]
            assert other.subscriptions == other.registrations == []
            await one.unsubscribe()
            await procedure.unregister()
            assert session.subscriptions == [two]
            assert session.registrations == []
        assert session.subscriptions == []

    run(main())


def test_prefixes(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as session:
            procedure = uri("long")
            start, _, end = procedure.rpartition(".")
            session.prefix("api", start)
            assert session.resolve(f"api:{end}") == procedure
            assert session.resolve("com.example.ä") == "com.example.ä"
            await session.register(f"api:{end}", lambda: 1)
            assert await session.call(procedure) == await session.call(f"api:{end}") == 1
            session.prefix("api", None)
            assert session.resolve(f"api:{end}") == f"api:{end}"
            with pytest.raises(libwamp.LocalError):
                session.prefix("api", "com.example.")

    run(main())


def test_log_writes_to_standard_error(url, realm, capfd):
    async def main():
        async with libwamp.connect(url, realm) as session:
            session.log("open:", 1, ["ä", None], name="Grüße")
            topic, inbox = uri("logged"), Inbox()
            await session.subscribe(topic, session.log)
            await session.subscribe(topic, inbox)
            await session.publish_ack(topic, "an event", wamp_options={"exclude_me": False})
            await inbox.received(1)
            return session.id

    number = run(main())
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(f"WAMP session {number} on '{realm}' at " in line for line in lines)
    assert lines[0].endswith(': open: 1 ["ä",null] name="Grüße"')
    assert lines[1].endswith(": an event")


def test_connect_can_be_awaited(url, realm):
    async def main():
        session = await libwamp.connect(url, realm)
        other = await libwamp.connect(url, realm)
        assert session.id != other.id
        await session.leave()
        await other.close("wamp.close.normal", "that was all")
        await other.close()
        closed = await other.wait_closed()
        assert closed.reason == "closed"

    run(main())


def test_a_closed_session_refuses(url, realm):
    async def main():
        session = await libwamp.connect(url, realm)
        registration = await session.register(uri("gone"), lambda: 1)
        subscription = await session.subscribe(uri("gone"), print)
        await session.leave()
        assert not registration.active
        assert not subscription.active
        for request in (
            session.call("com.example.a"),
            session.register("com.example.a", print),
            session.subscribe("com.example.a", print),
            session.publish_ack("com.example.a"),
            session.unregister(registration),
            session.unsubscribe(subscription),
            session.drain(),
        ):
            with pytest.raises(libwamp.NotConnected) as caught:
                await request
            assert caught.value.name == "WAMP_ERR_CLOSED"
        with pytest.raises(ConnectionError):
            session.publish("com.example.a")

    run(main())


def test_leaving_ends_what_is_waited_for(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            entered, door = asyncio.Event(), asyncio.Event()

            async def slow():
                entered.set()
                await door.wait()

            procedure = uri("slow")
            await callee.register(procedure, slow)
            call = asyncio.create_task(caller.call(procedure))
            await entered.wait()
            await caller.leave()
            with pytest.raises(libwamp.WampError):
                await call
            door.set()

    run(main())


def test_a_callee_that_leaves_fails_its_calls(url, realm):
    async def main():
        async with libwamp.connect(url, realm) as callee, libwamp.connect(url, realm) as caller:
            entered, door = asyncio.Event(), asyncio.Event()

            async def slow():
                entered.set()
                await door.wait()

            procedure = uri("slow")
            await callee.register(procedure, slow)
            call = asyncio.create_task(caller.call(procedure))
            await entered.wait()
            await callee.leave()
            door.set()  # its answer has nowhere to go, and that harms nobody
            with pytest.raises(libwamp.Error):
                await call

    run(main())


def test_an_endpoint_may_leave(url, realm):
    async def main():
        callee = await libwamp.connect(url, realm)
        async with libwamp.connect(url, realm) as caller:

            async def stop():
                await callee.leave()

            procedure = uri("stop")
            await callee.register(procedure, stop)
            with pytest.raises(libwamp.Error):
                await caller.call(procedure)
            assert (await callee.wait_closed()).reason == "closed"

    run(main())


def test_unreachable(realm):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refused, and nobody else's
        port = held.getsockname()[1]

        async def main():
            with pytest.raises(libwamp.NotConnected) as caught:
                await libwamp.connect(f"ws://127.0.0.1:{port}/ws", realm)
            assert caught.value.name == "WAMP_ERR_UNREACHABLE"
            assert isinstance(caught.value, ConnectionError)
            with pytest.raises(libwamp.NotConnected):
                async with libwamp.connect(f"ws://127.0.0.1:{port}/ws", realm):
                    raise AssertionError("it cannot be open")

        run(main())


def test_no_such_realm(url):
    async def main():
        with pytest.raises(libwamp.NotConnected) as caught:
            await libwamp.connect(url, "com.example.no_such_realm")
        assert caught.value.name == "WAMP_ERR_ABORTED"
        assert caught.value.uri == "wamp.error.no_such_realm"

    run(main())


def test_wrong_options(url, realm):
    async def main():
        with pytest.raises(libwamp.LocalError) as caught:
            await libwamp.connect(url, realm, max_message_sise=1)
        assert "max_message_sise" in caught.value.detail
        with pytest.raises(TypeError):
            libwamp.connect(url, realm, dispatch="thread")

    run(main())


def test_connecting_can_be_cancelled(realm):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts in the kernel, never answers

        async def main():
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await libwamp.connect(url, realm)

        run(main())


def test_too_large_a_message_is_refused_and_harms_nothing(url, realm):
    async def main():
        async with libwamp.connect(url, realm, max_message_size=65536) as session:
            procedure = uri("large")
            await session.register(procedure, lambda size: "z" * size)
            with pytest.raises(libwamp.LocalError) as caught:
                await session.call(procedure, "z" * 100_000)
            assert caught.value.name == "WAMP_ERR_TOO_LARGE"
            with pytest.raises(libwamp.Error) as told:
                await session.call(procedure, 100_000)
            assert told.value.uri == "wamp.error.runtime_error"
            assert await session.call(procedure, 3) == "zzz"

    run(main())


def test_many_sessions(url, realm):
    async def main():
        sessions = await asyncio.gather(*(libwamp.connect(url, realm)._join() for _ in range(50)))
        assert len({session.id for session in sessions}) == 50
        procedure = uri("hub")
        await sessions[0].register(procedure, lambda n: n)
        assert await asyncio.gather(*(session.call(procedure, n) for n, session in enumerate(sessions))) == list(
            range(50)
        )
        await asyncio.gather(*(session.leave() for session in sessions))

    run(main())


def test_a_session_that_nobody_closed_is_let_go_with_its_loop(url, realm):
    async def main():
        session = await libwamp.connect(url, realm)
        await session.register(uri("forgotten"), lambda: 1)

    run(main())
    gc.collect()
