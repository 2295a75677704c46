"""Exceptions for everything that can go wrong.

`Error` is a WAMP ERROR: the answer of the router or a peer, or raised by an endpoint to send it. `LocalError` and its
subclasses come from this side: a wrong argument, no connection, a full queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .afterwards import attend, garbage, lines
from .ffi import ffi, from_c, lib


class WampError(Exception):
    """The base of all exceptions of this package."""


class Error(WampError):
    """A WAMP ERROR: its URI, its arguments (a tuple) and its keyword arguments.

    `details` are those that the router sent with a received error.
    """

    uri: str
    kwargs: dict[str, Any]
    details: dict[str, Any]

    def __init__(self, uri: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.uri = uri
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.details = {}

    def __str__(self) -> str:
        told = [str(value) for value in self.args] + [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"{self.uri}: {', '.join(told)}" if told else self.uri

    def __repr__(self) -> str:
        return f"Error({self.uri!r}, {list(self.args)!r}, {self.kwargs!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.uri, self.args, self.kwargs), {"details": self.details}


class LocalError(WampError):
    """A failure on this side, or of the connection.

    `status` is the library's number, `name` its name (`WAMP_ERR_CLOSED`) and `text` its meaning; `detail` says more
    about this case, and `uri` is the WAMP URI for it if there is one (the reason of an ABORT).
    """

    def __init__(self, status: int, detail: str = "", uri: str = "") -> None:
        super().__init__(status, detail, uri)
        self.status = status
        self.name = from_c(lib.wamp_status_name(status))
        self.text = from_c(lib.wamp_status_text(status))
        self.detail = detail
        self.uri = uri

    def __str__(self) -> str:
        about = ", ".join(word for word in (self.name, self.uri) if word)
        return f"{self.text}: {self.detail} ({about})" if self.detail else f"{self.text} ({about})"

    def __repr__(self) -> str:
        return f"<libwamp.{type(self).__name__} {self}>"


class NotConnected(LocalError, ConnectionError):
    """There is no session: not reached, refused, closed or lost."""


class AuthenticationError(NotConnected):
    """The router does not admit us, or we do not trust it."""


class OptionError(LocalError, ValueError):
    """An option is unknown, or its value is wrong."""


class UriError(LocalError, ValueError):
    """A topic, a procedure or another URI is not valid."""


class NotSent(NotConnected):
    """The session has ended before the request was sent: it can be repeated safely, in the next one."""


class OutcomeUnknown(NotConnected):
    """The session has ended after the request was sent: it may or may not have taken effect."""


class QueueFull(LocalError, BufferError):
    """More was published than could be sent. This event was not sent: `await session.drain()` and publish it again."""


class TimedOut(LocalError, TimeoutError):
    """The time limit has passed."""


_KINDS: dict[int, type[LocalError]] = {
    lib.WAMP_ERR_AGAIN: QueueFull,
    lib.WAMP_ERR_TIMEOUT: TimedOut,
    lib.WAMP_ERR_CLOSED: NotSent,
    lib.WAMP_ERR_NOT_SENT: NotSent,
    lib.WAMP_ERR_OUTCOME_UNKNOWN: OutcomeUnknown,
    lib.WAMP_ERR_UNREACHABLE: NotConnected,
    lib.WAMP_ERR_HTTP: NotConnected,
    lib.WAMP_ERR_SUBPROTOCOL: NotConnected,
    lib.WAMP_ERR_PROTOCOL: NotConnected,
    lib.WAMP_ERR_ABORTED: NotConnected,
    lib.WAMP_ERR_LOST: NotConnected,
    lib.WAMP_ERR_TLS: NotConnected,
    lib.WAMP_ERR_AUTH: AuthenticationError,
    lib.WAMP_ERR_OPTION: OptionError,
    lib.WAMP_ERR_URI: UriError,
}


def local_error(status: int, detail: str = "", uri: str = "") -> LocalError:
    """The exception for a status."""
    return _KINDS.get(status, LocalError)(status, detail, uri)


def not_connected(status: int, detail: str, uri: str) -> NotConnected:
    """The exception for the end of a connection."""
    return (AuthenticationError if status == lib.WAMP_ERR_AUTH else NotConnected)(status, detail, uri)


def last_error(status: int) -> LocalError:
    """The exception for the call into the library that has just failed."""
    return local_error(status, from_c(lib.wamp_last_error()))


def making_failed(otherwise: int) -> LocalError:
    """The exception where the library has given no handle; why not is told by a sentence alone."""
    detail = from_c(lib.wamp_last_error())
    forked = lib.wamp_connection_open(ffi.NULL) == lib.WAMP_ERR_FORKED
    return local_error(lib.WAMP_ERR_FORKED if forked else otherwise, detail)


def check(status: int) -> int:
    """Passes a good result of the library on and raises a bad one."""
    if status < 0:
        raise last_error(status)
    if garbage or lines:
        attend()
    return status
