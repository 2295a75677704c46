"""Every transport with every serializer, on Crossbar.io and on the embedded router: joining, calls with progress, large
payloads, events, a clean close and a loss.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from client import Client
from conftest import Router
from embedded import Embedded
from libwamp.ffi import lib
from relay import Relay

PLAIN = ("json", "msgpack", "cbor")
BATCHED = tuple(f"{name}.batched" for name in PLAIN)
DOORS = {
    "ws": PLAIN + BATCHED,
    "wss": PLAIN + BATCHED,
    "ws+unix": PLAIN + BATCHED,
    "rs": PLAIN,
    "rss": PLAIN,
    "rs+unix": PLAIN,
    "http": PLAIN + BATCHED,
    "https": PLAIN + BATCHED,
}
CELLS = [
    (router, door, serializer)
    for router in ("crossbar", "embedded")
    for door, serializers in DOORS.items()
    for serializer in serializers
]
KINDS = {"w": "websocket", "r": "rawsocket", "h": "longpoll"}
REALM = "realm1"
EVENTS = 200
STEPS = 6
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Cell:
    """A way to a router, and a client of the same router that is there already."""

    url: str
    options: dict
    protocol: str
    kind: str
    witness: Client

    def client(self, url: str | None = None, **more) -> Client:
        return Client(url or self.url, REALM, **self.options, **more)

    def joined(self, **more) -> Client:
        client = self.client(**more)
        event = client.open()
        assert event.kind == "OPEN", event
        return client


@pytest.fixture(scope="module")
def routers(crossbar: Router, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[dict, Client]]]:
    """The URLs of each router, and a client of it."""
    theirs = {
        "ws": crossbar.url, "wss": crossbar.tls_url, "ws+unix": crossbar.unix_url,
        "rs": crossbar.raw_url, "rss": crossbar.raw_tls_url, "rs+unix": crossbar.raw_unix_url,
        "http": crossbar.longpoll_url, "https": crossbar.longpoll_tls_url,
    }
    embedded = Embedded(crossbar.pki, tmp_path_factory.mktemp("embedded"))
    made = {}
    try:
        for name, urls in (("crossbar", theirs), ("embedded", embedded.urls)):
            witness = Client(urls["rs"], REALM)
            assert witness.open().kind == "OPEN"
            made[name] = (urls, witness)
        yield made
    finally:
        for _, witness in made.values():
            witness.__exit__()
        embedded.close()


@pytest.fixture(params=CELLS, ids="-".join)
def cell(request: pytest.FixtureRequest, crossbar: Router, routers: dict) -> Cell:
    router, door, serializer = request.param
    urls, witness = routers[router]
    options = {"serializers": [serializer]}
    if door in ("wss", "rss", "https"):
        options["tlsConfiguration"] = {"ca": str(crossbar.pki.ca)}
    if router == "crossbar" and serializer == "json.batched":
        options["json_batch_separator"] = "0x18"
    return Cell(urls[door], options, f"wamp.2.{serializer}", KINDS[door[0]], witness)


def test_it_joins_and_closes(cell: Cell):
    leaves = cell.witness.subscribe("wamp.session.on_leave")
    with cell.joined() as client:
        transport = client.transport
        assert (transport["type"], transport["url"], transport["protocol"]) == (cell.kind, cell.url, cell.protocol)
        id = client.id
        end = client.close()
        assert (end.uri, end.status, end.details["will_retry"]) == ("closed", lib.WAMP_OK, False), end
        while cell.witness.next("EVENT", id=leaves.id).args[0] != id:
            pass


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell[1].startswith("http") and cell[2] == "json"], ids="-".join, indirect=True
)
def test_a_silent_session_stays(cell: Cell):
    with cell.joined(autoping_interval=0.05, autoping_timeout=30) as client:
        assert client.poll(time.monotonic() + 1) is None, "nothing is said for some intervals, and nobody is lost"
        assert client.ask("wamp.session.count").kind == "RESULT"


def test_a_call_with_progress(cell: Cell, uri: str):
    with cell.joined() as client:
        for caller, callee, procedure in ((client, cell.witness, f"{uri}.to"), (cell.witness, client, f"{uri}.from")):
            callee.register(procedure)
            values = [None, 2**53 - 1, -1.5, "zwei €", bytes(range(256)), {"k": []}]
            call = caller.call(procedure, values, {"k": [True]}, {"receive_progress": True})
            invocation = callee.next("INVOCATION")
            assert (invocation.args, invocation.kwargs) == (values, {"k": [True]})
            for number in range(STEPS):
                callee.progress(invocation, number)
            callee.result(invocation, values)
            results = [caller.next("RESULT", "ERROR", id=call) for _ in range(STEPS + 1)]
            assert [result.args for result in results] == [*([number] for number in range(STEPS)), [values]]
            assert [result.is_progress for result in results] == [True] * STEPS + [False]


def test_a_mebibyte_both_ways(cell: Cell, uri: str):
    with cell.joined() as client:
        for caller, callee, procedure in ((client, cell.witness, f"{uri}.to"), (cell.witness, client, f"{uri}.from")):
            callee.register(procedure)
            there, back = "0123456789abcdef" * (MEBIBYTE // 16), "fedcba9876543210" * (MEBIBYTE // 16)
            call = caller.call(procedure, [there])
            invocation = callee.next("INVOCATION")
            assert invocation.args == [there]
            callee.result(invocation, back)
            assert caller.next("RESULT", "ERROR", id=call).args == [back]


def test_events_in_order(cell: Cell, uri: str):
    numbers = [[number] for number in range(EVENTS)]
    with cell.joined() as client:
        for publisher, subscriber, topic in ((client, cell.witness, f"{uri}.to"), (cell.witness, client, f"{uri}.from")):
            subscription = subscriber.subscribe(topic)
            for args in numbers:
                publisher.send(topic, args)
            assert [subscriber.next("EVENT", id=subscription.id).args for _ in numbers] == numbers


def test_a_loss(cell: Cell, uri: str, tmp_path):
    retry = {"max_retries": -1, "initial_retry_delay": 0.01, "max_retry_delay": 0.1}
    with Relay(cell.url, tmp_path) as relay, cell.client(relay.url, **retry) as client:
        assert client.open().kind == "OPEN"
        before = client.id
        cell.witness.register(uri)
        call = client.call(uri)
        invocation = cell.witness.next("INVOCATION")
        relay.cut()
        # The router had it: nobody knows what became of it.
        assert client.next("ERROR", id=call).status == lib.WAMP_ERR_OUTCOME_UNKNOWN
        end = client.next("CLOSE")
        assert (end.uri, end.details["will_retry"]) == ("lost", True)
        client.reopened()
        assert client.id != before
        cell.witness.drop(invocation)
        call = client.call(uri, [1])
        while (invocation := cell.witness.next("INVOCATION")).args != [1]:
            cell.witness.drop(invocation)
        cell.witness.result(invocation, 2)
        assert client.next("RESULT", "ERROR", id=call).args == [2]


def test_pings_of_rawsocket_where_they_are_answered(routers: dict):
    """The embedded router answers them, and the round trip is measured."""
    urls, _ = routers["embedded"]
    with Client(urls["rs"], REALM, rawsocket_pings=True, autoping_interval=0.05) as client:
        assert client.open().kind == "OPEN"
        client.wait(lambda: client.stats["round_trip"] is not None)
    with Client(urls["rs"], REALM, autoping_interval=0.05) as client:
        assert client.open().kind == "OPEN"
        assert client.stats["round_trip"] is None
