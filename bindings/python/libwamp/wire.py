"""The border to one connection of the library's: what it reports goes to those who wait for it.

The library does its work on threads of its own but calls nothing in Python. Its file descriptor is readable
while events wait; the loop then takes them in batches, and each event finds its request by the local id that
the library gave it. What the events mean for sessions is left to `core.py`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, NamedTuple

from .afterwards import add_loop, attend, discard, garbage, lines
from .coding import Coding
from .errors import last_error, making_failed
from .ffi import CHARS, EVENTS, SIZE, ffi, lib
from .lane import Lane, inside
from .logs import follow_logging
from .payload import Result, connection_options_to_c, details_of, loads_all, unwrap
from .waiting import Reader

_log = logging.getLogger("libwamp")
_BATCH = 256
_ROOM = 32 * 1024  # for the payloads of a batch
_PROGRESS = lib.WAMP_FLAG_PROGRESS
_STANDSTILL = 1.0  # seconds after which handlers that have made no progress may be waiting for what is not taken

Receivers = Mapping[int, Callable[[Any], None]]
"""Functions for each kind of event, and for the error when no more can be had: BROKEN."""

BROKEN = -1

ErrorHandler = Callable[[BaseException, str], Any]

_VALUES = frozenset((type(None), bool, int, float, str, bytes, list, dict, Result))
EXITS = (SystemExit, KeyboardInterrupt)  # raised out of the loop, as asyncio does


def is_cancelled(error: BaseException) -> bool:
    """Whether the running task was cancelled, and has not just met the CancelledError of somebody else's future."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_awaitable(value: Any) -> bool:
    """Whether something is to be awaited. What comes most often is known by its type, which takes less time."""
    kind = type(value)
    return kind is CoroutineType or (kind not in _VALUES and isinstance(value, Awaitable))


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Gives a future its result, if anybody can still hear it: its loop may have ended."""
    if not future.done() and not future.get_loop().is_closed():
        future.set_result(value)


class Wishes(NamedTuple):
    """Wishes that few requests have beside their outcome."""

    on_progress: Callable[[Any], Any] | None
    lane: Lane | None  # for on_progress
    details: bool


class Wire:
    """Owns one `wamp_connection_t`. To be used from its event loop's thread only."""

    def __init__(self, options: Mapping[str, Any], on_user_error: ErrorHandler | None) -> None:
        self.on_user_error = on_user_error
        self.coding = Coding(options.get("payload_encoding") == "wire")
        self._receivers: Receivers = {}  # while it listens, so that nothing holds itself when it is closed
        self.writable = asyncio.Event()
        self._requests: dict[int, asyncio.Future[Any]] = {}  # their outcomes, by the ids under which they will be told
        self._wishes: dict[int, Wishes] = {}  # of some of them
        self._tasks: set[asyncio.Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # that listens
        self._thread = threading.current_thread()  # of the loop
        self._reading = False
        self._full: set[Lane] = set()  # lanes that want no more events
        self._needed: set[object] = set()  # one for each handler that waits for an event itself
        self._moves = 0  # how many handlers in lanes have ended
        self._watch: asyncio.TimerHandle | None = None  # for a standstill, from when it stops reading
        self._events = ffi.new(EVENTS, _BATCH)
        self._text = ffi.new(CHARS, _ROOM)  # their payloads, but for long ones
        self._text_size = ffi.new(SIZE)
        self._payloads: list[Any] | None = None  # the same as values, if they could be read together
        self._count = 0  # of the events that were taken together
        self._next = 0  # of them to be handled
        self._handling = False
        self._exit: BaseException | None = None  # to be raised when they are handled
        attend()
        follow_logging()
        self.pointer = lib.wamp_connection_new(connection_options_to_c({**options, "dispatch": "manual"}))
        if self.pointer == ffi.NULL:
            raise making_failed(lib.WAMP_ERR_OPTION)
        self._reader = Reader(lib.wamp_connection_fd, lib.wamp_connection_set_wakeup, self.pointer)

    def __del__(self) -> None:
        if getattr(self, "pointer", ffi.NULL) != ffi.NULL:
            discard(lib.wamp_connection_free, self.pointer)

    def listen(self, receivers: Receivers) -> None:
        """Takes events from now on, in the running loop."""
        self._reader.open()
        self._receivers = {
            lib.WAMP_WRITABLE: self._on_writable,
            lib.WAMP_RESULT: self._on_result,
            lib.WAMP_PUBLISHED: self.on_done,
            **receivers,
        }
        self._loop = asyncio.get_running_loop()
        self._thread = threading.current_thread()
        self._read_or_rest()
        add_loop(self._loop)
        self.writable = asyncio.Event()
        self.writable.set()

    def silence(self) -> None:
        """Takes no more events."""
        if self._reading and self._loop is not None and not self._loop.is_closed():
            self._reader.stop(self._loop)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._reading = False
        self._loop = None
        self._receivers = {}

    @property
    def listening(self) -> bool:
        """Whether a loop takes the events."""
        return self._loop is not None

    @property
    def is_left(self) -> bool:
        """Whether the loop that took the events has ended, and nobody has closed the connection."""
        return self._loop is not None and self._loop.is_closed()

    def check_loop(self) -> None:
        """Raises RuntimeError on another thread, in another loop, or after the end of the loop that listens."""
        loop = self._loop
        # The first tells what the second does, but without the system call that Python 3.11 makes for it.
        if loop is None or getattr(loop, "_thread_id", None) == threading.get_ident():
            return
        running = asyncio._get_running_loop()
        if loop is running:
            return
        if loop.is_closed():
            raise RuntimeError(f"the connection was left open by a loop that has ended, {loop!r}: close it first")
        if running is None and threading.get_ident() == self._thread.ident:
            return
        raise RuntimeError(
            f"the connection belongs to {loop!r} in thread {self._thread.name!r}, and cannot be used in"
            f" {'no event loop' if running is None else repr(running)} in thread {threading.current_thread().name!r};"
            " see loop.call_soon_threadsafe and asyncio.run_coroutine_threadsafe"
        )

    async def hear(self, future: asyncio.Future[Any]) -> Any:
        """Waits for something that others may wait for, too."""
        if not future.done():
            self.check_loop()
        with self.hearing():
            return await asyncio.shield(future)

    def part(self, receivers: Receivers) -> None:
        """Takes over, in the running loop, what an ended one has left: only to hear of the end."""
        self._requests.clear()
        self._wishes.clear()
        self._tasks.clear()
        self._full, self._needed = set(), set()
        self._next = self._count = 0
        self._reading = False
        self._watch = None
        self.listen(receivers)
        self._receivers = {kind: receivers[kind] for kind in (lib.WAMP_CLOSE, BROKEN)}

    async def outcome(
        self, number: int, on_progress: Callable[[Any], Any] | None = None, wants_details: bool = False
    ) -> Any:
        """Waits for what the library will tell under a local id."""
        outcome = self._requests[number] = (self._loop or asyncio.get_running_loop()).create_future()
        lane = None
        if on_progress is not None or wants_details:
            lane = None if on_progress is None else Lane(self, "the handler of progressive results")
            self._wishes[number] = Wishes(on_progress, lane, wants_details)
        try:
            if inside.get() is not self and lane is None:
                return await outcome
            with self.hearing():
                await asyncio.wait((outcome,))
            if lane is not None:
                await lane.finished()
            return outcome.result()
        except asyncio.CancelledError:
            if lane is not None:
                lane.cancel()
            if outcome.done() and not outcome.cancelled():
                outcome.exception()  # nobody will ask for it
            raise
        finally:
            self._requests.pop(number, None)
            self._wishes.pop(number, None)

    def resolve(self, number: int, value: Any) -> None:
        """Tells the outcome of a request, if anybody waits for it."""
        outcome = self._requests.get(number)
        if outcome is not None and not outcome.done():
            outcome.set_result(value)

    def fail(self, number: int, error: BaseException) -> None:
        """Tells the failure of a request, if anybody waits for it."""
        outcome = self._requests.get(number)
        if outcome is not None and not outcome.done():
            outcome.set_exception(error)

    def fail_all(self, error: Callable[[], BaseException]) -> None:
        """Ends everything that is still waited for. The library has told most of it already."""
        for number in list(self._requests):
            self.fail(number, error())
        self.writable.set()

    def block(self) -> None:
        """Notes that the library has just answered WAMP_ERR_AGAIN."""
        self.writable.clear()

    def run(self, what: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Runs a handler, plain or async. Nobody awaits it: on_user_error hears how it failed."""
        answer = self.begin(what, function, args, kwargs)
        if answer is not None:
            self.spawn(answer, what)

    def begin(
        self, what: str, function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]
    ) -> Awaitable[Any] | None:
        """Calls a handler, and gives what is still to be awaited of it."""
        try:
            answer = function(*args, **kwargs)
        except BaseException as error:
            self.complain(error, f"exception in {what}")
            self.leave_by(error)
            return None
        return answer if answer is not None and is_awaitable(answer) else None

    def fill(self, lane: Lane) -> None:
        """A lane has as much as it can bear."""
        self._full.add(lane)

    def empty(self, lane: Lane) -> None:
        """A lane has room."""
        if lane in self._full:
            self._full.discard(lane)
            self._read_or_rest()

    def moved(self) -> None:
        """A handler in a lane has ended."""
        self._moves += 1

    @contextmanager
    def hearing(self, always: bool = False) -> Iterator[None]:
        """Takes events however full the lanes are, if it is one of their handlers that waits for one here."""
        if not always and inside.get() is not self:
            yield
            return
        need, needed = object(), self._needed
        needed.add(need)
        self._read_or_rest()
        try:
            yield
        finally:
            needed.discard(need)
            self._read_or_rest()

    def _read_or_rest(self) -> None:
        """Lets the loop take events, or leaves them to the library's queue while a lane is full."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        wanted = not self._full or bool(self._needed)
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._reader.start(loop, self._on_readable)
        else:
            self._reader.stop(loop)
            if self._watch is None:
                self._watch = loop.call_later(_STANDSTILL, self._look_for_standstill, self._moves)

    def _look_for_standstill(self, moves: int) -> None:
        # Its handlers may wait for a task that waits for an answer: then what is before that must be taken.
        self._watch = None
        if self._reading or self._loop is None:
            return
        self._watch = self._loop.call_later(_STANDSTILL, self._look_for_standstill, self._moves)
        if moves == self._moves and self._requests:
            self._on_readable()

    def spawn(
        self, work: Awaitable[Any], what: str, then: Callable[[asyncio.Future[Any]], None] | None = None
    ) -> asyncio.Future[Any]:
        """Lets a handler's coroutine run, as `run` does, and calls a function when it has ended."""
        task: asyncio.Future[Any]
        if type(work) is CoroutineType and self._loop is not None:
            task = self._loop.create_task(work)
        else:
            task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def done(task: asyncio.Future[Any]) -> None:  # one for both, as the loop makes much of each
            try:
                self._on_task_done(task, what)
            finally:
                if then is not None:
                    then(task)

        task.add_done_callback(done)
        return task

    def leave_by(self, error: BaseException) -> None:
        """Lets the loop end where a handler has raised SystemExit or KeyboardInterrupt, once its batch is handled."""
        if not isinstance(error, EXITS):
            return
        if not self._handling:
            raise error
        self._exit = self._exit or error

    def complain(self, error: BaseException, message: str) -> None:
        """The program's own code has failed, and nobody waits for it."""
        self.tell_error(self.on_user_error, error, message)

    def tell_error(self, handler: ErrorHandler | None, error: BaseException, message: str) -> None:
        """Tells a handler of errors; without one, the log."""
        if handler is None:
            _log.error("%s", message, exc_info=error)
            return
        try:
            handler(error, message)
        except BaseException as another:
            _log.error("exception in the handler of errors, which was told: %s", message, exc_info=another)
            self.leave_by(another)

    def _on_task_done(self, task: asyncio.Future[Any], what: str) -> None:
        self._tasks.discard(task)
        try:
            task.result()
        except asyncio.CancelledError as error:
            if not (isinstance(task, asyncio.Task) and task.cancelling()):  # but by what it awaited
                self.complain(error, f"exception in {what}")
        except BaseException as error:  # the task itself has raised an exit already
            self.complain(error, f"exception in {what}")

    def _on_readable(self) -> None:
        # One batch each time: the descriptor stays readable while more events wait, and others get their turn.
        if garbage or lines:
            attend()
        if self._next == self._count:
            self._take()
        receivers, events, coding, payloads = self._receivers, self._events, self.coding, self._payloads
        self._handling = True
        try:
            while self._next < self._count:
                at = self._next
                event = events[at]
                self._next = at + 1
                coding.ready = None if payloads is None else payloads[at]
                try:
                    receiver = receivers.get(event.kind)
                    if receiver is not None:
                        receiver(event)
                except BaseException as error:
                    self.complain(error, "exception while an event was handled")
                    self.leave_by(error)
        finally:
            coding.ready = None
            self._handling = False
            if self._next == self._count:
                self._payloads = None
            elif self._loop is not None:  # a signal's handler has raised between two
                self._loop.call_soon(self._on_readable)
            self._read_or_rest()
        way_out, self._exit = self._exit, None
        if way_out is not None:
            raise way_out

    def _take(self) -> None:
        self._next = self._count = 0
        self._payloads = None
        count = lib.wamp_python_poll(self.pointer, self._events, _BATCH, self._text, _ROOM, self._text_size)
        if count < 0:
            self._receivers[BROKEN](last_error(count))
        else:
            self._count = count
            if self.coding.reads and count:
                self._payloads = loads_all(ffi.unpack(self._text, self._text_size[0]), count)

    def _on_writable(self, event: Any) -> None:
        """WAMP_WRITABLE."""
        self.writable.set()

    def on_done(self, event: Any) -> None:
        """WAMP_SUBSCRIBED and its like."""
        self.resolve(event.id, event.wamp_id)

    def _on_result(self, event: Any) -> None:
        """WAMP_RESULT, the last one or one on the way."""
        number = event.id
        outcome = self._requests.get(number)
        if outcome is None or outcome.done():
            return
        wishes = self._wishes.get(number)
        try:
            args, kwargs = self.coding.arguments(event)
            value = Result(args, kwargs) if wishes is not None and wishes.details else unwrap(args, kwargs)
            if isinstance(value, Result):
                value.details = details_of(event)
        except Exception as error:
            if event.flags & _PROGRESS:  # the call goes on
                self.complain(error, "a progressive result that cannot be read")
            else:
                outcome.set_exception(error)
            return
        if not event.flags & _PROGRESS:
            outcome.set_result(value)
        elif wishes is not None and wishes.on_progress is not None and wishes.lane is not None:
            work = self.begin("the handler of progressive results", wishes.on_progress, (value,), {})
            if work is not None:
                wishes.lane.add(work)

    def on_error(self, event: Any) -> None:
        """WAMP_ERROR."""
        self.fail(event.id, self.coding.error_of(event))

    def free(self) -> None:
        """Gives the connection back. It will not be opened again."""
        lib.wamp_connection_free(self.pointer)
        self.pointer = ffi.NULL
