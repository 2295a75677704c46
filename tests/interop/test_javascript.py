"""libwamp and the JavaScript libraries, each serving the other through Crossbar.io. Those also meet themselves."""

import pytest
from peers import Peer
from samples import SAMPLES

NUMBERS = 5000

# JavaScript has one type of number, and there are no bytes in its JSON.
CARRIED = [name for name in SAMPLES if name not in ("integers", "binary", "no bytes", "nested", "1 MiB of bytes")]

OURS = ("libwamp",)
PAIRS = [
    pair for theirs in (("autobahn-js",), ("wampy",)) for pair in ((theirs, OURS), (OURS, theirs), (theirs, theirs))
]


@pytest.fixture(params=PAIRS, ids=lambda pair: " to ".join(side[0] for side in pair), scope="module")
def pair(request, peers) -> tuple[Peer, Peer]:
    """One who asks or publishes, and one who serves or listens."""
    left, right = request.param
    return peers("left", *left), peers("right", *right)


def same(got, wanted) -> None:
    """JSON knows no tuples."""
    assert [list(one) for one in got] == [list(one) for one in wanted]


@pytest.mark.parametrize("name", CARRIED)
def test_calls(pair, uri, name):
    caller, callee = pair
    value = SAMPLES[name]
    callee.serve(uri, "echo")
    same([caller.call(uri, value)], [(None, [value], {})])
    same([caller.call(uri, value, 2, named=value)], [(None, [value, 2], {"named": value})])
    same(callee.seen(uri, 2), [([value], {}), ([value, 2], {"named": value})])


@pytest.mark.parametrize("name", CARRIED)
def test_events(pair, uri, name):
    publisher, subscriber = pair
    value = SAMPLES[name]
    subscriber.listen(uri)
    publisher.publish(uri, value)
    publisher.publish(uri, value, 2, named=value)
    publisher.publish(uri)
    same(subscriber.seen(uri, 3), [([value], {}), ([value, 2], {"named": value}), ([], {})])


def test_safe_integers(pair, uri):
    caller, callee = pair
    callee.serve(uri, "echo")
    numbers = [0, -1, 2**31, -(2**31), 2**53 - 1, 1 - 2**53]
    same([caller.call(uri, numbers)], [(None, [numbers], {})])


def test_errors(pair, uri):
    caller, callee = pair
    callee.serve(uri, "fail")
    same(
        [caller.call(uri, "com.example.error.broken", 1, "two", why="it broke")],
        [("com.example.error.broken", [1, "two"], {"why": "it broke"})],
    )


def test_nobody_serves(pair, uri):
    caller, _ = pair
    assert caller.call(uri)[0] == "wamp.error.no_such_procedure"


def test_progressive_results(pair, uri):
    caller, callee = pair
    callee.serve(uri, "count")
    same([caller.call_counter(uri, 100)], [(list(range(100)), 100)])


def test_events_keep_their_order(pair, uri):
    publisher, subscriber = pair
    subscriber.listen(uri)
    publisher.publish_numbers(uri, NUMBERS)
    same(subscriber.seen(uri, NUMBERS), [([number], {}) for number in range(NUMBERS)])
