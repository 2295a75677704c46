"""What the tests share."""

import asyncio
import itertools
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds: generous, met only where something hangs.
LIMIT = float(os.environ.get("WAMP_TEST_LIMIT", "60"))

_numbers = itertools.count(1)


def run(work: Coroutine[Any, Any, T], limit: float | None = LIMIT) -> T:
    """Runs a test's coroutine in an event loop of its own."""

    async def limited() -> T:
        async with asyncio.timeout(limit):
            return await work

    return asyncio.run(limited())


def uri(name: str) -> str:
    """A URI that no other test uses."""
    return f"com.example.n{next(_numbers)}.{name}"


class Inbox:
    """An event handler that keeps what it receives; `received(n)` waits for n events."""

    def __init__(self) -> None:
        self.events: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._more = asyncio.Event()

    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        self.events.append((args, kwargs))
        self._more.set()

    async def received(self, count: int) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        while len(self.events) < count:
            self._more.clear()
            await self._more.wait()
        return self.events


def core_of(connection: Any) -> Any:
    """The inside of a connection."""
    return connection._Connection__core


def lanes_of(connection: Any) -> list[Any]:
    """The lanes of its async handlers that have had events."""
    return [entry.lane for entry in core_of(connection).subscriptions.values() if entry.lane is not None]
