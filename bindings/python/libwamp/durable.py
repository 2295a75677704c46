"""Subscriptions and registrations of a connection: made anew in each of its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .checks import check_callable
from .errors import WampError, check, local_error
from .ffi import ffi, lib

if TYPE_CHECKING:
    from .connection import Connection


class Durable:
    """What both have in common."""

    def __init__(self, connection: Connection, uri: str, on_restored: Callable[[float], Any] | None,
                 on_suspended: Callable[[], Any] | None, on_error: Callable[[Exception], Any] | None) -> None:
        hooks = {"on_restored": on_restored, "on_suspended": on_suspended, "on_error": on_error}
        for name, hook in hooks.items():
            check_callable(name, hook, optional=True)
        self.connection = connection
        self.number = 0  # the library's local id
        self.id = 0  # the router's, in the present session
        self.active = False  # whether the router has it now
        self.removed = False
        self.details_arg: str | None = None
        self.on_restored = on_restored
        self.on_suspended = on_suspended
        self.on_error = on_error
        self._uri = uri
        self._waiting: set[asyncio.Future[None]] = set()

    def __repr__(self) -> str:
        state = "removed" if self.removed else "active" if self.active else "not active"
        return f"<libwamp.{type(self).__name__} {self._uri!r}, {state}>"

    async def wait_active(self) -> None:
        """Waits until the router has it; raises the error where a session's router refuses it."""
        self.connection.check_loop()
        if self.removed:
            raise local_error(lib.WAMP_ERR_NO_SUCH_ID)
        if self.active:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            with self.connection.hearing():
                await waiting
        finally:
            self._waiting.discard(waiting)

    def told_active(self, number: int, outage: float | None) -> None:
        """The router has it, for the first time or again."""
        self.id = number
        self.active = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        if outage is not None and self.on_restored is not None:
            self.connection.run(f"on_restored of {self._uri}", self.on_restored, outage)

    def told_suspended(self) -> None:
        """The router has it no longer, or its session has ended."""
        self.id = 0
        self.active = False
        if self.on_suspended is not None:
            self.connection.run(f"on_suspended of {self._uri}", self.on_suspended)

    def told_error(self, error: WampError) -> None:
        """The router has refused it."""
        awaited = self.give_up(lambda: error)
        if self.on_error is not None:
            self.connection.run(f"on_error of {self._uri}", self.on_error, error)
        elif not awaited:
            self.connection.complain(error, f"the router refused {self._uri}")

    def give_up(self, error: Callable[[], Exception]) -> bool:
        """Tells those who wait for it that it does not come. Whether anybody does."""
        waiting = [future for future in self._waiting if not future.done()]
        for future in waiting:
            future.set_exception(error())
        return bool(waiting)

    def forget_waiting(self) -> None:
        """The loop in which somebody waited has ended."""
        self._waiting.clear()

    async def _remove(self, function: Callable[..., int]) -> bool:
        self.connection.check_loop()
        ended = check(function(self.connection.pointer, self.number, ffi.NULL, ffi.NULL, ffi.NULL))
        self.removed = True
        self.active = False
        self.give_up(lambda: local_error(lib.WAMP_ERR_NO_SUCH_ID))
        if ended and self.connection.listening:
            await self.connection.outcome(self.number)
        return bool(ended)


class DurableSubscription(Durable):
    """A handler that receives a topic's events in each session of its connection."""

    handler: Callable[..., Any]

    @property
    def topic(self) -> str:
        """The topic, as it was given."""
        return self._uri

    async def unsubscribe(self) -> bool:
        """Ends it for good; False where other handlers keep the topic subscribed."""
        ended = await self._remove(lib.wamp_connection_unsubscribe)
        self.connection.subscriptions.pop(self.number, None)
        self.connection.drop_lane(self.number)
        return ended


class DurableRegistration(Durable):
    """A procedure that is served in each session of its connection."""

    endpoint: Callable[..., Any]
    concurrency: int
    running = 0  # endpoints, that are coroutines

    @property
    def procedure(self) -> str:
        """The procedure, as it was given."""
        return self._uri

    async def unregister(self) -> None:
        """Ends it for good. Calls that are being served are still answered."""
        await self._remove(lib.wamp_connection_unregister)
        self.connection.registrations.pop(self.number, None)
