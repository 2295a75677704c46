"""WAMP v2 for asyncio, on the C library libwamp: remote procedure calls and publish and subscribe.

    async with libwamp.connect("ws://127.0.0.1:8080/ws", "realm1") as session:
        await session.register("com.myapp.add2", lambda a, b: a + b)
        print(await session.call("com.myapp.add2", 2, 3))
"""

from .connection import Closed, Event
from .errors import Error, LocalError, NotConnected, QueueFull, TimedOut, WampError
from .ffi import from_c, lib
from .invocation import Invocation, Registration
from .payload import Result
from .router import Router
from .session import Session, Subscription, connect

__all__ = [
    "Closed",
    "Error",
    "Event",
    "Invocation",
    "LocalError",
    "NotConnected",
    "QueueFull",
    "Registration",
    "Result",
    "Router",
    "Session",
    "Subscription",
    "TimedOut",
    "WampError",
    "connect",
    "version",
]


def version() -> str:
    """The version of the C library."""
    return from_c(lib.wamp_version())
