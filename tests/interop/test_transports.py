"""Each way to Crossbar.io: WebSocket and RawSocket, in clear, over TLS and on Unix sockets; what each may refuse."""

import itertools
import re
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import Client, Event, Refused, failed, joined
from conftest import SMALL, Router
from libwamp.ffi import lib
from node import Node, configuration, free_port, on_unix, rawsocket, role, websocket
from pki import make

PAGE = Path(__file__).parents[2] / "docs" / "TRANSPORTS.md"
OPTIONS = PAGE.with_name("OPTIONS.md")
DOORS = ("ws", "wss", "ws+unix", "rs", "rss", "rs+unix", "http", "https")
KINDS = {"w": "websocket", "r": "rawsocket", "h": "longpoll"}
PAIRS = list(itertools.permutations(DOORS, 2))
MEBIBYTE = 1 << 20
EVENTS = 500
STEPS = 6
LIMIT = 60  # seconds: generous, met only where something hangs


def way(crossbar: Router, door: str) -> dict:
    """The options that lead through a door."""
    urls = {
        "ws": crossbar.url,
        "wss": crossbar.tls_url,
        "ws+unix": crossbar.unix_url,
        "rs": crossbar.raw_url,
        "rss": crossbar.raw_tls_url,
        "rs+unix": crossbar.raw_unix_url,
        "http": crossbar.longpoll_url,
        "https": crossbar.longpoll_tls_url,
    }
    trust = {"tlsConfiguration": {"ca": str(crossbar.pki.ca)}} if door in ("wss", "rss", "https") else {}
    return {"url": urls[door], **trust}


@pytest.fixture(scope="module")
def clients(crossbar) -> Iterator[dict[str, Client]]:
    """One client for each door, for those tests that leave it open."""
    made = {}
    try:
        for door in DOORS:
            made[door] = Client(realm=crossbar.realm, **way(crossbar, door))
            joined(made[door])
        yield made
    finally:
        for client in made.values():
            client.__exit__()


@pytest.fixture(params=DOORS)
def door(request) -> str:
    return request.param


@pytest.fixture(params=PAIRS, ids="-to-".join)
def pair(request, clients) -> tuple[Client, Client]:
    one, other = request.param
    return clients[one], clients[other]


def value(event: Event):
    """What a call gave."""
    assert event.kind == "RESULT", event
    return event.args[0]


# ---- each door ----


def test_what_is_told_of_the_transport(crossbar, door):
    wanted = way(crossbar, door)
    kind = KINDS[door[0]]
    client = Client(realm=crossbar.realm, **wanted)
    assert client.transport["type"] == "none"
    with joined(client):
        transport = client.transport
        assert (transport["type"], transport["url"]) == (kind, wanted["url"])
        assert transport["protocol"] == "wamp.2.json"
        client.close()
        assert client.transport["type"] == "none"


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
def test_serializers(crossbar, clients, door, serializer, uri):
    other = clients["rs" if door == "ws" else "ws"]
    with joined(Client(realm=crossbar.realm, **way(crossbar, door), serializers=[serializer])) as client:
        assert client.transport["protocol"] == f"wamp.2.{serializer}"
        client.register(uri)
        values = [None, 2**53, -1.5, "€", bytes(range(256)), ["x" * MEBIBYTE], {"k": []}]
        call = other.call(uri, values)
        invocation = client.next("INVOCATION")
        assert invocation.args == values
        client.result(invocation, *values)
        result = other.next("RESULT", "ERROR", id=call)
        assert (result.kind, result.args) == ("RESULT", values)


def test_serializers_that_the_router_does_not_offer(crossbar):
    """Crossbar.io hangs up on a RawSocket that asks for one: so the next is asked for on another connection."""
    with joined(Client(crossbar.small_url, crossbar.realm, serializers=["cbor", "msgpack", "json"])) as client:
        assert client.transport["protocol"] == "wamp.2.json"
        assert len(client.seen("CONNECT")) == 1
    with Client(crossbar.small_url, crossbar.realm, serializers=["cbor", "msgpack"]) as client:
        assert "serializer" in failed(client, lib.WAMP_ERR_UNREACHABLE)


def test_calls(pair, uri):
    caller, callee = pair
    callee.register(uri)
    call = caller.call(uri, [1, "zwei €", None], {"k": [True]})
    invocation = callee.next("INVOCATION")
    assert (invocation.args, invocation.kwargs) == ([1, "zwei €", None], {"k": [True]})
    callee.result(invocation, invocation.args)
    assert value(caller.next("RESULT", "ERROR", id=call)) == [1, "zwei €", None]
    call = caller.call(uri)
    callee.error(callee.next("INVOCATION"), "com.example.error", 7)
    error = caller.next("RESULT", "ERROR", id=call)
    assert (error.kind, error.uri, error.args) == ("ERROR", "com.example.error", [7])


def test_progress(pair, uri):
    caller, callee = pair
    callee.register(uri)
    call = caller.call(uri, options={"receive_progress": True})
    invocation = callee.next("INVOCATION")
    for number in range(STEPS):
        callee.progress(invocation, number)
    callee.result(invocation, STEPS)
    results = [caller.next("RESULT", "ERROR", id=call) for _ in range(STEPS + 1)]
    assert [value(result) for result in results] == list(range(STEPS + 1))
    assert [result.is_progress for result in results] == [True] * STEPS + [False]


def test_a_mebibyte_both_ways(pair, uri):
    caller, callee = pair
    there, back = "0123456789abcdef" * (MEBIBYTE // 16), "fedcba9876543210" * (MEBIBYTE // 16)
    callee.register(uri)
    call = caller.call(uri, [there])
    invocation = callee.next("INVOCATION")
    assert invocation.args == [there]
    callee.result(invocation, back)
    assert value(caller.next("RESULT", "ERROR", id=call)) == back


def test_events_in_order(pair, uri):
    publisher, subscriber = pair
    subscriber.subscribe(uri)
    for number in range(EVENTS):
        publisher.send(uri, [number])
    assert [subscriber.next("EVENT").args for _ in range(EVENTS)] == [[number] for number in range(EVENTS)]


def test_a_clean_close(crossbar, clients, door):
    witness = clients["rs" if door == "ws" else "ws"]
    with joined(Client(realm=crossbar.realm, **way(crossbar, door))) as client:
        subscription = witness.subscribe("wamp.session.on_leave")
        id = client.id
        end = client.close()
        assert (end.uri, end.status) == ("closed", lib.WAMP_OK)
        assert not end.details["will_retry"]
        # The router has let the session go, and need not have waited for the connection's end.
        while not left(witness.next("EVENT", id=subscription.id), id):
            pass
    error = witness.ask("wamp.session.get", [id])
    assert (error.kind, error.uri) == ("ERROR", "wamp.error.no_such_session")


def left(event: Event, id: int) -> bool:
    return event.args[0] == id


def test_a_session_that_is_killed(crossbar, clients, door):
    killer = clients["rs" if door == "ws" else "ws"]
    with joined(Client(realm=crossbar.realm, **way(crossbar, door))) as client:
        answer = killer.ask("wamp.session.kill", [client.id], {"reason": "com.example.kill", "message": "out"})
        assert answer.kind == "RESULT", answer
        end = client.next("CLOSE")
        assert (end.uri, end.details["reason"], end.details["message"]) == ("closed", "com.example.kill", "out")
        assert not end.details["will_retry"]


def test_a_node_that_dies(tmp_path):
    """Each connection is told, and so is each request that waits; each finds the node again when it is back."""
    pki = make(tmp_path)
    ports = {door: free_port() for door in ("ws", "wss", "rs", "rss")}
    sockets = {"ws+unix": tmp_path / "ws.sock", "rs+unix": tmp_path / "rs.sock"}
    tls = {"certificate": str(pki.server), "key": str(pki.server_key)}
    transports = [
        websocket(ports["ws"]),
        websocket(ports["wss"], tls=tls),
        on_unix("websocket", sockets["ws+unix"]),
        rawsocket(ports["rs"]),
        rawsocket(ports["rss"], tls=tls),
        on_unix("rawsocket", sockets["rs+unix"]),
    ]
    urls = {
        **{door: f"{door}://127.0.0.1:{port}" for door, port in ports.items()},
        **{door: f"{door}://{path}" for door, path in sockets.items()},
    }
    eager = {"max_retries": -1, "initial_retry_delay": 0.1, "max_retry_delay": 0.5}
    options = {"realm": "realm1", "tlsConfiguration": {"ca": str(pki.ca)}, **eager}
    node = Node(tmp_path, configuration([{"name": "realm1", "roles": [role("anonymous")]}], transports))
    clients = []
    try:
        node.start()
        for url in urls.values():
            clients.append(Client(url=url, **options))
            joined(clients[-1]).register(f"com.example.mine{len(clients)}")
        calls = [client.call(f"com.example.mine{number}") for number, client in enumerate(clients, 1)]
        invocations = [client.next("INVOCATION") for client in clients]
        node.kill()
        for client, call in zip(clients, calls, strict=True):
            error = client.next("RESULT", "ERROR", id=call)
            assert (error.kind, error.status) == ("ERROR", lib.WAMP_ERR_OUTCOME_UNKNOWN), error
            end = client.next("CLOSE")
            assert (end.uri, end.status, end.details["will_retry"]) == ("lost", lib.WAMP_ERR_LOST, True), end
        for client, invocation in zip(clients, invocations, strict=True):
            client.drop(invocation)
        node.start()
        for client, url in zip(clients, urls.values(), strict=True):
            assert client.reopened().kind == "OPEN"
            assert client.transport["url"] == url
            assert client.ask("wamp.session.count").kind == "RESULT"
    finally:
        for client in clients:
            client.__exit__()
        node.stop()


# ---- limits ----


def test_a_message_beyond_the_routers_limit(crossbar, clients, uri):
    """It is refused when it is made, while others wait for their answers, and none of these is lost."""
    callee = clients["ws"]
    callee.register(uri)
    with joined(Client(crossbar.small_url, crossbar.realm)) as client:
        client.subscribe(uri)
        before = client.call(uri, ["before"])
        for size in (SMALL, MEBIBYTE):
            for ask in (lambda text: client.call(uri, [text]), lambda text: client.send(uri, [text])):
                with pytest.raises(Refused, match=rf"WAMP_ERR_TOO_LARGE: .*\b{SMALL}\b"):
                    ask("x" * size)
        after = client.call(uri, ["after"])
        for wanted, call in (("before", before), ("after", after)):
            invocation = callee.next("INVOCATION")
            assert invocation.args == [wanted]
            callee.result(invocation, wanted)
            assert value(client.next("RESULT", "ERROR", id=call)) == wanted
        assert client.stats["sent"]["messages"]["CALL"] == 2
        # The limit is the router's: it sends us more than it takes.
        callee.send(uri, ["x" * MEBIBYTE])
        assert client.next("EVENT").args == ["x" * MEBIBYTE]


def test_the_largest_message_that_the_router_takes(crossbar, clients, uri):
    callee = clients["rss"]
    callee.register(uri)
    with joined(Client(crossbar.small_url, crossbar.realm)) as client:
        good, bad = SMALL // 2, SMALL
        while bad - good > 1:
            size = (good + bad) // 2
            sent = client.stats["sent"]["bytes"]
            try:
                call = client.call(uri, ["x" * size])
            except Refused:
                bad = size
                continue
            good = size
            invocation = callee.next("INVOCATION")
            callee.result(invocation, len(invocation.args[0]))
            assert value(client.next("RESULT", "ERROR", id=call)) == size
            largest = client.stats["sent"]["bytes"] - sent
        # With or without the four bytes before a message.
        assert SMALL <= largest <= SMALL + 4


def test_a_result_beyond_the_routers_limit(crossbar, clients, uri):
    caller = clients["wss"]
    with joined(Client(crossbar.small_url, crossbar.realm)) as callee:
        callee.register(uri)
        call = caller.call(uri)
        invocation = callee.next("INVOCATION")
        with pytest.raises(Refused, match="WAMP_ERR_TOO_LARGE"):
            callee.result(invocation, "x" * SMALL)
        # It is still to be answered.
        callee.error(invocation, "com.example.too_much")
        assert caller.next("RESULT", "ERROR", id=call).uri == "com.example.too_much"


def test_a_limit_that_websocket_does_not_tell(crossbar):
    """The router hangs up on a message beyond its limit, unless the option `max_message_size` holds it back."""
    with joined(Client(crossbar.ping_url, crossbar.realm)) as client:
        call = client.call("com.example.nobody", ["x" * SMALL])
        error = client.next("RESULT", "ERROR", id=call)
        assert (error.kind, error.status) == ("ERROR", lib.WAMP_ERR_OUTCOME_UNKNOWN)
        end = client.next("CLOSE")
        assert (end.uri, "1009" in end.message) == ("lost", True), end
    with joined(Client(crossbar.ping_url, crossbar.realm, max_message_size=SMALL)) as client:
        with pytest.raises(Refused, match="WAMP_ERR_TOO_LARGE"):
            client.call("com.example.nobody", ["x" * SMALL])
        assert client.ask("wamp.session.count").kind == "RESULT"


# ---- attempts that are made in another way ----


def test_all_that_an_attempt_may_change(crossbar):
    nowhere = f"ws://127.0.0.1:{free_port()}/"
    with Client(nowhere, "nowhere", proxy=f"http://127.0.0.1:{free_port()}") as client:
        client.changes = {
            "transports": [{"url": nowhere}, {"url": crossbar.raw_tls_url}],
            "realm": crossbar.realm,
            "serializers": ["cbor"],
            "tlsConfiguration": {"ca": str(crossbar.pki.ca)},
            "proxy": False,
        }
        joined(client)
        assert (client.transport["url"], client.transport["protocol"]) == (crossbar.raw_tls_url, "wamp.2.cbor")
        client.close()
        # What has changed stays, and the one that has worked is the first to be told of.
        client.changes = None
        joined(client)
        assert [event.details["url"] for event in client.seen("CONNECT")] == [nowhere, crossbar.raw_tls_url]
        client.close()
        client.changes = {"serializers": ["msgpack"], "tlsConfiguration": {"ca": str(crossbar.pki.other_ca)}}
        assert "signed by nobody we trust" in client.open().message


# ---- what is not there ----


HANGS_UP, SAYS_NOTHING = lib.WAMP_ERR_UNREACHABLE, lib.WAMP_ERR_TIMEOUT
SHORT = 1  # seconds: for a router that never answers


@pytest.mark.parametrize(
    ("scheme", "there", "status"),
    [
        ("ws", "raw_tls_url", HANGS_UP),
        # Four bytes, where the head of a record of TLS has five: it waits for more.
        ("rs", "raw_tls_url", SAYS_NOTHING),
        # Neither a ClientHello nor a RawSocket's handshake has the empty line that ends a request of HTTP.
        ("wss", "url", SAYS_NOTHING),
        ("rss", "url", SAYS_NOTHING),
        ("rs", "url", SAYS_NOTHING),
        ("wss", "raw_url", lib.WAMP_ERR_TLS),
        ("rss", "raw_url", lib.WAMP_ERR_TLS),
        ("ws", "raw_url", HANGS_UP),
    ],
)
def test_the_scheme_of_another_port(crossbar, scheme, there, status):
    url = f"{scheme}://127.0.0.1:{port_of(getattr(crossbar, there))}"
    with Client(url, crossbar.realm, connect_timeout=SHORT if status == SAYS_NOTHING else LIMIT) as client:
        said = failed(client, status)
    words = {HANGS_UP: "cannot reach", SAYS_NOTHING: "does it speak this transport", lib.WAMP_ERR_TLS: "speak TLS"}
    assert words[status] in said and url in said
    if scheme == "ws":
        assert "wss://" in said and "rs://" in said


def port_of(url: str) -> int:
    return urllib.parse.urlsplit(url).port


# ---- several addresses, several transports ----


def families(host: str) -> set[int]:
    return {family for family, *_ in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)}


def test_ipv6(crossbar):
    if crossbar.ipv6_url is None:  # this machine has none, and the program is to be told
        with Client(f"ws://[::1]:{free_port()}/", crossbar.realm) as client:
            assert "[::1]" in failed(client, lib.WAMP_ERR_UNREACHABLE)
        return
    with joined(Client(crossbar.ipv6_url, crossbar.realm)) as client:
        assert client.transport["url"] == crossbar.ipv6_url
        assert client.ask("wamp.session.count").kind == "RESULT"


@pytest.mark.parametrize("family", sorted(families("localhost")))
def test_a_name_of_which_one_address_listens(crossbar, family):
    """Where localhost has but one address it is that one; both together are tested in src/transport/dial.rs."""
    url = crossbar.ipv6_url if family == socket.AF_INET6 and crossbar.ipv6_url else crossbar.url
    with joined(Client(f"ws://localhost:{port_of(url)}/", crossbar.realm)) as client:
        assert client.ask("wamp.session.count").kind == "RESULT"


def test_the_third_of_three_transports(crossbar):
    refused = f"ws://127.0.0.1:{free_port()}/"
    no_wamp = f"ws://127.0.0.1:{port_of(crossbar.tls_url)}/"
    transports = [{"url": refused}, {"url": no_wamp}, {"url": crossbar.raw_url}]
    with joined(Client(realm=crossbar.realm, transports=transports)) as client:
        assert client.transport["url"] == crossbar.raw_url
        assert len(client.seen("CONNECT")) == 1
        assert client.ask("wamp.session.count").kind == "RESULT"


def test_transports_of_all_kinds(crossbar):
    """The first that works, with the options of its own."""
    options = [way(crossbar, door) for door in DOORS]
    for turn in range(len(DOORS)):
        transports = [{"url": f"rs://127.0.0.1:{free_port()}"}, *options[turn:]]
        with joined(Client(realm=crossbar.realm, transports=transports)) as client:
            assert client.transport["url"] == options[turn]["url"]


def test_none_of_three_transports(crossbar):
    refused = f"ws://127.0.0.1:{free_port()}/"
    transports = [{"url": refused}, {"url": crossbar.tls_url}, {"url": "rs+unix:///nowhere/at/all.sock"}]
    with Client(realm=crossbar.realm, transports=transports) as client:
        assert refused in failed(client, lib.WAMP_ERR_UNREACHABLE)


def test_a_socket_that_is_not_there(crossbar, tmp_path):
    for scheme in ("ws+unix", "rs+unix"):
        url = f"{scheme}://{tmp_path}/missing.sock"
        with Client(url, crossbar.realm) as client:
            assert url in failed(client, lib.WAMP_ERR_UNREACHABLE)


# ---- signs of life ----


def test_the_routers_pings(crossbar):
    """The router hangs up on who does not answer its pings. We do, and outlive two such clients."""
    with joined(Client(crossbar.ping_url, crossbar.realm, autoping_interval=0)) as client:
        for _ in range(2):
            assert pings_of_a_silent_client(port_of(crossbar.ping_url)), "the router has not pinged"
        assert client.ask("wamp.session.count").kind == "RESULT"
        assert not client.seen("CLOSE")


def pings_of_a_silent_client(port: int) -> int:
    """Joins nothing and answers nothing until the router hangs up; tells how often it has pinged."""
    with socket.create_connection(("127.0.0.1", port), LIMIT) as silent:
        silent.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
        )
        received = b""
        try:
            while some := silent.recv(4096):
                received += some
        except ConnectionResetError:
            pass
    head, _, frames = received.partition(b"\r\n\r\n")
    assert b" 101 " in head
    return frames.count(b"\x89\x0c")  # final, ping, 12 bytes


@pytest.mark.parametrize("door", ["ws", "wss", "ws+unix"])
def test_our_pings(crossbar, door):
    eager = {"autoping_interval": 0.05, "autoping_size": 125}
    with joined(Client(realm=crossbar.realm, **way(crossbar, door), **eager)) as client:
        until_pinged(client)
        assert client.ask("wamp.session.count").kind == "RESULT"


@pytest.mark.parametrize("door", ["rs", "rss", "rs+unix"])
def test_no_pings_over_rawsocket(crossbar, door):
    """Crossbar.io closes a RawSocket that pings."""
    eager = {"autoping_interval": 0.05, "autoping_timeout": 0.05}
    with (
        joined(Client(realm=crossbar.realm, **way(crossbar, door), **eager)) as client,
        joined(Client(crossbar.url, crossbar.realm, autoping_interval=0.05)) as other,
    ):
        # As long as another takes for several of its own.
        for _ in range(5):
            until_pinged(other)
        assert client.ask("wamp.session.count").kind == "RESULT"
        assert not client.seen("CLOSE")
        assert client.stats["round_trip"] is None


def until_pinged(client: Client) -> None:
    """Until a ping of ours has been answered, another one than before."""
    before = client.stats["round_trip"]
    client.wait(lambda: client.stats["round_trip"] not in (None, before))


# ---- the page ----


def test_every_form_of_a_url_on_the_page(crossbar, clients):
    """docs/TRANSPORTS.md: the scheme of each URL is that of a door, and the URL of that door has the same form."""
    forms = re.findall(r"^\| `([^`]+://[^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {form.split("://")[0] for form in forms} == set(DOORS)
    for form in forms:
        door, rest = form.split("://")
        options = way(crossbar, door)
        if "[::1]" in rest:
            if crossbar.ipv6_url is None:
                continue
            options["url"] = crossbar.ipv6_url
        url = put(form, options["url"])
        with joined(Client(realm=crossbar.realm, **{**options, "url": url})) as client:
            assert client.transport["url"] == url


def test_the_options_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        connection = lib.wamp_connection_new(block.encode())
        assert lib.wamp_connection_free(connection) == lib.WAMP_OK, lib.wamp_last_error()
    section = text.split("## Which option applies to which transport\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    options = OPTIONS.read_text(encoding="utf-8")
    assert {"proxy", "headers", "rawsocket_pings"} < named
    assert not {name for name in named if f"`{name}`" not in options}


def put(form: str, url: str) -> str:
    """A URL of the page, with the address of a real one in place of its own."""
    door, rest = form.split("://")
    real = url.split("://")[1]
    if door.endswith("+unix"):
        _socket, colon, path = rest.partition(":")
        return f"{door}://{real}{colon}{path}"
    path = re.sub(r"^[^/]*", "", rest)
    return f"{door}://{real.split('/')[0]}{path}"
