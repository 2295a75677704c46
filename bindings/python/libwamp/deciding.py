"""Decisions of the program about the clients of its own router: who may join, and what they may do.

As with connections, the library calls nothing in Python. The router's file descriptor is readable while questions wait;
the loop then takes them, and the program answers now or later. Meanwhile the client waits, and nobody else does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from .afterwards import add_loop, attend
from .errors import Error, check
from .ffi import EVENTS, ffi, lib, to_c
from .payload import details_of
from .waiting import Reader
from .wire import EXITS, is_awaitable, is_cancelled

_log = logging.getLogger("libwamp")
_BATCH = 64


class Challenge(NamedTuple):
    """An answer of `on_authenticate`: the client is to answer this first.

    Then it is asked about again, with `method`, `challenge`, `signature` and `extra` in the details.
    """

    method: str
    extra: Mapping[str, Any] = {}


LoginAnswer = bool | Mapping[str, Any] | Challenge
RequestAnswer = bool | Mapping[str, Any]
Authenticate = Callable[[dict[str, Any]], LoginAnswer | Awaitable[LoginAnswer]]
Authorize = Callable[[dict[str, Any]], RequestAnswer | Awaitable[RequestAnswer]]
ErrorHandler = Callable[[BaseException, str], Any]


class Decisions:
    """Asks a router's `on_authenticate` and `on_authorize`, plain or async, and passes their answers on."""

    def __init__(
        self,
        router: Any,
        on_authenticate: Authenticate | None,
        on_authorize: Authorize | None,
        on_user_error: ErrorHandler | None,
    ) -> None:
        self._router = router
        self._on_user_error = on_user_error
        self._asked: dict[int, tuple[str, Callable[[dict[str, Any]], Any]]] = {}
        if on_authenticate is not None:
            check(lib.wamp_router_on_authenticate(router, ffi.NULL, ffi.NULL, ffi.NULL))
            self._asked[lib.WAMP_AUTHENTICATE] = "on_authenticate", on_authenticate
        if on_authorize is not None:
            check(lib.wamp_router_on_authorize(router, ffi.NULL, ffi.NULL, ffi.NULL))
            self._asked[lib.WAMP_AUTHORIZE] = "on_authorize", on_authorize
        self._events = ffi.new(EVENTS, _BATCH)
        self._running: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        self._keeps: object = None  # while it listens
        self._reader = Reader(lib.wamp_router_fd, lib.wamp_router_set_wakeup, router)

    def listen(self, router: object) -> None:
        """Takes questions from now on, in the running loop, and keeps the router alive until the end."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "on_authenticate and on_authorize run in an event loop: call listen() inside one"
            ) from None
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise RuntimeError(f"on_authenticate and on_authorize of this router run in {self._loop!r}")
        self._running.clear()
        self._reader.open()
        self._loop, self._thread, self._keeps = loop, threading.get_ident(), router
        self._reader.start(loop, self._on_readable)
        add_loop(loop)

    def end(self) -> None:
        """Takes no more questions; those that are open are refused."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() != self._thread:
            self._loop = loop
            raise RuntimeError(f"the callbacks of this router run in {loop!r}: close it there")
        self._reader.stop(loop)
        self._keeps = None
        for task in list(self._running):
            task.cancel()

    def _on_readable(self) -> None:
        attend()
        count = check(lib.wamp_router_poll(self._router, self._events, ffi.sizeof("wamp_event_t"), _BATCH, 0))
        questions = []
        for at in range(count):
            event = self._events[at]
            questions.append((event.kind, lib.wamp_event_question(self._events + at), details_of(event)))
        way_out: BaseException | None = None
        for kind, question, details in questions:
            if question == ffi.NULL or lib.wamp_question_retain(question) < 0:
                continue  # its client has left
            try:
                self._ask(kind, question, details)
            except EXITS as error:
                way_out = way_out or error
        if way_out is not None:
            raise way_out

    def _ask(self, kind: int, question: Any, details: dict[str, Any]) -> None:
        name, function = self._asked[kind]
        try:
            answer = function(details)
        except BaseException as error:
            self._refuse(question, name, error)
            lib.wamp_question_release(question)
            if isinstance(error, EXITS):
                raise
            return
        if not is_awaitable(answer):
            self._reply(question, name, answer)
            lib.wamp_question_release(question)
            return
        task = asyncio.ensure_future(self._later(question, name, answer))
        self._running.add(task)

        def done(task: asyncio.Future[None]) -> None:
            self._running.discard(task)
            lib.wamp_question_release(question)
            if not task.cancelled():
                task.exception()  # an exit, which the task itself has raised

        task.add_done_callback(done)

    async def _later(self, question: Any, name: str, work: Awaitable[Any]) -> None:
        try:
            answer = await work
        except BaseException as error:
            if is_cancelled(error):
                raise
            self._refuse(question, name, error)
            if isinstance(error, EXITS):
                raise
            return
        self._reply(question, name, answer)

    def _reply(self, question: Any, name: str, answer: Any) -> None:
        try:
            status = _answer(question, name, answer)
            if status != lib.WAMP_ERR_CLOSED:  # too late
                check(status)
        except Exception as error:
            self._refuse(question, name, error)

    def _refuse(self, question: Any, name: str, error: BaseException) -> None:
        """An Error says why, to the client; anything else is a fault of the program's, which the client is not told."""
        reason, message = ffi.NULL, ffi.NULL
        if isinstance(error, Error):
            reason = to_c(error.uri)
            if error.args:
                message = to_c(str(error.args[0]).replace("\0", ""))
        status = lib.wamp_question_deny(question, reason, message)
        if status == lib.WAMP_ERR_URI:
            lib.wamp_question_deny(question, ffi.NULL, ffi.NULL)
        elif isinstance(error, Error):
            return
        self._complain(error, f"exception in {name}")

    def _complain(self, error: BaseException, message: str) -> None:
        if self._on_user_error is None:
            _log.error("%s", message, exc_info=error)
            return
        try:
            self._on_user_error(error, message)
        except Exception as another:
            _log.error("exception in the handler of errors, which was told: %s", message, exc_info=another)


def _answer(question: Any, name: str, answer: Any) -> int:
    """The status of passing an answer on."""
    status: int
    if answer is True:
        status = lib.wamp_question_allow(question, ffi.NULL)
    elif answer is False:
        status = lib.wamp_question_deny(question, ffi.NULL, ffi.NULL)
    elif isinstance(answer, Challenge):
        extra = to_c(json.dumps(dict(answer.extra)))
        status = lib.wamp_question_challenge(question, to_c(answer.method), extra)
    elif isinstance(answer, Mapping):
        status = lib.wamp_question_allow(question, to_c(json.dumps(dict(answer))))
    else:
        raise TypeError(f"{name} gives True, False or a mapping, and not {answer!r}")
    return status
