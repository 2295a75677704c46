"""The library's own router, listening in every way that it can."""

import json
from pathlib import Path

from client import Refused, good
from libwamp.ffi import ffi, from_c, lib, to_c
from node import free_port
from pki import Pki

SCHEMES = ("ws", "wss", "rs", "rss", "http", "https")


class Embedded:
    """`urls` has a URL for each way."""

    def __init__(self, pki: Pki, directory: Path, **more) -> None:
        config = {"tls": {"cert": str(pki.server), "key": str(pki.server_key)}, **more}
        self._handle = lib.wamp_router_new(to_c(json.dumps(config)))
        if self._handle == ffi.NULL:
            raise Refused(from_c(lib.wamp_last_error()))
        self.urls = {}
        for kind in ("ws+unix", "rs+unix"):
            path = f"{kind}://{directory / kind.replace('+', '-')}.sock"
            good(lib.wamp_router_listen(self._handle, to_c(path)))
            self.urls[kind] = path
        for scheme in SCHEMES:
            self.urls[scheme] = self._listen(scheme)

    def _listen(self, scheme: str) -> str:
        # The router tells the port of its first listener alone.
        path = "" if scheme.startswith("rs") else "/wamp"
        url = f"{scheme}://127.0.0.1:{free_port()}{path}"
        good(lib.wamp_router_listen(self._handle, to_c(url)))
        return url

    def close(self) -> None:
        good(lib.wamp_router_free(self._handle))
