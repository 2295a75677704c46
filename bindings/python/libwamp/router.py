"""The embedded router: for tests, demonstrations and programs on one machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from .afterwards import attend, discard
from .errors import check, making_failed
from .ffi import ffi, from_c, lib, to_c
from .logs import follow_logging
from .payload import path_text, report


class Router:
    """A WAMP router inside this process.

    `config` is the configuration of `wamp_router_new` as a mapping; without it realms are made on demand.

        with Router() as router:
            router.listen("ws://127.0.0.1:0/ws")
            ... connect(router.url, "realm1") ...
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        attend()
        follow_logging()
        self._handle = lib.wamp_router_new(ffi.NULL if config is None else to_c(json.dumps(config, default=path_text)))
        if self._handle == ffi.NULL:
            raise making_failed(lib.WAMP_ERR_OPTION)

    def __repr__(self) -> str:
        return f"<libwamp.Router {'closed' if self._handle == ffi.NULL else self.url or 'listening nowhere'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", ffi.NULL) != ffi.NULL:
            discard(lib.wamp_router_free, self._handle)

    def listen(self, url: str = "ws://127.0.0.1:0/ws") -> str:
        """Listens; with port 0 on a free one. Returns the URL to connect to."""
        listening = ffi.new("const char **")
        check(lib.wamp_router_listen(self._handle, to_c(url), listening))
        return from_c(listening[0])

    @property
    def url(self) -> str:
        """The URL to connect to, with the real port: that of the first `listen`."""
        return from_c(lib.wamp_router_url(self._handle))

    @property
    def stats(self) -> dict[str, int]:
        """Counters of the router: `clients`, `sessions`, `subscriptions`, `registrations`, ..."""
        return report(lib.wamp_router_stats(self._handle))[1]

    def kick(self, session: int = 0, reason: str | None = None) -> int:
        """Ends a session, or all clients, and returns how many. Without a reason (a URI) the connection is just cut."""
        return check(lib.wamp_router_kick(self._handle, session, ffi.NULL if reason is None else to_c(reason)))

    def close(self) -> None:
        """Stops the router; its sessions are lost. Closing twice is not an error."""
        if self._handle != ffi.NULL:
            lib.wamp_router_free(self._handle)
            self._handle = ffi.NULL
