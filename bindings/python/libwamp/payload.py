"""Python values to and from the payloads that the library carries: JSON text, as WAMP wants it.

JSON has no bytes: WAMP writes them as a string of NUL and base64, and this module turns them into `bytes` again.
A program that has a library for another encoding gives and takes `Encoded` payloads, which are not looked into here.
"""

from __future__ import annotations

import binascii
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .afterwards import attend, garbage, lines
from .errors import local_error, making_failed
from .ffi import ffi, lib, to_c


class Result:
    """Several values at once, or named values: returned by an endpoint, and then by the call.

    `options` are the WAMP Options of the endpoint's YIELD, passed to the router unchanged. `details` are those that
    the router sent with a received result.
    """

    __slots__ = ("args", "details", "kwargs", "options")

    def __init__(
        self,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.args = list(args)
        self.kwargs = dict(kwargs or {})
        self.options = dict(options or {})
        self.details: dict[str, Any] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and (self.args, self.kwargs) == (other.args, other.kwargs)

    def __repr__(self) -> str:
        return f"Result({self.args!r}, {self.kwargs!r})"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A whole payload that is already encoded: `args` is a list, `kwargs` a dict, None stands for none.

    `encoding` is "json", "msgpack" or "cbor". It replaces all arguments, results or error arguments.
    """

    encoding: str
    args: bytes | None = None
    kwargs: bytes | None = None

    def __post_init__(self) -> None:
        if self.encoding not in _ENCODINGS:
            raise ValueError(f"the encoding is one of {', '.join(_ENCODINGS)}, and not {self.encoding!r}")


Payload = tuple[int, Any, int, Any, int]
"""The fields of a `wamp_payload_t`, which are arguments of the functions wamp_python_*."""


def unwrap(args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The value that a call gives: nothing, the one value, or all of it."""
    if kwargs or len(args) > 1:
        return Result(args, kwargs)
    return args[0] if args else None


def payload(args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Payload:
    """Arguments as the library takes them."""
    if not isinstance(args, (list, tuple)):
        args = list(args)
    if len(args) == 1 and not kwargs and isinstance(args[0], Encoded):
        given = args[0]
        return _ENCODINGS[given.encoding], *_part(given.args), *_part(given.kwargs)
    positional = _text(args) if args else b""
    named = _text(kwargs) if kwargs else b""
    return _JSON, positional or _NULL, len(positional), named or _NULL, len(named)


def _part(text: bytes | None) -> tuple[Any, int]:
    if text is None:
        return _NULL, 0
    view = ffi.from_buffer(text)  # of whatever holds bytes
    return view, len(view)


def received(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a received `wamp_payload_t`."""
    positional, named = given.args, given.kwargs
    if given.encoding != _JSON and (positional or named):
        raise local_error(lib.WAMP_ERR_PAYLOAD, f"encoding {given.encoding} is not read here")
    args = loads(_unpack(positional, given.args_size)) if positional else []
    kwargs = loads(_unpack(named, given.kwargs_size)) if named else {}
    if isinstance(args, bytes):  # one binary in place of the list: Autobahn's payload transparency
        args = [args]
    return args or [], kwargs or {}


def encoded(given: Any) -> Encoded:
    """A received `wamp_payload_t` as it is."""
    args = ffi.unpack(given.args, given.args_size) if given.args else None
    kwargs = ffi.unpack(given.kwargs, given.kwargs_size) if given.kwargs else None
    return Encoded(_NAMES[given.encoding], args, kwargs)


def details_of(event: Any) -> dict[str, Any]:
    """The details that the router sent with an event."""
    if not event.details:
        return {}
    return loads(ffi.unpack(event.details, event.details_size)) or {}


def options_to_c(options: Mapping[str, Any] | None) -> Any:
    """Options as the library takes them: JSON text, or NULL for none."""
    if options is None:
        return _NULL
    given = options_of(options)
    return to_c(json.dumps(given, allow_nan=False)) if given else _NULL


def options_of(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Options as a dict of our own."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"options are a mapping, and not {options!r}")
    return dict(options)


def connection_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a connection, without those that are None: they are not given."""
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(tls := given.get("tlsConfiguration"), Mapping):
        given["tlsConfiguration"] = {key: value for key, value in tls.items() if value is not None}
    return given


def connection_options_to_c(options: Mapping[str, Any]) -> bytes:
    """Options of a connection as the library takes them."""
    return to_c(json.dumps(connection_options(options), allow_nan=False, default=path_text))


def path_text(value: Any) -> str:
    """A path as text."""
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"{type(value).__name__} cannot stand in an option: {value!r}")


def report(message: Any) -> tuple[list[Any], dict[str, Any]]:
    """The args and kwargs of a report of the library's, which is freed."""
    if message == ffi.NULL:
        raise making_failed(lib.WAMP_ERR_HANDLE)
    try:
        return received(lib.wamp_message_event(message).payload)
    finally:
        lib.wamp_message_free(message)
        if garbage or lines:
            attend()


def dumps(value: Any) -> str:
    """A value as JSON text."""
    return _write(value)


def _text(value: Any) -> bytes:
    """A value as JSON text in UTF-8. With one encoder for all, as `json` makes another for each text."""
    try:
        return "".join(_pieces(value, 0)).encode()
    except Exception:  # the slow way has better words for it
        return _write(value).encode()


def loads(text: bytes) -> Any:
    """The value of a JSON text."""
    # Only an escape can bring a NUL into a JSON string, so most texts need no second look.
    if b"\\u0000" in text:
        return _with_bytes(json.loads(text))
    try:
        written = text.decode()
        value, end = _scan(written, 0)
        if end == len(written):
            return value
    except (StopIteration, ValueError):
        pass
    return json.loads(text)  # which knows white space around a value, and has words for what is wrong


def loads_all(text: bytes, count: int) -> list[Any] | None:
    """The values of a list, where it has so many. None where each is better read alone."""
    if b"\\u0000" in text:
        return None
    try:
        written = text.decode()
        values, end = _scan(written, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    return values if end == len(written) and len(values) == count else None


def _binary(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\0" + b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be sent in a payload")


def pieces_maker() -> Callable[[Any, int], Iterable[str]]:
    """The results of `_write` for texts, each made once: from its C part, where this Python has it."""
    try:
        make = getattr(json.encoder, "c_make_encoder")  # noqa: B009 - typeshed has it not
        quote = json.encoder.encode_basestring
        pieces: Callable[[Any, int], Iterable[str]] = make(None, _binary, quote, None, ":", ",", False, False, False)
    except (AttributeError, TypeError):
        return lambda value, _: (_write(value),)
    return pieces


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


_ENCODINGS = {"json": lib.WAMP_JSON, "msgpack": lib.WAMP_MSGPACK, "cbor": lib.WAMP_CBOR}
_NAMES = {number: name for name, number in _ENCODINGS.items()}
_JSON = lib.WAMP_JSON
_NULL = ffi.NULL
_unpack = ffi.unpack
_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_binary).encode
_scan = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009 - typeshed has it not
_pieces = pieces_maker()
