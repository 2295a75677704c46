"""Python values to and from the payloads that the library carries: JSON text, as WAMP wants it.

JSON has no bytes: WAMP writes them as a string of NUL and base64, and this module turns them into `bytes` again.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from .errors import last_error, local_error
from .ffi import ffi, lib, to_c


class Result:
    """Several values at once, or values with names: what an endpoint returns, and a call then gives.

    `options` are WAMP's Options of the endpoint's YIELD, sent to the router as they are.
    """

    __slots__ = ("args", "kwargs", "options")

    def __init__(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None,
                 options: Mapping[str, Any] | None = None) -> None:
        self.args = list(args)
        self.kwargs = dict(kwargs or {})
        self.options = dict(options or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and (self.args, self.kwargs) == (other.args, other.kwargs)

    def __repr__(self) -> str:
        return f"Result({self.args!r}, {self.kwargs!r})"


def unwrap(args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What a call gives: nothing, the one value, or all of it."""
    if kwargs or len(args) > 1:
        return Result(args, kwargs)
    return args[0] if args else None


def payload(args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
    """Arguments as a `wamp_payload_t *`. What it points to lives as long as it does."""
    pointer = ffi.new("wamp_payload_t *")
    pointer.encoding = lib.WAMP_JSON
    texts = []
    args = list(args)
    if args:
        texts.append(ffi.from_buffer(dumps(args).encode()))
        pointer.args, pointer.args_size = texts[-1], len(texts[-1])
    if kwargs:
        texts.append(ffi.from_buffer(dumps(kwargs).encode()))
        pointer.kwargs, pointer.kwargs_size = texts[-1], len(texts[-1])
    _texts[pointer] = texts
    return pointer


def received(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a received `wamp_payload_t`."""
    if given.encoding != lib.WAMP_JSON and (given.args or given.kwargs):
        raise local_error(lib.WAMP_ERR_PAYLOAD, f"encoding {given.encoding} is not read here")
    args = loads(ffi.unpack(given.args, given.args_size)) if given.args else []
    kwargs = loads(ffi.unpack(given.kwargs, given.kwargs_size)) if given.kwargs else {}
    return args or [], kwargs or {}


def details_of(event: Any) -> dict[str, Any]:
    """The details that the router sent with an event."""
    if not event.details:
        return {}
    return loads(ffi.unpack(event.details, event.details_size)) or {}


def options_to_c(options: Mapping[str, Any] | None) -> Any:
    """Options as the library takes them: JSON text, or NULL for none."""
    return ffi.NULL if not options else to_c(json.dumps(dict(options)))


def report(message: Any) -> tuple[list[Any], dict[str, Any]]:
    """The args and kwargs of a report of the library's, which is freed."""
    if message == ffi.NULL:
        raise last_error(lib.WAMP_ERR_HANDLE)
    try:
        return received(lib.wamp_message_event(message).payload)
    finally:
        lib.wamp_message_free(message)


def dumps(value: Any) -> str:
    """A value as JSON text."""
    return _write(value)


def loads(text: bytes) -> Any:
    """The value of a JSON text."""
    value = json.loads(text)
    # Only an escape can bring a NUL into a JSON string, so most texts need no second look.
    return _with_bytes(value) if b"\\u0000" in text else value


def _binary(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\0" + b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be sent in a payload")


def _with_bytes(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("\0"):
        try:
            return b64decode(value[1:], validate=True)
        except (binascii.Error, ValueError):
            return value
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_bytes(item) for key, item in value.items()}
    return value


_texts: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()  # a pointer in a struct keeps nothing alive
_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_binary).encode
