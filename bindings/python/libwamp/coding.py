"""Arguments as a connection sends and receives them: plain values, payloads encoded already, or a codec's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import passthru
from .errors import Error, WampError, local_error
from .ffi import from_c, lib
from .passthru import Codec
from .payload import Payload, details_of, encoded, payload, received


class Coding:
    """The arguments of one connection's events and requests."""

    def __init__(self, takes_encoded: bool) -> None:
        self._codec: Codec | None = None
        self.reads = not takes_encoded  # whether payloads are looked into
        self.ready: Any = None  # [args, kwargs] of the event that is being handled, if they are read already

    def set_codec(self, codec: Codec | None) -> None:
        """Sets what makes and reads payloads that routers carry without a look inside."""
        if codec is not None:
            if not self.reads:
                raise ValueError('with payload_encoding="wire" payloads are not looked into')
            for name in ("encode", "decode"):
                if not callable(getattr(codec, name, None)):
                    raise TypeError(f"a codec has a function {name}; this is {codec!r}")
        self._codec = codec

    def arguments(self, event: Any, first: Mapping[str, Any] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of an event; with the option `payload_encoding="wire"` that is one `Encoded`.

        `first` are the details that came with the first input of a call: a router need not repeat them.
        """
        if not self.reads:
            return [encoded(event.payload)], {}
        ready = self.ready
        if type(ready) is list and type(ready[0]) is list and type(ready[1]) is dict:
            args, kwargs = ready
        else:
            args, kwargs = received(event.payload)
        if self._codec is not None and (first or event.details_size > 2):
            details = {**(first or {}), **details_of(event)}
            if passthru.needs_codec(details):
                return passthru.decode(self._codec, details, args)
        return args, kwargs

    def outgoing(
        self, args: Iterable[Any], kwargs: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
    ) -> Payload:
        """Arguments as the library takes them, made as the options of their request want it."""
        if options and passthru.needs_codec(options):
            return payload(passthru.encode(self._codec, options, list(args), kwargs or {}))
        return payload(args, kwargs)

    def error_of(self, event: Any) -> WampError:
        """The exception that a WAMP_ERROR stands for."""
        uri = from_c(event.uri, event.uri_size)
        if event.status in (lib.WAMP_ERR_REMOTE, lib.WAMP_OK):
            try:
                error = Error(uri, *self.arguments(event))
                error.details = details_of(event)
                return error
            except Exception as unreadable:
                return local_error(lib.WAMP_ERR_PAYLOAD, f"the arguments of an error: {unreadable}", uri)
        return local_error(event.status, from_c(event.message, event.message_size), uri)
