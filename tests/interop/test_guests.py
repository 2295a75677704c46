"""Other clients at the embedded router, as guests, who get no further than their role, and as admins, who may do all."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from peers import Peer, start_peer

SERIALIZERS = ("json", "msgpack", "cbor")
CLIENTS = [(library, serializer) for library in ("autobahn", "autobahn-js", "wampy") for serializer in SERIALIZERS]

REFUSED = "wamp.error.not_authorized"
EVERYTHING = {"call": True, "register": True, "publish": True, "subscribe": True}
NEWS, INTERNAL, LOG = "com.app.news", "com.app.news.internal", "com.app.admin.log"
ADD_USER, RESET = "com.app.add_user", "com.app.admin.reset"


def may(uri: str, *actions: str, match: str = "exact") -> dict:
    return {"uri": uri, "match": match, "allow": dict.fromkeys(actions, True)}


GUEST = [
    may("com.app.", "call", "subscribe", match="prefix"),
    may(INTERNAL),
    may("com.app.admin.", match="prefix"),
    may("com.app.chat", "publish", "subscribe"),
    may("com.app.guest.", "register", "call", "subscribe", match="prefix"),
    may("com.shop..sold", "subscribe", match="wildcard"),
    may("wamp.subscription.", "call", match="prefix"),
    may("wamp.registration.", "call", match="prefix"),
    may("wamp.session.add_testament", "call"),
    may("wamp.session.count", "call"),
]

CONFIG = {
    "realms": ["realm1"],
    "event_history": 1000,
    "roles": {"guest": GUEST, "admin": [{"uri": "", "match": "prefix", "allow": EVERYTHING}]},
    "auth": {"anonymous": {"role": "guest"}, "ticket": {"root": {"ticket": "open sesame", "role": "admin"}}},
    "listeners": [
        {"url": "ws://127.0.0.1:0/guests", "methods": ["anonymous"], "roles": ["guest"]},
        {"url": "ws://127.0.0.1:0/admins", "methods": ["ticket"]},
    ],
}
ROOT = ("root", "open sesame")

# Requests, and whether a guest may make them. `{me}` is a name that no other client has.
PREFIX, WILDCARD = {"match": "prefix"}, {"match": "wildcard"}
REQUESTS = [
    ("subscribe", NEWS, {}, True),
    ("subscribe", INTERNAL, {}, False),
    ("subscribe", NEWS, PREFIX, False),  # also matches what is internal
    ("subscribe", "com.app.news.", PREFIX, False),
    ("subscribe", "com.app.weather.", PREFIX, True),
    ("subscribe", "com.app.weather", PREFIX, True),
    ("subscribe", "com.app.", PREFIX, False),
    ("subscribe", "com.app", PREFIX, False),
    ("subscribe", "com.app..internal", WILDCARD, False),
    ("subscribe", "com.app.weather.", WILDCARD, True),
    ("subscribe", "com..news", WILDCARD, False),
    ("subscribe", "com.shop..sold", WILDCARD, True),
    ("subscribe", "com.shop..", WILDCARD, False),
    ("subscribe", LOG, {}, False),
    ("subscribe", "wamp.session.on_join", {}, False),
    ("subscribe", NEWS, {"match": "prefix", "get_retained": True}, False),
    ("register", "com.app.guest.{me}.hello", {}, True),
    ("register", "com.app.guest.{me}.", PREFIX, True),
    ("register", "com.app.guest.{me}.by", PREFIX, True),
    ("register", "com.app.taken.{me}", {}, False),
    ("register", "com.app.add_us", PREFIX, False),
    ("register", "com.app.guest", PREFIX, False),
    ("register", "com..add_user", WILDCARD, False),
    ("publish", "com.app.chat", {}, True),
    ("publish", NEWS, {}, False),
    ("publish", INTERNAL, {}, False),
    ("publish", "com.app.guest.{me}", {}, False),
    ("publish", NEWS, {"retain": True}, False),
]

CALLS = [
    (ADD_USER, (), True),
    (RESET, (), False),
    ("wamp.session.count", (), True),
    ("wamp.session.list", (), False),
    ("wamp.session.kill_by_authrole", ("nobody",), False),
    ("wamp.session.add_testament", ("com.app.chat", ["bye"], {}), True),
    ("wamp.session.add_testament", (NEWS, ["bye"], {}), False),
    ("wamp.session.flush_testaments", (), False),
]


@dataclass(frozen=True)
class House:
    """A router, and the client that has things which are not for everybody."""

    guests: str
    admins: str
    owner: Peer


@pytest.fixture(scope="module")
def house(environment) -> Iterator[House]:
    import libwamp

    with libwamp.Router(CONFIG) as router:
        guests, admins = (router.listen(listener["url"]) for listener in CONFIG["listeners"])
        owner = start_peer(admins, "realm1", environment, "autobahn", "json", *ROOT)
        try:
            owner.serve(ADD_USER, "echo")
            owner.serve(RESET, "echo")
            for topic in (NEWS, INTERNAL, LOG, "com.app.chat"):
                owner.listen(topic)
            for topic in (NEWS, INTERNAL, LOG):
                assert owner.tries("publish", topic, retain=True) is None
            yield House(guests, admins, owner)
        finally:
            owner.end()


@pytest.fixture(params=CLIENTS, ids=" ".join, scope="module")
def client(request) -> tuple[str, str]:
    """A library and its serializer."""
    return request.param


def joined(url: str, environment, *client: str) -> Iterator[Peer]:
    peer = start_peer(url, "realm1", environment, *client)
    yield peer
    peer.end()


@pytest.fixture(scope="module")
def guest(house, environment, client) -> Iterator[Peer]:
    yield from joined(house.guests, environment, *client)


@pytest.fixture(scope="module")
def admin(house, environment, client) -> Iterator[Peer]:
    yield from joined(house.admins, environment, *client, *ROOT)


def requests(client: tuple[str, str], role: str) -> Iterator[tuple[str, str, dict, bool]]:
    """The requests that a client can make; wampy refuses URIs that end with a dot by itself."""
    me = f"{client[0].replace('-', '')}.{client[1]}.{role}"
    for verb, uri, options, is_allowed in REQUESTS:
        if client[0] != "wampy" or not uri.endswith("."):
            yield verb, uri.format(me=me), options, is_allowed


def test_a_guest_does_what_its_role_says_and_nothing_else(guest, client):
    for verb, uri, options, is_allowed in requests(client, "guest"):
        told = guest.tries(verb, uri, **options)
        assert told == (None if is_allowed else REFUSED), (verb, uri, options)
    for procedure, args, is_allowed in CALLS:
        told = guest.call(procedure, *args)[0]
        assert told == (None if is_allowed else REFUSED), (procedure, args)


def test_a_guest_takes_over_nothing(house, guest, client):
    """Not even where it may call the procedure, or insists."""
    assert guest.tries("register", ADD_USER) == REFUSED
    if client[0] != "wampy":  # which does not know the option
        assert guest.tries("register", ADD_USER, force_reregister=True) == REFUSED
    before = len(house.owner.seen(ADD_USER, 0))
    assert of(guest.call(ADD_USER, "ann")) == "ann"
    assert len(house.owner.seen(ADD_USER, before + 1)) > before


def of(answer) -> object:
    """The value that a call has given."""
    error, args, _ = answer
    assert error is None, answer
    return args[0] if args else None


def test_the_meta_api_tells_a_guest_of_what_it_may_see(house, guest):
    owner = house.owner
    for kind, hidden, seen in (("subscription", (INTERNAL, LOG), NEWS), ("registration", (RESET,), ADD_USER)):
        shown = of(owner.call(f"wamp.{kind}.lookup", seen))
        assert of(guest.call(f"wamp.{kind}.lookup", seen)) == shown
        assert of(guest.call(f"wamp.{kind}.get", shown))["uri"] == seen
        listed = [number for numbers in of(guest.call(f"wamp.{kind}.list")).values() for number in numbers]
        assert shown in listed
        for uri in hidden:
            number = of(owner.call(f"wamp.{kind}.lookup", uri))
            assert isinstance(number, int)
            assert number not in listed
            assert of(guest.call(f"wamp.{kind}.lookup", uri)) is None
            assert of(guest.call(f"wamp.{kind}.match", uri)) in (None, [])
            people = "subscribers" if kind == "subscription" else "callees"
            for method in ("get", f"list_{people}", f"count_{people}"):
                assert guest.call(f"wamp.{kind}.{method}", number)[0] == f"wamp.error.no_such_{kind}", method


def test_a_guest_reads_no_history_of_others(house, guest):
    owner = house.owner
    for topic, is_allowed in ((NEWS, True), (INTERNAL, False), (LOG, False)):
        number = of(owner.call("wamp.subscription.lookup", topic))
        answer = guest.call("wamp.subscription.get_events", number)
        if is_allowed:
            assert len(answer[1]) > 0
            assert answer[0] is None
        else:
            assert answer[0] in ("wamp.error.no_such_subscription", REFUSED)


def test_a_guest_hears_what_is_retained_for_it_alone(house, environment, client):
    """By a client of its own, which has no subscription yet."""
    guest = start_peer(house.guests, "realm1", environment, *client)
    try:
        assert guest.tries("subscribe", NEWS, get_retained=True) is None
        assert guest.tries("subscribe", INTERNAL, get_retained=True) == REFUSED
        assert len(guest.seen(NEWS, 1)) == 1
        for topic in (INTERNAL, LOG, NEWS):
            house.owner.publish(topic, topic)
        heard = guest.seen(NEWS, 2)
        assert [list(args) for args, _ in heard][1:] == [[NEWS]]
        assert len(guest.seen(INTERNAL, 0)) == 0
    finally:
        guest.end()


def test_what_a_guest_sends_arrives(house, guest):
    before = len(house.owner.seen("com.app.chat", 0))
    assert guest.tries("publish", "com.app.chat") is None
    assert len(house.owner.seen("com.app.chat", before + 1)) > before


def test_an_admin_may_do_all(admin, client):
    for verb, uri, options, _ in requests(client, "admin"):
        assert admin.tries(verb, uri, **options) is None, (verb, uri, options)
    for procedure, args, _ in CALLS:
        assert admin.call(procedure, *args)[0] is None, (procedure, args)


def test_an_admin_sees_all(house, admin):
    owner = house.owner
    for kind, uris in (("subscription", (NEWS, INTERNAL, LOG)), ("registration", (ADD_USER, RESET))):
        listed = [number for numbers in of(admin.call(f"wamp.{kind}.list")).values() for number in numbers]
        for uri in uris:
            number = of(owner.call(f"wamp.{kind}.lookup", uri))
            assert number in listed
            assert of(admin.call(f"wamp.{kind}.lookup", uri)) == number
            assert of(admin.call(f"wamp.{kind}.get", number))["uri"] == uri
    events = admin.call("wamp.subscription.get_events", of(owner.call("wamp.subscription.lookup", LOG)))
    assert events[0] is None
    assert events[1]


def test_an_admin_takes_over_what_it_wants(house, admin, client):
    """A procedure by force, and a session by killing it."""
    procedure = f"com.app.mine.{'.'.join(client)}"
    house.owner.serve(procedure, "echo")
    assert admin.tries("register", procedure) == "wamp.error.procedure_already_exists"
    if client[0] != "wampy":
        assert admin.tries("register", procedure, force_reregister=True) is None
        assert of(admin.call(procedure, 1)) == 1
        assert not any(args == [1] for args, _ in house.owner.seen(procedure, 0))
    answer = admin.call("wamp.session.kill_by_authid", "nobody")
    assert answer[0] is None
