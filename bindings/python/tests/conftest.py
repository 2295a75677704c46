import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


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
