"""The library's log, as lines of the logger "libwamp", with what connections go through.

The level follows that of the logger, as it is when a connection or a router is made, or a connection opened. Where
the environment variable WAMP_LOG names a level the library writes to standard error itself, and nothing comes here.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from .afterwards import attend, log, write
from .ffi import ffi, lib

if TYPE_CHECKING:
    from .reports import Closed

TRACE = 5
"""The level of the log's finest lines, and of the option `trace`: below DEBUG."""

_LEVELS = {
    lib.WAMP_LOG_TRACE: TRACE,
    lib.WAMP_LOG_DEBUG: logging.DEBUG,
    lib.WAMP_LOG_INFO: logging.INFO,
    lib.WAMP_LOG_WARN: logging.WARNING,
    lib.WAMP_LOG_ERROR: logging.ERROR,
}
_TOLD_HERE = "connection to '"  # how the library's own lines about the end of sessions and attempts begin

_lock = threading.Lock()
_level = -1  # that the library has been told
_let_go = threading.Event()


@ffi.def_extern()  # type: ignore[untyped-decorator]
def wamp_python_log(level: int, line: Any, _: Any) -> None:
    text = ffi.string(line).decode(errors="replace")
    if not text.startswith(_TOLD_HERE):
        write(_LEVELS.get(level, logging.ERROR), text)


@ffi.def_extern()  # type: ignore[untyped-decorator]
def wamp_python_log_free(_: Any) -> None:
    _let_go.set()


def follow_logging() -> None:
    """Lets the library write what the logger wants to have."""
    global _level
    if os.environ.get("WAMP_LOG"):
        return
    wanted = next((level for level in sorted(_LEVELS, reverse=True) if log.isEnabledFor(_LEVELS[level])), 0)
    if wanted == _level:
        return
    with _lock:
        _level = wanted
        lib.wamp_set_log(wanted, lib.wamp_python_log, ffi.NULL, lib.wamp_python_log_free)


def log_close(where: str, closed: Closed, asked: bool) -> None:
    """Tells the end of a session or of an attempt, and whether there will be another."""
    if closed.will_retry:
        delay, count = closed.details.get("retry_delay") or 0.0, closed.details.get("retry_count")
        log.warning(
            "connection to %s %s: %s; attempt %s follows in %.1f s", where, closed.reason, closed.message, count, delay
        )
    elif not asked:
        log.warning("connection to %s %s: %s; no attempt follows", where, closed.reason, closed.message)
    else:
        log.info("connection to %s %s: %s", where, closed.reason, closed.message)


def _stop() -> None:
    # A thread of the library's that came into Python after its end would take the process with it.
    if _level != -1:
        _let_go.clear()
        lib.wamp_set_log(lib.WAMP_LOG_OFF, ffi.NULL, ffi.NULL, ffi.NULL)
        _let_go.wait(1.0)
        attend()


atexit.register(_stop)
