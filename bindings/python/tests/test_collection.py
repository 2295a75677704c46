"""Objects that nobody closed: the garbage collector finds them, wherever it happens to run."""

import asyncio
import gc
import weakref

import pytest
from programs import output_of
from support import core_of, run

import libwamp
from libwamp import afterwards
from libwamp.ffi import ffi, lib

EVERYTHING = """
    import asyncio, libwamp
    from libwamp import auth

    async def use(router):
        async def answer(*args, invocation):
            invocation.progress(1)
            return [piece async for piece in invocation.input()]
        connection = libwamp.Connection(router.url, "realm1", on_connect=lambda details: None)
        durable = connection.subscribe("com.example.topic", print)
        session = await connection.open()
        await durable.wait_active()
        connection.stats, connection.transport, session.features, session.is_open
        session.prefix("x", "com.example")
        session.resolve("x:y")
        registration = await session.register("com.example.p", answer, details_arg="invocation")
        assert await session.call("x:p", wamp_on_progress=print, wamp_input=[2], wamp_timeout=50) == [2]
        try:
            await session.call("com.example.none")
        except libwamp.Error:
            pass
        subscription = await session.subscribe("com.example.topic", print)
        session.publish("com.example.topic", 1, a=b"2")
        await session.publish_ack("com.example.topic")
        await session.drain()
        await subscription.unsubscribe()
        await registration.unregister()
        await durable.unsubscribe()
        session.log("logged")
        await connection.close()
        router.stats, router.kick()
        auth.cra_sign("key", "challenge")
        auth.cra_derive_key("secret", "salt", 10, 250)
        libwamp.version()
        try:
            libwamp.Connection("ws://127.0.0.1:1/", "realm1", urll=1)
        except libwamp.LocalError as error:
            str(error)
"""


def test_all_names_are_resolved():
    assert set(dir(lib)) <= set(lib.__dict__)


def test_cffi_has_no_lock_that_a_collection_could_meet():
    """That of its ABI mode is not re-entrant, and any look-up takes it."""
    assert not hasattr(ffi, "_lock")
    assert "well" in output_of(
        EVERYTHING
        + """
    import sys
    with libwamp.Router() as router:
        router.listen()
        asyncio.run(use(router))
    assert "cffi" not in sys.modules and "pycparser" not in sys.modules
    print("well")
    """
    )


@pytest.mark.parametrize("junk", ["0", "150", "300", "450", "600"])
def test_a_collection_anywhere_cannot_hang(junk):
    """The thresholds are the usual ones: how many objects there are decides where the collection begins."""
    assert "well" in output_of(
        EVERYTHING
        + """
    import gc, sys

    async def forget():
        connection = libwamp.Connection("ws://127.0.0.1:1/ws", "realm1", max_retries=0)
        connection.on_close = lambda closed: connection.stats  # a cycle: only a collection finds it
        try:
            await connection.open()
        except libwamp.NotConnected:
            pass

    async def main():
        with libwamp.Router() as router:
            router.listen()
            await forget()
            keep = [[] for _ in range(int(sys.argv[1]))]
            await use(router)

    asyncio.run(main())
    print("well")
    """,
        junk,
    )


def forget(url):
    """Leaves a session, its connection and a router of its own to the collector."""

    async def main():
        libwamp.Router()
        return weakref.ref((await libwamp.connect(url, "realm1"))._wire)

    left = run(main())
    gc.collect()
    while left() is not None:  # a thread that just wakes the loop still holds it
        gc.collect()


def test_freed_by_the_next_call():
    with libwamp.Router() as router:
        forget(router.listen())
        assert afterwards.garbage
        assert router.stats["sessions"] <= 1
        assert not afterwards.garbage

        async def main():
            left = asyncio.Event()
            async with libwamp.connect(router.url, "realm1") as session:
                await session.subscribe("wamp.session.on_leave", lambda *_: left.set())
                if await session.call("wamp.session.count") > 1:
                    await left.wait()
                assert router.stats["sessions"] == 1

        run(main())


def test_freed_by_the_loops_next_turn():
    async def main():
        with libwamp.Router() as router:
            async with libwamp.connect(router.listen(), "realm1"):
                await asyncio.to_thread(forget, router.url)
                while afterwards.garbage:
                    await asyncio.sleep(0)

    run(main())


def test_freed_by_the_exit():
    assert "3\n0\n" in output_of("""
    import asyncio, atexit, gc, libwamp
    from libwamp import afterwards

    atexit.unregister(afterwards.attend)
    atexit.register(lambda: print(len(afterwards.garbage)))
    atexit.register(afterwards.attend)
    router = libwamp.Router()
    router.listen()

    async def main():
        return await libwamp.connect(router.url, "realm1"), libwamp.Router()

    asyncio.run(main())
    gc.collect()
    print(len(afterwards.garbage))
    """)


def test_what_lives_until_the_end_of_the_interpreter_is_quiet():
    assert "well" in output_of("""
    import asyncio, libwamp
    router = libwamp.Router()
    router.listen()
    loop = asyncio.new_event_loop()
    session = loop.run_until_complete(libwamp.connect(router.url, "realm1")._join())
    connection = libwamp.Connection(router.url, "realm1")
    connection.me = connection
    print("well")
    """)


def test_a_handle_is_freed_once():
    connection = libwamp.Connection("ws://127.0.0.1:1/", "realm1")
    pointer = core_of(connection).wire.pointer
    del connection
    gc.collect()
    afterwards.attend()
    assert lib.wamp_connection_free(pointer) == lib.WAMP_ERR_HANDLE
    assert ffi.sizeof(pointer) == ffi.sizeof("void *")


@pytest.mark.parametrize("kind", ["connection", "session"])
def test_what_was_closed_needs_no_collection(kind):
    async def main(url):
        if kind == "connection":
            async with libwamp.Connection(url, "realm1") as connection:
                await use(connection.session)
                return weakref.ref(core_of(connection).wire)
        async with libwamp.connect(url, "realm1") as session:
            await use(session)
            return weakref.ref(session._core.wire)

    async def use(session):
        heard = asyncio.Event()
        await session.subscribe("com.example.topic", heard.set)
        await session.publish_ack("com.example.topic", wamp_options={"exclude_me": False})
        await heard.wait()

    gc.collect()
    gc.disable()
    try:
        with libwamp.Router() as router:
            wire = run(main(router.listen()))
            assert wire() is None
    finally:
        gc.enable()
