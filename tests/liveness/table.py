"""How soon a client notices a router that is frozen or cut off, over each transport, idle and sending; and that it keeps one
that is slow. Prints a table and, with --write, puts it into docs/TRANSPORTS.md. Ends with an error where the table has
something that the documentation does not promise.

A frozen router is stopped by SIGSTOP: its system still acknowledges. A router that is cut off lives in a network namespace
whose link is taken down: nothing comes back at all. A slow one stands behind a relay that takes 40 kB/s, and gets 12 MB.

Linux, as root, with iproute2. python table.py [--write] in the tests' virtual environment; LIBWAMP_PATH names the library.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(ROOT / "tests" / "interop")]

from client import Client  # noqa: E402
from pki import make  # noqa: E402

DOCUMENT = ROOT / "docs" / "TRANSPORTS.md"
BEGIN, END = "<!-- liveness: tests/liveness/table.py --write -->\n", "<!-- /liveness -->\n"
TIMES = {"autoping_interval": 1, "autoping_timeout": 1}
WATCHED = 30  # seconds; who has not noticed by then does not notice
BUSY = 8  # seconds that a busy machine may need beyond the two times
TRANSPORTS = {
    "`ws`": ("ws", {}),
    "`wss`": ("wss", {"tlsConfiguration": {"verify": False}}),
    "`ws+unix`": ("ws+unix", {}),
    "`rs` with `rawsocket_pings`": ("rs", {"rawsocket_pings": True}),
    "`rs` without": ("rs", {}),
    "`http`": ("http", {}),
}
# What is not promised: without pings, a frozen process looks like an idle one, because its system answers for it.
UNNOTICED = {("`rs` without", "frozen", "idle"), ("`rs` without", "frozen", "sending")}
RATE, SIZE = 40_000, 12_000_000


class Router:
    """A router in a process of its own, and in a network namespace if one is named."""

    def __init__(self, url: str, config: dict, namespace: str | None = None) -> None:
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        path = os.pathsep.join([str(ROOT / "bindings" / "python"), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [*inside, sys.executable, str(Path(__file__).with_name("router.py")), json.dumps(config), url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url, "the router did not start"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def watch(client: Client, sending: bool) -> float | None:
    """How long it takes until the loss is told."""
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < WATCHED:
        if sending:
            client.send("com.example.beat", [passed])
        event = client.poll(begun + passed + 0.25)
        if event is not None and event.kind == "CLOSE":
            return time.monotonic() - begun
    return None


def frozen(transport: str, config: dict, directory: Path, sending: bool) -> float | None:
    scheme, options = TRANSPORTS[transport]
    router = Router(address(scheme, "127.0.0.1", directory, sending), config)
    try:
        with Client(router.url, "realm1", max_retries=0, close_timeout=0.1, **TIMES, **options) as client:
            assert client.open().kind == "OPEN"
            router.process.send_signal(signal.SIGSTOP)
            return watch(client, sending)
    finally:
        router.end()


def cut_off(transport: str, config: dict, directory: Path, sending: bool) -> float | None:
    scheme, options = TRANSPORTS[transport]
    with namespace() as (name, host, cut):
        router = Router(address(scheme, host, directory, sending), config, name)
        try:
            with Client(router.url, "realm1", max_retries=0, close_timeout=0.1, **TIMES, **options) as client:
                assert client.open().kind == "OPEN"
                cut()
                return watch(client, sending)
        finally:
            router.end()


def slow(transport: str, config: dict, directory: Path) -> float | None:
    """How long a large message takes with the default options; None: the router counted as lost."""
    scheme, options = TRANSPORTS[transport]
    router = Router(address(scheme, "127.0.0.1", directory, True), config)
    try:
        with narrow(router.url) as url, Client(url, "realm1", max_retries=0, close_timeout=1, **options) as client:
            assert client.open().kind == "OPEN"
            begun = time.monotonic()
            client.send("com.example.large", ["x" * SIZE])
            call = client.call("wamp.session.count")  # answered after what went before it
            while time.monotonic() - begun < 4 * SIZE / RATE:
                event = client.poll(time.monotonic() + 5)
                if event is not None and event.kind == "CLOSE":
                    return None
                if event is not None and event.id == call:
                    return time.monotonic() - begun if event.kind == "RESULT" else None
            return None
    finally:
        router.end()


def address(scheme: str, host: str, directory: Path, sending: bool) -> str:
    if scheme.endswith("+unix"):
        return f"{scheme}://{directory / f'{threading.get_ident()}-{sending}.sock'}"
    return f"{scheme}://{host}:0" + ("" if scheme == "rs" else "/wamp")


_numbers = iter(range(1, 1000))
_number = threading.Lock()


@contextlib.contextmanager
def namespace() -> Iterator[tuple[str, str, Callable[[], None]]]:
    """A network namespace, the address of a host in it, and what cuts it off."""
    with _number:
        number = next(_numbers)
    name, ours, theirs = f"wamp-test-{os.getpid()}-{number}", f"wtu{number}", f"wtt{number}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("address", "add", f"198.18.{number}.1/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("-n", name, "address", "add", f"198.18.{number}.2/30", "dev", theirs)
        ip("-n", name, "link", "set", theirs, "up")
        # Its end alone: ours stays up, so that our system hears of nothing.
        drop = ("-n", name, "address", "delete", f"198.18.{number}.2/30", "dev", theirs)
        yield name, f"198.18.{number}.2", lambda: ip(*drop)
    finally:
        ip("netns", "delete", name)


@contextlib.contextmanager
def narrow(url: str) -> Iterator[str]:
    """A relay that takes RATE bytes a second from the client."""
    parts = urlsplit(url)
    is_unix = parts.scheme.endswith("+unix")
    family = socket.AF_UNIX if is_unix else socket.AF_INET
    router = url.split("://")[1] if is_unix else (parts.hostname, parts.port)
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    own = f"{router}-narrow" if is_unix else ("127.0.0.1", 0)
    listener.bind(own)
    listener.listen()

    def carry(one: socket.socket, other: socket.socket, rate: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(rate // 20 if rate else 65536):
                other.sendall(data)
                if rate:
                    time.sleep(len(data) / rate)  # being slow is what it is for
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(family)
                server.connect(router)
                threading.Thread(target=carry, args=(client, server, RATE), daemon=True).start()
                threading.Thread(target=carry, args=(server, client, None), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        port = None if is_unix else listener.getsockname()[1]
        yield f"{parts.scheme}://{own}" if is_unix else parts._replace(netloc=f"127.0.0.1:{port}").geturl()
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def main() -> int:
    if os.geteuid() != 0:
        print("SKIPPED: network namespaces need root: liveness was not measured")
        return 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(40) as pool:
        directory = Path(scratch)
        pki = make(directory)
        config = {"realms": ["realm1"], "tls": {"cert": str(pki.server), "key": str(pki.server_key)}}
        cells = {}
        for transport in TRANSPORTS:
            for sending in (False, True):
                how = "sending" if sending else "idle"
                cells[transport, "frozen", how] = pool.submit(frozen, transport, config, directory, sending)
                if "unix" not in transport:
                    cells[transport, "cut off", how] = pool.submit(cut_off, transport, config, directory, sending)
            cells[transport, "slow", ""] = pool.submit(slow, transport, config, directory)
        told = {cell: one.result() for cell, one in cells.items()}
    faults = [fault for cell, seconds in told.items() if (fault := judge(cell, seconds))]
    table = "\n".join(rows(told))
    print(table)
    if "--write" in sys.argv[1:] and not faults:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    print(*faults, sep="\n")
    print(f"{len(told) - len(faults)} passed, {len(faults)} failed")
    return 1 if faults else 0


def judge(cell: tuple[str, str, str], seconds: float | None) -> str | None:
    if cell[1] == "slow":
        return None if seconds is not None else f"{cell}: the router counted as lost"
    if cell in UNNOTICED:
        return None
    limit = sum(TIMES.values()) + BUSY
    return None if seconds is not None and seconds <= limit else f"{cell}: {seconds} s, more than {limit}"


def rows(told: dict[tuple[str, str, str], float | None]) -> Iterator[str]:
    yield "| noticed after | frozen, idle | frozen, sending | cut off, idle | cut off, sending | 12 MB at 40 kB/s |"
    yield "|---|---|---|---|---|---|"
    for transport in TRANSPORTS:
        columns = []
        for what in ("frozen", "cut off"):
            for how in ("idle", "sending"):
                cell = (transport, what, how)
                seconds = told.get(cell)
                columns.append("" if cell not in told else f"{seconds:.1f} s" if seconds is not None else "not")
        large = told[transport, "slow", ""]
        columns.append("lost" if large is None else f"arrived after {large:.0f} s")
        yield f"| {transport} | {' | '.join(columns)} |"


if __name__ == "__main__":
    sys.exit(main())
