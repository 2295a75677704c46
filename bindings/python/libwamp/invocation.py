"""The callee's side: an invocation comes in, its endpoint runs, and its answer goes out exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .checks import suits
from .durable import DurableRegistration
from .errors import Error, check, local_error
from .ffi import ffi, from_c, lib, to_c
from .payload import Result, details_of, options_to_c, payload, unwrap
from .wire import EXITS, is_cancelled

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

_log = logging.getLogger("libwamp")

Endpoint = Callable[..., Any]
_Answer = Callable[[], int]


CONCURRENCY = 1024
"""How many coroutines of an endpoint may run at once, unless it is registered with another number."""


def check_concurrency(number: int) -> None:
    """Refuses what is no number of endpoints."""
    if not isinstance(number, int):
        raise TypeError(f"concurrency is a number of endpoints, and not {number!r}")
    if number < 1:
        raise ValueError(f"concurrency is at least 1, and not {number}")


class Registration:
    """A procedure that this session serves."""

    def __init__(self, session: Session, number: int, procedure: str, endpoint: Endpoint,
                 details_arg: str | None, concurrency: int) -> None:
        self.session = session
        self.number = number  # the library's local id
        self.id = 0  # the router's
        self.procedure = procedure
        self.endpoint = endpoint
        self.details_arg = details_arg
        self.concurrency = concurrency
        self.running = 0  # endpoints, that are coroutines

    def __repr__(self) -> str:
        return f"<libwamp.Registration {self.procedure!r}{'' if self.active else ', ended'}>"

    @property
    def active(self) -> bool:
        """Whether the procedure is still served."""
        return self.session.serves(self)

    async def unregister(self) -> None:
        """Ends it."""
        await self.session.unregister(self)


class Invocation:
    """One call being served, for an endpoint that asked for it by `details_arg`."""

    __slots__ = ("procedure", "details", "wants_progress", "has_input", "_connection", "_pointer", "_pieces")

    def __init__(self, connection: Connection, event: Any) -> None:
        self._connection = connection
        self.procedure = from_c(event.uri, event.uri_size)
        self.details = details_of(event)
        self.wants_progress = bool(event.flags & lib.WAMP_FLAG_PROGRESS)
        self.has_input = bool(event.flags & lib.WAMP_FLAG_MORE)  # beside the arguments, see `input`
        self._pointer = event.invocation
        self._pieces: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue()

    def __repr__(self) -> str:
        return f"<libwamp.Invocation of {self.procedure!r}>"

    @property
    def is_canceled(self) -> bool:
        """Whether nobody waits for the answer any more. A coroutine need not ask: it is cancelled."""
        return bool(lib.wamp_invocation_is_canceled(self._pointer) != 0)

    def progress(self, *args: Any, wamp_options: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Sends a progressive result, as long as the endpoint has not answered.

        Raises `QueueFull` where the send queue has no room.
        """
        told = self._connection.outgoing(args, kwargs, wamp_options)
        if wamp_options:
            options = options_to_c({**wamp_options, "progress": True})
            check(lib.wamp_invocation_yield_with(self._pointer, told, options))
        else:
            check(lib.wamp_invocation_progress(self._pointer, told))

    async def input(self) -> AsyncIterator[Any]:
        """What the caller sends after the arguments: each piece is None, the one value, or a `Result`."""
        more = self.has_input
        while more:
            more, piece = await self._pieces.get()
            if more or piece is not None:  # an empty last piece only says that it is the last
                yield piece

    def add(self, more: bool, piece: Any) -> None:
        """A further piece of the input has come."""
        self._pieces.put_nowait((more, piece))


class Serving(NamedTuple):
    """An invocation whose endpoint is a coroutine that runs."""

    task: asyncio.Future[Any]
    invocation: Invocation | None


def serve(connection: Connection, registration: Registration | DurableRegistration | None, event: Any) -> None:
    """Runs the endpoint of an INVOCATION event and answers, now or when its coroutine ends."""
    handle, number = event.invocation, event.wamp_id
    more = bool(event.flags & lib.WAMP_FLAG_MORE)
    serving = connection.serving.get(number)
    if serving is not None or number in connection.unfinished:
        if not more and number in connection.unfinished:
            connection.unfinished.remove(number)
        if serving is not None and serving.invocation is not None:
            has_payload = event.payload.args or event.payload.kwargs
            try:
                piece = unwrap(*connection.arguments(event, serving.invocation.details)) if has_payload else None
            except Exception as error:
                connection.complain(error, f"input of {serving.invocation.procedure} that cannot be read")
                unreadable = Error("wamp.error.invalid_argument", ["the payload cannot be read"])
                _send(handle, _refusal(handle, unreadable))
                serving.task.cancel()
                return
            serving.invocation.add(more, piece)
        return
    if more:
        connection.unfinished.append(number)
    if registration is None:
        _send(handle, _refusal(handle, Error("wamp.error.no_such_procedure")))
        return
    if registration.running >= registration.concurrency:
        busy = f"{registration.running} calls of this procedure are being served, and no more are at once"
        _send(handle, _refusal(handle, Error("wamp.error.unavailable", [busy])))
        return
    invocation = None
    try:
        if more and registration.details_arg is None:
            raise Error("wamp.error.invalid_argument", ["this procedure takes no input beside its arguments"])
        try:
            args, kwargs = connection.arguments(event)
        except Exception as error:
            connection.complain(error, f"a call of {registration.procedure} that cannot be read")
            raise Error("wamp.error.invalid_argument", ["the payload cannot be read"]) from error
        if registration.details_arg is not None:
            invocation = kwargs[registration.details_arg] = Invocation(connection, event)
        try:
            value = registration.endpoint(*args, **kwargs)
        except TypeError as error:
            if suits(registration.endpoint, args, kwargs, error):
                raise
            _log.warning("%s was called with arguments that do not suit it: %s", registration.procedure, error)
            raise Error("wamp.error.invalid_argument", [str(error)]) from None
    except BaseException as error:
        _send(handle, _failure(connection, handle, registration, error))
        connection.leave_by(error)
    else:
        if isinstance(value, Awaitable):
            _serve_later(connection, registration, event, invocation, value)
        else:
            _send(handle, _reply(connection, handle, registration, value))


def interrupt(connection: Connection, number: int) -> None:
    """The caller has given an invocation up: its endpoint is cancelled."""
    serving = connection.serving.get(number)
    if serving is not None:
        serving.task.cancel()


def _serve_later(connection: Connection, registration: Registration | DurableRegistration, event: Any,
                 invocation: Invocation | None, value: Awaitable[Any]) -> None:
    handle, number = event.invocation, event.wamp_id
    check(lib.wamp_invocation_retain(handle))
    lib.wamp_invocation_on_interrupt(handle, ffi.NULL, ffi.NULL, ffi.NULL)  # if it fails, nobody will interrupt it
    work = _answer_later(connection, registration, handle, value)
    serving = Serving(connection.spawn(work, f"the endpoint of {registration.procedure}"), invocation)
    connection.serving[number] = serving
    registration.running += 1

    def done(task: asyncio.Future[Any]) -> None:
        registration.running -= 1
        if connection.serving.get(number) is serving:  # and not one of a later session
            del connection.serving[number]
        if asyncio.iscoroutine(value):
            value.close()  # which has not begun, if the task was cancelled before it did
        # Then there was no answer either, and this gives one.
        lib.wamp_invocation_release(handle)

    serving.task.add_done_callback(done)


async def _answer_later(connection: Connection, registration: Registration | DurableRegistration, handle: Any,
                        value: Awaitable[Any]) -> None:
    try:
        answer = _reply(connection, handle, registration, await value)
    except BaseException as error:
        if is_cancelled(error):
            _send(handle, _refusal(handle, Error("wamp.error.canceled")))
            raise
        if isinstance(error, EXITS):
            _send(handle, _refusal(handle, error))
            raise
        answer = _failure(connection, handle, registration, error)
    _send(handle, answer)


def _send(handle: Any, answer: _Answer) -> None:
    """Sends an answer; one that cannot be sent as it is (too large) becomes an ERROR that says so."""
    status = answer()
    if status in _UNSENDABLE:
        _refusal(handle, local_error(status, from_c(lib.wamp_last_error())))()


def _reply(connection: Connection, handle: Any, registration: Registration | DurableRegistration,
           value: Any) -> _Answer:
    try:
        if isinstance(value, Result):
            result = connection.outgoing(value.args, value.kwargs, value.options)
            options = options_to_c(value.options)
        else:
            result, options = payload([value]), ffi.NULL
    except Exception as error:  # a value that JSON does not know
        return _failure(connection, handle, registration, error)
    return lambda: lib.wamp_invocation_yield_with(handle, result, options)


def _failure(connection: Connection, handle: Any, registration: Registration | DurableRegistration,
             error: BaseException) -> _Answer:
    if not isinstance(error, Error):
        connection.complain(error, f"exception in the endpoint of {registration.procedure}")
    if isinstance(error, asyncio.CancelledError):
        error = Error("wamp.error.canceled")
    return _refusal(handle, error)


def _refusal(handle: Any, error: BaseException) -> _Answer:
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


_UNSENDABLE = (
    lib.WAMP_ERR_TOO_LARGE, lib.WAMP_ERR_PAYLOAD, lib.WAMP_ERR_URI, lib.WAMP_ERR_UTF8, lib.WAMP_ERR_OPTION,
    lib.WAMP_ERR_UNSUPPORTED, lib.WAMP_ERR_AGAIN,
)
