"""Subscriptions and registrations, as their connection keeps them by the library's local ids.

What programs get of them are the objects of `subscription.py`, `registration.py` and `durable.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .checks import check_callable
from .errors import WampError, local_error
from .ffi import lib
from .lane import Lane
from .wire import Wire


class Entry:
    """The common part of both kinds."""

    __slots__ = ("details_arg", "durable", "face", "function", "id", "number", "uri", "what")

    def __init__(
        self, uri: str, what: str, function: Callable[..., Any], details_arg: str | None, durable: Durable | None = None
    ) -> None:
        self.number = 0  # the library's local id
        self.id = 0  # the router's, in the present session
        self.uri = uri
        self.what = what  # for reports: "the handler of ..."
        self.function = function
        self.details_arg = details_arg
        self.durable = durable  # what it has beside, if it is the connection's and not a session's
        self.face: Any = None  # what the program has of it, as long as its connection knows it

    def drop_waiting(self) -> None:
        """Forgets what has come and is not handled yet: the program has ended it."""


class Listener(Entry):
    """A subscription."""

    __slots__ = ("lane",)

    def __init__(
        self, topic: str, handler: Callable[..., Any], details_arg: str | None, durable: Durable | None = None
    ) -> None:
        super().__init__(topic, f"the handler of {topic}", handler, details_arg, durable)
        self.lane: Lane | None = None  # where the handler is async

    def drop_waiting(self) -> None:
        """Forgets the events that wait for the handler."""
        lane, self.lane = self.lane, None
        if lane is not None:
            lane.clear()


class Procedure(Entry):
    """A registration."""

    __slots__ = ("concurrency", "running")

    def __init__(
        self,
        procedure: str,
        endpoint: Callable[..., Any],
        details_arg: str | None,
        concurrency: int,
        durable: Durable | None = None,
    ) -> None:
        super().__init__(procedure, f"the endpoint of {procedure}", endpoint, details_arg, durable)
        self.concurrency = concurrency
        self.running = 0  # endpoints, that are coroutines


class Durable:
    """The rest of an entry that is made anew in each session: who waits for it, and who hears of it."""

    def __init__(
        self,
        wire: Wire,
        uri: str,
        on_restored: Callable[[float], Any] | None,
        on_suspended: Callable[[], Any] | None,
        on_error: Callable[[Exception], Any] | None,
    ) -> None:
        hooks = {"on_restored": on_restored, "on_suspended": on_suspended, "on_error": on_error}
        for name, hook in hooks.items():
            check_callable(name, hook, optional=True)
        self.active = False  # whether the router has it now
        self.removed = False
        self._wire = wire
        self._uri = uri
        self._on_restored = on_restored
        self._on_suspended = on_suspended
        self._on_error = on_error
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait_active(self) -> None:
        """Waits until the router has it; raises the error if the router refuses it."""
        self._wire.check_loop()
        if self.removed:
            raise local_error(lib.WAMP_ERR_NO_SUCH_ID)
        if self.active:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            with self._wire.hearing():
                await waiting
        finally:
            self._waiting.discard(waiting)

    def told_active(self, outage: float | None) -> None:
        """The router has it, for the first time or again."""
        self.active = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        if outage is not None and self._on_restored is not None:
            self._wire.run(f"on_restored of {self._uri}", self._on_restored, outage)

    def told_suspended(self) -> None:
        """The router has it no longer, or its session has ended."""
        self.active = False
        if self._on_suspended is not None:
            self._wire.run(f"on_suspended of {self._uri}", self._on_suspended)

    def told_error(self, error: WampError) -> None:
        """The router has refused it."""
        awaited = self.give_up(lambda: error)
        if self._on_error is not None:
            self._wire.run(f"on_error of {self._uri}", self._on_error, error)
        elif not awaited:
            self._wire.complain(error, f"the router refused {self._uri}")

    def told_removed(self) -> None:
        """The program has ended it for good."""
        self.removed = True
        self.active = False
        self.give_up(lambda: local_error(lib.WAMP_ERR_NO_SUCH_ID))

    def give_up(self, error: Callable[[], Exception]) -> bool:
        """Tells those who wait for it that it does not come. Whether anybody does."""
        waiting = [future for future in self._waiting if not future.done()]
        for future in waiting:
            future.set_exception(error())
        return bool(waiting)

    def forget_waiting(self) -> None:
        """The loop in which somebody waited has ended."""
        self._waiting.clear()
