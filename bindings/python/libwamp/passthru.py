"""Payloads that routers carry without a look inside: made and read by the program's own codec.

With the options `ppt_scheme` and its like, or Autobahn's older `enc_algo`, one binary value takes the place of all
arguments. `"ppt_serializer": "json"` or `"native"` without `ppt_cipher` is done by the library itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .errors import local_error
from .ffi import lib
from .payload import Encoded, dumps

_BYTES = (bytes, bytearray, memoryview)


class Codec(Protocol):
    """Maker and reader of such payloads. It runs on the event loop's thread."""

    def encode(self, options: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> bytes:
        """The bytes that travel, for the arguments of a request with these options."""

    def decode(self, details: dict[str, Any], data: bytes) -> tuple[Iterable[Any], Mapping[str, Any]]:
        """The arguments and keyword arguments of which bytes were made that came with these details."""


def needs_codec(options: Mapping[str, Any]) -> bool:
    """Whether options or details say that the payload is a binary, and one that the library does not know."""
    if "ppt_scheme" in options:
        return options.get("ppt_cipher") is not None or options.get("ppt_serializer") not in ("json", "native")
    return "enc_algo" in options


def encode(codec: Codec | None, options: Mapping[str, Any], args: list[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The one argument that takes the place of all; without a codec these must be it already."""
    if len(args) == 1 and not kwargs and isinstance(args[0], Encoded):
        return args
    if codec is not None:
        data: bytes | bytearray | memoryview = codec.encode(dict(options), args, dict(kwargs))
        if not isinstance(data, _BYTES):
            raise TypeError(f"the codec's encode gives bytes, and not {data!r}")
    elif len(args) == 1 and not kwargs and isinstance(args[0], _BYTES):
        data = args[0]
    else:
        raise local_error(lib.WAMP_ERR_PAYLOAD, "without a codec such a payload is one bytes argument; see set_codec")
    # The older form is the binary itself, the newer one a list of it.
    return [Encoded("json", dumps(data if "ppt_scheme" not in options else [data]).encode())]


def decode(codec: Codec, details: dict[str, Any], args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that a received binary stands for."""
    if len(args) != 1 or not isinstance(args[0], bytes):
        raise local_error(lib.WAMP_ERR_PAYLOAD, "the payload is not what its details say: one binary")
    try:
        positional, named = codec.decode(details, args[0])
        return list(positional), dict(named)
    except Exception as error:
        raise local_error(lib.WAMP_ERR_PAYLOAD, f"the codec cannot read what has come: {error!r}") from error
