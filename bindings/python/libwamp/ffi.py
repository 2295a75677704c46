"""The C library, loaded: `ffi` and `lib`, its types, and the few helpers that every other module needs at the border.

Nothing is compiled. The declarations come from the library's own header, so that the two cannot
drift apart; integer macros become attributes of `lib` (`lib.WAMP_ERR_AGAIN`).

`LIBWAMP_PATH` names the library's file and `LIBWAMP_HEADER` the header's, where the usual places will not do.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cffi import FFI

ffi: Any = FFI()  # typed as Any: what it makes has the fields and functions that wamp.h declares

_PACKAGE = Path(__file__).resolve().parent
_LIBRARY = {"darwin": "libwamp.0.2.dylib", "win32": "wamp.dll"}.get(sys.platform, "libwamp.so.0.2")

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_CONTINUED = re.compile(r"\\\n")
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")
_INTEGER_MACRO = re.compile(r"(\w+)\s+\(*(?:\w+\)\s*)?(-?(?:0[xX][0-9a-fA-F]+|\d+))[uUlL]*\s*\)*\s*")
_DECORATION = re.compile(r"\bWAMP_API\b|__attribute__\s*\(\(.*?\)\)|\b_Static_assert\s*\(.*?\)\s*;", re.DOTALL)


def declarations(header: str) -> str:
    """What a C header declares, in the form that cffi takes: no preprocessor lines but integer macros."""
    text = _CONTINUED.sub(" ", _COMMENT.sub(" ", header))
    return _DECORATION.sub(" ", "\n".join(_preprocessed(text)))


def _preprocessed(text: str) -> Iterator[str]:
    """Takes the branches that a C compiler would take if no macro but the header's own were defined."""
    taken: list[bool] = []
    for line in text.splitlines():
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            if all(taken):
                yield line
            continue
        word, rest = match.groups()
        if word == "if":
            taken.append(rest.lstrip("( ").startswith("!defined"))
        elif word in ("ifdef", "ifndef"):
            taken.append(word == "ifndef")
        elif word == "else":
            taken[-1] = not taken[-1]
        elif word == "endif":
            taken.pop()
        elif word == "define" and all(taken):
            macro = _INTEGER_MACRO.fullmatch(rest)
            if macro is not None:
                yield f"#define {macro[1]} {int(macro[2], 0)}"


def _find_header() -> Path:
    named = os.environ.get("LIBWAMP_HEADER")
    if named:
        return Path(named)
    places = (
        _PACKAGE / "wamp.h",
        _PACKAGE.parents[2] / "include" / "wamp.h" if len(_PACKAGE.parents) > 2 else _PACKAGE / "wamp.h",
        Path("/usr/local/include/wamp.h"),
        Path("/usr/include/wamp.h"),
    )
    for place in places:
        if place.is_file():
            return place
    raise ImportError("wamp.h was not found; name it in the environment variable LIBWAMP_HEADER")


def _find_library() -> str:
    named = os.environ.get("LIBWAMP_PATH")
    if named:
        return named
    for place in (_PACKAGE / _LIBRARY, _PACKAGE.parent / _LIBRARY):
        if place.is_file():
            return str(place)
    return _LIBRARY


def _load() -> Any:
    ffi.cdef(declarations(_find_header().read_text(encoding="utf-8")))
    library = _find_library()
    try:
        loaded = ffi.dlopen(library)
    except OSError as error:
        raise ImportError(
            f"{library} could not be loaded; name the library's file in the environment variable LIBWAMP_PATH ({error})"
        ) from error
    # The first look-up of a name, and the first parsing of a type, takes a lock of cffi's that the same thread cannot
    # take twice: a collection that comes there, and whose __del__ looks something up, would wait for itself.
    try:
        for name in dir(loaded):
            getattr(loaded, name)
    except AttributeError as error:
        raise ImportError(f"{library} does not suit the header: {error}") from error
    return loaded


def to_c(text: str) -> bytes:
    """A text as the library takes it: UTF-8, ended by the NUL that cffi adds."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be part of this text")
    return text.encode()


def from_c(pointer: Any, size: int | None = None) -> str:
    """A text of the library's, copied. NULL is the empty text."""
    if pointer == ffi.NULL:
        return ""
    text: bytes = ffi.string(pointer) if size is None else ffi.unpack(pointer, size)
    return text.decode()


lib = _load()

CHARS = ffi.typeof("char[]")
EVENTS = ffi.typeof("wamp_event_t[]")
PAYLOAD = ffi.typeof("wamp_payload_t *")
