"""How an event loop learns that events wait: it watches the library's descriptor, where it can.

The loop that Windows has by default watches none. There the library wakes it, from a thread of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .errors import check
from .ffi import ffi, lib

_numbers = itertools.count(1)
# Those that the library wakes, by the numbers that it knows them by. Their loops hold them, as they hold what they watch.
_woken: weakref.WeakValueDictionary[int, Reader] = weakref.WeakValueDictionary()
_held = 0  # how many functions the library has that come into Python
_let_go = threading.Condition()  # for that number


class Reader:
    """Calls a function in an event loop while events wait. To be used from the loop's thread only."""

    def __init__(self, fd: Callable[[Any], int], set_wakeup: Callable[..., int], handle: Any) -> None:
        self._fd_of = fd
        self._set_wakeup = set_wakeup
        self._handle = handle
        self._fd = -1
        self._number = 0  # where the library wakes the loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._function: Callable[[], None] | None = None
        self._due = False  # whether the loop will look

    def open(self) -> None:
        """Makes the descriptor, unless it is there."""
        self._fd = check(self._fd_of(self._handle))

    def start(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        """Begins to call the function; the descriptor must be there."""
        try:
            loop.add_reader(self._fd, function)
        except NotImplementedError:
            self._loop, self._function, self._due = loop, function, False
            self._number = next(_numbers)
            _woken[self._number] = self
            held_by(loop).add(self)
            self._watch()

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Calls the function no more."""
        if not self._number:
            loop.remove_reader(self._fd)
            return
        self.let_go()

    def let_go(self) -> None:
        """Has the library forget the function that comes into Python."""
        _woken.pop(self._number, None)
        if self._loop is not None:
            held_by(self._loop).discard(self)
        self._number, self._function = 0, None
        self._set_wakeup(self._handle, ffi.NULL, ffi.NULL, ffi.NULL)  # fails where the handle is gone, and it with that

    def wake(self) -> None:
        """Has the loop look. On any thread, takes no lock."""
        if self._due or self._loop is None:
            return
        self._due = True
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError:  # it has been closed
            self._due = False

    def _watch(self) -> None:
        # The function is called at once if events wait, and otherwise when some begin to.
        global _held
        with _let_go:
            _held += 1
        number = ffi.cast("void *", self._number)
        check(self._set_wakeup(self._handle, lib.wamp_python_wake, number, lib.wamp_python_wake_free))

    def _look(self) -> None:
        self._due = False
        function = self._function
        if function is None:
            return
        try:
            function()
        finally:
            if self._function is not None:
                self._watch()


def held_by(loop: asyncio.AbstractEventLoop) -> set[Reader]:
    """The readers that live as long as a loop."""
    held: set[Reader] = loop.__dict__.setdefault("_libwamp_readers", set())
    return held


@ffi.def_extern()  # type: ignore[untyped-decorator]
def wamp_python_wake(number: Any) -> None:
    reader = _woken.get(int(ffi.cast("uintptr_t", number)))
    if reader is not None:
        reader.wake()


@ffi.def_extern()  # type: ignore[untyped-decorator]
def wamp_python_wake_free(_: Any) -> None:
    global _held
    with _let_go:
        _held -= 1
        _let_go.notify_all()


def _stop() -> None:
    # A thread of the library's that came into Python after its end would take the process with it.
    for reader in list(_woken.values()):
        reader.let_go()
    with _let_go:
        _let_go.wait_for(lambda: _held == 0, 1.0)


atexit.register(_stop)
