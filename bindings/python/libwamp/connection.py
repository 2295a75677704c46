"""A connection: it joins a realm, again after each loss, and tells of its sessions.

What is behind it is left to `core.py`, what can be done in a session to `session.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping
from dataclasses import fields
from typing import Any, Self, Unpack

from .asking import Challenge, Connect
from .checks import check_callable, check_concurrency, check_details_arg, uri_to_c
from .core import Core, Hooks
from .durable import DurableRegistration, DurableSubscription
from .entries import Durable, Listener, Procedure
from .errors import NotConnected, check
from .ffi import ffi, lib
from .invocation import Endpoint
from .options import ConnectionOptions
from .passthru import Codec
from .payload import options_to_c, report
from .reports import Closed, Transport
from .serving import CONCURRENCY
from .session import Session
from .wire import ErrorHandler

Options = Mapping[str, Any]


class Connection:
    """Joins a realm, and joins it again by itself when the connection is lost.

        async with Connection(url, "realm1", max_retries=-1) as connection:
            connection.subscribe("com.myapp.hello", print)      # in each session, present and to come
            async for session in connection:
                await session.call(...)

    `on_open(session)` is called with each session, `on_close(closed)` at the end of each and after each failed
    attempt. `on_connect(details)` is called before each attempt: it returns None, or a dict of options to change from
    now on, or False to give up connecting. `on_challenge(method, extra)` answers the router's challenges, with the
    signature or `(signature, extra)`, instead of the options ticket, secret and privkey. `on_user_error(error,
    message)` is called for exceptions in handlers and endpoints, `on_internal_error` for errors that the library
    could not handle; without them these are logged by the logger "libwamp". All but these last two may be coroutine
    functions. For `codec` see `set_codec`. `options` are the options of the library's connections, by name.

    A subclass may have methods of these names instead. Its other names are free.
    """

    def __init__(
        self,
        url: str | None,
        realm: str,
        *,
        on_open: Callable[[Session], Any] | None = None,
        on_close: Callable[[Closed], Any] | None = None,
        on_challenge: Challenge | None = None,
        on_connect: Connect | None = None,
        on_user_error: ErrorHandler | None = None,
        on_internal_error: ErrorHandler | None = None,
        codec: Codec | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        hooks = Hooks(on_open, on_close, on_challenge, on_connect, on_user_error, on_internal_error)
        for hook in fields(hooks):
            if getattr(hooks, hook.name) is None and _is_own(type(self), hook.name):
                setattr(hooks, hook.name, getattr(self, hook.name))
        # Mangled, so that no name in a subclass can hide it.
        self.__core = Core(url, realm, hooks, codec, options)

    def __repr__(self) -> str:
        state = "open" if self.__core.is_open else "retrying" if self.__core.is_retrying else "not open"
        return f"<libwamp.Connection {self.__core.where}, {state}>"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Session]:
        """The sessions, one after the other: the next one comes when the one before has ended.

        Ends when either side has closed the connection, and raises `NotConnected` when there is no further attempt.
        """
        if not self.__core.wire.listening:
            self.__core.begin()
        while True:
            try:
                session = await self.__core.opened()
            except NotConnected:
                if (await self.__core.closed()).status == lib.WAMP_OK:
                    return
                raise
            yield session
            await session.wait_closed()

    @property
    def on_open(self) -> Callable[[Session], Any] | None:
        """Called with each session."""
        return self.__core.hooks.on_open

    @on_open.setter
    def on_open(self, hook: Callable[[Session], Any] | None) -> None:
        check_callable("on_open", hook, optional=True)
        self.__core.hooks.on_open = hook

    @property
    def on_close(self) -> Callable[[Closed], Any] | None:
        """Called at the end of each session, and after each failed attempt."""
        return self.__core.hooks.on_close

    @on_close.setter
    def on_close(self, hook: Callable[[Closed], Any] | None) -> None:
        check_callable("on_close", hook, optional=True)
        self.__core.hooks.on_close = hook

    @property
    def on_user_error(self) -> ErrorHandler | None:
        """Called for exceptions in handlers and endpoints."""
        return self.__core.wire.on_user_error

    @on_user_error.setter
    def on_user_error(self, hook: ErrorHandler | None) -> None:
        check_callable("on_user_error", hook, optional=True)
        self.__core.wire.on_user_error = hook

    @property
    def on_internal_error(self) -> ErrorHandler | None:
        """Called for errors that the library could not handle."""
        return self.__core.hooks.on_internal_error

    @on_internal_error.setter
    def on_internal_error(self, hook: ErrorHandler | None) -> None:
        check_callable("on_internal_error", hook, optional=True)
        self.__core.hooks.on_internal_error = hook

    @property
    def session(self) -> Session | None:
        """The current session; None if there is none."""
        return self.__core.session

    @property
    def is_open(self) -> bool:
        """Whether a session is joined."""
        return self.__core.is_open

    @property
    def is_connected(self) -> bool:
        """Whether the transport is up, joined or not."""
        return bool(lib.wamp_connection_is_connected(self.__core.wire.pointer) == 1)

    @property
    def is_retrying(self) -> bool:
        """Whether the connection was lost and is being retried."""
        return self.__core.is_retrying

    @property
    def transport(self) -> Transport:
        """The way to the router."""
        return self.__core.transport

    @property
    def stats(self) -> dict[str, Any]:
        """Statistics of the connection since it was made: see `wamp_connection_stats` in wamp.h."""
        return report(lib.wamp_connection_stats(self.__core.wire.pointer))[1]

    async def open(self) -> Session:
        """Connects and joins the realm. Raises `NotConnected` if no attempt succeeds; may be called again then."""
        return await self.__core.open()

    async def close(self, reason: str | None = None, message: str | None = None) -> None:
        """Leaves the realm, stops retrying, and waits until that is done. Closing twice is not an error.

        A connection whose event loop has ended is closed in another one; then it can be opened there. Events received
        in between are not delivered.
        """
        await self.__core.close(reason, message)

    async def drain(self, timeout: float | None = 30.0, reason: str | None = None, message: str | None = None) -> bool:
        """Leaves gracefully: accepts no more calls, finishes those in progress, sends everything, and closes.

        Registrations end first, those of the connection for good. Then running endpoints and async event handlers
        have `timeout` seconds. Returns False if that was not enough: then endpoints are cancelled, and their callers
        get `wamp.error.canceled`. For SIGTERM, as in examples/service.py.
        """
        finished = await self.__core.drain(timeout)
        await self.__core.close(reason, message)
        return finished

    async def wait_closed(self) -> Closed:
        """Waits for the final end, after which there is no further attempt."""
        return await self.__core.closed()

    def reconnect_now(self) -> None:
        """Makes the next attempt now instead of after its delay; does nothing if none is pending."""
        self.__core.wire.check_loop()
        status = lib.wamp_connection_reconnect_now(self.__core.wire.pointer)
        if status != lib.WAMP_ERR_STATE:
            check(status)

    def stop_retrying(self) -> bool:
        """Makes no more attempts until it is opened again; an open session stays. Returns whether one was pending."""
        self.__core.wire.check_loop()
        return bool(check(lib.wamp_connection_stop_retrying(self.__core.wire.pointer)))

    def set_codec(self, codec: Codec | None) -> None:
        """Sets the codec for payloads that routers pass on without looking inside; None for none.

        With `ppt_scheme` (or Autobahn's older `enc_algo`) among the options of a request its `encode(options, args,
        kwargs)` returns the bytes to send, and its `decode(details, data)` returns the `(args, kwargs)` of a payload
        received with such details. Without a codec such a payload is one bytes argument.
        """
        self.__core.wire.coding.set_codec(codec)

    def subscribe(
        self,
        topic: str,
        handler: Callable[..., Any],
        options: Options | None = None,
        *,
        details_arg: str | None = None,
        on_restored: Callable[[float], Any] | None = None,
        on_suspended: Callable[[], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> DurableSubscription:
        """Subscribes in the current session and in all later ones; may be called before `open`.

        `on_suspended()` is called when a session has ended, `on_restored(outage)` when the next one has the
        subscription, after so many seconds in which events were missed; `on_error(error)` when the router refuses it:
        the next session tries again. Without `on_error` and `wait_active` this goes to on_user_error.
        """
        wire, subscriptions = self.__core.wire, self.__core.subscriptions
        wire.check_loop()
        name = uri_to_c("topic", topic)
        check_callable("a handler", handler)
        check_details_arg(details_arg)
        entry = Listener(topic, handler, details_arg, Durable(wire, topic, on_restored, on_suspended, on_error))
        entry.number = check(
            lib.wamp_connection_subscribe(
                wire.pointer, name, options_to_c(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
            )
        )
        subscriptions[entry.number] = entry
        subscription = entry.face = DurableSubscription(self.__core, entry)
        return subscription

    def register(
        self,
        procedure: str,
        endpoint: Endpoint,
        options: Options | None = None,
        *,
        details_arg: str | None = None,
        concurrency: int = CONCURRENCY,
        on_restored: Callable[[float], Any] | None = None,
        on_suspended: Callable[[], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> DurableRegistration:
        """Registers in the current session and in all later ones, like `subscribe`.

        A procedure that somebody has registered already is tried again by itself, each time with an error.
        """
        wire, registrations = self.__core.wire, self.__core.registrations
        wire.check_loop()
        name = uri_to_c("procedure", procedure)
        check_callable("an endpoint", endpoint)
        check_details_arg(details_arg)
        check_concurrency(concurrency)
        durable = Durable(wire, procedure, on_restored, on_suspended, on_error)
        entry = Procedure(procedure, endpoint, details_arg, concurrency, durable)
        entry.number = check(
            lib.wamp_connection_register(
                wire.pointer, name, options_to_c(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
            )
        )
        registrations[entry.number] = entry
        registration = entry.face = DurableRegistration(self.__core, entry)
        return registration


def _is_own(kind: type[Connection], name: str) -> bool:
    """Whether a subclass has a method of this name."""
    return getattr(kind, name, None) is not getattr(Connection, name, None)


class connect:
    """Joins a realm: `async with connect(url, realm) as session:`, or `session = await connect(url, realm)`.

    Takes what `Connection` takes. Raises `NotConnected` where that fails. A session that is lost is not joined
    anew: `wait_closed()` tells of it, and a new `connect` makes the next one. `Connection` does it by itself.
    """

    def __init__(
        self,
        url: str | None,
        realm: str,
        *,
        on_open: Callable[[Session], Any] | None = None,
        on_close: Callable[[Closed], Any] | None = None,
        on_challenge: Challenge | None = None,
        on_connect: Connect | None = None,
        on_user_error: ErrorHandler | None = None,
        on_internal_error: ErrorHandler | None = None,
        codec: Codec | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        if "dispatch" in options:
            raise TypeError("the option dispatch is not the caller's to choose")
        if not options.get("retry_if_unreachable"):
            options.setdefault("max_retries", 0)
        self._where = f"{realm!r} at {url}"
        hooks = Hooks(on_open, on_close, on_challenge, on_connect, on_user_error, on_internal_error)
        self._make: Callable[[], Core] = lambda: Core(url, realm, hooks, codec, options, single=True)
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<libwamp.connect {self._where}>"

    def __await__(self) -> Generator[Any, None, Session]:
        return self._join().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._join()
        return self._session

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.leave()

    async def _join(self) -> Session:
        return await self._make().open()
