"""What Crossbar.io has beyond calls and events, between libwamp's C functions and each Autobahn, in both directions."""

from collections.abc import Iterator

import pytest
from client import Client, Event
from libwamp.ffi import lib
from peers import Peer

OTHERS = [("autobahn", "json"), ("autobahn", "msgpack"), ("autobahn-js",)]
CALLS = 6


@pytest.fixture(params=OTHERS, ids="-".join)
def other(request, peers) -> Peer:
    return peers("other", *request.param)


@pytest.fixture
def python(peers) -> Peer:
    """For what autobahn-js cannot do."""
    return peers("other", "autobahn", "msgpack")


@pytest.fixture
def javascript(peers) -> Peer:
    """For revocation: autobahn-python does not notice, or takes it for a violation of the protocol."""
    return peers("other", "autobahn-js")


@pytest.fixture
def ours(crossbar) -> Iterator[Client]:
    with Client(crossbar.url, crossbar.realm) as client:
        assert client.open().kind == "OPEN"
        yield client


@pytest.fixture
def another(crossbar) -> Iterator[Client]:
    with Client(crossbar.url, crossbar.realm) as client:
        assert client.open().kind == "OPEN"
        yield client


def value(event: Event):
    """What a call gave."""
    assert event.kind == "RESULT", event
    return event.args[0]


# ---- progressive results ----


def test_progressive_results_for_us(ours, other, uri):
    other.serve(uri, "count")
    call = ours.call(uri, [CALLS], options={"receive_progress": True})
    results = [ours.next("RESULT", "ERROR", id=call) for _ in range(CALLS + 1)]
    assert [value(result) for result in results] == [*range(CALLS), CALLS]
    assert [result.is_progress for result in results] == [True] * CALLS + [False]


def test_progressive_results_from_us(ours, other, uri):
    ours.register(uri)
    call = other.later("call_counter", uri, CALLS)
    invocation = ours.next("INVOCATION")
    assert invocation.is_progress
    for number in range(CALLS):
        ours.progress(invocation, number)
    ours.result(invocation, CALLS)
    assert list(call()) == [list(range(CALLS)), CALLS]


def test_progress_that_nobody_asked_for(ours, another, uri):
    ours.register(uri)
    call = another.call(uri)
    invocation = ours.next("INVOCATION")
    assert not invocation.is_progress
    ours.result(invocation, 1)
    assert value(another.next("RESULT", "ERROR", id=call)) == 1


# ---- canceling ----


@pytest.mark.parametrize("mode", ["skip", "killnowait"])
def test_we_cancel_and_do_not_wait(ours, other, uri, mode):
    other.serve(uri, "hang")
    call = ours.call(uri)
    other.seen(uri, 1)
    ours.cancel(call, mode)
    error = ours.next("RESULT", "ERROR", id=call)
    assert (error.kind, error.uri, error.status) == ("ERROR", "wamp.error.canceled", lib.WAMP_ERR_CANCELED)
    # Late answers of the router have done no harm.
    other.serve(f"{uri}.more", "echo")
    assert value(ours.ask(f"{uri}.more", ["alive"])) == "alive"


@pytest.mark.parametrize("mode", ["kill", "killnowait"])
def test_their_callee_sees_us_cancel(ours, python, uri, mode):
    python.serve(uri, "hang")
    call = ours.call(uri)
    python.seen(uri, 1)
    ours.cancel(call, mode)
    assert ours.next("RESULT", "ERROR", id=call).kind == "ERROR"
    assert python.seen(uri, 2)[1] == (["canceled"], {})


def test_our_callee_sees_them_cancel(ours, other, uri):
    ours.register(uri)
    other.start_call(uri)
    invocation = ours.next("INVOCATION")
    ours.watch(invocation)
    assert not ours.is_canceled(invocation)
    outcome = other.later("cancel_call", "kill")
    interrupt = ours.next("INTERRUPT")
    assert (interrupt.id, interrupt.wamp_id) == (invocation.id, invocation.wamp_id)
    assert ours.is_canceled(invocation)
    ours.drop(invocation)
    ended = outcome()
    if ended is not None:  # autobahn-python forgets the call at once
        assert ended[0] == "wamp.error.canceled"


@pytest.mark.parametrize("mode", ["kill", "killnowait", "skip"])
def test_we_cancel_our_own_callee(ours, another, uri, mode):
    """Each mode at its two ends."""
    ours.register(uri)
    call = another.call(uri)
    invocation = ours.next("INVOCATION")
    ours.watch(invocation)
    another.cancel(call, mode)
    if mode == "kill":
        assert ours.next("INTERRUPT").details.get("mode") == "kill"
        ours.error(invocation, "com.example.error.stopped", "half done")
        # Crossbar.io waits for the callee's error, and puts its own in the place.
        error = another.next("RESULT", "ERROR", id=call)
        assert (error.uri, error.args) == ("wamp.error.canceled", [])
        return
    error = another.next("RESULT", "ERROR", id=call)
    assert (error.uri, error.status) == ("wamp.error.canceled", lib.WAMP_ERR_CANCELED)
    if mode == "killnowait":
        ours.next("INTERRUPT")
        ours.drop(invocation)
    else:
        assert not ours.is_canceled(invocation)
        ours.result(invocation, "nobody hears this")


def test_a_time_limit(ours, python, uri):
    python.serve(uri, "hang")
    error = ours.ask(uri, options={"timeout": 200})
    assert (error.kind, error.uri, error.status) == ("ERROR", "wamp.error.timeout", lib.WAMP_ERR_TIMEOUT)
    assert python.seen(uri, 2)[1] == (["canceled"], {})


# ---- patterns ----


@pytest.mark.parametrize(
    ("match", "pattern", "name"),
    [("prefix", "{}.a", "{}.a.b.c"), ("wildcard", "{}..end", "{}.any.end")],
    ids=["prefix", "wildcard"],
)
def test_patterns(ours, other, uri, match, pattern, name):
    pattern, name = pattern.format(uri), name.format(uri)

    other.serve(pattern, "tell", {"match": match})
    assert value(ours.ask(name))["procedure"] == name
    other.unserve(pattern)
    assert ours.ask(name).uri == "wamp.error.no_such_procedure"

    ours.register(pattern, {"match": match})
    answer = other.later("call", name)
    invocation = ours.next("INVOCATION")
    assert invocation.uri == name
    ours.result(invocation, "served")
    assert list(answer()) == [None, ["served"], {}]

    other.listen_in_detail(pattern, match=match)
    ours.publish(name)
    assert other.seen(pattern, 2)[1]["topic"] == name  # the first is the call

    ours.subscribe(pattern, {"match": match})
    other.publish(name)
    assert ours.next("EVENT").uri == name


def test_a_shared_registration(ours, another, other, uri):
    options = {"invoke": "roundrobin"}
    other.serve(uri, "echo", options)
    ours.register(uri, options)
    calls = [another.call(uri, ["theirs"]) for _ in range(CALLS)]
    for _ in range(CALLS // 2):
        ours.result(ours.next("INVOCATION"), "ours")
    results = [value(another.next("RESULT", "ERROR", id=call)) for call in calls]
    assert sorted(results) == ["ours"] * (CALLS // 2) + ["theirs"] * (CALLS // 2)
    assert len(other.seen(uri, CALLS // 2)) == CALLS // 2


def test_a_registration_that_is_not_shared(ours, other, uri):
    other.serve(uri, "echo")
    with pytest.raises(Exception, match="wamp.error.procedure_already_exists"):
        ours.register(uri)


# ---- revocation ----


def test_our_registration_is_revoked(ours, other, uri):
    id = ours.register(uri).id
    other.serve(uri, "echo", {"force_reregister": True})
    event = ours.next("UNREGISTERED")
    assert (event.id, event.uri) == (id, "wamp.error.unregistered")
    assert value(ours.ask(uri, ["theirs"])) == "theirs"


def test_their_registration_is_revoked(ours, another, javascript, uri):
    javascript.serve(uri, "echo")
    ours.register(uri, {"force_reregister": True})
    assert javascript.kicked(uri)
    call = another.call(uri)
    ours.result(ours.next("INVOCATION"), "ours")
    assert value(another.next("RESULT", "ERROR", id=call)) == "ours"


def test_our_subscription_is_revoked(ours, other, uri):
    subscribed = ours.subscribe(uri)
    remove, reason = "wamp.subscription.remove_subscriber", "com.example.close.enough"
    assert list(other.call(remove, subscribed.wamp_id, ours.id, reason))[0] is None
    event = ours.next("UNSUBSCRIBED")
    assert (event.id, event.uri) == (subscribed.id, reason)
    ours.subscribe(uri)  # can be had again
    other.publish(uri, "again")
    assert ours.next("EVENT").args == ["again"]


def test_their_subscription_is_revoked(ours, javascript, uri):
    javascript.listen(f"{uri}.control")
    id, session = javascript.listen_in_detail(uri), javascript.session_id()
    ours.publish(uri)
    ours.ask("wamp.subscription.remove_subscriber", [id, session, "com.example.close.enough"])
    ours.publish(uri)
    ours.publish(f"{uri}.control")
    assert javascript.seen(f"{uri}.control", 1)
    assert len(javascript.seen(uri, 0)) == 1


# ---- who it was ----


def test_callers_are_disclosed(ours, other, uri):
    other.serve(uri, "tell")
    assert value(ours.ask(uri))["caller"] == ours.id
    ours.register(f"{uri}.ours")
    answer = other.later("call", f"{uri}.ours")
    invocation = ours.next("INVOCATION")
    ours.result(invocation)
    answer()
    assert invocation.details["caller"] == other.session_id()
    assert invocation.details["caller_authrole"] == "anonymous"


def test_publishers_are_disclosed(ours, other, uri):
    other.listen_in_detail(uri)
    publication = ours.publish(uri, ["x"])
    event = other.seen(uri, 1)[0]
    assert (event["publisher"], event["publication"]) == (ours.id, publication)
    ours.subscribe(uri)
    publication = other.publish_with(uri, {}, "x")
    event = ours.next("EVENT")
    assert (event.details["publisher"], event.wamp_id) == (other.session_id(), publication)


# ---- events for some, and events for later ----


def test_retained_events(ours, other, uri):
    other.publish_with(uri, {"retain": True}, "theirs")
    ours.subscribe(uri, {"get_retained": True})
    event = ours.next("EVENT")
    assert (event.args, event.details.get("retained")) == (["theirs"], True)
    ours.publish(f"{uri}.ours", ["ours"], options={"retain": True})
    other.listen_in_detail(f"{uri}.ours", get_retained=True)
    assert other.seen(f"{uri}.ours", 1)[0]["retained"] is True


def test_an_event_for_others_only(ours, another, other, uri):
    for one in (ours, another):
        one.subscribe(uri)
    other.publish_with(uri, {"exclude": [ours.id]}, "not for us")
    other.publish_with(uri, {"eligible": [ours.id]}, "for us")
    ours.publish(uri, ["to myself"], options={"exclude_me": False})
    assert [ours.next("EVENT").args for _ in range(2)] == [["for us"], ["to myself"]]
    assert [another.next("EVENT").args for _ in range(2)] == [["not for us"], ["to myself"]]
