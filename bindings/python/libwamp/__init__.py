"""WAMP v2 for asyncio, based on the C library libwamp: remote procedure calls and publish and subscribe.

    async with libwamp.connect("ws://127.0.0.1:8080/ws", "realm1") as session:
        await session.register("com.myapp.add2", lambda a, b: a + b)
        print(await session.call("com.myapp.add2", 2, 3))

`connect` is for one session, `Connection` for as many as it takes.
"""

from . import auth
from .connection import Connection, connect
from .deciding import Challenge
from .durable import DurableRegistration, DurableSubscription
from .errors import (
    AuthenticationError,
    Error,
    LocalError,
    NotConnected,
    NotSent,
    OptionError,
    OutcomeUnknown,
    QueueFull,
    TimedOut,
    UriError,
    WampError,
)
from .ffi import version
from .invocation import Invocation, Registration
from .options import ConnectionOptions
from .passthru import Codec
from .payload import Encoded, Result
from .reports import Closed, Transport
from .router import Router
from .session import Session
from .subscription import Event, Subscription

__all__ = [
    "AuthenticationError",
    "Challenge",
    "Closed",
    "Codec",
    "Connection",
    "ConnectionOptions",
    "DurableRegistration",
    "DurableSubscription",
    "Encoded",
    "Error",
    "Event",
    "Invocation",
    "LocalError",
    "NotConnected",
    "NotSent",
    "OptionError",
    "OutcomeUnknown",
    "QueueFull",
    "Registration",
    "Result",
    "Router",
    "Session",
    "Subscription",
    "TimedOut",
    "Transport",
    "UriError",
    "WampError",
    "auth",
    "connect",
    "version",
]
