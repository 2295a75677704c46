"""The embedded router, and what its end does to sessions."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Inbox, run, uri

import libwamp

ROUTER = """
import sys, libwamp
with libwamp.Router() as router:
    print(router.listen("ws://127.0.0.1:0/ws"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def router_process() -> Iterator[tuple[int, str]]:
    """A router in a process of its own: its pid and its URL."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-c", ROUTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_router_tells_its_url():
    with libwamp.Router() as router:
        url = router.listen("ws://127.0.0.1:0/ws")
        assert url == router.url
        assert url.startswith("ws://127.0.0.1:")
        assert url.endswith("/ws")
        assert ":0/" not in url
    router.close()


def test_wrong_configuration():
    with pytest.raises(libwamp.LocalError) as caught:
        libwamp.Router({"reamls": ["realm1"]})
    assert "reamls" in caught.value.detail


def test_what_a_router_counts_and_whom_it_throws_out():
    async def main():
        with libwamp.Router() as router:
            url = router.listen()
            async with libwamp.connect(url, "realm1") as one, libwamp.connect(url, "realm1") as two:
                assert router.stats["sessions"] == 2
                assert router.kick(one.id, "com.example.out") == 1
                closed = await one.wait_closed()
                assert closed.reason == "closed"
                assert closed.details["reason"] == "com.example.out"
                assert router.kick() >= 1  # one that is on its way out may still count
                assert (await two.wait_closed()).reason == "lost"
            with pytest.raises(libwamp.LocalError) as caught:
                router.kick(one.id)
            assert caught.value.name == "WAMP_ERR_NO_SUCH_ID"

    run(main())


def test_realms_are_made_on_demand():
    async def main():
        with libwamp.Router() as router:
            url = router.listen()
            async with libwamp.connect(url, "any.realm") as one, libwamp.connect(url, "other.realm") as other:
                procedure = uri("mine")
                await one.register(procedure, lambda: 1)
                with pytest.raises(libwamp.Error):
                    await other.call(procedure)

    run(main())


def test_a_lost_router_ends_everything(router_process):
    pid, url = router_process

    async def main():
        async with libwamp.connect(url, "realm1") as session:
            entered = asyncio.Event()

            async def never():
                entered.set()
                await asyncio.Event().wait()

            procedure = uri("never")
            await session.register(procedure, never)
            call = asyncio.create_task(session.call(procedure))
            await entered.wait()
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(libwamp.NotConnected) as caught:
                await call
            assert caught.value.name == "WAMP_ERR_OUTCOME_UNKNOWN"
            closed = await session.wait_closed()
            assert closed.reason == "lost"
            assert not session.is_open
            with pytest.raises(libwamp.NotConnected):
                session.publish(uri("nowhere"))

    run(main())


def test_publish_refuses_when_the_queue_is_full_and_drain_waits(router_process):
    pid, url = router_process
    text = "x" * 16384

    async def main():
        async with (
            libwamp.connect(url, "realm1", send_queue_bytes=65536) as publisher,
            libwamp.connect(url, "realm1") as subscriber,
        ):
            topic, inbox = uri("flood"), Inbox()
            await subscriber.subscribe(topic, lambda number, text: inbox(number))
            sent = 0
            os.kill(pid, signal.SIGSTOP)  # the sockets fill, then the queue
            try:
                while True:
                    with pytest.raises(libwamp.QueueFull) as caught:
                        for _ in range(100_000):
                            publisher.publish(topic, sent, text)
                            sent += 1
                            await asyncio.sleep(0)
                    assert isinstance(caught.value, BufferError)
                    assert caught.value.name == "WAMP_ERR_AGAIN"
                    drain = asyncio.create_task(publisher.drain())
                    done, _ = await asyncio.wait([drain], timeout=0.5)
                    if not done:  # the system's buffers do not grow any more
                        break
            finally:
                os.kill(pid, signal.SIGCONT)
            await drain
            for number in range(sent, sent + 100):
                while True:
                    try:
                        publisher.publish(topic, number, text)
                        break
                    except libwamp.QueueFull:
                        await publisher.drain()
            events = await inbox.received(sent + 100)
            assert [args[0] for args, _ in events] == list(range(sent + 100))

    run(main())


def test_each_listener_tells_its_url():
    with libwamp.Router() as router:
        urls = [router.listen(url) for url in ("ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "ws://127.0.0.1:0/other")]
        assert router.url == urls[0]
        assert len({url.split("//")[1].split("/")[0] for url in urls}) == 3

        async def main():
            for url in urls:
                session = await libwamp.connect(url, "realm1")
                assert session.is_open
                await session.leave()

        asyncio.run(main())
