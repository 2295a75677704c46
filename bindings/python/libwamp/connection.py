"""A connection of the library's, driven by the event loop: what it reports goes to those who wait for it.

The library does its work on threads of its own but calls nothing in Python. Its file descriptor is readable
while events wait; the loop then takes them in batches, and each event finds its request, subscription or
registration by the local id that the library gave it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import Error, WampError, check, last_error, local_error
from .ffi import ffi, from_c, lib, to_c
from .invocation import Registration, serve
from .payload import details_of, received, unwrap

if TYPE_CHECKING:
    from .session import Subscription

_BATCH = 256
_EVENT_SIZE = ffi.sizeof("wamp_event_t")


class Closed(NamedTuple):
    """Why a session ended. `reason` is `closed`, `lost`, `unreachable` or `unsupported`."""

    reason: str
    message: str
    details: dict[str, Any]
    status: int


class Opened(NamedTuple):
    """What the router said when the session was joined."""

    id: int
    realm: str
    details: dict[str, Any]


class Event:
    """One event of a topic, for a handler that asked for it by `details_arg`."""

    __slots__ = ("topic", "publication", "details")

    def __init__(self, event: Any) -> None:
        self.topic = from_c(event.uri, event.uri_size)
        self.publication: int = event.wamp_id
        self.details = details_of(event)


class _Request(NamedTuple):
    outcome: asyncio.Future[Any]
    on_progress: Callable[[Any], None] | None


class Connection:
    """Owns one `wamp_connection_t`, and its `wamp_session_t`, for the length of one session.

    To be used from its event loop's thread only.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self.subscriptions: dict[int, Subscription] = {}
        self.registrations: dict[int, Registration] = {}
        self.closed: asyncio.Future[Closed] = self.loop.create_future()
        self._opened: asyncio.Future[Opened] = self.loop.create_future()
        self._requests: dict[int, _Request] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._events = ffi.new("wamp_event_t[]", _BATCH)
        self._receivers: dict[int, Callable[[Any], None]] = {
            lib.WAMP_OPEN: self._on_open,
            lib.WAMP_CLOSE: self._on_close,
            lib.WAMP_WRITABLE: self._on_writable,
            lib.WAMP_SUBSCRIBED: self._on_done,
            lib.WAMP_UNSUBSCRIBED: self._on_unsubscribed,
            lib.WAMP_EVENT: self._on_event,
            lib.WAMP_PUBLISHED: self._on_done,
            lib.WAMP_REGISTERED: self._on_done,
            lib.WAMP_UNREGISTERED: self._on_unregistered,
            lib.WAMP_INVOCATION: self._on_invocation,
            lib.WAMP_RESULT: self._on_result,
            lib.WAMP_ERROR: self._on_error,
        }
        self._fd = -1
        self._session = ffi.NULL
        self._handle = lib.wamp_connection_new(to_c(json.dumps({**options, "dispatch": "manual"})))
        if self._handle == ffi.NULL:
            raise last_error(lib.WAMP_ERR_OPTION)

    def __del__(self) -> None:
        if getattr(self, "_handle", ffi.NULL) != ffi.NULL:  # its loop ended first
            self._free()

    @property
    def session(self) -> Any:
        """The session's handle; raises `NotConnected` where it has ended."""
        if self._session == ffi.NULL:
            raise local_error(lib.WAMP_ERR_CLOSED)
        return self._session

    @property
    def is_open(self) -> bool:
        """Whether the session is joined."""
        return bool(self._session != ffi.NULL and lib.wamp_session_is_open(self._session) == 1)

    async def open(self) -> Opened:
        """Connects and joins the realm."""
        try:
            self._fd = check(lib.wamp_connection_fd(self._handle))
            self.loop.add_reader(self._fd, self._on_readable)
            check(lib.wamp_connection_open(self._handle))
            return await self._opened
        except BaseException:
            self._dispose()
            raise

    async def close(self, reason: str | None, message: str | None) -> None:
        """Leaves the realm and waits until that is done. Closing twice is no error."""
        if not self.closed.done():
            status = lib.wamp_connection_close(
                self._handle,
                ffi.NULL if reason is None else to_c(reason),
                ffi.NULL if message is None else to_c(message),
                0,
            )
            if status not in (lib.WAMP_ERR_CLOSED, lib.WAMP_ERR_STATE):  # it is closing already
                check(status)
        await asyncio.shield(self.closed)

    async def request(self, function: Callable[..., int], *arguments: Any,
                      on_progress: Callable[[Any], None] | None = None) -> Any:
        """Calls a function of the library that gives an id, and waits for the outcome that is told under it."""
        return await self.outcome(await self.send(function, *arguments), on_progress)

    async def send(self, function: Callable[..., int], *arguments: Any) -> int:
        """Calls a function of the library; where the queue is full, waits for room and calls it again."""
        while (status := function(*arguments)) == lib.WAMP_ERR_AGAIN:
            self.block()
            await self.drain()
        return check(status)

    async def outcome(self, number: int, on_progress: Callable[[Any], None] | None = None) -> Any:
        """What the library will tell under a local id."""
        outcome = self.loop.create_future()
        self._requests[number] = _Request(outcome, on_progress)
        try:
            return await outcome
        finally:
            self._requests.pop(number, None)

    def block(self) -> None:
        """Notes that the library has just answered WAMP_ERR_AGAIN."""
        self._writable.clear()

    async def drain(self) -> None:
        """Waits until the send queue has room again."""
        await self._writable.wait()
        if self.closed.done():
            raise local_error(lib.WAMP_ERR_CLOSED)

    def spawn(self, work: Awaitable[Any]) -> None:
        """Lets a handler's coroutine run. Nobody awaits it: the loop's exception handler hears how it failed."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def complain(self, message: str, error: BaseException | None) -> None:
        """Tells the loop's exception handler of a failure that nobody waits for."""
        self.loop.call_exception_handler({"message": message, "exception": error})

    def _on_task_done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.complain("Exception in a libwamp handler", task.exception())

    def _on_readable(self) -> None:
        # One batch each time: the descriptor stays readable while more events wait, and others get their turn.
        count = lib.wamp_connection_poll(self._handle, self._events, _EVENT_SIZE, _BATCH, 0)
        if count < 0:
            self._end(Closed("lost", from_c(lib.wamp_last_error()), {}, count))
        for index in range(count):
            event = self._events[index]
            receiver = self._receivers.get(event.kind)
            try:
                if receiver is not None:
                    receiver(event)
            except Exception as error:
                self.complain("Exception in a libwamp handler", error)
        if self.closed.done():
            self._dispose()

    def _on_open(self, event: Any) -> None:
        if not self._opened.done():
            check(lib.wamp_session_retain(event.session))
            self._session = event.session
            realm = from_c(lib.wamp_session_realm(event.session))
            self._opened.set_result(Opened(event.wamp_id, realm, details_of(event)))

    def _on_close(self, event: Any) -> None:
        details = details_of(event)
        if self._opened.done() or not details.get("will_retry"):
            reason, message = from_c(event.uri, event.uri_size), from_c(event.message, event.message_size)
            self._end(Closed(reason, message, details, event.status))

    def _on_writable(self, event: Any) -> None:
        self._writable.set()

    def _on_done(self, event: Any) -> None:
        request = self._requests.get(event.id)
        if request is not None and not request.outcome.done():
            request.outcome.set_result(event.wamp_id)

    def _on_unsubscribed(self, event: Any) -> None:
        self.subscriptions.pop(event.id, None)
        self._on_done(event)

    def _on_unregistered(self, event: Any) -> None:
        self.registrations.pop(event.id, None)
        self._on_done(event)

    def _on_result(self, event: Any) -> None:
        request = self._requests.get(event.id)
        if request is None or request.outcome.done():
            return
        try:
            value = unwrap(*received(event.payload))
        except Exception as error:
            request.outcome.set_exception(error)
            return
        if not event.flags & lib.WAMP_FLAG_PROGRESS:
            request.outcome.set_result(value)
        elif request.on_progress is not None:
            request.on_progress(value)

    def _on_error(self, event: Any) -> None:
        request = self._requests.get(event.id)
        if request is not None and not request.outcome.done():
            request.outcome.set_exception(_error_of(event))

    def _on_event(self, event: Any) -> None:
        subscription = self.subscriptions.get(event.id)
        if subscription is None:
            return
        args, kwargs = received(event.payload)
        if subscription.details_arg is not None:
            kwargs[subscription.details_arg] = Event(event)
        answer = subscription.handler(*args, **kwargs)
        if isinstance(answer, Awaitable):
            self.spawn(answer)

    def _on_invocation(self, event: Any) -> None:
        serve(self, self.registrations.get(event.id), event)

    def _end(self, closed: Closed) -> None:
        """Ends everything that is still waited for. The library has told most of it already."""
        if self.closed.done():
            return
        self.closed.set_result(closed)
        uri = closed.details.get("reason") or ""
        if not self._opened.done():
            status = closed.status if closed.status < 0 else lib.WAMP_ERR_CLOSED
            self._opened.set_exception(local_error(status, closed.message, uri))
        for request in self._requests.values():
            if not request.outcome.done():
                request.outcome.set_exception(local_error(lib.WAMP_ERR_OUTCOME_UNKNOWN, closed.message, uri))
        self._writable.set()

    def _dispose(self) -> None:
        if self._fd >= 0:
            self.loop.remove_reader(self._fd)
            self._fd = -1
        self._free()
        self.subscriptions.clear()
        self.registrations.clear()

    def _free(self) -> None:
        lib.wamp_session_release(self._session)
        lib.wamp_connection_free(self._handle)
        self._session = self._handle = ffi.NULL


def _error_of(event: Any) -> WampError:
    uri = from_c(event.uri, event.uri_size)
    if event.status in (lib.WAMP_ERR_REMOTE, lib.WAMP_OK):
        return Error(uri, *received(event.payload))
    return local_error(event.status, from_c(event.message, event.message_size), uri)
