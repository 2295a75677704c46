"""One Crossbar.io node for all tests of this directory."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import users
from node import (
    DEFLATE, Node, configuration, free_port, has_ipv6, longpoll, on_unix, rawsocket, role, service, web, websocket,
    websocket_on_ipv6,
)
from peers import Peer, start_peer
from pki import Pki, make
from programs import BINDING, Program

sys.path[:0] = [str(BINDING), str(BINDING / "tests")]


@dataclass(frozen=True)
class Router:
    """Where to join what, and what the node keeps in its files."""

    url: str  # anonymous
    auth_url: str  # the users of users.py
    tls_url: str  # the same, encrypted
    raw_url: str  # RawSocket; anonymous, as all that follow
    raw_tls_url: str
    raw_unix_url: str
    unix_url: str
    ipv6_url: str | None  # None where this machine has no IPv6
    client_url: str  # encrypted, for clients with a certificate
    small_url: str  # RawSocket for messages of SMALL bytes at most, in JSON alone
    longpoll_url: str  # HTTP long-poll, repaired
    longpoll_tls_url: str
    deflate_url: str  # WebSocket that compresses
    cookie_url: str  # WebSocket that sets a cookie; the users of users.py, and who has such a cookie
    ping_url: str  # pings each PING_INTERVAL, hangs up when for PING_TIMEOUT no answer comes; SMALL as well
    realm: str
    history_realm: str  # remembers events of com.example.history.*, and lets calls of com.example.queue.* wait
    pki: Pki
    public_key: str  # the node's own


SMALL = 65536
PING_INTERVAL, PING_TIMEOUT = 1000, 1000  # ms, the least that Crossbar.io takes


@pytest.fixture(scope="session")
def crossbar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    directory = tmp_path_factory.mktemp("crossbar")
    pki = make(directory)
    plain, auth, tls, raw, raw_tls, ipv6, client, small, ping, http, https = (free_port() for _ in range(11))
    sockets = {kind: directory / f"{kind}.sock" for kind in ("websocket", "rawsocket")}
    roles = [role("anonymous"), role(users.ROLE)]
    store = {
        "type": "memory",
        "limit": 1000,
        "event-history": [{"uri": "com.example.history.", "match": "prefix", "limit": 100}],
        "call-queue": [{"uri": "com.example.queue.", "match": "prefix", "limit": 10}],
    }
    realms = [{"name": "realm1", "roles": roles}, {"name": "realm2", "roles": roles, "store": store}]
    server = {"certificate": str(pki.server), "key": str(pki.server_key)}
    pings = {"auto_ping_interval": PING_INTERVAL, "auto_ping_timeout": PING_TIMEOUT, "auto_ping_size": 12}
    limit = {"max_message_size": SMALL}
    compressing = service(options={"compression": {"deflate": DEFLATE}})
    knowing = service(cookie={"store": {"type": "memory"}}, auth={"cookie": {}, **users.auth()})
    transports = [
        websocket(plain),
        websocket(auth, auth=users.auth()),
        websocket(tls, auth=users.auth(), tls=server),
        rawsocket(raw),
        rawsocket(raw_tls, tls=server),
        *(on_unix(kind, path) for kind, path in sockets.items()),
        websocket(client, tls={**server, "ca_certificates": [str(pki.ca)]}),
        rawsocket(small, options=limit, serializers=["json"]),
        websocket(ping, options={**pings, **limit}),
        web(http, lp=longpoll(), deflate=compressing, cookie=knowing),
        web(https, tls=server, lp=longpoll()),
    ]
    if with_ipv6 := has_ipv6():
        transports.append(websocket_on_ipv6(ipv6))
    node = Node(directory, configuration(realms, transports))
    try:
        node.start()
        yield Router(
            url=f"ws://127.0.0.1:{plain}/",
            auth_url=f"ws://127.0.0.1:{auth}/",
            tls_url=f"wss://127.0.0.1:{tls}/",
            raw_url=f"rs://127.0.0.1:{raw}",
            raw_tls_url=f"rss://127.0.0.1:{raw_tls}",
            raw_unix_url=f"rs+unix://{sockets['rawsocket']}",
            unix_url=f"ws+unix://{sockets['websocket']}",
            ipv6_url=f"ws://[::1]:{ipv6}/" if with_ipv6 else None,
            client_url=f"wss://127.0.0.1:{client}/",
            small_url=f"rs://127.0.0.1:{small}",
            longpoll_url=f"http://127.0.0.1:{http}/lp",
            longpoll_tls_url=f"https://127.0.0.1:{https}/lp",
            deflate_url=f"ws://127.0.0.1:{http}/deflate",
            cookie_url=f"ws://127.0.0.1:{http}/cookie",
            ping_url=f"ws://127.0.0.1:{ping}/",
            realm="realm1",
            history_realm="realm2",
            pki=pki,
            public_key=node.public_key(),
        )
    finally:
        node.stop()


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For programs that use the Python binding from the source tree."""
    path = os.pathsep.join(filter(None, [str(BINDING), str(BINDING / "tests"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(crossbar: Router, environment: dict[str, str]) -> Iterator[Callable[..., Program]]:
    """Starts programs with the router's URL and realm as their first arguments; ends those that are left."""
    started: list[Program] = []

    def start_one(program: Path, *arguments: str, interpreter: tuple[str, ...] = ()) -> Program:
        command = [*interpreter, str(program), crossbar.url, crossbar.realm, *arguments]
        started.append(Program(command, environment))
        return started[-1]

    yield start_one
    for program in started:
        program.end()


@pytest.fixture
def example() -> Callable[[str], Path]:
    """The built C example program of a name."""
    directory = os.environ.get("WAMP_EXAMPLES_BIN")
    if not directory:
        pytest.skip("WAMP_EXAMPLES_BIN does not name the directory of the built C example programs")

    def find(name: str) -> Path:
        program = Path(directory) / name
        assert os.access(program, os.X_OK), f"{program} has not been built"
        return program

    return find


@pytest.fixture(scope="module")
def peers(crossbar: Router, environment: dict[str, str]) -> Iterator[Callable[..., Peer]]:
    """Gives the peer of a role, started at the first use and kept for the next tests of the module."""
    running: dict[tuple[str, ...], Peer] = {}

    def peer(role: str, library: str, *serializer: str) -> Peer:
        key = (role, library, *serializer)
        if key in running and not running[key].is_usable:
            running.pop(key).end()
        if key not in running:
            running[key] = start_peer(crossbar.url, crossbar.realm, environment, library, *serializer)
        return running[key]

    yield peer
    for one in running.values():
        one.end()


_numbers = itertools.count(1)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the library's log."""
    from libwamp.ffi import ffi, from_c, lib

    lines = []

    @ffi.callback("void(int, const char *, void *)")
    def note(_level, line, _user_data):
        lines.append(from_c(line))

    assert lib.wamp_set_log(lib.WAMP_LOG_INFO, note, ffi.NULL, ffi.NULL) == lib.WAMP_OK
    yield lines
    assert lib.wamp_set_log(lib.WAMP_LOG_OFF, ffi.NULL, ffi.NULL, ffi.NULL) == lib.WAMP_OK


@pytest.fixture
def uri() -> str:
    """A URI that no other test uses."""
    return f"com.example.interop.n{next(_numbers)}"
