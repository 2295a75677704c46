"""The order of async handlers: those of one subscription, or of one call's progress, run one after the other.

Handlers that are slower than their events make the connection wait: from `QUEUE` waiting events on it takes no more
from the library, whose queue is bounded by bytes and makes the router wait in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .wire import Wire

QUEUE = 1024
"""The number of events that may wait for the async handler of one subscription; those taken with the last come on top."""

inside: ContextVar[Wire | None] = ContextVar("inside", default=None)
"""The connection in whose lane the running task, or the one that started it, is a handler."""


class Lane:
    """Awaits what handlers have returned, in order."""

    __slots__ = ("_running", "_waiting", "_what", "_wire")

    def __init__(self, wire: Wire, what: str) -> None:
        self._wire = wire
        self._what = what
        self._waiting: deque[Awaitable[Any]] = deque()
        self._running: asyncio.Future[Any] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def __del__(self) -> None:
        while self._waiting:  # its loop has ended: that says enough, Python need not warn of each
            work = self._waiting.popleft()
            if asyncio.iscoroutine(work):
                work.close()

    def add(self, work: Awaitable[Any]) -> None:
        """Awaits this, too, after all that came before."""
        if self._running is None:
            self._start(work)
            return
        self._waiting.append(work)
        if len(self._waiting) >= QUEUE:
            self._wire.fill(self)

    async def finished(self) -> None:
        """Waits until nothing is left to be awaited."""
        while self._running is not None:
            await asyncio.wait((self._running,))

    def clear(self) -> None:
        """Forgets what has not begun."""
        while self._waiting:
            work = self._waiting.popleft()
            if asyncio.iscoroutine(work):
                work.close()
        self._wire.empty(self)

    def cancel(self) -> None:
        """Ends what runs, and forgets the rest."""
        self.clear()
        if self._running is not None:
            self._running.cancel()

    def _start(self, work: Awaitable[Any]) -> None:
        token = inside.set(self._wire)
        self._running = self._wire.spawn(work, self._what, self._on_done)
        inside.reset(token)

    def _on_done(self, _: asyncio.Future[Any]) -> None:
        self._running = None
        self._wire.moved()
        if self._waiting:
            self._start(self._waiting.popleft())
        if len(self._waiting) <= QUEUE // 2:
            self._wire.empty(self)
