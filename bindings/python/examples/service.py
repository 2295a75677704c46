"""A service: procedures that stay registered whatever happens to the connection, until SIGTERM or Ctrl-C.

    python service.py ws://127.0.0.1:8080/ws realm1

On SIGTERM it takes no more calls, finishes those that it serves, and leaves.
"""

import asyncio
import logging
import signal
import sys

import libwamp


async def slow_square(number: float, delay: float = 1.0) -> float:
    await asyncio.sleep(delay)
    return number * number


async def serve(url: str, realm: str) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    connection = libwamp.Connection(url, realm, max_retries=-1, retry_if_unreachable=True)
    registration = connection.register("com.myapp.slow_square", slow_square)
    await connection.open()
    await registration.wait_active()
    print("serving", flush=True)
    await stop.wait()
    finished = await connection.drain(timeout=20)
    print("all calls are answered" if finished else "some calls were broken off")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "realm1"))
