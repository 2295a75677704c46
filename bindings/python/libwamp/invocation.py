"""The callee's side, as programs see it: a registration, and one call being served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from .coding import Coding
from .entries import Procedure
from .errors import check
from .ffi import from_c, lib
from .payload import details_of, options_to_c

if TYPE_CHECKING:
    from .session import Session

Endpoint = Callable[..., Any]


class Registration:
    """A procedure that a session serves."""

    def __init__(self, session: Session, entry: Procedure, is_listed: Callable[[Procedure], bool]) -> None:
        self._session = session
        self._entry = entry
        self._is_listed = is_listed

    def __repr__(self) -> str:
        return f"<libwamp.Registration {self.procedure!r}{'' if self.active else ', ended'}>"

    @property
    def session(self) -> Session:
        """The session that it belongs to."""
        return self._session

    @property
    def procedure(self) -> str:
        """The procedure, as it was given."""
        return self._entry.uri

    @property
    def endpoint(self) -> Endpoint:
        """The function or coroutine function that serves the calls."""
        return self._entry.function

    @property
    def concurrency(self) -> int:
        """The number of coroutines of the endpoint that may run at once."""
        return self._entry.concurrency

    @property
    def id(self) -> int:
        """The router's id."""
        return self._entry.id

    @property
    def active(self) -> bool:
        """Whether the procedure is still served."""
        return self._is_listed(self._entry)

    async def unregister(self) -> None:
        """Ends it. Calls in progress are still answered."""
        await self._session.unregister(self)


class Invocation:
    """One call being served, for an endpoint that asked for it with `details_arg`."""

    __slots__ = ("_coding", "_pieces", "_pointer", "details", "has_input", "procedure", "wants_progress")

    def __init__(self, coding: Coding, event: Any, pieces: asyncio.Queue[tuple[bool, Any]]) -> None:
        self.procedure = from_c(event.uri, event.uri_size)
        self.details = details_of(event)
        self.wants_progress = bool(event.flags & lib.WAMP_FLAG_PROGRESS)
        self.has_input = bool(event.flags & lib.WAMP_FLAG_MORE)  # beside the arguments, see `input`
        self._coding = coding
        self._pointer = event.invocation
        self._pieces = pieces  # of the input, each with whether there are more

    def __repr__(self) -> str:
        return f"<libwamp.Invocation of {self.procedure!r}>"

    @property
    def is_canceled(self) -> bool:
        """Whether the answer is no longer wanted. A coroutine need not check this: it is cancelled."""
        return bool(lib.wamp_invocation_is_canceled(self._pointer) != 0)

    def progress(self, *args: Any, wamp_options: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Sends a progressive result; only until the endpoint has answered.

        Raises `QueueFull` if the send queue has no room.
        """
        told = self._coding.outgoing(args, kwargs, wamp_options)
        if wamp_options:
            options = options_to_c({**wamp_options, "progress": True})
            check(lib.wamp_python_yield(self._pointer, *told, options))
        else:
            check(lib.wamp_python_progress(self._pointer, *told))

    async def input(self) -> AsyncIterator[Any]:
        """Yields what the caller sends after the arguments: each piece is None, the single value, or a `Result`."""
        more = self.has_input
        while more:
            more, piece = await self._pieces.get()
            if more or piece is not None:  # an empty last piece only says that it is the last
                yield piece
