"""The library's own router, listening in every way that it can."""

import json
from pathlib import Path

from client import Refused, good
from libwamp.ffi import ffi, from_c, lib, to_c
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
            self.urls[kind] = self._listen(path)
        for scheme in SCHEMES:
            self.urls[scheme] = self._listen(f"{scheme}://127.0.0.1:0{'' if scheme.startswith('rs') else '/wamp'}")

    def _listen(self, url: str) -> str:
        listening = ffi.new("const char **")
        good(lib.wamp_router_listen(self._handle, to_c(url), listening))
        return from_c(listening[0])

    def close(self) -> None:
        good(lib.wamp_router_free(self._handle))
