"""The list of transports: whatever is wrong with the first, the second joins, and the log has what it took."""

import re
import socket
import time
from collections.abc import Iterator

import pytest
from client import Client
from node import free_port

LIMIT = 4.0  # `connect_timeout`, of which a black hole takes its share
LINE = re.compile(r"(\S+): (\w+) after ([0-9.]+)(ns|µs|ms|s): (.+)")
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port where connections are taken and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])


CASES = ("refused", "a black hole", "TLS-broken", "an unknown authority", "404", "another service", "a web page")


@pytest.mark.parametrize("case", CASES)
def test_the_second_joins(crossbar, black_hole, log, case):
    first, why = {
        "refused": (f"ws://127.0.0.1:{free_port()}/", "refused"),
        "a black hole": (f"ws://127.0.0.1:{black_hole}/", "connect_timeout"),
        "TLS-broken": (f"wss://127.0.0.1:{port_of(crossbar.raw_url)}/", "TLS"),
        "an unknown authority": (crossbar.tls_url, "certificate"),
        "404": (crossbar.longpoll_url.replace("http://", "ws://").replace("/lp", "/nothing"), "path"),
        "another service": (crossbar.raw_url.replace("rs://", "ws://"), "rs://"),
        "a web page": (crossbar.longpoll_url.replace("/lp", "/nothing"), "path"),
    }[case]
    transports = [{"url": first}, {"url": crossbar.raw_url}]
    begun = time.monotonic()
    with Client(realm=crossbar.realm, transports=transports, connect_timeout=LIMIT) as client:
        event = client.open()
        took = time.monotonic() - begun
        assert event.kind == "OPEN", event
        assert client.transport["url"] == crossbar.raw_url
        # It is one attempt.
        assert len(client.seen("CONNECT")) == 1
        client.close()
        # The one that has worked is the first next time.
        assert client.open().kind == "OPEN"
    told = [match for match in map(LINE.search, log) if match]
    assert [match[1] for match in told] == [first], log
    _, end, number, unit, text = told[0].groups()
    assert end == "unreachable"
    assert why in text
    measured = float(number) * UNITS[unit]
    assert measured <= took + 0.01
    if case == "a black hole":
        assert measured >= LIMIT / 2 * 0.9
