"""One side of the examples that Autobahn|Python comes with, by libwamp or by autobahn-python.

    twin.py REALM LIBRARY

The examples do what those of the same names in Autobahn's repository do (examples/asyncio/wamp), but for the clock: what
they do once a second is done here when its turn has come. A line of the input, EXAMPLE SIDE URL, has one run. What it
shows begins with "> ". A side that serves or listens says "ready", and leaves when the next line comes; each
says "done" in the end.
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
    await line()


async def line() -> str:
    """The next line of the input; empty at its end."""
    return await asyncio.to_thread(sys.stdin.readline)


async def main(realm: str, library: str) -> None:
    if library == "libwamp":
        import twin_libwamp as twins
    else:
        import twin_autobahn as twins
    while words := (await line()).split():
        example, side, url = words
        await twins.run(url, realm, example, side)
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
