"""Subscriptions and registrations of a connection: made again in each of its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .entries import Durable, Listener, Procedure
from .errors import check
from .ffi import ffi, lib

if TYPE_CHECKING:
    from .core import Core


class DurableSubscription:
    """A handler that receives a topic's events in each session of its connection."""

    def __init__(self, core: Core, entry: Listener) -> None:
        self._core = core
        self._entry = entry

    def __repr__(self) -> str:
        return f"<libwamp.DurableSubscription {self.topic!r}, {_state(self._entry)}>"

    @property
    def topic(self) -> str:
        """The topic, as it was given."""
        return self._entry.uri

    @property
    def handler(self) -> Callable[..., Any]:
        """The function or coroutine function that receives the events."""
        return self._entry.function

    @property
    def id(self) -> int:
        """The router's id in the current session; 0 if there is none."""
        return self._entry.id

    @property
    def active(self) -> bool:
        """Whether the router has it now."""
        return _durable(self._entry).active

    async def wait_active(self) -> None:
        """Waits until the router has it; raises the error if the router refuses it."""
        await _durable(self._entry).wait_active()

    async def unsubscribe(self) -> bool:
        """Ends it for good; returns False if other handlers keep the topic subscribed."""
        ended = await _remove(self._core, self._entry, lib.wamp_connection_unsubscribe)
        self._core.forget(self._entry)
        self._entry.drop_waiting()
        return ended


class DurableRegistration:
    """A procedure that is served in each session of its connection."""

    def __init__(self, core: Core, entry: Procedure) -> None:
        self._core = core
        self._entry = entry

    def __repr__(self) -> str:
        return f"<libwamp.DurableRegistration {self.procedure!r}, {_state(self._entry)}>"

    @property
    def procedure(self) -> str:
        """The procedure, as it was given."""
        return self._entry.uri

    @property
    def endpoint(self) -> Callable[..., Any]:
        """The function or coroutine function that serves the calls."""
        return self._entry.function

    @property
    def concurrency(self) -> int:
        """The number of coroutines of the endpoint that may run at once."""
        return self._entry.concurrency

    @property
    def id(self) -> int:
        """The router's id in the current session; 0 if there is none."""
        return self._entry.id

    @property
    def active(self) -> bool:
        """Whether the router has it now."""
        return _durable(self._entry).active

    async def wait_active(self) -> None:
        """Waits until the router has it; raises the error if the router refuses it."""
        await _durable(self._entry).wait_active()

    async def unregister(self) -> None:
        """Ends it for good. Calls that are being served are still answered."""
        await _remove(self._core, self._entry, lib.wamp_connection_unregister)
        self._core.forget(self._entry)


def _durable(entry: Listener | Procedure) -> Durable:
    assert entry.durable is not None
    return entry.durable


def _state(entry: Listener | Procedure) -> str:
    durable = _durable(entry)
    return "removed" if durable.removed else "active" if durable.active else "not active"


async def _remove(core: Core, entry: Listener | Procedure, function: Callable[..., int]) -> bool:
    core.wire.check_loop()
    ended = check(function(core.wire.pointer, entry.number, ffi.NULL, ffi.NULL, ffi.NULL))
    _durable(entry).told_removed()
    if ended and core.wire.listening:
        await core.wire.outcome(entry.number)
    return bool(ended)
