"""The subscriber's side in one session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .entries import Listener
from .ffi import from_c
from .payload import details_of

if TYPE_CHECKING:
    from .session import Session


class Event:
    """One event of a topic, for a handler that asked for it by `details_arg`."""

    __slots__ = ("details", "publication", "topic")

    def __init__(self, event: Any) -> None:
        self.topic = from_c(event.uri, event.uri_size)
        self.publication: int = event.wamp_id
        self.details = details_of(event)

    def __repr__(self) -> str:
        return f"<libwamp.Event of {self.topic!r}, publication {self.publication}>"


class Subscription:
    """A handler that receives a topic's events."""

    def __init__(self, session: Session, entry: Listener, is_listed: Callable[[Listener], bool]) -> None:
        self._session = session
        self._entry = entry
        self._is_listed = is_listed

    def __repr__(self) -> str:
        return f"<libwamp.Subscription {self.topic!r}{'' if self.active else ', ended'}>"

    @property
    def session(self) -> Session:
        """The session that it belongs to."""
        return self._session

    @property
    def topic(self) -> str:
        """The topic, as it was given."""
        return self._entry.uri

    @property
    def handler(self) -> Callable[..., Any]:
        """The function or coroutine function that receives the events."""
        return self._entry.function

    @property
    def id(self) -> int:
        """The router's id."""
        return self._entry.id

    @property
    def active(self) -> bool:
        """Whether the handler still receives events."""
        return self._is_listed(self._entry)

    async def unsubscribe(self) -> bool:
        """Ends it; False where other handlers keep the topic subscribed."""
        return await self._session.unsubscribe(self)
