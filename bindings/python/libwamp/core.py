"""The inside of a `Connection`: its session, its subscriptions and registrations, and what events mean for them.

How events come out of the library is left to `wire.py`, what programs decide while it connects to `asking.py`, and
the endpoints to `serving.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .afterwards import log
from .asking import Asking, Challenge, Connect
from .checks import check_callable
from .entries import Entry, Listener, Procedure
from .errors import LocalError, check, local_error, not_connected
from .ffi import ffi, from_c, lib, to_c
from .joined import Joined
from .lane import Lane, inside
from .logs import follow_logging, log_close
from .passthru import Codec
from .payload import details_of, report
from .reports import Closed, Transport
from .serving import Callee
from .session import Session
from .subscription import Event
from .wire import BROKEN, ErrorHandler, Receivers, Wire

_TO_ANSWER = 1.0  # seconds that cancelled endpoints have before the connection closes


@dataclass
class Hooks:
    """The program's own functions, which hear of a connection or are asked by it."""

    on_open: Callable[[Session], Any] | None = None
    on_close: Callable[[Closed], Any] | None = None
    on_challenge: Challenge | None = None
    on_connect: Connect | None = None
    on_user_error: ErrorHandler | None = None
    on_internal_error: ErrorHandler | None = None

    def __post_init__(self) -> None:
        for name, hook in vars(self).items():
            check_callable(name, hook, optional=True)


class Core:
    """One connection. With `single` it is for one session, and freed when that has ended."""

    def __init__(
        self,
        url: str | None,
        realm: str,
        hooks: Hooks,
        codec: Codec | None,
        options: Mapping[str, Any],
        single: bool = False,
    ) -> None:
        if "dispatch" in options:
            raise TypeError("the option dispatch is not the caller's to choose")
        told = {**options, "realm": realm}
        if url is not None:
            told["url"] = url
        self.hooks = hooks
        self.where = f"{realm!r} at {url}"
        self.session: Session | None = None  # while one is open
        self.subscriptions: dict[int, Listener] = {}
        self.registrations: dict[int, Procedure] = {}
        self.wire = Wire(told, hooks.on_user_error)
        self.wire.coding.set_codec(codec)
        self._asking = Asking(self.wire, hooks.on_connect, hooks.on_challenge)
        self._callee = Callee(self.wire)
        self._joined: Joined | None = None  # the session's handle
        self._single = single
        self._opened: asyncio.Future[Session] | None = None
        self._closed: asyncio.Future[Closed] | None = None
        self._closing = False  # because the program wants it

    # ---- what the program does ----

    @property
    def is_open(self) -> bool:
        """Whether a session is joined."""
        return self.session is not None and self.session.is_open

    @property
    def is_retrying(self) -> bool:
        """Whether the connection was lost and is being retried."""
        return bool(lib.wamp_connection_is_retrying(self.wire.pointer) == 1)

    @property
    def transport(self) -> Transport:
        """The way to the router."""
        _, told = report(lib.wamp_connection_transport(self.wire.pointer))
        return Transport(told["type"], told["url"], told["protocol"])

    def begin(self) -> None:
        """Begins to connect, and to take events in the running loop."""
        self.wire.check_loop()
        self._closing = self._closing and self.wire.listening
        follow_logging()
        begins = not self.wire.listening
        if begins:
            self.wire.listen(self._receivers())
        try:
            check(lib.wamp_connection_open(self.wire.pointer))
        except LocalError:
            if begins:
                self.wire.silence()
            raise
        loop = asyncio.get_running_loop()
        self._opened = loop.create_future()
        self._closed = loop.create_future()

    async def opened(self) -> Session:
        """Waits for the session, the next one if there is none; raises `NotConnected` when it is given up."""
        assert self._opened is not None
        session: Session = await self.wire.hear(self._opened)
        return session

    async def open(self) -> Session:
        """Connects and joins the realm."""
        self.begin()
        try:
            return await self.opened()
        except asyncio.CancelledError:
            lib.wamp_connection_close(self.wire.pointer, ffi.NULL, ffi.NULL, 0)
            raise

    async def close(self, reason: str | None, message: str | None) -> None:
        """Leaves the realm, tries no more, and waits until that is done."""
        if self.wire.is_left:
            self._part()
        self.wire.check_loop()
        if not self.wire.listening or self._closed is None:
            return
        self._closing = True
        status = lib.wamp_connection_close(
            self.wire.pointer,
            ffi.NULL if reason is None else to_c(reason),
            ffi.NULL if message is None else to_c(message),
            0,
        )
        if status not in (lib.WAMP_ERR_CLOSED, lib.WAMP_ERR_STATE):  # it is closing already
            check(status)
        with self.wire.hearing(always=True):
            await self.wire.hear(self._closed)

    async def closed(self) -> Closed:
        """Waits for the final end, after which there is no further attempt."""
        if self._closed is None:
            raise not_connected(lib.WAMP_ERR_CLOSED, "the connection was never opened", "")
        closed: Closed = await self.wire.hear(self._closed)
        return closed

    def knows(self, entry: Entry) -> bool:
        """Whether a subscription or registration has not ended."""
        return self._found(entry.number) is entry

    def forget(self, entry: Entry) -> bool:
        """Ends a subscription or registration here. Whether it was known."""
        known = self.knows(entry)
        if known:
            self.subscriptions.pop(entry.number, None)
            self.registrations.pop(entry.number, None)
        entry.face = None  # which holds the entry in turn
        return known

    async def drain(self, timeout: float | None) -> bool:
        """Takes no more calls, finishes those that it serves, and sends all. Whether the time was enough."""
        self.wire.check_loop()
        if self.session is None:
            return True
        finished = True
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        try:
            async with asyncio.timeout_at(end):
                await self._end_registrations()
                await self._finish_work()
        except TimeoutError:
            finished = False
            await self._break_off()
        left = -1 if end is None else max(1, round((end - loop.time()) * 1000))
        await asyncio.to_thread(lib.wamp_connection_flush, self.wire.pointer, left)
        return finished

    async def _end_registrations(self) -> None:
        endings = [entry.face.unregister() for entry in list(self.registrations.values()) if entry.id]
        for ended in await asyncio.gather(*endings, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, LocalError):  # else the session has ended
                raise ended

    async def _finish_work(self) -> None:
        while tasks := self._callee.tasks():
            await asyncio.wait(tasks)
        if inside.get() is not self.wire:  # a handler cannot wait for its own end
            for lane in [entry.lane for entry in self.subscriptions.values()]:
                if lane is not None:
                    await lane.finished()

    async def _break_off(self) -> None:
        tasks = self._callee.tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_TO_ANSWER)

    def _entries(self) -> Iterator[Entry]:
        yield from self.subscriptions.values()
        yield from self.registrations.values()

    def _part(self) -> None:
        """Takes over what a loop that has ended has left."""
        self._callee.forget()
        self._asking.forget()
        for listener in self.subscriptions.values():
            listener.lane = None
        for procedure in self.registrations.values():
            procedure.running = 0
        for entry in self._entries():
            if entry.durable is not None:
                entry.durable.forget_waiting()
        self.wire.part(self._receivers())
        self._opened = asyncio.get_running_loop().create_future()
        self._closed = asyncio.get_running_loop().create_future()

    # ---- what the library tells ----

    def _receivers(self) -> Receivers:
        return {
            lib.WAMP_OPEN: self._on_open,
            lib.WAMP_CLOSE: self._on_close,
            lib.WAMP_SUBSCRIBED: self._on_set_up,
            lib.WAMP_UNSUBSCRIBED: self._on_ended,
            lib.WAMP_EVENT: self._on_event,
            lib.WAMP_REGISTERED: self._on_set_up,
            lib.WAMP_UNREGISTERED: self._on_ended,
            lib.WAMP_INVOCATION: lambda event: self._callee.serve(self.registrations.get(event.id), event),
            lib.WAMP_INTERRUPT: lambda event: self._callee.interrupt(event.wamp_id),
            BROKEN: self._broken,
            lib.WAMP_ERROR: self._on_error,
            lib.WAMP_CHALLENGE: self._asking.on_challenge,
            lib.WAMP_CONNECT: self._asking.on_connect,
            lib.WAMP_RESTORED: self._on_restored,
            lib.WAMP_SUSPENDED: self._on_suspended,
            lib.WAMP_USER_ERROR: self._on_user_error,
            lib.WAMP_INTERNAL_ERROR: self._on_internal_error,
        }

    def _on_open(self, event: Any) -> None:
        self._callee.forget()
        self._joined = Joined(self.wire, event)
        self.session = Session(self, self._joined)
        log.info("connection to %s: session %d is open", self.where, self.session.id)
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(self.session)
        if self.hooks.on_open is not None:
            self.wire.run("on_open", self.hooks.on_open, self.session)

    def _on_close(self, event: Any) -> None:
        reason, message = from_c(event.uri, event.uri_size), from_c(event.message, event.message_size)
        closed = Closed(reason, message, details_of(event), event.status)
        log_close(self.where, closed, self._closing)
        self._asking.end()
        had_session = self._end_session(closed)
        if not closed.will_retry:
            self._finish(closed)
        else:
            if self._opened is not None and self._opened.done():
                self._opened = asyncio.get_running_loop().create_future()
            if self._single and had_session:
                lib.wamp_connection_stop_retrying(self.wire.pointer)
        if self.hooks.on_close is not None:
            self.wire.run("on_close", self.hooks.on_close, closed)

    def _broken(self, error: LocalError) -> None:
        """No more events can be had: the library was shut down under us."""
        closed = Closed("lost", str(error), {}, error.status)
        self._end_session(closed)
        self._finish(closed)

    def _end_session(self, closed: Closed) -> bool:
        joined, self._joined, self.session = self._joined, None, None
        self.wire.writable.set()
        if joined is None:
            return False
        for entry in list(self._entries()):
            if entry.durable is None:
                self.forget(entry)  # but what has been received is still handled
        joined.end(closed)
        return True

    def _finish(self, closed: Closed) -> None:
        """There will be no session any more."""
        self.wire.silence()
        if self._single:  # it will not be opened again
            asyncio.get_running_loop().call_soon(self.wire.free)
        uri = closed.details.get("reason") or ""
        status = closed.status if closed.status < 0 else lib.WAMP_ERR_CLOSED
        self.wire.fail_all(lambda: local_error(lib.WAMP_ERR_OUTCOME_UNKNOWN, closed.message, uri))
        for entry in self._entries():
            if entry.durable is not None:
                entry.durable.give_up(lambda: not_connected(status, closed.message, uri))
        if self._opened is None or self._opened.done():
            self._opened = asyncio.get_running_loop().create_future()
        self._opened.set_exception(not_connected(status, closed.message, uri))
        self._opened.exception()  # nobody need be waiting
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(closed)

    def _on_event(self, event: Any) -> None:
        entry = self.subscriptions.get(event.id)
        if entry is None:
            return
        wire = self.wire
        args, kwargs = wire.coding.arguments(event)
        if entry.details_arg is not None:
            kwargs[entry.details_arg] = Event(event)
        work = wire.begin(entry.what, entry.function, args, kwargs)
        if work is not None:
            if entry.lane is None:
                entry.lane = Lane(wire, entry.what)
            entry.lane.add(work)

    def _found(self, number: int) -> Entry | None:
        return self.subscriptions.get(number) or self.registrations.get(number)

    def _on_set_up(self, event: Any) -> None:
        entry = self._found(event.id)
        if entry is None or entry.durable is None:
            self.wire.on_done(event)
        else:
            entry.id = event.wamp_id
            entry.durable.told_active(None)

    def _on_restored(self, event: Any) -> None:
        entry = self._found(event.id)
        if entry is not None and entry.durable is not None:
            entry.id = event.wamp_id
            entry.durable.told_active(details_of(event).get("outage") or 0.0)

    def _on_suspended(self, event: Any) -> None:
        entry = self._found(event.id)
        if entry is not None and entry.durable is not None:
            entry.id = 0
            entry.durable.told_suspended()

    def _on_error(self, event: Any) -> None:
        entry = self._found(event.id)
        if entry is None or entry.durable is None or entry.durable.removed:
            self.wire.on_error(event)
        else:
            entry.durable.told_error(self.wire.coding.error_of(event))

    def _on_ended(self, event: Any) -> None:
        entry = self._found(event.id)
        if entry is not None and entry.durable is not None and not entry.durable.removed:
            entry.id = 0  # revoked; the next session has it again
            entry.durable.told_suspended()
            return
        if entry is not None:
            self.forget(entry)
            entry.drop_waiting()
        self.wire.on_done(event)

    def _on_user_error(self, event: Any) -> None:
        text = from_c(event.message, event.message_size)
        self.wire.complain(local_error(event.status, text, from_c(event.uri, event.uri_size)), text)

    def _on_internal_error(self, event: Any) -> None:
        text = from_c(event.message, event.message_size)
        self.wire.tell_error(self.hooks.on_internal_error, local_error(event.status, text), text)
