"""Decisions of the program while a connection is made: its options, and answers to the router's challenges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .errors import Error, check
from .ffi import ffi, from_c, lib, to_c
from .payload import connection_options_to_c, details_of, options_to_c
from .wire import EXITS, Wire, is_cancelled

Challenge = Callable[[str, dict[str, Any]], Any]
Connect = Callable[[dict[str, Any]], Any]


class Asking:
    """Asks a connection's `on_connect` and `on_challenge`, plain or async, and passes their answers on."""

    def __init__(self, wire: Wire, on_connect: Connect | None, on_challenge: Challenge | None) -> None:
        self._wire = wire
        self._connect = on_connect
        self._challenge = on_challenge
        self._running: set[asyncio.Future[Any]] = set()
        if on_challenge is not None:
            check(lib.wamp_connection_on_challenge(wire.pointer, ffi.NULL, ffi.NULL, ffi.NULL))
        if on_connect is not None:
            check(lib.wamp_connection_on_connect(wire.pointer, ffi.NULL, ffi.NULL, ffi.NULL))

    def end(self) -> None:
        """Cancels what is still being decided: the attempt has ended."""
        for task in list(self._running):
            task.cancel()

    def forget(self) -> None:
        """The loop in which something was decided has ended."""
        self._running.clear()

    def on_connect(self, event: Any) -> None:
        """WAMP_CONNECT."""
        check(lib.wamp_attempt_retain(event.attempt))
        self._start(self._decide(event.attempt, details_of(event)), lib.wamp_attempt_release, event.attempt)

    def on_challenge(self, event: Any) -> None:
        """WAMP_CHALLENGE."""
        check(lib.wamp_challenge_retain(event.challenge))
        method = from_c(event.uri, event.uri_size)
        work = self._answer(event.challenge, method, details_of(event))
        self._start(work, lib.wamp_challenge_release, event.challenge)

    async def _decide(self, attempt: Any, details: dict[str, Any]) -> None:
        assert self._connect is not None
        try:
            changes = self._connect(details)
            if isinstance(changes, Awaitable):
                changes = await changes
            if changes is False:
                check(lib.wamp_attempt_abandon(attempt, to_c("on_connect abandoned the attempt")))
            else:
                check(lib.wamp_attempt_proceed(attempt, _changes_to_c(changes)))
        except BaseException as error:
            if is_cancelled(error):
                raise
            lib.wamp_attempt_abandon(attempt, to_c(f"on_connect failed: {error}".replace("\0", "")))
            self._wire.complain(error, "exception in on_connect")
            if isinstance(error, EXITS):
                raise

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
            self._wire.complain(error, "exception in on_challenge")
        except BaseException as error:
            if is_cancelled(error):
                raise
            # The router is not told more than that: the text may hold what is secret.
            lib.wamp_challenge_abort(challenge, ffi.NULL, to_c(f"on_challenge failed: {type(error).__name__}"))
            self._wire.complain(error, "exception in on_challenge")
            if isinstance(error, EXITS):
                raise

    def _start(self, work: Awaitable[None], release: Callable[[Any], int], handle: Any) -> None:
        """Lets the program decide; a task that is cancelled before it began gives the handle back, too."""
        task = asyncio.ensure_future(work)
        self._running.add(task)

        def done(task: asyncio.Future[Any]) -> None:
            self._running.discard(task)
            release(handle)
            if not task.cancelled():
                task.exception()  # an exit, which the task itself has raised

        task.add_done_callback(done)


def _changes_to_c(changes: Any) -> Any:
    if changes is None:
        return ffi.NULL
    if not isinstance(changes, Mapping):
        raise TypeError(f"on_connect gives None, False, or a mapping with options, and not {changes!r}")
    return connection_options_to_c(changes)
