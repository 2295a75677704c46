"""Many events and calls, with exceptions, cancellations, collections and losses at random.

Each call ends once, each endpoint runs at most once for it, and each event is handled at most once, in order; without
a loss all of that exactly once. Nothing hangs, and nothing is left: memory, descriptors, threads.

WAMP_SOAK_COUNT says how many events and calls there are, WAMP_SOAK_SEED repeats a run.
"""

import asyncio
import gc
import logging
import os
import random
import sys
import tracemalloc
from collections import Counter

from support import run

import libwamp

COUNT = int(os.environ.get("WAMP_SOAK_COUNT", "5000"))
SEED = int(os.environ.get("WAMP_SOAK_SEED", random.SystemRandom().randrange(2**32)))
ROUND = 500  # events and calls
WORKERS = 20
LIMIT = 300  # seconds for a round: met only where something hangs
OPTIONS = {"max_retries": -1, "initial_retry_delay": 0.01, "max_retry_delay": 0.05, "retry_if_unreachable": True}
TOPICS = ("com.example.plain", "com.example.async")
FAILURE, CANCELED = "com.example.error.chance", "wamp.error.canceled"
BLOCKS = 4000  # of memory that may be more at the end than at the beginning, whatever the number of rounds
BYTES = 400_000


class Fault(BaseException):
    """An exception that no handler should raise, and somebody's does."""


class Scene:
    """A router, who serves and listens, and who calls and publishes; and what has been seen of it."""

    def __init__(self, chance, router):
        self.chance = chance
        self.router = router
        self.numbers = 0
        self.runs = Counter()  # of endpoints, by call
        self.events = []
        self.more = asyncio.Event()
        self.outcomes = Counter()
        self.losses = 0

    async def open(self):
        hush = {"on_user_error": lambda error, message: None}
        self.callee = libwamp.Connection(self.router.url, "realm1", **hush, **OPTIONS)
        self.caller = libwamp.Connection(self.router.url, "realm1", **hush, **OPTIONS)
        self.durables = [
            self.callee.subscribe("com.example.plain", self.on_event),
            self.callee.subscribe("com.example.async", self.on_event_async),
            self.callee.register("com.example.plain", self.endpoint),
            self.callee.register("com.example.async", self.endpoint_async),
        ]
        await self.callee.open()
        await self.caller.open()
        await self.settle()

    async def close(self):
        await self.caller.close()
        await self.callee.drain()

    def next(self):
        self.numbers += 1
        return self.numbers

    # ---- the callee and subscriber ----

    def on_event(self, number, fault):
        self.events.append(number)
        self.more.set()
        raise_if(fault)

    async def on_event_async(self, number, fault):
        if number % 3 == 0:
            await asyncio.sleep(0)
        self.on_event(number, fault)

    def endpoint(self, number, fault):
        self.runs[number] += 1
        raise_if(fault)
        return number

    async def endpoint_async(self, number, fault):
        self.runs[number] += 1
        for _ in range(number % 4):
            await asyncio.sleep(0)
        if fault == "wait":  # until the caller gives up, or the session has ended in which it could
            await self.callee.session.wait_closed()
        raise_if(fault)
        return number

    # ---- the caller and publisher ----

    async def round(self, count, loses):
        """So many events and calls at once. `loses`: one of the two connections is cut off in the middle."""
        self.runs.clear()
        self.events.clear()
        losing = self.chance.randrange(count) if loses else -1
        left = iter(range(count))
        sent = []

        async def work():
            for number in left:
                if number == losing:
                    self.losses += self.router.kick()
                if self.chance.randrange(1000) == 0:
                    gc.collect()
                if self.chance.randrange(500) == 0:
                    libwamp.Connection(self.router.url, "realm1").me = []  # and nobody has it any more
                await (self.publish(sent) if self.chance.randrange(2) else self.call(loses))

        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
        async with asyncio.timeout(LIMIT):
            markers = await self.settle()
        if not loses:
            assert sorted(self.events) == sorted([*sent, *markers])
        assert len(set(self.events)) == len(self.events), "an event was handled twice"
        assert max(self.runs.values(), default=0) <= 1, "an endpoint ran twice for a call"

    async def settle(self):
        """Waits until all that has come is handled: the last event of each topic is."""
        for durable in self.durables:
            await durable.wait_active()
        markers = [self.next() for _ in TOPICS]
        for topic, number in zip(TOPICS, markers, strict=True):
            await (await self.session()).publish_ack(topic, number, "")
        while not set(markers) <= set(self.events):
            self.more.clear()
            await self.more.wait()
        return markers

    async def session(self):
        """The caller's session, the next one after a loss."""
        while (session := self.caller.session) is None:
            async for _ in self.caller:
                break
        return session

    async def publish(self, sent):
        number, topic = self.next(), self.chance.choice(TOPICS)
        fault = self.chance.choice(("", "", "", "", "Exception", "Fault", "CancelledError"))
        try:
            await (await self.session()).publish_ack(topic, number, fault)
            sent.append(number)
            self.outcomes["published"] += 1
        except libwamp.NotConnected as error:
            self.outcomes[f"event {type(error).__name__}"] += 1

    async def call(self, loses):
        number, kind = self.next(), self.chance.choice(("plain", "async"))
        fault = self.chance.choice(("", "", "", "Error", "Exception", "Fault", "CancelledError"))
        cancels = self.chance.randrange(8) == 0
        if cancels and kind == "async":
            fault = "wait"
        work = (await self.session()).call(f"com.example.{kind}", number, fault)
        task = asyncio.create_task(work)
        if cancels:
            for _ in range(self.chance.randrange(6)):
                await asyncio.sleep(0)
            task.cancel()
        try:
            outcome = await task
            assert (outcome, fault, self.runs[number]) == (number, "", 1)
            self.outcomes["result"] += 1
        except libwamp.Error as error:
            if error.uri in ("wamp.error.no_such_procedure", CANCELED) and loses:  # the callee has gone
                self.outcomes["callee lost"] += 1
                return
            assert self.runs[number] == 1
            assert error.uri == WANTED[fault], (fault, error)
            self.outcomes[f"error {fault}"] += 1
        except asyncio.CancelledError:
            assert cancels, "a call was cancelled that nobody has cancelled"
            self.outcomes["cancelled"] += 1
        except libwamp.NotConnected as error:
            assert loses, "a call was lost without a loss"
            assert not (isinstance(error, libwamp.NotSent) and self.runs[number]), "not sent, but served"
            self.outcomes[f"call {type(error).__name__}"] += 1


WANTED = {
    "Error": FAILURE,
    "Exception": "wamp.error.runtime_error",
    "Fault": "wamp.error.runtime_error",
    "CancelledError": CANCELED,
}


def raise_if(fault):
    match fault:
        case "Error":
            raise libwamp.Error(FAILURE)
        case "Exception":
            raise ValueError("by chance")
        case "Fault":
            raise Fault("by chance")
        case "CancelledError":
            raise asyncio.CancelledError


def left_over():
    """The numbers of blocks of memory, descriptors and threads."""
    gc.collect()
    return sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_everything_exactly_once():
    print(f"WAMP_SOAK_SEED={SEED} WAMP_SOAK_COUNT={COUNT}")
    logging.getLogger("libwamp").setLevel(logging.CRITICAL)
    chance = random.Random(SEED)

    async def main(router):
        scene = Scene(chance, router)
        await scene.open()
        rounds = COUNT // ROUND
        settled, traced = max(1, rounds // 10), max(2, rounds - rounds // 10)
        before = began = None
        for number in range(rounds):
            if number == settled:
                await scene.round(ROUND, False)
                before = left_over()
            if number == traced:
                tracemalloc.start()
                await scene.round(ROUND, False)
                gc.collect()
                began = tracemalloc.get_traced_memory()[0]
            await scene.round(ROUND, number % 4 == 3)
        await scene.round(ROUND, False)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - began
        tracemalloc.stop()
        after = left_over()
        print(f"{scene.numbers} events and calls, {scene.losses} losses: {dict(sorted(scene.outcomes.items()))}")
        print(f"blocks, descriptors, threads: {before} before, {after} after; {grown} bytes traced in the last rounds")
        assert grown < BYTES
        assert after[0] - before[0] < BLOCKS
        assert after[1] <= before[1] + 2  # a connection may be on its way
        assert after[2] <= before[2] + 4
        for kind in ("published", "result", "cancelled", "error Error", "error Fault", "error CancelledError"):
            assert scene.outcomes[kind] > 0, kind
        assert scene.losses
        await scene.close()

    with libwamp.Router({"realms": ["realm1"]}) as router:
        router.listen()
        run(main(router), limit=None)
