"""The session: calls, registrations, subscriptions and publications in one realm."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .afterwards import attend, garbage, lines
from .checks import (
    check_callable,
    check_cancel_mode,
    check_concurrency,
    check_details_arg,
    check_keywords,
    check_timeout,
    uri_to_c,
)
from .durable import DurableRegistration, DurableSubscription
from .entries import Listener, Procedure
from .errors import LocalError, check
from .ffi import CHARS, ffi, from_c, lib, to_c
from .invocation import Endpoint, Registration
from .joined import Joined
from .payload import Payload, Result, dumps, options_of, options_to_c, payload, report
from .reports import Closed, Transport
from .serving import CONCURRENCY
from .subscription import Subscription
from .wire import Wire, is_cancelled

if TYPE_CHECKING:
    from .core import Core

Options = Mapping[str, Any]


class Session:
    """One session of a realm, from join to leave. Used in another event loop or thread, it raises RuntimeError.

    `wamp_options` are the WAMP Options of a request, passed to the router unchanged. Topics and procedures may be
    shortened with `prefix`.
    """

    def __init__(self, core: Core, joined: Joined) -> None:
        self._core = core
        self._joined = joined
        self._begun = time.monotonic()
        self.id = joined.id
        self.realm = joined.realm
        self.details = joined.details  # of WELCOME

    def __repr__(self) -> str:
        return f"<libwamp.Session {self.id} on {self.realm!r}{'' if self.is_open else ', closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the session is still joined."""
        return self._joined.is_open

    @property
    def features(self) -> dict[str, dict[str, bool]]:
        """WAMP's advanced features by role: for our roles, whether both sides support them."""
        return report(lib.wamp_session_features(self._pointer))[1]

    @property
    def subscriptions(self) -> list[Subscription | DurableSubscription]:
        """The active subscriptions, including those of the connection."""
        entries = self._core.subscriptions.values() if self.is_open else ()
        return [entry.face for entry in entries if entry.id]

    @property
    def registrations(self) -> list[Registration | DurableRegistration]:
        """The active registrations, including those of the connection."""
        entries = self._core.registrations.values() if self.is_open else ()
        return [entry.face for entry in entries if entry.id]

    @property
    def transport(self) -> Transport:
        """The way to the router."""
        return self._core.transport

    async def call(
        self,
        procedure: str,
        /,
        *args: Any,
        wamp_options: Options | None = None,
        wamp_timeout: float | None = None,
        wamp_on_progress: Callable[[Any], Any] | None = None,
        wamp_input: Iterable[Any] | AsyncIterable[Any] | None = None,
        wamp_cancel_mode: str = "killnowait",
        wamp_details: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls a procedure. Returns None, the single value, or a `Result` with all of them; raises `Error`.

        After `wamp_timeout` seconds the call is cancelled: `TimedOut`. `wamp_on_progress` is called with each
        progressive result; a coroutine finishes before the next one starts, and before the call returns. `wamp_input`
        is sent to the callee after the arguments, piece by piece: values, or `Result`s for several. When the task is
        cancelled the call is, too, in `wamp_cancel_mode`: "skip", "killnowait" or "kill". With `wamp_details` it
        always returns a `Result`, for progressive results too: their `details` are the router's.
        """
        if kwargs:
            check_keywords(kwargs)
        check_cancel_mode(wamp_cancel_mode)
        if wamp_on_progress is not None:
            check_callable("wamp_on_progress", wamp_on_progress)
        if wamp_input is not None and not isinstance(wamp_input, (Iterable, AsyncIterable)):
            raise TypeError(f"wamp_input is something to iterate over, and not {wamp_input!r}")
        options = options_of(wamp_options)
        if wamp_timeout is not None:
            options["timeout"] = check_timeout(wamp_timeout)
        if wamp_on_progress is not None:
            options["receive_progress"] = True
        if wamp_input is not None:
            options["progress"] = True
        wire = self._core.wire
        given = (
            uri_to_c("procedure", procedure),
            *(wire.coding.outgoing(args, kwargs, options) if options else payload(args, kwargs)),
            options_to_c(options) if options else _NULL,
        )
        number = lib.wamp_python_call(self._joined.pointer, *given)
        if number < 0:
            number = await self._send_again(number, lib.wamp_python_call, *given)
        elif garbage or lines:
            attend()
        feeding = None if wamp_input is None else asyncio.ensure_future(self._feed(number, wamp_input, options))
        try:
            return await wire.outcome(number, wamp_on_progress, wamp_details)
        except asyncio.CancelledError:
            self._cancel(number, wamp_cancel_mode)
            raise
        finally:
            if feeding is not None:
                feeding.cancel()

    async def register(
        self,
        procedure: str,
        endpoint: Endpoint,
        options: Options | None = None,
        *,
        details_arg: str | None = None,
        concurrency: int = CONCURRENCY,
    ) -> Registration:
        """Serves a procedure with a function or coroutine function, which is called with the call's arguments.

        Its return value is the result (several values as a `Result`). Raising `Error` answers with that error, any
        other exception with `wamp.error.runtime_error`. `details_arg` names a keyword argument that receives the
        `Invocation`. A coroutine is cancelled when its caller cancels the call. Coroutines run concurrently; when
        there are `concurrency` of them, further calls are answered `wamp.error.unavailable`.
        """
        name = uri_to_c("procedure", procedure)
        check_callable("an endpoint", endpoint)
        check_details_arg(details_arg)
        check_concurrency(concurrency)
        number = await self._send(
            lib.wamp_session_register, name, options_to_c(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
        )
        entry = self._core.registrations[number] = Procedure(procedure, endpoint, details_arg, concurrency)
        entry.number = number
        registration = entry.face = Registration(self, entry, self._core.knows)
        try:
            entry.id = await self._wire.outcome(number)
        except BaseException as error:
            if self._core.forget(entry) and isinstance(error, asyncio.CancelledError):
                lib.wamp_session_unregister(self._joined.handle, number, ffi.NULL, ffi.NULL, ffi.NULL)
            raise
        return registration

    async def unregister(self, registration: Registration) -> None:
        """Ends a registration. Calls in progress are still answered."""
        number = registration._entry.number
        await self._send(lib.wamp_session_unregister, number, ffi.NULL, ffi.NULL, ffi.NULL)
        await self._wire.outcome(number)

    async def subscribe(
        self, topic: str, handler: Callable[..., Any], options: Options | None = None, *, details_arg: str | None = None
    ) -> Subscription:
        """Subscribes a function or coroutine function, which is called with the arguments of each of the topic's
        events.

        Events come in the order in which the router sent them; a coroutine finishes before the next one starts. When
        1024 events are waiting for a coroutine, the connection stops reading until half of them are handled, unless
        it is a handler that waits for an answer on this connection. `details_arg` names a keyword argument that
        receives the `Event`.
        """
        name = uri_to_c("topic", topic)
        check_callable("a handler", handler)
        check_details_arg(details_arg)
        number = await self._send(
            lib.wamp_session_subscribe, name, options_to_c(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
        )
        entry = self._core.subscriptions[number] = Listener(topic, handler, details_arg)
        entry.number = number
        subscription = entry.face = Subscription(self, entry, self._core.knows)
        try:
            entry.id = await self._wire.outcome(number)
        except BaseException as error:
            if self._core.forget(entry) and isinstance(error, asyncio.CancelledError):
                lib.wamp_session_unsubscribe(self._joined.handle, number, ffi.NULL, ffi.NULL, ffi.NULL)
            raise
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> bool:
        """Ends a subscription; returns False if other handlers keep the topic subscribed."""
        entry = subscription._entry
        ended = await self._send(lib.wamp_session_unsubscribe, entry.number, ffi.NULL, ffi.NULL, ffi.NULL)
        if ended:
            await self._wire.outcome(entry.number)
        self._core.forget(entry)
        entry.drop_waiting()
        return bool(ended)

    def publish(self, topic: str, /, *args: Any, wamp_options: Options | None = None, **kwargs: Any) -> None:
        """Publishes an event and returns at once. Raises `QueueFull` if the send queue has no room."""
        if kwargs:
            check_keywords(kwargs)
        wire = self._core.wire
        status = lib.wamp_python_publish(
            self._joined.pointer,
            uri_to_c("topic", topic),
            *(wire.coding.outgoing(args, kwargs, wamp_options) if wamp_options else payload(args, kwargs)),
            _NULL if wamp_options is None else options_to_c(wamp_options),
        )
        if status == _AGAIN:
            wire.block()
        if status < 0 or garbage or lines:
            check(status)

    async def publish_ack(self, topic: str, /, *args: Any, wamp_options: Options | None = None, **kwargs: Any) -> int:
        """Publishes an event and waits until the router has it. Returns the publication's id."""
        if kwargs:
            check_keywords(kwargs)
        number = await self._send(
            lib.wamp_python_publish_ack,
            uri_to_c("topic", topic),
            *self._wire.coding.outgoing(args, kwargs, wamp_options),
            options_to_c(wamp_options),
        )
        publication: int = await self._wire.outcome(number)
        return publication

    async def drain(self) -> None:
        """Waits until `publish` has room again; returns at once if it has."""
        with self._wire.hearing():
            await self._wire.writable.wait()
        self._pointer  # noqa: B018 - raises where the session has ended

    def prefix(self, shortcut: str, prefix: str | None) -> None:
        """Makes "shortcut:rest" stand for "prefix.rest", in later sessions of the connection too; None removes that."""
        check(lib.wamp_session_prefix(self._pointer, to_c(shortcut), ffi.NULL if prefix is None else to_c(prefix)))

    def resolve(self, text: str) -> str:
        """The URI that a text stands for. Rarely needed: all methods resolve by themselves."""
        size = check(lib.wamp_session_resolve(self._pointer, to_c(text), ffi.NULL, 0))
        uri = ffi.new(CHARS, size + 1)
        check(lib.wamp_session_resolve(self._pointer, to_c(text), uri, size + 1))
        return from_c(uri, size)

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Writes values to standard error, with the session and its age. Serves as a handler, too."""
        words = [value if isinstance(value, str) else _shown(value) for value in args]
        words += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
        self._pointer  # noqa: B018 - raises where the session has ended
        age = (time.monotonic() - self._begun) * 1000
        print(f"WAMP session {self.id} on '{self.realm}' at {age:.3f} ms: {' '.join(words)}", file=sys.stderr)

    async def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Leaves the realm and closes the connection. Calling it again after the end is not an error."""
        if not self._joined.closed.done():
            await self._core.close(reason, message)

    close = leave

    async def wait_closed(self) -> Closed:
        """Waits until the session has ended, for whatever reason, and returns how."""
        closed: Closed = await self._wire.hear(self._joined.closed)
        return closed

    @property
    def _wire(self) -> Wire:
        return self._core.wire

    @property
    def _pointer(self) -> Any:
        return self._joined.pointer

    async def _send(self, function: Callable[..., int], *arguments: Any) -> int:
        """Calls a function of the library; where the queue is full, waits for room and calls it again."""
        return await self._send_again(function(self._pointer, *arguments), function, *arguments)

    async def _send_again(self, status: int, function: Callable[..., int], *arguments: Any) -> int:
        """Takes the status of a first attempt, and goes on as `_send`."""
        while status == _AGAIN:
            self._wire.block()
            await self.drain()
            status = function(self._pointer, *arguments)
        return check(status)

    async def _feed(self, call: int, pieces: Iterable[Any] | AsyncIterable[Any], options: Options) -> None:
        """Sends the input of a call, and an empty piece as its end; if it cannot be had, ends the call."""
        form = {key: value for key, value in options.items() if key.startswith(("ppt_", "enc_"))}
        more = options_to_c({**form, "progress": True})
        try:
            if isinstance(pieces, AsyncIterable):
                async for piece in pieces:
                    await self._send(lib.wamp_python_call_more, call, *self._piece(piece, form), more)
            else:
                for piece in pieces:
                    await self._send(lib.wamp_python_call_more, call, *self._piece(piece, form), more)
            await self._send(lib.wamp_session_call_more, call, ffi.NULL, ffi.NULL)
        except BaseException as error:
            if is_cancelled(error):
                raise
            if not isinstance(error, LocalError) or error.status not in _CALL_HAS_ENDED:
                self._wire.fail(call, error)
                self._cancel(call, "killnowait")

    def _piece(self, piece: Any, options: Options) -> Payload:
        args, kwargs = (piece.args, piece.kwargs) if isinstance(piece, Result) else ([piece], {})
        return self._wire.coding.outgoing(args, kwargs, options)

    def _cancel(self, call: int, mode: str) -> None:
        # Refused if the call or the session has ended meanwhile: then all is well.
        lib.wamp_session_cancel(self._joined.handle, call, options_to_c({"mode": mode}))


def _shown(value: Any) -> str:
    try:
        return dumps(value)
    except (TypeError, ValueError):
        return repr(value)


_AGAIN = lib.WAMP_ERR_AGAIN
_NULL = ffi.NULL
_CALL_HAS_ENDED = (lib.WAMP_ERR_NO_SUCH_ID, lib.WAMP_ERR_CLOSED, lib.WAMP_ERR_STATE)
