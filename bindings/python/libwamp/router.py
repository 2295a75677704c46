"""The embedded router: for tests, demonstrations and programs on one machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from .afterwards import attend, discard
from .deciding import Authenticate, Authorize, Decisions, ErrorHandler
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

    `on_authenticate(details)` decides who may join, and `on_authorize(details)` what clients may do. Both are plain or
    async, and run in the loop that calls `listen`. They return True, False, or a mapping, which says yes with the
    options of `wamp_question_allow`; `on_authenticate` may return a `Challenge` first. An `Error` that is raised says
    no, with its URI and its first argument for the client. Other exceptions say no, and go to `on_user_error(error,
    message)`, or else to `logging.getLogger("libwamp")`. Such a router lives until it is closed.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        on_authenticate: Authenticate | None = None,
        on_authorize: Authorize | None = None,
        on_user_error: ErrorHandler | None = None,
    ) -> None:
        attend()
        follow_logging()
        self._decisions: Decisions | None = None
        self._asks = on_authenticate is not None or on_authorize is not None
        self._handle = lib.wamp_router_new(self._config_to_c(config))
        if self._handle == ffi.NULL:
            raise making_failed(lib.WAMP_ERR_OPTION)
        if self._asks:
            self._decisions = Decisions(self._handle, on_authenticate, on_authorize, on_user_error)

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

    def listen(self, url: str | None = "ws://127.0.0.1:0/ws") -> str:
        """Listens; with port 0 on a free one. Returns the URL to connect to.

        With None it listens at all places of `listeners` in the configuration where it does not yet. Then it is the URL
        of the first of these, "" if there is none.
        """
        if self._decisions is not None:
            self._decisions.listen(self)
        listening = ffi.new("const char **")
        check(lib.wamp_router_listen(self._handle, ffi.NULL if url is None else to_c(url), listening))
        return from_c(listening[0])

    def reload(self, config: Mapping[str, Any] | None = None) -> None:
        """Goes by another configuration from now on, the whole of it; nothing changes if anything is wrong with it.

        What is no longer allowed is revoked, users that were removed are closed, and everybody else stays.
        """
        check(lib.wamp_router_reload(self._handle, self._config_to_c(config)))

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
            if self._decisions is not None:
                self._decisions.end()
            lib.wamp_router_free(self._handle)
            self._handle = ffi.NULL

    def _config_to_c(self, config: Mapping[str, Any] | None) -> Any:
        given = dict(config or {})
        if self._asks:
            given["dispatch"] = "manual"
        return to_c(json.dumps(given, default=path_text)) if given else ffi.NULL
