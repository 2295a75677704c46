"""The C library, loaded: `ffi` and `lib`, its types, and the few helpers that every other module needs at the border.

The extension module `_wamp` was compiled against the library's own header; integer macros are attributes of `lib`
(`lib.WAMP_ERR_AGAIN`). The library lies beside it. `LIBWAMP_PATH` names the file of another build of it.
"""

from __future__ import annotations

import os
from typing import Any


def _load() -> tuple[Any, Any]:
    named = os.environ.get("LIBWAMP_PATH")
    if named:
        import ctypes

        try:
            ctypes.CDLL(named)  # once it is loaded, the module takes it for the one beside it: they have one name
        except OSError as error:
            raise ImportError(f"LIBWAMP_PATH: {named} could not be loaded ({error})") from error
    try:
        from ._wamp import ffi, lib
    except ModuleNotFoundError as error:
        raise ImportError(
            "libwamp._wamp is missing, the extension module: install the package by pip, or build it in its source"
            " tree by `make python`"
        ) from error
    # Each name is looked up now, so that none is late, when a collection or the end of the interpreter may interfere.
    for name in dir(lib):
        getattr(lib, name)
    made_for, loaded = ffi.string(lib.WAMP_VERSION).decode(), ffi.string(lib.wamp_version()).decode()
    if made_for != loaded:
        raise ImportError(f"this package is made for version {made_for} of the C library, and {loaded} was loaded")
    return ffi, lib


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


def version() -> str:
    """The version of the C library."""
    return from_c(lib.wamp_version())


ffi, lib = _load()

CHARS = ffi.typeof("char[]")
EVENTS = ffi.typeof("wamp_event_t[]")
SIZE = ffi.typeof("size_t *")
