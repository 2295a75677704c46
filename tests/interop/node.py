"""A node of Crossbar.io: how it is configured, started, frozen and ended.

The Crossbar.io of the virtual environment whose Python runs the tests is used.
"""

import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

READY = "Ok, local node configuration ran successfully."
START_LIMIT = 120
STOP_LIMIT = 30

VERBS = ("call", "register", "publish", "subscribe")
DEFLATE = {
    "request_no_context_takeover": False, "request_max_window_bits": 0, "no_context_takeover": False,
    "max_window_bits": 15, "memory_level": 8,
}
DISCLOSE = {"caller": True, "publisher": True}


def free_port() -> int:
    """A port to listen on, of those that no client gets by chance before that, and no test beside this one either."""
    while True:
        port = _ports.randrange(15_000, 32_000)
        if port in _given:
            continue
        lock = (Path(tempfile.gettempdir()) / f"libwamp-test-port-{port}").open("wb")
        with socket.socket() as probe, suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            probe.bind(("127.0.0.1", port))
            _given[port] = lock
            return port
        lock.close()


_ports = random.SystemRandom()
_given: dict[int, IO[bytes]] = {}  # with the locks that hold for as long as this process lives


def has_ipv6() -> bool:
    """Whether this machine has [::1]."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def role(name: str, disclose: dict = DISCLOSE) -> dict:
    """A role that may do everything."""
    permission = {
        "uri": "",
        "match": "prefix",
        "allow": dict.fromkeys(VERBS, True),
        "disclose": disclose,
        "cache": True,
    }
    return {"name": name, "permissions": [permission]}


def websocket(port: int, **more) -> dict:
    """A WebSocket transport; `tls` goes to its endpoint, the rest to itself."""
    return _transport("websocket", _tcp(port, more.pop("tls", None)), more)


def rawsocket(port: int, **more) -> dict:
    """A RawSocket transport, as websocket()."""
    return _transport("rawsocket", _tcp(port, more.pop("tls", None)), more)


def websocket_on_ipv6(port: int, **more) -> dict:
    """A WebSocket transport on [::1] alone; Crossbar.io has no TLS there."""
    return _transport("websocket", {"type": "tcp", "version": 6, "interface": "::1", "port": port}, more)


def web(port: int, tls: dict | None = None, **paths: dict) -> dict:
    """A web server with a service at each of these paths."""
    return {"type": "web", "endpoint": _tcp(port, tls), "paths": paths}


def longpoll() -> dict:
    """A service of HTTP long-poll; see node_longpoll.py."""
    return {"type": "longpoll"}


def service(**more) -> dict:
    """A service of WebSocket."""
    return {"type": "websocket", **more}


def on_unix(kind: str, path: Path, **more) -> dict:
    """A transport on a Unix socket: a `websocket` or a `rawsocket`."""
    # What a browser would have asked for, where there is no host to tell it.
    url = {"url": "ws://localhost"} if kind == "websocket" else {}
    return _transport(kind, {"type": "unix", "path": str(path)}, {**url, **more})


def _tcp(port: int, tls: dict | None) -> dict:
    endpoint = {"type": "tcp", "interface": "127.0.0.1", "port": port}
    return {**endpoint, "tls": tls} if tls else endpoint


def _transport(kind: str, endpoint: dict, more: dict) -> dict:
    return {"type": kind, "endpoint": endpoint, "serializers": ["json", "msgpack", "cbor"], **more}


def configuration(realms: list[dict], transports: list[dict]) -> dict:
    here = str(Path(__file__).parent)
    repair = {"type": "class", "classname": "node_longpoll.Repair", "realm": realms[0]["name"], "role": "anonymous"}
    worker = {"type": "router", "options": {"pythonpath": [here]}, "realms": realms, "components": [repair]}
    return {"version": 2, "workers": [{**worker, "transports": transports}]}


def make_key(directory: Path) -> str:
    """Makes the key of the node that is going to live in a directory; gives the public half."""
    subprocess.run([_program(), "keys", "--cbdir", directory], check=True, capture_output=True)
    return _public_key(directory)


def _public_key(directory: Path) -> str:
    text = (directory / "key.pub").read_text(encoding="utf-8")
    return re.search(r"^public-key-ed25519: ([0-9a-f]{64})$", text, re.MULTILINE)[1]


def _program() -> Path:
    program = Path(sys.executable).parent / "crossbar"
    if not program.exists():
        raise NodeError(f"there is no {program}: install requirements.txt in this environment")
    return program


class NodeError(Exception):
    """The node did not do what it was told; the text has the end of its log."""


class Node:
    """One node, which can be started again and again in its directory."""

    def __init__(self, directory: Path, config: dict) -> None:
        self.directory = directory
        self.log = directory / "log.txt"
        self._process: subprocess.Popen | None = None
        (directory / "config.json").write_text(json.dumps(config))

    def start(self) -> None:
        """Starts it and waits until it has opened its transports."""
        # A node that was killed leaves this behind, and the next one trips over it.
        (self.directory / "node.pid").unlink(missing_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [_program(), "start", "--cbdir", self.directory, "--loglevel", "info"],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,  # one group for its two processes, which signals can reach
            )
        end = time.monotonic() + START_LIMIT
        while READY not in self.log.read_text(encoding="utf-8", errors="replace"):
            if self._process.poll() is not None:
                raise NodeError(f"it ended with status {self._process.returncode}; its log ends so:\n{self._tail()}")
            if time.monotonic() > end:
                raise NodeError(f"it was not ready within {START_LIMIT} s; its log ends so:\n{self._tail()}")
            time.sleep(0.05)  # a file cannot be awaited

    def public_key(self) -> str:
        """Its own key for cryptosign, which it has made at its first start, or make_key() before that."""
        return _public_key(self.directory)

    def stop(self) -> None:
        """Shuts it down in order."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends it without a word (SIGKILL), also a frozen one."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stops it where it stands (SIGSTOP): its sockets stay, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def _tail(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-60:])
