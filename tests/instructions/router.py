"""The router at the other end of client.c. What it sends is prepared, and nothing depends on time: before messages are
handled, all of them are in the client's socket, because the client waits in a callback until then.
"""

import contextlib
import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

SUBSCRIPTIONS = {"do": 7000000000000000, "row": 7100000000000000, "read": 7110000000000000}
REGISTRATION = 7200000000000000
PUBLICATION = 5000000000000000  # the ids of routers are random, and most of them have as many digits
SILENCE = 60  # seconds; what a client under valgrind does between two messages takes a thousandth
BUFFER = 1 << 20  # the system grants less; the largest row needs some 200 kB


class Router:
    """A connection of the client, and what it is told to do."""

    def __init__(self, connection: socket.socket, client: subprocess.Popen) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._client = client
        self._published = PUBLICATION
        self._invoked = 0
        self._welcome()

    def _welcome(self) -> None:
        """The handshake of RawSocket, and what comes before the first event."""
        self._take(4)
        self._connection.sendall(b"\x7f\xf1\0\0")  # JSON, in messages of any size
        self._read(1)
        self._send([2, 7, {"roles": {"broker": {}, "dealer": {}}}])
        for _ in range(len(SUBSCRIPTIONS) + 1):
            kind, request, _, uri = self._read()
            if kind == 32:
                self._send([33, request, SUBSCRIPTIONS[uri]])
            else:
                self._send([65, request, REGISTRATION])

    def _frame(self, message: list) -> bytes:
        text = json.dumps(message, separators=(",", ":")).encode()
        return len(text).to_bytes(4, "big") + text

    def _send(self, *messages: list) -> None:
        self._connection.sendall(b"".join(map(self._frame, messages)))

    def _read(self, wanted: int | None = None) -> list:
        message = json.loads(self._take(int.from_bytes(self._take(4), "big")))
        if wanted not in (None, message[0]):
            raise RuntimeError(f"the client sent {message}, where {wanted} was due")
        return message

    def _take(self, size: int) -> bytes:
        taken = self._stream.read(size)
        if len(taken) < size:
            raise RuntimeError("the client has ended")
        return taken

    def _event(self, topic: str, text: str) -> list:
        self._published += 1
        return [36, SUBSCRIPTIONS[topic], self._published, {}, [text]]

    def tell(self, command: str) -> None:
        """Has the client do something."""
        self._send(self._event("do", command))

    def _send_at_once(self, messages: list[list], command: str = "begin") -> None:
        """Sends all of it before the client handles the first, while it obeys a command to wait."""
        self.tell(command)
        if self._client.stdout.readline() != "waiting\n":
            raise RuntimeError("the client does not wait")
        self._send(*messages)
        self._client.stdin.write("go\n")
        self._client.stdin.flush()

    # ===== the rows =====

    def event(self, count: int, size: int, topic: str = "row") -> None:
        events = [self._event(topic, "x" * size) for _ in range(count)]
        self._send_at_once([*events, self._event("do", "end")])

    def read(self, count: int, size: int) -> None:
        self.event(count, size, "read")

    def invocation(self, count: int, size: int) -> None:
        first, self._invoked = self._invoked + 1, self._invoked + count
        numbers = range(first, first + count)
        invocations = [[68, number, REGISTRATION, {}, ["x" * size]] for number in numbers]
        self._send_at_once(invocations)
        for _ in numbers:
            self._read(70)
        self.tell("end")

    def publish(self, count: int, size: int) -> None:
        self.tell(f"publish {count} {size}")
        for _ in range(count):
            self._read(16)
        self.tell("end")

    def call(self, count: int, size: int) -> None:
        self.tell(f"call {count} {size}")
        results = [[50, self._read(48)[1], {}, ["x" * size]] for _ in range(count)]
        self._send_at_once([*results, self._event("do", "end")], "wait")

    def floor(self, row: str, count: int, size: int) -> None:
        """The floor of a row, which the client has no router for."""
        self.tell(f"floor-{row} {count} {size}")

    def work(self, row: str) -> Callable[[int, int], None]:
        """The work of a row: so many messages of such a size."""
        return {"call": self.call, "publish": self.publish, "event": self.event, "invocation": self.invocation,
                "read": self.read}[row]

    def end(self) -> None:
        """Ends the client, and waits for it."""
        self.tell("quit")
        self._read(6)
        self._send([6, {}, "wamp.close.goodbye_and_out"])
        self._client.wait(SILENCE)


@contextlib.contextmanager
def client(command: list[str], environment: dict[str, str]) -> Iterator[Router]:
    """Runs the client to its end, with a router that says what happens."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = Path(directory) / "router.sock"
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(SILENCE)
        process = subprocess.Popen([*command, f"rs+unix://{path}"], env=environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with process:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(SILENCE)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
                    router = Router(connection, process)
                    yield router
                    router.end()
            finally:
                process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"the client ended with status {process.returncode}")
