"""A relay between a client and a router, which can cut every connection at once."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit


class Relay:
    """Listens where a client shall connect to, and carries bytes to and from the address of a router's URL."""

    def __init__(self, url: str, directory: Path) -> None:
        scheme, rest = url.split("://")
        if scheme.endswith("+unix"):
            self._router, colon, path = rest.partition(":")
            own = str(directory / "relay.sock")
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(own)
            self.url = f"{scheme}://{own}{colon}{path}"
        else:
            parts = urlsplit(url)
            self._router = (parts.hostname, parts.port)
            self._listener = socket.socket(socket.AF_INET)
            self._listener.bind(("127.0.0.1", 0))
            self.url = parts._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._listener.listen()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections without a word; new ones are taken."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # This wakes who waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            router = socket.socket(client.family)
            try:
                router.connect(self._router)
            except OSError:
                client.close()
                continue
            for one, other in ((client, router), (router, client)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with self._lock:
            self._open.add(one)
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(one)
        one.close()
