"""autobahn-js over HTTP long-poll, as in a browser, and libwamp over WebSocket: on both routers, each serving the other.

What autobahn-js sends without waiting for an answer comes in any order, as each message is a request on a connection of
its own, so nothing here asks for more than one at a time of it.
"""

from collections.abc import Iterator

import pytest
from conftest import Router
from embedded import Embedded
from peers import Peer, start_peer


@pytest.fixture(params=["crossbar", "embedded"], scope="module")
def pair(
    request, crossbar: Router, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Peer, Peer]]:
    """autobahn-js, and libwamp."""
    embedded = None
    urls = {"ws": crossbar.url, "http": crossbar.longpoll_url}
    if request.param == "embedded":
        embedded = Embedded(crossbar.pki, tmp_path_factory.mktemp("embedded"))
        urls = embedded.urls
    started = []
    try:
        for url, library in ((urls["http"], "autobahn-js"), (urls["ws"], "libwamp")):
            started.append(start_peer(url, crossbar.realm, environment, library))
        yield started[0], started[1]
    finally:
        for peer in started:
            peer.end()
        if embedded is not None:
            embedded.close()


def test_it_calls(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    ours.serve(uri, "add")
    assert theirs.call(uri, 2, 3) == [None, [5], {}]


def test_it_is_given_progress_in_order(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    ours.serve(uri, "count")
    assert theirs.call_counter(uri, 100) == [list(range(100)), 100]


def test_it_serves(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    theirs.serve(uri, "echo")
    error, args, kwargs = ours.call(uri, "zwei €", 2**53 - 1, more=[None, {"k": 1.5}])
    assert (error, list(args), kwargs) == (None, ["zwei €", 2**53 - 1], {"more": [None, {"k": 1.5}]})
    theirs.unserve(uri)
    assert ours.call(uri)[0] == "wamp.error.no_such_procedure"


def test_errors_reach_it(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    ours.serve(uri, "fail")
    assert theirs.call(uri, "com.example.error.broken", 1, why="it broke") == [
        "com.example.error.broken", [1], {"why": "it broke"},
    ]


def test_a_mebibyte(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    ours.serve(uri, "echo")
    text = "zwölf" * (1 << 18)
    assert theirs.call(uri, text) == [None, [text], {}]


def test_events_reach_it_in_order(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    theirs.listen(uri)
    ours.publish_numbers(uri, 500)
    assert theirs.seen(uri, 500) == [[[number], {}] for number in range(500)]


def test_it_publishes(pair: tuple[Peer, Peer], uri: str):
    theirs, ours = pair
    ours.listen(uri)
    theirs.publish(uri, 1, named=2)
    assert [list(event) for event in ours.seen(uri, 1)] == [[[1], {"named": 2}]]
