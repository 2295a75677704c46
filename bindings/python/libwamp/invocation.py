"""The callee's side: an invocation comes in, its endpoint runs, and its answer goes out exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .errors import Error, check, local_error
from .ffi import from_c, lib, to_c
from .payload import Result, details_of, payload, received

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

_log = logging.getLogger("libwamp")

Endpoint = Callable[..., Any]
_Answer = Callable[[], int]


class Registration:
    """A procedure that this session serves."""

    def __init__(self, session: Session, number: int, procedure: str, endpoint: Endpoint,
                 details_arg: str | None) -> None:
        self.session = session
        self.number = number  # the library's local id
        self.id = 0  # the router's
        self.procedure = procedure
        self.endpoint = endpoint
        self.details_arg = details_arg

    @property
    def active(self) -> bool:
        """Whether the procedure is still served."""
        return self.session.serves(self)

    async def unregister(self) -> None:
        """Ends it."""
        await self.session.unregister(self)


class Invocation:
    """One call being served, for an endpoint that asked for it by `details_arg`."""

    __slots__ = ("procedure", "details", "wants_progress", "_handle")

    def __init__(self, event: Any) -> None:
        self.procedure = from_c(event.uri, event.uri_size)
        self.details = details_of(event)
        self.wants_progress = bool(event.flags & lib.WAMP_FLAG_PROGRESS)
        self._handle = event.invocation

    def progress(self, *args: Any, **kwargs: Any) -> None:
        """Sends a progressive result, as long as the endpoint has not answered."""
        check(lib.wamp_invocation_progress(self._handle, payload(args, kwargs)))


def serve(connection: Connection, registration: Registration | None, event: Any) -> None:
    """Runs the endpoint of an INVOCATION event and answers, now or when its coroutine ends."""
    handle = event.invocation
    if registration is None:
        _send(handle, _refusal(handle, Error("wamp.error.no_such_procedure")))
        return
    try:
        args, kwargs = received(event.payload)
        if registration.details_arg is not None:
            kwargs[registration.details_arg] = Invocation(event)
        value = registration.endpoint(*args, **kwargs)
    except Exception as error:
        answer = _failure(handle, registration, error)
    else:
        if isinstance(value, Awaitable):
            check(lib.wamp_invocation_retain(handle))
            connection.spawn(_serve_later(connection, registration, handle, value))
            return
        answer = _reply(handle, value)
    if _send(handle, answer) == lib.WAMP_ERR_AGAIN:
        check(lib.wamp_invocation_retain(handle))
        connection.spawn(_send_later(connection, handle, answer))


async def _serve_later(connection: Connection, registration: Registration, handle: Any,
                       value: Awaitable[Any]) -> None:
    try:
        answer = _reply(handle, await value)
    except asyncio.CancelledError:
        answer = _refusal(handle, Error("wamp.error.canceled"))
        _send(handle, answer)
        lib.wamp_invocation_release(handle)
        raise
    except Exception as error:
        answer = _failure(handle, registration, error)
    await _send_later(connection, handle, answer)


async def _send_later(connection: Connection, handle: Any, answer: _Answer) -> None:
    """Sends the answer of a retained invocation as soon as there is room for it, and releases it."""
    try:
        while _send(handle, answer) == lib.WAMP_ERR_AGAIN:
            connection.block()
            await connection.drain()
    except ConnectionError:
        pass  # nobody is left to hear it
    finally:
        lib.wamp_invocation_release(handle)


def _send(handle: Any, answer: _Answer) -> int:
    """Sends an answer; one that cannot be sent as it is (too large) becomes an ERROR that says so."""
    status = answer()
    if status in (lib.WAMP_ERR_TOO_LARGE, lib.WAMP_ERR_PAYLOAD, lib.WAMP_ERR_URI, lib.WAMP_ERR_UTF8):
        status = _refusal(handle, local_error(status, from_c(lib.wamp_last_error())))()
    return status


def _reply(handle: Any, value: Any) -> _Answer:
    try:
        result = payload(value.args, value.kwargs) if isinstance(value, Result) else payload([value])
    except Exception as error:  # a value that JSON does not know
        return _refusal(handle, error)
    return lambda: lib.wamp_invocation_yield(handle, result)


def _failure(handle: Any, registration: Registration, error: Exception) -> _Answer:
    if not isinstance(error, Error):
        _log.error("exception in the endpoint of %s", registration.procedure, exc_info=error)
    return _refusal(handle, error)


def _refusal(handle: Any, error: Exception) -> _Answer:
    uri = "wamp.error.runtime_error"
    try:
        if isinstance(error, Error):
            uri, told = error.uri, payload(error.args, error.kwargs)
        else:
            told = payload([str(error)])
        name = to_c(uri)
    except Exception as unsendable:
        name, told = to_c("wamp.error.runtime_error"), payload([f"{uri}: {unsendable!r}"])
    return lambda: lib.wamp_invocation_error(handle, name, told)
