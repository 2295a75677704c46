"""libwamp and autobahn-python, each serving the other through Crossbar.io.

autobahn-python also meets itself: where that fails, libwamp is not the reason.
"""

import pytest
from peers import Peer
from samples import SAMPLES

NUMBERS = 5000

PAIRS = [
    (left, right)
    for serializer in ("json", "msgpack", "cbor")
    for left, right in (
        (("autobahn", serializer), ("libwamp",)),
        (("libwamp",), ("autobahn", serializer)),
        (("autobahn", serializer), ("autobahn", serializer)),
    )
]


@pytest.fixture(params=PAIRS, ids=lambda pair: " to ".join("-".join(side) for side in pair), scope="module")
def pair(request, peers) -> tuple[Peer, Peer]:
    """One who asks or publishes, and one who serves or listens."""
    left, right = request.param
    return peers("left", *left), peers("right", *right)


@pytest.mark.parametrize("name", SAMPLES)
def test_calls(pair, uri, name):
    caller, callee = pair
    value = SAMPLES[name]
    callee.serve(uri, "echo")
    assert caller.call(uri, value) == (None, [value], {})
    assert caller.call(uri, value, 2, named=value) == (None, [value, 2], {"named": value})
    assert callee.seen(uri, 2) == [([value], {}), ([value, 2], {"named": value})]


@pytest.mark.parametrize("name", SAMPLES)
def test_events(pair, uri, name):
    publisher, subscriber = pair
    value = SAMPLES[name]
    subscriber.listen(uri)
    publisher.publish(uri, value)
    publisher.publish(uri, value, 2, named=value)
    publisher.publish(uri)
    assert subscriber.seen(uri, 3) == [([value], {}), ([value, 2], {"named": value}), ([], {})]


def test_errors_keep_their_arguments(pair, uri):
    caller, callee = pair
    callee.serve(uri, "fail")
    wanted = "com.example.error.full", ["tout", 2, b"\0\1", {"ключ": [None]}], {"left": ["a"], "naïve": b""}
    assert caller.call(uri, wanted[0], *wanted[1], **wanted[2]) == wanted
    bare = "com.example.error.bare", [], {}
    assert caller.call(uri, bare[0]) == bare


def test_exceptions_are_runtime_errors(pair, uri):
    caller, callee = pair
    callee.serve(uri, "add")
    assert caller.call(uri, 2, 3) == (None, [5], {})
    error, args, _ = caller.call(uri, 2, "three")
    assert error == "wamp.error.runtime_error"
    assert "unsupported operand" in str(args)


def test_nobody_serves(pair, uri):
    caller, _ = pair
    assert caller.call(uri)[0] == "wamp.error.no_such_procedure"


def test_progressive_results(pair, uri):
    caller, callee = pair
    callee.serve(uri, "count")
    assert caller.call_counter(uri, 100) == (list(range(100)), 100)


def test_patterns(pair, uri):
    publisher, subscriber = pair
    subscriber.listen(uri, match="prefix")
    publisher.publish(f"{uri}.one", 1)
    publisher.publish(f"{uri}.two.three", 2)
    assert subscriber.seen(uri, 2) == [([1], {}), ([2], {})]


def test_events_keep_their_order(pair, uri):
    publisher, subscriber = pair
    subscriber.listen(uri)
    publisher.publish_numbers(uri, NUMBERS)
    assert subscriber.seen(uri, NUMBERS) == [([number], {}) for number in range(NUMBERS)]


@pytest.fixture
def autobahn(peers) -> Peer:
    return peers("left", "autobahn", "msgpack")


def test_a_c_callee_serves_autobahn(autobahn, start, example):
    callee = start(example("callee"), "3")
    callee.wait_for("ready")
    assert autobahn.call("com.example.add2", 2, 3) == (None, [5], {})
    assert autobahn.call("com.example.add2", -1, 2**53) == (None, [2**53 - 1], {})
    error, args, _ = autobahn.call("com.example.add2", "two", 3)
    assert error == "wamp.error.invalid_argument"
    assert args == ["add2 wants two integers"]
    callee.good()


def test_a_c_caller_is_served_by_autobahn(autobahn, start, example):
    autobahn.serve("com.example.add2", "add")
    output = start(example("caller"), "3").good()
    assert [line for line in output.splitlines() if "=" in line] == ["0 + 1 = 1", "1 + 2 = 3", "2 + 3 = 5"]
    assert autobahn.seen("com.example.add2", 3) == [([0, 1], {}), ([1, 2], {}), ([2, 3], {})]


def test_a_c_subscriber_hears_autobahn(autobahn, start, example):
    subscriber = start(example("subscriber"), "2")
    subscriber.wait_for("ready")
    autobahn.publish("com.example.hello", "Grüße, 世界", number=1)
    autobahn.publish("com.example.hello", "again", number=2)
    output = subscriber.good()
    assert "got event 1: Grüße, 世界\ngot event 2: again\n" in output


def test_a_c_publisher_is_heard_by_autobahn(autobahn, start, example):
    autobahn.listen("com.example.hello")
    assert "published 3" in start(example("publisher"), "3").good()
    assert autobahn.seen("com.example.hello", 3) == [(["Hello, world!"], {"number": n}) for n in (1, 2, 3)]
