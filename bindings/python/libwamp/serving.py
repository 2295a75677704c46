"""The callee's work: an invocation comes in, its endpoint runs, and its answer goes out exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from .checks import suits
from .entries import Procedure
from .errors import Error, check, local_error
from .ffi import ffi, from_c, lib, to_c
from .invocation import Invocation
from .payload import Result, options_to_c, payload, unwrap
from .wire import EXITS, Wire, is_awaitable, is_cancelled

_log = logging.getLogger("libwamp")

CONCURRENCY = 1024
"""The number of coroutines of an endpoint that may run at once, unless it is registered with another number."""

_MOST_UNFINISHED = 1024  # as many as the library remembers itself

_Answer = tuple[Callable[..., int], tuple[Any, ...]]  # a function of the library, and its arguments


class Call(NamedTuple):
    """A call of an endpoint, with its arguments."""

    procedure: Procedure
    args: list[Any]
    kwargs: dict[str, Any]

    def is_fault_of(self, error: BaseException) -> bool:
        """Whether the endpoint failed because it does not take such arguments."""
        return isinstance(error, TypeError) and not suits(self.procedure.function, self.args, self.kwargs, error)


class Serving(NamedTuple):
    """An invocation whose endpoint is a coroutine that runs."""

    task: asyncio.Future[Any]
    uri: str
    input: Input | None


class Input(NamedTuple):
    """The rest of a call's input, which comes after its arguments."""

    details: dict[str, Any]  # that came with the first of it
    pieces: asyncio.Queue[tuple[bool, Any]]


class Callee:
    """Serves the invocations of one connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._serving: dict[int, Serving] = {}  # by the router's id
        self._unfinished: deque[int] = deque(maxlen=_MOST_UNFINISHED)  # invocations whose input goes on
        self._begun: list[tuple[Serving, Any]] = []  # those before their first turn, with their handles

    def forget(self) -> None:
        """The invocations of an earlier session are no longer told apart from those to come."""
        self._serving.clear()
        self._unfinished.clear()
        self._begun.clear()

    def tasks(self) -> list[asyncio.Future[Any]]:
        """The coroutines that run, but for the one that asks."""
        own = asyncio.current_task()
        return [serving.task for serving in self._serving.values() if serving.task is not own]

    def interrupt(self, number: int) -> None:
        """Cancels the endpoint of an invocation that the caller has given up."""
        serving = self._serving.get(number)
        if serving is not None:
            serving.task.cancel()

    def serve(self, procedure: Procedure | None, event: Any) -> None:
        """Runs the endpoint of an INVOCATION event and answers, now or when its coroutine ends."""
        handle, number = event.invocation, event.wamp_id
        more = bool(event.flags & _MORE)
        if number in self._serving or number in self._unfinished:
            self._add_input(event, more)
            return
        if more:
            self._unfinished.append(number)
        if procedure is None:
            _send(handle, _refusal(handle, Error("wamp.error.no_such_procedure")))
            return
        if procedure.running >= procedure.concurrency:
            busy = f"{procedure.running} calls of this procedure are being served, and no more are at once"
            _send(handle, _refusal(handle, Error("wamp.error.unavailable", [busy])))
            return
        self._begin(procedure, event, more)

    def _begin(self, procedure: Procedure, event: Any, more: bool) -> None:
        handle = event.invocation
        read: Input | None = None
        begun = False
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        try:
            if more and procedure.details_arg is None:
                raise Error("wamp.error.invalid_argument", ["this procedure takes no input beside its arguments"])
            try:
                args, kwargs = self._wire.coding.arguments(event)
            except Exception as error:
                self._wire.complain(error, f"a call of {procedure.uri} that cannot be read")
                raise Error("wamp.error.invalid_argument", ["the payload cannot be decoded"]) from error
            if procedure.details_arg is not None:
                pieces: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue()
                invocation = kwargs[procedure.details_arg] = Invocation(self._wire.coding, event, pieces)
                read = Input(invocation.details, pieces)
            begun = True
            value = procedure.function(*args, **kwargs)
        except BaseException as error:
            call = Call(procedure, args, kwargs) if begun else None
            _send(handle, self._failure(handle, procedure, call, error))
            self._wire.leave_by(error)
        else:
            if is_awaitable(value):
                self._serve_later(Call(procedure, args, kwargs), event, read, value)
            else:
                _send(handle, self._reply(handle, procedure, value))

    def _add_input(self, event: Any, more: bool) -> None:
        number, serving = event.wamp_id, self._serving.get(event.wamp_id)
        if not more and number in self._unfinished:
            self._unfinished.remove(number)
        if serving is None or serving.input is None:
            return
        piece = None
        if event.payload.args or event.payload.kwargs:
            try:
                piece = unwrap(*self._wire.coding.arguments(event, serving.input.details))
            except Exception as error:
                self._wire.complain(error, f"input of {serving.uri} that cannot be read")
                unreadable = Error("wamp.error.invalid_argument", ["the payload cannot be decoded"])
                _send(event.invocation, _refusal(event.invocation, unreadable))
                serving.task.cancel()
                return
        serving.input.pieces.put_nowait((more, piece))

    def _serve_later(self, call: Call, event: Any, read: Input | None, value: Awaitable[Any]) -> None:
        handle, number, procedure = event.invocation, event.wamp_id, call.procedure
        check(lib.wamp_invocation_retain(handle))
        work = self._answer_later(call, handle, value)

        def done(task: asyncio.Future[Any]) -> None:
            procedure.running -= 1
            if self._serving.get(number) is serving:  # and not one of a later session
                del self._serving[number]
            if asyncio.iscoroutine(value):
                value.close()  # which has not begun, if the task was cancelled before it did
            # Then there was no answer either, and this gives one.
            lib.wamp_invocation_release(handle)

        serving = self._serving[number] = Serving(self._wire.spawn(work, procedure.what, done), procedure.uri, read)
        procedure.running += 1
        if not self._begun:  # the tasks of this batch have had a turn after the next one
            loop = serving.task.get_loop()
            loop.call_soon(loop.call_soon, self._hear_interrupts)
        self._begun.append((serving, handle))

    def _hear_interrupts(self) -> None:
        """Has the library tell of interrupts, and of those that have come already.

        This wakes a thread of the library, and most coroutines have ended before: so it is done for the others only.
        """
        begun, self._begun = self._begun, []
        for serving, handle in begun:
            if not serving.task.done():  # if it fails, nobody will interrupt it
                lib.wamp_invocation_on_interrupt(handle, _NULL, _NULL, _NULL)

    async def _answer_later(self, call: Call, handle: Any, value: Awaitable[Any]) -> None:
        try:
            answer = self._reply(handle, call.procedure, await value)
        except BaseException as error:
            if is_cancelled(error):
                _send(handle, _refusal(handle, Error("wamp.error.canceled")))
                raise
            if isinstance(error, EXITS):
                _send(handle, _refusal(handle, error))
                raise
            answer = self._failure(handle, call.procedure, call, error)
        _send(handle, answer)

    def _reply(self, handle: Any, procedure: Procedure, value: Any) -> _Answer:
        try:
            if isinstance(value, Result):
                result = self._wire.coding.outgoing(value.args, value.kwargs, value.options)
                options = options_to_c(value.options)
            else:
                result, options = payload((value,)), _NULL
        except Exception as error:  # a value that JSON does not know
            return self._failure(handle, procedure, None, error)
        return lib.wamp_python_yield, (handle, *result, options)

    def _failure(self, handle: Any, procedure: Procedure, call: Call | None, error: BaseException) -> _Answer:
        if call is not None and call.is_fault_of(error):
            _log.warning("%s was called with arguments that do not suit it: %s", procedure.uri, error)
            return _refusal(handle, Error("wamp.error.invalid_argument", [str(error)]))
        if not isinstance(error, Error):
            self._wire.complain(error, f"exception in {procedure.what}")
        if isinstance(error, asyncio.CancelledError):
            error = Error("wamp.error.canceled")
        return _refusal(handle, error)


def _send(handle: Any, answer: _Answer) -> None:
    """Sends an answer; one that cannot be sent as it is (too large) becomes an ERROR that says so."""
    function, arguments = answer
    status = function(*arguments)
    if status in _UNSENDABLE:
        function, arguments = _refusal(handle, local_error(status, from_c(lib.wamp_last_error())))
        function(*arguments)


def _refusal(handle: Any, error: BaseException) -> _Answer:
    uri = "wamp.error.runtime_error"
    try:
        if isinstance(error, Error):
            uri, told = error.uri, payload(error.args, error.kwargs)
        else:
            told = payload([str(error)])
        name = to_c(uri)
    except Exception as unsendable:
        name, told = to_c("wamp.error.runtime_error"), payload([f"{uri}: {unsendable!r}"])
    return lib.wamp_python_error, (handle, name, *told)


_NULL = ffi.NULL
_MORE = lib.WAMP_FLAG_MORE
_UNSENDABLE = (
    lib.WAMP_ERR_TOO_LARGE,
    lib.WAMP_ERR_PAYLOAD,
    lib.WAMP_ERR_URI,
    lib.WAMP_ERR_UTF8,
    lib.WAMP_ERR_OPTION,
    lib.WAMP_ERR_UNSUPPORTED,
    lib.WAMP_ERR_AGAIN,
)
