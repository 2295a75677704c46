"""The session: calls, registrations, subscriptions and publications in one realm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any

from .connection import Closed, Connection, Opened
from .errors import check
from .ffi import ffi, lib, to_c
from .invocation import Endpoint, Registration
from .payload import payload

Options = Mapping[str, Any]


class Subscription:
    """A handler that receives a topic's events."""

    def __init__(self, session: Session, number: int, topic: str, handler: Callable[..., Any],
                 details_arg: str | None) -> None:
        self.session = session
        self.number = number  # the library's local id
        self.id = 0  # the router's
        self.topic = topic
        self.handler = handler
        self.details_arg = details_arg

    @property
    def active(self) -> bool:
        """Whether the handler still receives events."""
        return self.session.listens(self)

    async def unsubscribe(self) -> bool:
        """Ends it; False where other handlers keep the topic subscribed."""
        return await self.session.unsubscribe(self)


class Session:
    """One session of a realm, from join to leave. Not to be used from another thread than its event loop's.

    `wamp_options` are WAMP's Options of a request, sent to the router as they are.
    """

    def __init__(self, connection: Connection, opened: Opened) -> None:
        self._connection = connection
        self.id = opened.id
        self.realm = opened.realm
        self.details = opened.details  # of WELCOME

    def __repr__(self) -> str:
        return f"<libwamp.Session {self.id} on {self.realm!r}{'' if self.is_open else ', closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the session is still joined."""
        return self._connection.is_open

    async def call(self, procedure: str, /, *args: Any, wamp_options: Options | None = None,
                   wamp_on_progress: Callable[[Any], None] | None = None, **kwargs: Any) -> Any:
        """Calls a procedure. Gives None, the one value, or a `Result` with all of them; raises `Error`.

        `wamp_on_progress` is called with each progressive result. A call whose task is cancelled goes on at the
        callee; its outcome is dropped.
        """
        if wamp_on_progress is not None:
            wamp_options = {**(wamp_options or {}), "receive_progress": True}
        return await self._connection.request(
            lib.wamp_session_call, self._connection.session, to_c(procedure), payload(args, kwargs),
            _options(wamp_options), ffi.NULL, ffi.NULL, ffi.NULL, on_progress=wamp_on_progress,
        )

    async def register(self, procedure: str, endpoint: Endpoint, options: Options | None = None, *,
                       details_arg: str | None = None) -> Registration:
        """Serves a procedure by a function or coroutine function, called with the call's arguments.

        What it returns is the result (several values as a `Result`). Raising `Error` answers that error, any
        other exception `wamp.error.runtime_error`. `details_arg` names a keyword argument that receives the
        `Invocation`.
        """
        registrations = self._connection.registrations
        number = await self._connection.send(
            lib.wamp_session_register, self._connection.session, to_c(procedure), _options(options),
            ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL,
        )
        registration = registrations[number] = Registration(self, number, procedure, endpoint, details_arg)
        try:
            registration.id = await self._connection.outcome(number)
        except BaseException as error:
            if registrations.pop(number, None) and isinstance(error, asyncio.CancelledError):
                lib.wamp_session_unregister(self._connection.session, number, ffi.NULL, ffi.NULL, ffi.NULL)
            raise
        return registration

    async def unregister(self, registration: Registration) -> None:
        """Ends a registration. Calls that are being served are still answered."""
        await self._connection.send(
            lib.wamp_session_unregister, self._connection.session, registration.number, ffi.NULL, ffi.NULL, ffi.NULL
        )
        await self._connection.outcome(registration.number)

    async def subscribe(self, topic: str, handler: Callable[..., Any], options: Options | None = None, *,
                        details_arg: str | None = None) -> Subscription:
        """Has a function or coroutine function called with the arguments of each of the topic's events.

        Events come in the order in which the router sent them. `details_arg` names a keyword argument that
        receives the `Event`.
        """
        subscriptions = self._connection.subscriptions
        number = await self._connection.send(
            lib.wamp_session_subscribe, self._connection.session, to_c(topic), _options(options),
            ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL,
        )
        subscription = subscriptions[number] = Subscription(self, number, topic, handler, details_arg)
        try:
            subscription.id = await self._connection.outcome(number)
        except BaseException as error:
            if subscriptions.pop(number, None) and isinstance(error, asyncio.CancelledError):
                lib.wamp_session_unsubscribe(self._connection.session, number, ffi.NULL, ffi.NULL, ffi.NULL)
            raise
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> bool:
        """Ends a subscription; False where other handlers keep the topic subscribed."""
        ended = await self._connection.send(
            lib.wamp_session_unsubscribe, self._connection.session, subscription.number, ffi.NULL, ffi.NULL, ffi.NULL
        )
        if ended:
            await self._connection.outcome(subscription.number)
        self._connection.subscriptions.pop(subscription.number, None)
        return bool(ended)

    def publish(self, topic: str, /, *args: Any, wamp_options: Options | None = None, **kwargs: Any) -> None:
        """Publishes an event and returns at once. Raises `QueueFull` where the send queue has no room."""
        status = lib.wamp_session_publish(
            self._connection.session, to_c(topic), payload(args, kwargs), _options(wamp_options)
        )
        if status == lib.WAMP_ERR_AGAIN:
            self._connection.block()
        check(status)

    async def publish_ack(self, topic: str, /, *args: Any, wamp_options: Options | None = None,
                          **kwargs: Any) -> int:
        """Publishes an event and waits until the router has it. Gives the publication's id."""
        publication: int = await self._connection.request(
            lib.wamp_session_publish_ack, self._connection.session, to_c(topic), payload(args, kwargs),
            _options(wamp_options), ffi.NULL, ffi.NULL, ffi.NULL,
        )
        return publication

    async def drain(self) -> None:
        """Waits until `publish` has room again; returns at once where it has."""
        await self._connection.drain()

    async def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Leaves the realm and closes the connection. A session that has ended may leave again."""
        await self._connection.close(reason, message)

    close = leave

    async def wait_closed(self) -> Closed:
        """Waits until the session has ended, for whatever reason, and tells it."""
        return await asyncio.shield(self._connection.closed)

    def listens(self, subscription: Subscription) -> bool:
        """Whether a subscription of this session is active."""
        return self._connection.subscriptions.get(subscription.number) is subscription

    def serves(self, registration: Registration) -> bool:
        """Whether a registration of this session is active."""
        return self._connection.registrations.get(registration.number) is registration


class connect:
    """Joins a realm: `async with connect(url, realm) as session:`, or `session = await connect(url, realm)`.

    The options are those of the library's connections. Raises `NotConnected` where that fails. A session
    that is lost is not joined anew: `wait_closed()` tells of it, and a new `connect` makes the next one.
    """

    def __init__(self, url: str, realm: str, **options: Any) -> None:
        if "dispatch" in options:
            raise TypeError("the option dispatch is not the caller's to choose")
        self._options = {"url": url, "realm": realm, **options}
        self._session: Session | None = None

    def __await__(self) -> Generator[Any, None, Session]:
        return self._join().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._join()
        return self._session

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.leave()

    async def _join(self) -> Session:
        connection = Connection(self._options)
        return Session(connection, await connection.open())


def _options(options: Options | None) -> Any:
    return ffi.NULL if not options else to_c(json.dumps(options))
