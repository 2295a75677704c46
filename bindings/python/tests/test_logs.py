"""The logger "libwamp": what the library says, and what happens to connections."""

import asyncio
import logging
import socket

import pytest
from programs import output_of, run_program
from support import run

import libwamp
from libwamp import afterwards, logs

RETRY = {"initial_retry_delay": 0.01, "retry_delay_jitter": 0}


def told(caplog, level):
    return [record.getMessage() for record in caplog.records if (record.name, record.levelno) == ("libwamp", level)]


@pytest.fixture
def refused():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening
        yield f"ws://127.0.0.1:{held.getsockname()[1]}/ws"


def test_a_loss_an_attempt_and_giving_up_are_warnings(caplog):
    async def main():
        with libwamp.Router({"realms": ["realm1"]}) as router:
            opened = asyncio.Queue()
            connection = libwamp.Connection(router.listen(), "realm1", on_open=opened.put_nowait, **RETRY)
            await connection.open()
            router.kick((await opened.get()).id)
            session = await opened.get()
            connection.stop_retrying()
            router.kick(session.id)
            await connection.wait_closed()
            await connection.open()
            await connection.close()

    with caplog.at_level(logging.INFO, "libwamp"):
        run(main())
    lost, given_up = told(caplog, logging.WARNING)
    assert "lost" in lost
    assert "follows in 0.0 s" in lost
    assert "no attempt follows" in given_up
    assert len([line for line in told(caplog, logging.INFO) if "is open" in line]) == 3
    assert len([line for line in told(caplog, logging.INFO) if " closed: " in line]) == 1
    assert all("'realm1'" in line for line in (lost, given_up))


def test_what_never_opened_is_a_warning(refused, caplog):
    async def main():
        with pytest.raises(libwamp.NotConnected):
            await libwamp.connect(refused, "realm1", retry_if_unreachable=True, max_retries=2, **RETRY)

    with caplog.at_level(logging.WARNING, "libwamp"):
        run(main())
    lines = told(caplog, logging.WARNING)
    assert ["follows" in line for line in lines] == [True] * 3
    assert "no attempt follows" in lines[-1]
    assert all("unreachable" in line and refused in line for line in lines)


def test_a_router_that_says_goodbye_is_a_warning(caplog):
    async def main():
        with libwamp.Router({"realms": ["realm1"]}) as router:
            session = await libwamp.connect(router.listen(), "realm1")
            router.kick(session.id, "wamp.close.killed")
            await session.wait_closed()

    with caplog.at_level(logging.WARNING, "libwamp"):
        run(main())
    [line] = told(caplog, logging.WARNING)
    assert "wamp.close.killed" in line


def test_the_librarys_own_lines_come_too(refused, caplog):
    async def main():
        with pytest.raises(libwamp.NotConnected):
            await libwamp.connect(refused, "realm1")

    with caplog.at_level(logging.INFO, "libwamp"):
        run(main())
        afterwards.attend()
    [line] = told(caplog, logging.INFO)
    assert line.startswith(f"{refused}: unreachable after ")


def test_the_level_follows_the_logger(refused, caplog):
    async def main():
        with pytest.raises(libwamp.NotConnected):
            await libwamp.connect(refused, "realm1")

    for level, count in ((logging.INFO, 1), (logging.ERROR, 0), (logging.INFO, 1)):
        caplog.clear()
        with caplog.at_level(level, "libwamp"):
            run(main())
            afterwards.attend()
            assert len(told(caplog, logging.INFO)) == count


def test_a_trace_is_finer_than_debug(caplog):
    async def main():
        with libwamp.Router({"realms": ["realm1"]}) as router:
            async with libwamp.connect(router.listen(), "realm1", trace=True) as session:
                await session.publish_ack("com.example.topic", "traced")

    with caplog.at_level(logs.TRACE, "libwamp"):
        run(main())
        afterwards.attend()
    lines = told(caplog, logs.TRACE)
    assert any("traced" in line for line in lines)
    assert len([line for line in lines if "com.example.topic" in line]) == 1


def test_a_handler_of_logging_may_publish(refused):
    """It would wait for the library's locks, if it ran where the line comes from."""
    assert "well" in output_of(
        """
    import asyncio, logging, sys, libwamp

    class Publishing(logging.Handler):
        def emit(self, record):
            self.session.publish("com.example.log", record.getMessage(), wamp_options={"exclude_me": False})

    async def main():
        with libwamp.Router() as router:
            async with libwamp.connect(router.listen(), "realm1") as session:
                got = asyncio.Queue()
                await session.subscribe("com.example.log", got.put_nowait)
                handler = Publishing()
                handler.session = session
                logger = logging.getLogger("libwamp")
                logger.addHandler(handler)
                logger.setLevel(logging.INFO)
                try:
                    await libwamp.connect(sys.argv[1], "realm1")
                except libwamp.NotConnected:
                    pass
                assert "unreachable" in await got.get()
                logger.removeHandler(handler)
        print("well")

    asyncio.run(main())
    """,
        refused,
    )


def test_the_end_of_the_interpreter_is_quiet_whatever_comes():
    """Threads of the library are writing to the log while Python ends."""
    for _ in range(3):
        assert "well" in output_of("""
        import asyncio, logging, libwamp
        logging.getLogger("libwamp").setLevel(1)
        logging.getLogger("libwamp").addHandler(logging.NullHandler())
        logging.getLogger("libwamp").propagate = False
        router = libwamp.Router()
        router.listen()
        loop = asyncio.new_event_loop()

        async def main():
            sessions = [await libwamp.connect(router.url, "realm1", trace=True) for _ in range(4)]
            for number in range(500):
                for session in sessions:
                    session.publish("com.example.topic", number)
            return sessions

        sessions = loop.run_until_complete(main())
        print("well", flush=True)
        """)


def test_wamp_log_still_means_standard_error():
    program = run_program(
        """
    import asyncio, libwamp
    with libwamp.Router() as router:
        async def main():
            async with libwamp.connect(router.listen(), "realm1"):
                pass
        asyncio.run(main())
    """,
        WAMP_LOG="info",
    )
    assert program.returncode == 0, program.stderr
    assert "wamp info: connection to 'realm1' closed" in program.stderr
