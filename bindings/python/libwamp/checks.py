"""Arguments that cannot be meant: refused where they are given, and not when the first event comes."""

from __future__ import annotations

import difflib
import inspect
import math
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from .ffi import to_c

CANCEL_MODES = ("skip", "killnowait", "kill")
_known_to_c = lru_cache(256)(to_c)  # a program uses the same few again and again
_KEYWORDS = ("wamp_options", "wamp_timeout", "wamp_on_progress", "wamp_input", "wamp_cancel_mode", "wamp_details")


def uri_to_c(what: str, uri: Any) -> bytes:
    """A topic or procedure as the library takes it."""
    if not isinstance(uri, str):
        raise TypeError(f"the {what} is a string and comes first; this is {uri!r}")
    return _known_to_c(uri)


def check_callable(what: str, function: Any, optional: bool = False) -> None:
    """Refuses what cannot be called."""
    if not callable(function) and not (optional and function is None):
        raise TypeError(f"{what} is a function or a coroutine function, and not {function!r}")


def check_details_arg(name: Any) -> None:
    """Refuses what cannot name a keyword argument."""
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise TypeError(f"details_arg is the name of a keyword argument, and not {name!r}")


def check_keywords(kwargs: Mapping[str, Any]) -> None:
    """Refuses misspelt options of ours among the keyword arguments of a peer."""
    for name in kwargs:
        if name.startswith("wamp_"):
            near = difflib.get_close_matches(name, _KEYWORDS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TypeError(f"{name}: this request has no such option, and names with wamp_ are not sent{hint}")


def check_timeout(seconds: Any) -> int:
    """A time limit in milliseconds."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"wamp_timeout is a number of seconds, and not {seconds!r}")
    if math.isnan(seconds) or math.isinf(seconds) or seconds < 0:
        raise ValueError(f"wamp_timeout is a number of seconds from 0 on, and not {seconds!r}")
    return max(1, round(seconds * 1000))


def check_cancel_mode(mode: Any) -> None:
    """Refuses a mode that WAMP has not."""
    if mode not in CANCEL_MODES:
        raise ValueError(f"wamp_cancel_mode is one of {', '.join(CANCEL_MODES)}, and not {mode!r}")


def check_concurrency(number: Any) -> None:
    """Refuses what is no number of endpoints."""
    if not isinstance(number, int):
        raise TypeError(f"concurrency is a number of endpoints, and not {number!r}")
    if number < 1:
        raise ValueError(f"concurrency is at least 1, and not {number}")


def suits(function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any], error: TypeError) -> bool:
    """Whether a function takes such arguments: if not, the TypeError of its call is the fault of the caller."""
    if _has_begun(function, error):
        return True
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:  # a function of C that has no signature: it has failed without a frame of its own
        return error.__traceback__ is not None and error.__traceback__.tb_next is not None
    return True


def _has_begun(function: Callable[..., Any], error: TypeError) -> bool:
    """Whether an error comes from within a function, in whatever decorators."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.walk_tb(error.__traceback__)
    return code is not None and any(frame.f_code is code for frame, _ in frames)
