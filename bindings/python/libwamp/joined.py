"""The library's handle of a session: from join to leave, and given back once."""

from __future__ import annotations

import asyncio
from typing import Any

from .afterwards import discard
from .errors import check, local_error
from .ffi import ffi, from_c, lib
from .payload import details_of
from .reports import Closed
from .wire import Wire, settle


class Joined:
    """Owns one `wamp_session_t`."""

    def __init__(self, wire: Wire, event: Any) -> None:
        check(lib.wamp_session_retain(event.session))
        self._wire = wire
        self.handle = event.session  # NULL when it has ended
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.id: int = event.wamp_id
        self.realm = from_c(lib.wamp_session_realm(event.session))
        self.details = details_of(event)  # of WELCOME

    def __del__(self) -> None:
        if getattr(self, "handle", ffi.NULL) != ffi.NULL:  # its loop ended first
            discard(lib.wamp_session_release, self.handle)

    @property
    def pointer(self) -> Any:
        """The handle, for a request: raises where the session has ended, or in another loop or thread."""
        if not self.handle:
            raise local_error(lib.WAMP_ERR_CLOSED)
        self._wire.check_loop()
        return self.handle

    @property
    def is_open(self) -> bool:
        """Whether the session is still joined."""
        return bool(self.handle != ffi.NULL and lib.wamp_session_is_open(self.handle) == 1)

    def end(self, closed: Closed) -> None:
        """The session is over."""
        lib.wamp_session_release(self.handle)
        self.handle = ffi.NULL
        settle(self.closed, closed)
