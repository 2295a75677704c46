"""A program that serves, calls, publishes and subscribes, whatever becomes of the routers that it knows.

    python station.py OPTIONS NAME PARTNER

OPTIONS are those of its connection, as JSON; with which router, or routers, it works is told nowhere else. It doubles
numbers as com.example.NAME.double and hears com.example.PARTNER.numbers, both durably; and all the time it has its
partner, another such program, double numbers, and publishes numbers of its own. A request that has not been sent is made
again in the next session, under its number; no other is.

Standard output says how it fares, one JSON object a line: {"active": URL} each time that a session has its registration
and its subscription, and {"lost": REASON} at the end of each. It obeys the lines of its standard input:

    work    says {"working": true} once a call and a publication that were made since then have had their answers, and an
            event has been heard
    stop    makes no more requests, and says {"stopped": true} when all have ended

When standard input ends, so does the program; its last line has what became of each request.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter, defaultdict
from typing import Any

import libwamp

TOGETHER = 4  # how many of each kind of request wait for their answers at once
PACE = 0.005  # seconds between two requests of a kind: the load must not take the machine from the routers
WORKS = {"call", "publication", "event"}


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


class Requests:
    """The requests of one kind, by their numbers, and what became of each."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._again: list[int] = []
        self.outcomes: defaultdict[int, list[str]] = defaultdict(list)
        self.not_sent: Counter[int] = Counter()

    def next(self) -> int:
        return self._again.pop(0) if self._again else next(self._numbers)

    def ended(self, number: int, outcome: str) -> None:
        self.outcomes[number].append(outcome)

    def repeat(self, number: int) -> None:
        """It was not sent, so that it may be made again."""
        self.not_sent[number] += 1
        self._again = sorted([*self._again, number])

    def report(self) -> dict[str, Any]:
        return {"outcomes": self.outcomes, "not_sent": self.not_sent, "left": self._again}


class Station:
    def __init__(self, options: dict[str, Any], name: str, partner: str) -> None:
        self.name, self.partner = name, partner
        self.calls, self.publications = Requests(), Requests()
        self.served: Counter[int] = Counter()  # the partner's calls
        self.heard: list[int] = []  # the partner's publications
        self.refusals: Counter[str] = Counter()  # of the registration
        self.stopping = False
        self.lacking: set[str] = set()  # what has not worked yet since the last "work"
        self.asked = 0  # how often that was
        self.connection = libwamp.Connection(on_close=lambda closed: say(lost=closed.reason), **{"url": None, **options})
        self.durables = (
            self.connection.register(f"com.example.{name}.double", self.double),
            self.connection.subscribe(f"com.example.{partner}.numbers", self.hear),
        )

    def double(self, number: int) -> int:
        self.served[number] += 1
        return 2 * number

    def hear(self, number: int) -> None:
        self.heard.append(number)
        self.works("event", self.asked)

    def works(self, what: str, asked: int) -> None:
        if what in self.lacking and asked == self.asked:
            self.lacking.remove(what)
            if not self.lacking:
                say(working=True)

    async def run(self) -> None:
        obeying = asyncio.create_task(self.obey())
        async for session in self.connection:
            telling = asyncio.create_task(self.tell_active(session))
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TOGETHER):
                    tasks.create_task(self.make(session, self.calls, self.call))
                    tasks.create_task(self.make(session, self.publications, self.publish))
            if self.stopping:
                say(stopped=True)
            await session.wait_closed()
            telling.cancel()
        await obeying

    async def obey(self) -> None:
        """Reads standard input; at its end everything ends."""
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            if line == b"work\n":
                self.lacking = set(WORKS)
                self.asked += 1
            else:
                self.stopping = True
        await self.connection.close()

    async def tell_active(self, session: libwamp.Session) -> None:
        for durable in self.durables:
            while not durable.active:
                try:
                    await durable.wait_active()
                except libwamp.Error as error:
                    # Registered already: by our former session, or for it. The library tries again.
                    self.refusals[error.uri] += 1
        say(active=session.transport.url)

    async def make(self, session: libwamp.Session, requests: Requests, request: Any) -> None:
        """Makes one request after the other, as long as there is the session."""
        while session.is_open and not self.stopping:
            number = requests.next()
            try:
                outcome = await request(session, number)
            except libwamp.NotSent:
                requests.repeat(number)
            except libwamp.OutcomeUnknown:
                requests.ended(number, "unknown")
            except libwamp.Error as error:
                requests.ended(number, error.uri)
            else:
                requests.ended(number, outcome)
            await asyncio.sleep(PACE)

    async def call(self, session: libwamp.Session, number: int) -> str:
        asked = self.asked
        result = await session.call(f"com.example.{self.partner}.double", number)
        if result != 2 * number:
            return f"wrong: {result!r}"
        self.works("call", asked)
        return "done"

    async def publish(self, session: libwamp.Session, number: int) -> str:
        asked = self.asked
        await session.publish_ack(f"com.example.{self.name}.numbers", number)
        self.works("publication", asked)
        return "done"

    def report(self) -> dict[str, Any]:
        return {
            "calls": self.calls.report(), "publications": self.publications.report(),
            "served": self.served, "heard": self.heard, "refusals": self.refusals,
        }


async def main(options: dict[str, Any], name: str, partner: str) -> None:
    station = Station(options, name, partner)
    await station.run()
    say(report=station.report())


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]))
