"""An event loop that watches no descriptors, as the one that Windows has by default."""

import asyncio
from typing import Any


class DeafLoop(asyncio.SelectorEventLoop):
    """A loop of its kind."""

    def add_reader(self, *_: Any) -> None:
        """Is not there."""
        raise NotImplementedError

    def remove_reader(self, *_: Any) -> bool:
        """Is not there either."""
        raise NotImplementedError
