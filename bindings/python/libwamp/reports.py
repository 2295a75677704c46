"""Reports of a connection: how it reaches the router, and why a session or an attempt ended."""

from __future__ import annotations

from typing import Any, NamedTuple


class Closed(NamedTuple):
    """The end of a session or of an attempt, and why it came. `reason` is `closed`, `lost`, `unreachable` or `unsupported`."""

    reason: str
    message: str
    details: dict[str, Any]
    status: int

    @property
    def will_retry(self) -> bool:
        """Whether another attempt follows, after `details["retry_delay"]` seconds."""
        return bool(self.details.get("will_retry"))


class Transport(NamedTuple):
    """The way to the router; `none` and Nones where it is not."""

    type: str
    url: str | None
    protocol: str | None
