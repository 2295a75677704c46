"""What a connection tells of itself: how it reaches the router, and why a session or an attempt ended."""

from __future__ import annotations

from typing import Any, NamedTuple


class Closed(NamedTuple):
    """Why a session or an attempt ended. `reason` is `closed`, `lost`, `unreachable` or `unsupported`."""

    reason: str
    message: str
    details: dict[str, Any]
    status: int

    @property
    def will_retry(self) -> bool:
        """Whether another attempt follows, after `details["retry_delay"]` seconds."""
        return bool(self.details.get("will_retry"))


class Transport(NamedTuple):
    """How the router is reached; `none` and Nones where it is not."""

    type: str
    url: str | None
    protocol: str | None
