"""What crosses the links between two nodes of Crossbar.io, and what does not: the known limits in docs/ROUTER.md.

They are Crossbar.io's. Where one of these tests fails with a newer version of it, the document has a limit too many.
"""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from client import Client, Event, joined
from cluster import Cluster

_numbers = count(1)
Pair = tuple[Client, Client]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        linked(cluster)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(params=["ab", "ba"], ids=["from a to b", "from b to a"])
def pair(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The client who asks or publishes, and the one at the other node."""
    with at(cluster, request.param[0]) as one, at(cluster, request.param[1]) as other:
        yield one, other


def at(cluster: Cluster, node: str) -> Client:
    """A client of a node."""
    return joined(Client(cluster.url(node), "realm1"))


@pytest.fixture
def uri() -> str:
    return f"com.example.links.n{next(_numbers)}"


def has(client: Client, procedure: str) -> bool:
    """Whether the node of a client knows this procedure."""
    return client.ask("wamp.registration.lookup", [procedure]).args != [None]


def listeners(client: Client, topic: str) -> int:
    """How many sessions have subscribed to this topic at the node of a client, the link's included."""
    subscription = client.ask("wamp.subscription.lookup", [topic]).args
    if subscription == [None]:
        return 0
    count = client.ask("wamp.subscription.count_subscribers", subscription)
    return count.args[0] if count.kind == "RESULT" else 0  # one that is kept for a retained event alone


def register(callee: Client, caller: Client, procedure: str, options: dict | None = None) -> None:
    """Registers, and waits until the caller's node knows of it."""
    callee.register(procedure, options)
    caller.wait(lambda: has(caller, procedure))


def subscribe(subscriber: Client, publisher: Client, topic: str) -> None:
    subscriber.subscribe(topic)
    publisher.wait(lambda: listeners(publisher, topic) > 0)


def linked(cluster: Cluster) -> None:
    """Waits until both links are in place, and have taken over what there is."""
    with at(cluster, "a") as a, at(cluster, "b") as b:
        for one, other in ((a, b), (b, a)):
            name = f"com.example.links.linked{next(_numbers)}"
            register(other, one, name)
            subscribe(other, one, name)


def ending(caller: Client, callee: Client, procedure: str, answer: Callable[[Event], None], **more) -> Event:
    """How a call ends that is answered so."""
    call = caller.call(procedure, **more)
    answer(callee.next("INVOCATION"))
    return caller.next("RESULT", "ERROR", id=call)


def events(subscriber: Client, publisher: Client, topic: str, *values, options: dict | None = None) -> list:
    """What a subscriber gets when these are published, each with the options, and a last one without."""
    for value in values:
        publisher.publish(topic, [value], options=options)
    publisher.publish(topic, ["last"])
    got = []
    while (value := subscriber.next("EVENT").args[0]) != "last":
        got.append(value)
    return got


def test_calls(pair, uri):
    caller, callee = pair
    register(callee, caller, uri)
    call = caller.call(uri, [1, "two"], {"three": 3})
    invocation = callee.next("INVOCATION")
    assert (invocation.args, invocation.kwargs) == ([1, "two"], {"three": 3})
    assert invocation.details["caller"] == caller.id
    callee.result(invocation, 4, 5)
    result = caller.next("RESULT", "ERROR", id=call)
    assert (result.kind, result.args) == ("RESULT", [4, 5])


def test_cancelling(pair, uri):
    caller, callee = pair
    register(callee, caller, uri)
    call = caller.call(uri)
    invocation = callee.next("INVOCATION")
    callee.watch(invocation)
    caller.cancel(call, "kill")
    assert callee.next("INTERRUPT")
    callee.drop(invocation)
    assert caller.next("RESULT", "ERROR", id=call).uri == "wamp.error.canceled"


def test_events(pair, uri):
    publisher, subscriber = pair
    subscribe(subscriber, publisher, uri)
    assert events(subscriber, publisher, uri, *range(500)) == list(range(500))


def test_an_error_arrives_as_a_result_without_a_value(pair, uri):
    caller, callee = pair
    register(callee, caller, uri)
    for answer in (lambda invocation: callee.error(invocation, "com.example.failed", 1), callee.result):
        end = ending(caller, callee, uri, answer)
        assert (end.kind, end.args) == ("RESULT", [None])


def test_a_callee_that_leaves_is_a_result_without_a_value(pair, uri):
    caller, callee = pair
    register(callee, caller, uri)
    call = caller.call(uri)
    callee.next("INVOCATION")
    callee.close()
    end = caller.next("RESULT", "ERROR", id=call)
    assert (end.kind, end.args) == ("RESULT", [None])


def test_nobody_asks_for_progressive_results(pair, uri):
    caller, callee = pair
    register(callee, caller, uri)
    call = caller.call(uri, options={"receive_progress": True})
    invocation = callee.next("INVOCATION")
    assert not invocation.is_progress and "receive_progress" not in invocation.details
    callee.result(invocation, "all")
    assert caller.next("RESULT", "ERROR", id=call).args == ["all"]


def test_subscriptions_with_a_pattern_stay_at_their_node(pair, uri):
    publisher, subscriber = pair
    subscriber.subscribe(uri, {"match": "prefix"})
    subscribe(subscriber, publisher, f"{uri}.exact")
    publisher.publish(f"{uri}.other", ["lost"])
    # The exact one crosses, and so comes twice; that it comes says that the other one would have come, too.
    publisher.publish(f"{uri}.exact", ["last"])
    assert [subscriber.next("EVENT").args for _ in range(2)] == [["last"]] * 2


def test_registrations_with_a_pattern_stay_at_their_node(pair, uri):
    caller, callee = pair
    register(callee, caller, uri, {"match": "prefix"})  # the other node has it, but as an exact one
    assert caller.ask(f"{uri}.more").uri == "wamp.error.no_such_procedure"


def test_lists_of_receivers_hold_at_the_publishers_node(pair, uri):
    publisher, subscriber = pair
    subscribe(subscriber, publisher, uri)
    assert events(subscriber, publisher, uri, "excluded", options={"exclude": [subscriber.id]}) == ["excluded"]
    assert events(subscriber, publisher, uri, "role", options={"exclude_authrole": ["anonymous"]}) == ["role"]
    assert events(subscriber, publisher, uri, "eligible", options={"eligible": [subscriber.id]}) == []


def test_retained_events_stay_at_their_node(pair, uri):
    publisher, subscriber = pair
    publisher.publish(uri, ["retained"], options={"retain": True})
    subscriber.subscribe(uri, {"get_retained": True})
    publisher.wait(lambda: listeners(publisher, uri) > 0)
    assert events(subscriber, publisher, uri) == []


def test_large_events_do_not_cross(pair, uri):
    publisher, subscriber = pair
    subscribe(subscriber, publisher, uri)
    sizes = events(subscriber, publisher, uri, "x" * 1_000_000, "x" * 1_100_000)
    assert [len(text) for text in sizes] == [1_000_000]


def test_links_keep_topics(pair, uri):
    """Each link has subscribed for the other, and neither unsubscribes when the last client has."""
    one, other = pair
    with joined(Client(one.transport["url"], "realm1")) as subscriber:
        subscribe(subscriber, other, uri)
        one.wait(lambda: listeners(one, uri) == 2)
    one.wait(lambda: listeners(one, uri) == 1)
    assert listeners(other, uri) == 1


def test_links_that_are_cut(cluster, pair, uri):
    """Calls that were on their way end with an error; the new links carry each event once, as before."""
    caller, callee = pair
    register(callee, caller, uri)
    subscribe(callee, caller, uri)
    with joined(Client(caller.transport["url"], "realm1")) as beside:
        beside.subscribe(uri)  # so that the publisher's node keeps the subscription when the link is gone
        call = caller.call(uri)
        callee.next("INVOCATION")
        cluster.cut()
        assert caller.next("RESULT", "ERROR", id=call).uri == "wamp.error.canceled"
        linked(cluster)
        assert events(callee, caller, uri, *range(100)) == list(range(100))
        caller.wait(lambda: has(caller, uri))
        assert ending(caller, callee, uri, lambda invocation: callee.result(invocation, "again")).args == ["again"]
