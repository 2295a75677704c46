import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

if os.environ.get("WAMP_TEST_LOOP") == "uvloop":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
elif os.environ.get("WAMP_TEST_LOOP") == "deaf":
    from loops import DeafLoop

    class DeafPolicy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return DeafLoop()

    asyncio.set_event_loop_policy(DeafPolicy())


def pytest_report_header() -> str:
    return f"event loop: {asyncio.get_event_loop_policy().__class__.__module__}"


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where the router is: the embedded one, or the one that WAMP_TEST_URL names."""
    import libwamp

    named = os.environ.get("WAMP_TEST_URL")
    if named:
        yield named
        return
    with libwamp.Router({"realms": ["realm1"]}) as router:
        yield router.listen("ws://127.0.0.1:0/ws")


@pytest.fixture(scope="session")
def realm() -> str:
    return os.environ.get("WAMP_TEST_REALM", "realm1")


@pytest.fixture
def router() -> Iterator[Any]:
    """An embedded router for one test, which may kick its clients or look at its counters."""
    import libwamp

    with libwamp.Router({"realms": ["realm1"]}) as router:
        router.listen()
        yield router
