"""One side of an example that Autobahn|Python comes with, by libwamp or by autobahn-python.

    twin.py URL REALM LIBRARY EXAMPLE SIDE

The examples do what those of the same names in Autobahn's repository do (examples/asyncio/wamp), but for the clock: what
they do once a second is done here when its turn has come. What a side shows begins with "> ". A side that serves
or listens says "ready" and leaves when its input ends.
"""

import asyncio
import os
import sys
from typing import Any

USER = "plain"
SECRET = os.environ.get("TWIN_SECRET", "")
CA = os.environ.get("TWIN_CA", "")


def show(*words: Any) -> None:
    """A line that the other library's twin must show, too."""
    print(">", *words, flush=True)


async def serving() -> None:
    """Says that all is set up, and waits until nobody needs it any more."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def main(url: str, realm: str, library: str, example: str, side: str) -> None:
    if library == "libwamp":
        import twin_libwamp as twins
    else:
        import twin_autobahn as twins
    await twins.run(url, realm, example, side)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
