"""A connection: it joins a realm, again after each loss, and tells of its sessions.

How events come out of the library is left to `wire.py`, what can be done in a session to `session.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from .afterwards import log
from .checks import check_callable, check_details_arg, uri_to_c
from .durable import Durable, DurableRegistration, DurableSubscription
from .errors import Error, LocalError, NotConnected, check, local_error, not_connected
from .ffi import ffi, from_c, lib, to_c
from .invocation import CONCURRENCY, Endpoint, Registration, Serving, check_concurrency, interrupt, serve
from .lane import Lane, inside
from .logs import follow_logging, log_close
from .payload import connection_options_to_c, details_of, options_to_c, report
from .session import Event, Session, Subscription
from .wire import EXITS, Codec, ErrorHandler, Wire, is_cancelled

Options = Mapping[str, Any]
Challenge = Callable[[str, dict[str, Any]], Any]
Connect = Callable[[dict[str, Any]], Any]

_TO_ANSWER = 1.0  # seconds that cancelled endpoints have before the connection closes
_MOST_UNFINISHED = 1024  # as many as the library remembers itself


class Closed(NamedTuple):
    """Why a session or an attempt ended. `reason` is `closed`, `lost`, `unreachable` or `unsupported`."""

    reason: str
    message: str
    details: dict[str, Any]
    status: int

    @property
    def will_retry(self) -> bool:
        """Whether another attempt follows, after `details["retry_delay"]` seconds."""
        return bool(self.details.get("will_retry"))


class Transport(NamedTuple):
    """How the router is reached; `none` and Nones where it is not."""

    type: str
    url: str | None
    protocol: str | None


class Connection(Wire):
    """Joins a realm, and joins it again by itself when the connection is lost.

        async with Connection(url, "realm1", max_retries=-1) as connection:
            connection.subscribe("com.myapp.hello", print)      # in each session, present and to come
            async for session in connection:
                await session.call(...)

    `on_open(session)` hears of each session, `on_close(closed)` of the end of each and of each attempt that
    failed. `on_connect(details)` is asked before each attempt: it gives None, or a dict of options that shall be
    different from now on, or False to give up. `on_challenge(method, extra)` answers the router's challenges,
    with the signature or `(signature, extra)`, in place of the options ticket, secret and privkey.
    `on_user_error(error, message)` hears of exceptions in handlers and endpoints, `on_internal_error` of what the
    library could not cope with; without them they are logged by the logger "libwamp". All but these last two
    may be coroutine functions. For `codec` see `set_codec`. `options` are those of the library's connections, by name.
    """

    single = False  # only one session is wanted

    def __init__(self, url: str | None, realm: str, *, on_open: Callable[[Session], Any] | None = None,
                 on_close: Callable[[Closed], Any] | None = None, on_challenge: Challenge | None = None,
                 on_connect: Connect | None = None, on_user_error: ErrorHandler | None = None,
                 on_internal_error: ErrorHandler | None = None, codec: Codec | None = None,
                 **options: Any) -> None:
        if "dispatch" in options:
            raise TypeError("the option dispatch is not the caller's to choose")
        hooks = {"on_open": on_open, "on_close": on_close, "on_challenge": on_challenge, "on_connect": on_connect,
                 "on_user_error": on_user_error, "on_internal_error": on_internal_error}
        for name, hook in hooks.items():
            check_callable(name, hook, optional=True)
        self._where = f"{realm!r} at {url}"
        options["realm"] = realm
        if url is not None:
            options["url"] = url
        super().__init__(options, on_user_error)
        self.set_codec(codec)
        self.on_open = on_open
        self.on_close = on_close
        self.on_internal_error = on_internal_error
        self.session: Session | None = None  # while one is open
        self.subscriptions: dict[int, Subscription | DurableSubscription] = {}
        self.registrations: dict[int, Registration | DurableRegistration] = {}
        self.lanes: dict[int, Lane] = {}  # of subscriptions with async handlers
        self.serving: dict[int, Serving] = {}  # by the router's id
        self.unfinished: deque[int] = deque(maxlen=_MOST_UNFINISHED)  # invocations whose input goes on
        self._opened: asyncio.Future[Session] | None = None
        self._closed: asyncio.Future[Closed] | None = None
        self._closing = False  # because the program wants it
        self._asking: set[asyncio.Future[Any]] = set()
        self._challenge = on_challenge
        self._connect = on_connect
        if on_challenge is not None:
            check(lib.wamp_connection_on_challenge(self.pointer, ffi.NULL, ffi.NULL, ffi.NULL))
        if on_connect is not None:
            check(lib.wamp_connection_on_connect(self.pointer, ffi.NULL, ffi.NULL, ffi.NULL))

    def __repr__(self) -> str:
        state = "open" if self.is_open else "retrying" if self.is_retrying else "not open"
        return f"<libwamp.Connection {self._where}, {state}>"

    async def __aenter__(self) -> Connection:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Session]:
        """The sessions, one after the other: the next one comes when the one before has ended.

        Ends when either side has closed the connection, and raises `NotConnected` when it is given up.
        """
        if not self.listening:
            self._start()
        while True:
            assert self._opened is not None
            try:
                session = await self.hear(self._opened)
            except NotConnected:
                if (await self.wait_closed()).status == lib.WAMP_OK:
                    return
                raise
            yield session
            await session.wait_closed()

    @property
    def is_open(self) -> bool:
        """Whether a session is joined."""
        return self.session is not None and self.session.is_open

    @property
    def is_connected(self) -> bool:
        """Whether the transport is up, joined or not."""
        return bool(lib.wamp_connection_is_connected(self.pointer) == 1)

    @property
    def is_retrying(self) -> bool:
        """Whether it was lost and tries to come back."""
        return bool(lib.wamp_connection_is_retrying(self.pointer) == 1)

    @property
    def transport(self) -> Transport:
        """How the router is reached."""
        _, told = report(lib.wamp_connection_transport(self.pointer))
        return Transport(told["type"], told["url"], told["protocol"])

    @property
    def stats(self) -> dict[str, Any]:
        """What the connection has done since it was made: see `wamp_connection_stats` in wamp.h."""
        return report(lib.wamp_connection_stats(self.pointer))[1]

    async def open(self) -> Session:
        """Connects and joins the realm. Raises `NotConnected` when it is given up; may be called again then."""
        self._start()
        assert self._opened is not None
        try:
            session: Session = await self.hear(self._opened)
            return session
        except asyncio.CancelledError:
            lib.wamp_connection_close(self.pointer, ffi.NULL, ffi.NULL, 0)
            raise

    async def close(self, reason: str | None = None, message: str | None = None) -> None:
        """Leaves the realm, tries no more, and waits until that is done. Closing twice is no error.

        A connection whose event loop has ended is closed in another one; then it can be opened there. What it has
        received in between is not delivered.
        """
        if self.is_left:
            self._part()
        self.check_loop()
        if not self.listening or self._closed is None:
            return
        self._closing = True
        status = lib.wamp_connection_close(
            self.pointer,
            ffi.NULL if reason is None else to_c(reason),
            ffi.NULL if message is None else to_c(message),
            0,
        )
        if status not in (lib.WAMP_ERR_CLOSED, lib.WAMP_ERR_STATE):  # it is closing already
            check(status)
        with self.hearing(always=True):
            await self.hear(self._closed)

    async def drain(self, timeout: float | None = 30.0, reason: str | None = None,
                    message: str | None = None) -> bool:
        """Leaves without breaking off: takes no more calls, finishes those that it serves, sends all, and closes.

        Registrations end first, those of the connection for good. Then endpoints and async event handlers that run
        have `timeout` seconds; False if that was not enough: then endpoints are cancelled, and their callers get
        `wamp.error.canceled`. For SIGTERM, as in examples/service.py.
        """
        self.check_loop()
        finished = True
        if self.session is not None:
            loop = asyncio.get_running_loop()
            end = None if timeout is None else loop.time() + timeout
            try:
                async with asyncio.timeout_at(end):
                    await self._end_registrations()
                    await self._finish_work()
            except TimeoutError:
                finished = False
                await self._break_off()
            left = -1 if end is None else max(1, round((end - loop.time()) * 1000))
            await asyncio.to_thread(lib.wamp_connection_flush, self.pointer, left)
        await self.close(reason, message)
        return finished

    async def _end_registrations(self) -> None:
        endings = [entry.unregister() for entry in list(self.registrations.values()) if entry.id]
        for ended in await asyncio.gather(*endings, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, LocalError):  # else the session has ended
                raise ended

    async def _finish_work(self) -> None:
        own = asyncio.current_task()
        while tasks := [serving.task for serving in self.serving.values() if serving.task is not own]:
            await asyncio.wait(tasks)
        if inside.get() is not self:  # a handler cannot wait for its own end
            for lane in list(self.lanes.values()):
                await lane.finished()

    async def _break_off(self) -> None:
        own = asyncio.current_task()
        tasks = [serving.task for serving in self.serving.values() if serving.task is not own]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_TO_ANSWER)

    async def wait_closed(self) -> Closed:
        """Waits for the end after which no attempt follows."""
        if self._closed is None:
            raise NotConnected(lib.WAMP_ERR_CLOSED, "the connection was never opened")
        closed: Closed = await self.hear(self._closed)
        return closed

    def reconnect_now(self) -> None:
        """Makes the next attempt now instead of after its delay; where none is waited for, nothing happens."""
        self.check_loop()
        status = lib.wamp_connection_reconnect_now(self.pointer)
        if status != lib.WAMP_ERR_STATE:
            check(status)

    def stop_retrying(self) -> bool:
        """Makes no more attempts until it is opened again; an open session stays. Whether one was waited for."""
        self.check_loop()
        return bool(check(lib.wamp_connection_stop_retrying(self.pointer)))

    def subscribe(self, topic: str, handler: Callable[..., Any], options: Options | None = None, *,
                  details_arg: str | None = None, on_restored: Callable[[float], Any] | None = None,
                  on_suspended: Callable[[], Any] | None = None,
                  on_error: Callable[[Exception], Any] | None = None) -> DurableSubscription:
        """Subscribes in the present session and in all to come; may be called before `open`.

        `on_suspended()` hears that a session has ended, `on_restored(outage)` that the next one has it, after so
        many seconds in which events were missed; `on_error(error)` that the router refused it: the next session
        tries again. Without `on_error` and `wait_active`, on_user_error hears that.
        """
        self.check_loop()
        name = uri_to_c("topic", topic)
        check_callable("a handler", handler)
        check_details_arg(details_arg)
        subscription = DurableSubscription(self, topic, on_restored, on_suspended, on_error)
        subscription.handler, subscription.details_arg = handler, details_arg
        subscription.number = check(lib.wamp_connection_subscribe(
            self.pointer, name, options_to_c(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
        ))
        self.subscriptions[subscription.number] = subscription
        return subscription

    def register(self, procedure: str, endpoint: Endpoint, options: Options | None = None, *,
                 details_arg: str | None = None, concurrency: int = CONCURRENCY,
                 on_restored: Callable[[float], Any] | None = None,
                 on_suspended: Callable[[], Any] | None = None,
                 on_error: Callable[[Exception], Any] | None = None) -> DurableRegistration:
        """Registers in the present session and in all to come, as `subscribe` subscribes.

        A procedure that somebody has registered already is tried again by itself, each time with an error.
        """
        self.check_loop()
        name = uri_to_c("procedure", procedure)
        check_callable("an endpoint", endpoint)
        check_details_arg(details_arg)
        check_concurrency(concurrency)
        registration = DurableRegistration(self, procedure, on_restored, on_suspended, on_error)
        registration.endpoint, registration.details_arg = endpoint, details_arg
        registration.concurrency = concurrency
        registration.number = check(lib.wamp_connection_register(
            self.pointer, name, options_to_c(options),
            ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL,
        ))
        self.registrations[registration.number] = registration
        return registration

    def durable(self, number: int) -> Durable | None:
        """The durable subscription or registration with a local id."""
        found = self.subscriptions.get(number) or self.registrations.get(number)
        return found if isinstance(found, Durable) else None

    def broken(self, error: LocalError) -> None:
        """No more events can be had: the library was shut down under us."""
        closed = Closed("lost", str(error), {}, error.status)
        self._end_session(closed)
        self._finish(closed)

    def _part(self) -> None:
        self.serving.clear()
        self.unfinished.clear()
        self._asking.clear()
        self.lanes.clear()
        for registration in self.registrations.values():
            registration.running = 0
        for entry in (*self.subscriptions.values(), *self.registrations.values()):
            if isinstance(entry, Durable):
                entry.forget_waiting()
        self.part()
        self._opened = asyncio.get_running_loop().create_future()
        self._closed = asyncio.get_running_loop().create_future()

    def _start(self) -> None:
        self.check_loop()
        self._closing = self._closing and self.listening
        follow_logging()
        begins = not self.listening
        if begins:
            self.listen()
        try:
            check(lib.wamp_connection_open(self.pointer))
        except LocalError:
            if begins:
                self.silence()
            raise
        loop = asyncio.get_running_loop()
        self._opened = loop.create_future()
        self._closed = loop.create_future()

    def _on_open(self, event: Any) -> None:
        self.serving.clear()
        self.unfinished.clear()
        self.session = Session(self, event)
        log.info("connection to %s: session %d is open", self._where, self.session.id)
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(self.session)
        if self.on_open is not None:
            self.run("on_open", self.on_open, self.session)

    def _on_close(self, event: Any) -> None:
        reason, message = from_c(event.uri, event.uri_size), from_c(event.message, event.message_size)
        closed = Closed(reason, message, details_of(event), event.status)
        log_close(self._where, closed, self._closing)
        for asking in list(self._asking):
            asking.cancel()
        had_session = self._end_session(closed)
        if not closed.will_retry:
            self._finish(closed)
        else:
            if self._opened is not None and self._opened.done():
                self._opened = asyncio.get_running_loop().create_future()
            if self.single and had_session:
                lib.wamp_connection_stop_retrying(self.pointer)
        if self.on_close is not None:
            self.run("on_close", self.on_close, closed)

    def _end_session(self, closed: Closed) -> bool:
        session, self.session = self.session, None
        self.writable.set()
        if session is None:
            return False
        for table in (self.subscriptions, self.registrations):
            for number in [number for number, entry in table.items() if not isinstance(entry, Durable)]:
                del table[number]
                self.lanes.pop(number, None)  # what has been received is still handled
        session.end(closed)
        return True

    def _finish(self, closed: Closed) -> None:
        """There will be no session any more."""
        self.silence()
        uri = closed.details.get("reason") or ""
        status = closed.status if closed.status < 0 else lib.WAMP_ERR_CLOSED
        self.fail_all(lambda: local_error(lib.WAMP_ERR_OUTCOME_UNKNOWN, closed.message, uri))
        for entry in (*self.subscriptions.values(), *self.registrations.values()):
            if isinstance(entry, Durable):
                entry.give_up(lambda: not_connected(status, closed.message, uri))
        if self._opened is None or self._opened.done():
            self._opened = asyncio.get_running_loop().create_future()
        self._opened.set_exception(not_connected(status, closed.message, uri))
        self._opened.exception()  # nobody need be waiting
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(closed)

    def _on_readable(self) -> None:
        try:
            super()._on_readable()
        finally:
            if self.single and not self.listening:  # it will not be opened again
                self._free()

    def _on_connect(self, event: Any) -> None:
        check(lib.wamp_attempt_retain(event.attempt))
        work = self._decide(event.attempt, details_of(event))
        self._ask(work, lib.wamp_attempt_release, event.attempt)

    async def _decide(self, attempt: Any, details: dict[str, Any]) -> None:
        assert self._connect is not None
        try:
            changes = self._connect(details)
            if isinstance(changes, Awaitable):
                changes = await changes
            if changes is False:
                check(lib.wamp_attempt_abandon(attempt, to_c("on_connect wanted no attempt")))
            else:
                check(lib.wamp_attempt_proceed(attempt, _changes_to_c(changes)))
        except BaseException as error:
            if is_cancelled(error):
                raise
            lib.wamp_attempt_abandon(attempt, to_c(f"on_connect failed: {error}".replace("\0", "")))
            self.complain(error, "exception in on_connect")
            if isinstance(error, EXITS):
                raise

    def _on_challenge(self, event: Any) -> None:
        check(lib.wamp_challenge_retain(event.challenge))
        method = from_c(event.uri, event.uri_size)
        work = self._answer(event.challenge, method, details_of(event))
        self._ask(work, lib.wamp_challenge_release, event.challenge)

    async def _answer(self, challenge: Any, method: str, extra: dict[str, Any]) -> None:
        assert self._challenge is not None
        try:
            answer = self._challenge(method, extra)
            if isinstance(answer, Awaitable):
                answer = await answer
            signature, more = answer if isinstance(answer, tuple) else (answer, None)
            if not isinstance(signature, str):
                raise TypeError("on_challenge gives the signature as a string, or (signature, extra)")
            status = lib.wamp_challenge_reply(challenge, to_c(signature), options_to_c(more))
            if status != lib.WAMP_ERR_CLOSED:  # too late
                check(status)
        except Error as error:
            text = str(error.args[0]) if error.args else ""
            lib.wamp_challenge_abort(challenge, to_c(error.uri), to_c(text.replace("\0", "")))
            self.complain(error, "exception in on_challenge")
        except BaseException as error:
            if is_cancelled(error):
                raise
            # The router is not told more than that: the text may hold what is secret.
            lib.wamp_challenge_abort(challenge, ffi.NULL, to_c(f"on_challenge failed: {type(error).__name__}"))
            self.complain(error, "exception in on_challenge")
            if isinstance(error, EXITS):
                raise

    def _ask(self, work: Awaitable[None], release: Callable[[Any], int], handle: Any) -> None:
        """Lets the program decide; a task that is cancelled before it began gives the handle back, too."""
        task = asyncio.ensure_future(work)
        self._asking.add(task)

        def done(task: asyncio.Future[Any]) -> None:
            self._asking.discard(task)
            release(handle)
            if not task.cancelled():
                task.exception()  # an exit, which the task itself has raised

        task.add_done_callback(done)

    def _on_set_up(self, event: Any) -> None:
        durable = self.durable(event.id)
        if durable is None:
            self.on_done(event)
        else:
            durable.told_active(event.wamp_id, None)

    def _on_restored(self, event: Any) -> None:
        durable = self.durable(event.id)
        if durable is not None:
            durable.told_active(event.wamp_id, details_of(event).get("outage") or 0.0)

    def _on_suspended(self, event: Any) -> None:
        durable = self.durable(event.id)
        if durable is not None:
            durable.told_suspended()

    def _on_failed(self, event: Any) -> None:
        durable = self.durable(event.id)
        if durable is None or durable.removed:
            self.on_error(event)
        else:
            durable.told_error(self.error_of(event))

    def _on_ended(self, event: Any) -> None:
        durable = self.durable(event.id)
        if durable is not None and not durable.removed:  # revoked; the next session has it again
            durable.told_suspended()
            return
        table = self.subscriptions if event.kind == lib.WAMP_UNSUBSCRIBED else self.registrations
        table.pop(event.id, None)
        self.drop_lane(event.id)
        self.on_done(event)

    def drop_lane(self, number: int) -> None:
        """Forgets the events that wait for the handler of a subscription that has been ended."""
        lane = self.lanes.pop(number, None)
        if lane is not None:
            lane.clear()

    def _on_event(self, event: Any) -> None:
        subscription = self.subscriptions.get(event.id)
        if subscription is None:
            return
        args, kwargs = self.arguments(event)
        if subscription.details_arg is not None:
            kwargs[subscription.details_arg] = Event(event)
        what = f"the handler of {subscription.topic}"
        work = self.begin(what, subscription.handler, args, kwargs)
        if work is not None:
            lane = self.lanes.get(event.id)
            if lane is None:
                lane = self.lanes[event.id] = Lane(self, what)
            lane.add(work)

    def _on_invocation(self, event: Any) -> None:
        serve(self, self.registrations.get(event.id), event)

    def _on_interrupt(self, event: Any) -> None:
        interrupt(self, event.wamp_id)

    def _on_user_error(self, event: Any) -> None:
        text = from_c(event.message, event.message_size)
        self.complain(local_error(event.status, text, from_c(event.uri, event.uri_size)), text)

    def _on_internal_error(self, event: Any) -> None:
        text = from_c(event.message, event.message_size)
        self.tell_error(self.on_internal_error, local_error(event.status, text), text)

    receivers = {
        lib.WAMP_OPEN: _on_open,
        lib.WAMP_CLOSE: _on_close,
        lib.WAMP_WRITABLE: Wire.on_writable,
        lib.WAMP_SUBSCRIBED: _on_set_up,
        lib.WAMP_UNSUBSCRIBED: _on_ended,
        lib.WAMP_EVENT: _on_event,
        lib.WAMP_PUBLISHED: Wire.on_done,
        lib.WAMP_REGISTERED: _on_set_up,
        lib.WAMP_UNREGISTERED: _on_ended,
        lib.WAMP_INVOCATION: _on_invocation,
        lib.WAMP_RESULT: Wire.on_result,
        lib.WAMP_ERROR: _on_failed,
        lib.WAMP_INTERRUPT: _on_interrupt,
        lib.WAMP_CHALLENGE: _on_challenge,
        lib.WAMP_CONNECT: _on_connect,
        lib.WAMP_RESTORED: _on_restored,
        lib.WAMP_SUSPENDED: _on_suspended,
        lib.WAMP_USER_ERROR: _on_user_error,
        lib.WAMP_INTERNAL_ERROR: _on_internal_error,
    }


def _changes_to_c(changes: Any) -> Any:
    if changes is None:
        return ffi.NULL
    if not isinstance(changes, Mapping):
        raise TypeError(f"on_connect gives None, False, or a mapping with options, and not {changes!r}")
    return connection_options_to_c(changes)


class connect:
    """Joins a realm: `async with connect(url, realm) as session:`, or `session = await connect(url, realm)`.

    Takes what `Connection` takes. Raises `NotConnected` where that fails. A session that is lost is not joined
    anew: `wait_closed()` tells of it, and a new `connect` makes the next one. `Connection` does it by itself.
    """

    def __init__(self, url: str | None, realm: str, **options: Any) -> None:
        if "dispatch" in options:
            raise TypeError("the option dispatch is not the caller's to choose")
        if not options.get("retry_if_unreachable"):
            options.setdefault("max_retries", 0)
        self._arguments = (url, realm)
        self._options = options
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<libwamp.connect {self._arguments[1]!r} at {self._arguments[0]}>"

    def __await__(self) -> Any:
        return self._join().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._join()
        return self._session

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.leave()

    async def _join(self) -> Session:
        connection = Connection(*self._arguments, **self._options)
        connection.single = True
        return await connection.open()
