"""libwamp's C functions for tests: one connection whose events are polled, one after the other.

This is no binding: it gives what the C functions give, so that tests can ask for what a binding would hide.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from libwamp.ffi import ffi, from_c, lib, to_c
from libwamp.payload import details_of, payload, received, report

LIMIT = 60  # seconds: generous, met only where something hangs
KINDS = {
    getattr(lib, f"WAMP_{name}"): name
    for name in (
        "OPEN", "CLOSE", "WRITABLE", "SUBSCRIBED", "UNSUBSCRIBED", "EVENT", "PUBLISHED", "REGISTERED", "UNREGISTERED",
        "INVOCATION", "RESULT", "ERROR", "INTERRUPT", "CHALLENGE", "CONNECT", "RESTORED", "SUSPENDED", "USER_ERROR",
        "INTERNAL_ERROR",
    )
}


class Refused(Exception):
    """A function of the library returned an error."""


@dataclass
class Event:
    kind: str
    flags: int
    status: int
    id: int
    wamp_id: int
    uri: str
    message: str
    details: dict[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]
    handle: Any = field(repr=False)  # of an invocation or a challenge, retained

    @property
    def is_progress(self) -> bool:
        return bool(self.flags & lib.WAMP_FLAG_PROGRESS)


def good(status: int) -> int:
    if status < 0:
        raise Refused(f"{from_c(lib.wamp_status_name(int(status)))}: {from_c(lib.wamp_last_error())}")
    return status


class Client:
    """A connection; as a context manager it is closed and freed at the end."""

    def __init__(self, url: str | None = None, realm: str = "", **options) -> None:
        """`url` may be missing where there is the option `transports`."""
        options = {**({"url": url} if url else {}), "realm": realm, "dispatch": "manual", **options}
        self._handle = lib.wamp_connection_new(to_c(json.dumps(options)))
        if self._handle == ffi.NULL:
            raise Refused(from_c(lib.wamp_last_error()))
        self._session = ffi.NULL
        self._event = ffi.new("wamp_event_t *")
        self._waiting: list[Event] = []
        self.changes: dict[str, Any] | None = None
        # Attempts are told; they are made with `changes` of the options, or as they are.
        good(lib.wamp_connection_on_connect(self._handle, ffi.NULL, ffi.NULL, ffi.NULL))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        lib.wamp_session_release(self._session)
        lib.wamp_connection_close(self._handle, ffi.NULL, ffi.NULL, LIMIT * 1000)
        good(lib.wamp_connection_free(self._handle))

    # ---- events ----

    def next(self, *kinds: str, id: int | None = None) -> Event:
        """The next event of these kinds, and with this id if one is given; others wait for their turn."""

        def suits(event: Event) -> bool:
            return event.kind in kinds and id in (None, event.id)

        for event in self._waiting:
            if suits(event):
                self._waiting.remove(event)
                return event
        end = time.monotonic() + LIMIT
        while True:
            event = self.poll(end)
            assert event is not None, f"no {' or '.join(kinds)} within {LIMIT} s, but {self._waiting}"
            if suits(event):
                return event
            self._waiting.append(event)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Waits for something that no event tells; events that come meanwhile wait for their turn."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end, f"not within {LIMIT} s; meanwhile {self._waiting}"
            if event := self.poll(time.monotonic() + 0.02):
                self._waiting.append(event)

    def seen(self, kind: str) -> list[Event]:
        """Those of a kind that were told and not asked for."""
        return [event for event in self._waiting if event.kind == kind]

    def poll(self, end: float) -> Event | None:
        """The next event, whatever it is; None: there was none until then (as time.monotonic() has it)."""
        limit = max(0, int((end - time.monotonic()) * 1000))
        if not good(lib.wamp_connection_poll(self._handle, self._event, ffi.sizeof("wamp_event_t"), 1, limit)):
            return None
        event, handle = self._event, None
        if event.kind == lib.WAMP_CONNECT and self.changes:
            good(lib.wamp_attempt_proceed(event.attempt, to_c(json.dumps(self.changes))))
        if event.kind == lib.WAMP_INVOCATION:
            handle = event.invocation
            good(lib.wamp_invocation_retain(handle))
        elif event.kind == lib.WAMP_CHALLENGE:
            handle = event.challenge
            good(lib.wamp_challenge_retain(handle))
        args, kwargs = received(event.payload)
        return Event(
            KINDS[event.kind], event.flags, event.status, event.id, event.wamp_id, from_c(event.uri),
            from_c(event.message), details_of(event), args, kwargs, handle,
        )

    # ---- the connection ----

    def open(self) -> Event:
        """Opens it; gives the OPEN or the CLOSE."""
        good(lib.wamp_connection_open(self._handle))
        event = self.next("OPEN", "CLOSE", "CHALLENGE")
        return self._opened(event)

    def answer(self, challenge: Event, signature: str, extra: dict | None = None) -> Event:
        """Answers a challenge; gives what comes then."""
        good(lib.wamp_challenge_reply(challenge.handle, to_c(signature), _options(extra)))
        good(lib.wamp_challenge_release(challenge.handle))
        return self._opened(self.next("OPEN", "CLOSE", "CHALLENGE"))

    def reopened(self) -> Event:
        """Waits until it is open again after a loss; gives the OPEN."""
        lib.wamp_session_release(self._session)
        return self._opened(self.next("OPEN"))

    def close(self) -> Event:
        """Closes it; gives the CLOSE."""
        good(lib.wamp_connection_close(self._handle, ffi.NULL, ffi.NULL, 0))
        return self.next("CLOSE")

    @property
    def transport(self) -> dict[str, Any]:
        """How the router is reached."""
        return report(lib.wamp_connection_transport(self._handle))[1]

    @property
    def stats(self) -> dict[str, Any]:
        return report(lib.wamp_connection_stats(self._handle))[1]

    def ask_for_challenges(self) -> None:
        """From now on challenges are told instead of being answered by the options."""
        good(lib.wamp_connection_on_challenge(self._handle, ffi.NULL, ffi.NULL, ffi.NULL))

    def _opened(self, event: Event) -> Event:
        if event.kind == "OPEN":
            session = ffi.new("wamp_session_t **")
            good(lib.wamp_connection_session(self._handle, 0, session))
            self._session = session[0]
        return event

    # ---- requests ----

    def subscribe(self, topic: str, options: dict | None = None) -> Event:
        """Subscribes and waits for the SUBSCRIBED."""
        id = good(
            lib.wamp_session_subscribe(
                self._session, to_c(topic), _options(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
            )
        )
        return self._granted("SUBSCRIBED", id)

    def register(self, procedure: str, options: dict | None = None) -> Event:
        id = good(
            lib.wamp_session_register(
                self._session, to_c(procedure), _options(options), ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
            )
        )
        return self._granted("REGISTERED", id)

    def _granted(self, kind: str, id: int) -> Event:
        event = self.next(kind, "ERROR", id=id)
        if event.kind == "ERROR":
            raise Refused(f"{event.uri}: {event.args}")
        return event

    def publish(self, topic: str, args: list = (), kwargs: dict | None = None, options: dict | None = None) -> int:
        """Publishes and waits for the acknowledgement; gives the publication's id."""
        id = good(
            lib.wamp_session_publish_ack(
                self._session, to_c(topic), _payload(args, kwargs), _options(options), ffi.NULL, ffi.NULL, ffi.NULL
            )
        )
        return self._granted("PUBLISHED", id).wamp_id

    def send(self, topic: str, args: list) -> None:
        """Publishes without an acknowledgement."""
        good(lib.wamp_session_publish(self._session, to_c(topic), _payload(args), ffi.NULL))

    def call(self, procedure: str, args: list = (), kwargs: dict | None = None, options: dict | None = None) -> int:
        """Calls, and gives the call's id: its RESULT or ERROR is to be waited for."""
        return good(
            lib.wamp_session_call(
                self._session, to_c(procedure), _payload(args, kwargs), _options(options), ffi.NULL, ffi.NULL, ffi.NULL
            )
        )

    def ask(self, procedure: str, args: list = (), kwargs: dict | None = None, options: dict | None = None) -> Event:
        """Calls and waits for the RESULT or ERROR."""
        return self.next("RESULT", "ERROR", id=self.call(procedure, args, kwargs, options))

    def cancel(self, call: int, mode: str) -> None:
        good(lib.wamp_session_cancel(self._session, call, _options({"mode": mode})))

    # ---- invocations ----

    def progress(self, invocation: Event, *args) -> None:
        good(lib.wamp_invocation_progress(invocation.handle, _payload(args)))

    def result(self, invocation: Event, *args) -> None:
        good(lib.wamp_invocation_yield(invocation.handle, _payload(args)))
        good(lib.wamp_invocation_release(invocation.handle))

    def error(self, invocation: Event, uri: str, *args) -> None:
        good(lib.wamp_invocation_error(invocation.handle, to_c(uri), _payload(args)))
        good(lib.wamp_invocation_release(invocation.handle))

    def watch(self, invocation: Event) -> None:
        """Asks for the INTERRUPT of an invocation."""
        good(lib.wamp_invocation_on_interrupt(invocation.handle, ffi.NULL, ffi.NULL, ffi.NULL))

    def is_canceled(self, invocation: Event) -> bool:
        return bool(good(lib.wamp_invocation_is_canceled(invocation.handle)))

    def drop(self, invocation: Event) -> None:
        """Gives up an invocation without an answer of ours."""
        good(lib.wamp_invocation_release(invocation.handle))

    # ---- the session ----

    @property
    def id(self) -> int:
        number = ffi.new("int64_t *")
        good(lib.wamp_session_id(self._session, number))
        return int(number[0])

    def welcome(self, key: str) -> str:
        """A text of the router's WELCOME."""
        return from_c(lib.wamp_value_string(
            lib.wamp_value_get(lib.wamp_session_details(self._session), to_c(key)), ffi.NULL
        ))


_KEPT: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _payload(args: list = (), kwargs: dict | None = None) -> Any:
    """Arguments as the public functions take them, with what they point to."""
    encoding, *parts = payload(args, kwargs)
    kept = [ffi.from_buffer(part) if isinstance(part, bytes) else part for part in parts]
    whole = ffi.new("wamp_payload_t *", [kept[0], kept[1], kept[2], kept[3], encoding, 0])
    _KEPT[whole] = kept
    return whole


def _options(options: dict | None) -> Any:
    return ffi.NULL if options is None else to_c(json.dumps(options))


def joined(client: Client) -> Client:
    event = client.open()
    assert event.kind == "OPEN", event
    return client


def failed(client: Client, status: int) -> str:
    """It cannot be opened. Gives what it says."""
    event = client.open()
    assert (event.kind, event.status) == ("CLOSE", status), event
    assert not event.details["will_retry"]
    return event.message
