"""A client on Autobahn|Python, on asyncio, called as benches/c/meter.h tells.

It reads every payload that it gets.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import txaio

txaio.use_asyncio()

from autobahn.asyncio.rawsocket import WampRawSocketClientFactory  # noqa: E402
from autobahn.asyncio.wamp import ApplicationSession  # noqa: E402
from autobahn.asyncio.websocket import WampWebSocketClientFactory  # noqa: E402
from autobahn.wamp import serializer as serializers  # noqa: E402
from autobahn.wamp.types import ComponentConfig, PublishOptions  # noqa: E402

SERIALIZERS = {"json": "JsonSerializer", "msgpack": "MsgPackSerializer", "cbor": "CBORSerializer"}
ACKNOWLEDGE = PublishOptions(acknowledge=True)


@dataclass(frozen=True)
class Arguments:
    role: str
    url: str
    serializer: str
    size: int
    seconds: float
    in_flight: int
    scale: int


def read_arguments(words: list[str]) -> Arguments:
    role, url, serializer, size, seconds, in_flight, scale = words
    return Arguments(role, url, serializer, int(size), float(seconds), int(in_flight), int(scale))


def cpu() -> float:
    """Microseconds of user and system time so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def wall() -> float:
    return time.perf_counter() * 1e6


def resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024


def end(**figures: float) -> None:
    print(json.dumps(figures), flush=True)
    os._exit(0)


@dataclass
class Meter:
    """Measures for so many seconds, after a quarter of them for getting warm."""

    seconds: float
    began: float = field(default_factory=wall)
    start: tuple[float, float, int] | None = None
    times: list[float] = field(default_factory=list)

    def is_warm(self) -> bool:
        return wall() - self.began > self.seconds * 0.25e6

    def is_due(self) -> bool:
        return self.start is not None and wall() - self.start[0] > self.seconds * 1e6

    def begin(self, count: int) -> None:
        self.start = (wall(), cpu(), count)

    def tick(self, count: int) -> None:
        """Ends the program once all is measured."""
        if self.start is None and self.is_warm():
            self.begin(count)
        elif self.is_due():
            self.report(count)

    def time(self, start: float) -> None:
        if self.start is not None:
            self.times.append(wall() - start)

    def report(self, count: int, spent: float | None = None) -> None:
        assert self.start is not None
        start, used, first = self.start
        messages = max(count - first, 1)
        used = cpu() - used if spent is None else spent
        figures = {
            "messages": messages,
            "cpu": used / messages,
            "wall": (wall() - start) / messages,
        }
        if self.times:
            self.times.sort()
            figures["p50"], figures["p99"] = (
                self.times[int((len(self.times) - 1) * part)] for part in (0.5, 0.99)
            )
        end(**figures)


async def join(arguments: Arguments) -> ApplicationSession:
    joined = asyncio.get_running_loop().create_future()
    made = []

    class Session(ApplicationSession):
        def onJoin(self, details: object) -> None:
            joined.set_result(None)

    def make() -> ApplicationSession:
        made.append(Session(ComponentConfig("realm1", None)))
        return made[-1]

    wire = getattr(serializers, SERIALIZERS[arguments.serializer])()
    if arguments.url.startswith("rs"):
        factory = WampRawSocketClientFactory(make, serializer=wire)
    else:
        factory = WampWebSocketClientFactory(make, url=arguments.url, serializers=[wire])
    host, port = arguments.url.split("/")[2].split(":")
    await asyncio.get_running_loop().create_connection(factory, host, int(port))
    await joined
    return made[0]


def check(text: str, arguments: Arguments) -> str:
    assert len(text) == arguments.size, "a payload of another size"
    return text


def counter(arguments: Arguments) -> Callable[[str], str]:
    """What takes payloads, and measures from the first one on."""
    count, meter = 0, None

    def take(text: str) -> str:
        nonlocal count, meter
        count += 1
        meter = meter or Meter(arguments.seconds)
        if count % 16 == 0:
            meter.tick(count)
        return check(text, arguments)

    return take


async def call(session: ApplicationSession, arguments: Arguments) -> None:
    payload, count, meter = "x" * arguments.size, 0, Meter(arguments.seconds)

    async def one_after_the_other() -> None:
        nonlocal count
        while True:
            start = wall()
            check(await session.call("bench.echo.0", payload), arguments)
            count += 1
            if arguments.in_flight == 1:
                meter.time(start)
            if arguments.in_flight == 1 or count % 16 == 0:
                meter.tick(count)

    await asyncio.gather(*(one_after_the_other() for _ in range(arguments.in_flight)))


async def publish(session: ApplicationSession, arguments: Arguments) -> None:
    payload, count, meter = "x" * arguments.size, 0, Meter(arguments.seconds)
    while True:
        for _ in range(64):
            session.publish("bench.topic.0", payload)
        count += 64
        await asyncio.sleep(0)  # so that they are written
        if meter.start is None and meter.is_warm():
            await session.publish("bench.topic.0", payload, options=ACKNOWLEDGE)
            meter.begin(count)
        elif meter.is_due():
            await session.publish("bench.topic.0", payload, options=ACKNOWLEDGE)
            meter.report(count)


async def connect(arguments: Arguments) -> None:
    """Measures only what opens, and not what closes."""
    meter, count, spent = Meter(arguments.seconds), 0, 0.0
    while not meter.is_due():
        start, used = wall(), cpu()
        session = await join(arguments)
        if meter.start is not None:
            spent += cpu() - used
            count += 1
            meter.time(start)
        elif meter.is_warm():
            meter.begin(0)
        await session.leave()
    meter.report(count, spent)


async def memory(arguments: Arguments) -> None:
    sessions = [await join(arguments)]
    one = resident()
    while len(sessions) < arguments.scale:
        sessions.append(await join(arguments))
    figures = {"messages": len(sessions), "resident": resident()}
    if len(sessions) > 1:
        figures["each"] = (resident() - one) / (len(sessions) - 1)
    end(**figures)


async def main(arguments: Arguments) -> None:
    if arguments.role == "connect":
        return await connect(arguments)
    if arguments.role == "memory":
        return await memory(arguments)
    session = await join(arguments)
    if arguments.role == "call":
        return await call(session, arguments)
    if arguments.role == "publish":
        return await publish(session, arguments)
    if arguments.role == "invocation":
        await session.register(counter(arguments), "bench.echo.0")
    else:
        await session.subscribe(counter(arguments), "bench.topic.0")
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(read_arguments(sys.argv[1:])))
