"""Chores that must not be done where they arise, and are done a little later.

A garbage collection may begin anywhere: while this thread holds a lock of cffi's, of the library's or of a log
handler's. So `__del__` frees nothing; it notes what is to be freed. An event loop that listens does it in its next
turn, any thread in its next call into the library, and the interpreter at its exit.

The same goes for the library's log: its lines come on any thread, also while the library holds locks, and the
handlers of `logging` may wait for anything.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

garbage: deque[tuple[Callable[[Any], int], Any]] = deque()  # functions that free, and handles

lines: deque[tuple[int, str]] = deque(maxlen=10_000)  # of the log: level, text
log = logging.getLogger("libwamp")

_loops: dict[int, weakref.ref[asyncio.AbstractEventLoop]] = {}  # that listen, by id
_due = False  # whether a loop will attend to the chores


def discard(free: Callable[[Any], int], handle: Any) -> None:
    """Has a handle freed, soon. Takes no lock: it may be called inside a garbage collection."""
    garbage.append((free, handle))
    wake()


def write(level: int, text: str) -> None:
    """Has a line written to the log, soon. Takes no lock, on any thread."""
    lines.append((level, text))
    wake()


def attend() -> None:
    """Does what has been left to do. Never on a thread of the library's."""
    global _due
    _due = False
    while garbage:
        try:
            free, handle = garbage.popleft()
        except IndexError:  # another thread was faster
            break
        free(handle)
    while lines:
        try:
            level, text = lines.popleft()
        except IndexError:
            break
        log.log(level, "%s", text)


def wake() -> None:
    """Has a loop attend to the chores, if there is one; otherwise they wait for the next call."""
    global _due
    if _due:
        return
    for known in list(_loops.values()):
        loop = known()
        if loop is None:
            continue
        _due = True
        try:
            loop.call_soon_threadsafe(attend)
            return
        except RuntimeError:  # it has been closed
            _due = False


def add_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Lets a loop attend to the chores from now on."""
    for number, known in list(_loops.items()):
        other = known()
        if other is None or other.is_closed():
            _loops.pop(number, None)
    _loops[id(loop)] = weakref.ref(loop)


atexit.register(attend)
