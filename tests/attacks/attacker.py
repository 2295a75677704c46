"""Clients by hand, over RawSocket with JSON, as attackers need them: they send what no library would, and as fast as sockets
take it. attacker.py NAME PORT WEB_PORT NUMBER runs an attack of attacks.py until its input ends; then it prints, as JSON, what
has happened to it: `sent` messages or, where it is about these, connections, `errors` by their URI, `lost` connections,
and its `cpu` time.
"""

import contextlib
import json
import os
import re
import resource
import selectors
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable

CHUNK = 1 << 16
ANSWER = re.compile(rb'(?:\[8,\d+,\d+,\{[^{}]*\}|\[[36],\{[^{}]*\}),"([a-z_.]+)"')
ROLES = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}


def frame(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def encoded(message: list) -> bytes:
    return frame(json.dumps(message, separators=(",", ":")).encode())


class Scene:
    """What the attackers of one process share: the router's ports, what they count, and who reads for them."""

    def __init__(self, port: int, web_port: int, number: int) -> None:
        self.port = port
        self.web_port = web_port
        self.number = number
        self.sent = 0
        self.lost = 0
        self.errors: Counter[str] = Counter()
        self._drained = selectors.DefaultSelector()
        self._wake, waker = socket.socketpair()
        self._drained.register(waker, selectors.EVENT_READ)
        threading.Thread(target=self._drain, daemon=True).start()

    def source(self, last: int = 1) -> str:
        """An address of the attackers, each process having a network of its own."""
        return f"203.0.{113 + self.number}.{last}"

    def drain(self, one: socket.socket) -> None:
        """Reads what comes from now on, and counts the errors in it."""
        self._drained.register(one, selectors.EVENT_READ)
        self._wake.send(b"x")

    def _drain(self) -> None:
        while True:
            for key, _ in self._drained.select():
                one: socket.socket = key.fileobj  # type: ignore[assignment]
                try:
                    data = one.recv(1 << 20)
                except OSError:
                    data = b""
                if data:
                    self.count(data)
                else:
                    self.lost += 1
                    self.forget(one)
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)

    def forget(self, one: socket.socket) -> None:
        """Reads it no longer."""
        with contextlib.suppress(KeyError, ValueError):
            self._drained.unregister(one)

    def count(self, data: bytes) -> None:
        if b"[8," in data or b"[3," in data or b"[6," in data:
            self.errors.update(uri.decode() for uri in ANSWER.findall(data))

    def report(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        told = {"sent": self.sent, "lost": self.lost, "errors": self.errors, "cpu": used.ru_utime + used.ru_stime}
        os.write(1, json.dumps(told).encode() + b"\n")

    # ===== connections =====

    def connect(self, source: str | None = None, web: bool = False) -> socket.socket:
        """A connection that has said nothing yet, except for whom it speaks."""
        one = socket.create_connection(("127.0.0.1", self.web_port if web else self.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(f"PROXY TCP4 {source or self.source()} 192.0.2.1 40000 443\r\n".encode())
        return one

    def client(self, source: str | None = None, **details) -> "Client":
        """A client that has joined."""
        client = Client(self, self.connect(source))
        client.socket.sendall(b"\x7f\xf1\0\0")
        client.take(4)
        client.socket.sendall(encoded([1, "realm1", {"roles": ROLES, **details}]))
        welcome = client.read()
        if welcome[0] != 2:
            raise RuntimeError(f"the router said {welcome}")
        client.id = welcome[1]
        return client


class Client:
    """A session. Its requests are counted, as routers want it."""

    def __init__(self, scene: Scene, connection: socket.socket) -> None:
        self.scene = scene
        self.socket = connection
        self.id = 0
        self.requests = 0

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise RuntimeError("the router has closed the connection")
            data += more
        return data

    def read(self) -> list:
        return json.loads(self.take(int.from_bytes(self.take(4), "big")))

    def ask(self, kind: int, *items: object) -> list:
        """Sends a request, and waits for its answer."""
        self.requests += 1
        self.socket.sendall(encoded([kind, self.requests, *items]))
        self.scene.sent += 1
        while (answer := self.read())[0] in (36, 68):  # EVENT, INVOCATION
            pass
        if answer[0] == 8:
            self.scene.errors[answer[4]] += 1
        return answer

    def next(self) -> int:
        self.requests += 1
        return self.requests

    def pour(self, messages: Iterable[bytes]) -> None:
        """Sends messages, many at a time."""
        block, size = [], 0
        for message in messages:
            block.append(frame(message))
            size += len(message)
            if size >= CHUNK:
                self._pour(block)
                block, size = [], 0
        self._pour(block)

    def _pour(self, block: list[bytes]) -> None:
        self.socket.sendall(b"".join(block))
        self.scene.sent += len(block)

    def drain(self) -> "Client":
        self.scene.drain(self.socket)
        return self

    def leave(self) -> None:
        """Resets the connection."""
        self.scene.forget(self.socket)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.socket.close()


def main() -> int:
    from attacks import ATTACKS

    name, (port, web_port, number) = sys.argv[1], map(int, sys.argv[2:5])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    scene = Scene(port, web_port, number)

    def end() -> None:
        sys.stdin.read()
        try:
            scene.report()
        finally:
            os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    attack = next(one for one in ATTACKS if one.name == name)
    while True:
        try:
            attack.run(scene)
        except OSError:
            scene.lost += 1
            time.sleep(0.01)  # one that is turned away comes again, and does not only measure how fast


if __name__ == "__main__":
    sys.exit(main())
