"""A realm of Crossbar.io with a memory: for past events, and for calls that wait for a busy callee."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from client import Client

EVENTS = 5
CALLS = 4


@pytest.fixture
def join(crossbar) -> Iterator[Callable[[str], Client]]:
    with ExitStack() as clients:

        def join(realm: str) -> Client:
            client = clients.enter_context(Client(crossbar.url, realm))
            assert client.open().kind == "OPEN"
            return client

        yield join


def test_past_events(crossbar, join):
    publisher, subscriber = join(crossbar.history_realm), join(crossbar.history_realm)
    topic = "com.example.history.news"
    subscribed = subscriber.subscribe("com.example.history.", {"match": "prefix"})
    published = [publisher.publish(topic, [number]) for number in range(EVENTS)]
    for _ in range(EVENTS):
        subscriber.next("EVENT")
    history = publisher.ask("wamp.subscription.get_events", [subscribed.wamp_id, 3])
    assert history.kind == "RESULT", history
    # The newest first.
    assert [event["publication"] for event in history.args[0]] == published[: -4 : -1]
    assert [event["args"] for event in history.args[0]] == [[4], [3], [2]]


def test_calls_that_wait(crossbar, join):
    caller, callee = join(crossbar.history_realm), join(crossbar.history_realm)
    procedure = "com.example.queue.slow"
    callee.register(procedure, {"concurrency": 1})
    calls = [caller.call(procedure, [number]) for number in range(CALLS)]
    for number in range(CALLS):
        invocation = callee.next("INVOCATION")
        assert not callee.seen("INVOCATION")
        callee.result(invocation, *invocation.args)
        assert caller.next("RESULT", "ERROR", id=calls[number]).args == [number]


def test_calls_that_cannot_wait(crossbar, join):
    caller, callee = join(crossbar.realm), join(crossbar.realm)
    procedure = "com.example.queue.slow"
    callee.register(procedure, {"concurrency": 1})
    first, second = caller.call(procedure), caller.call(procedure)
    error = caller.next("RESULT", "ERROR", id=second)
    assert (error.kind, error.uri) == ("ERROR", "crossbar.error.max_concurrency_reached")
    callee.result(callee.next("INVOCATION"), "done")
    assert caller.next("RESULT", "ERROR", id=first).args == ["done"]
