"""Many clients that mean well: 10,000 idle sessions, 5,000 subscribers of one publisher, and calls of 24 MiB a second for five
minutes with a `memory_limit` of 256 MiB. WAMP_MASSES_SECONDS is the time of the calls.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from programs import Client, router

SECONDS = float(os.environ.get("WAMP_MASSES_SECONDS", "300"))
SESSIONS, SUBSCRIBERS, EVENTS = 10_000, 5000, 200
LIMIT = 256 << 20
SIZE, RATE = 64 << 10, 24 << 20
CONFIG = {"realms": ["realm1"]}


@dataclass
class Told:
    does: str
    figures: str
    faults: list[str] = field(default_factory=list)


def crowd(programs: dict[str, Path], port: int, *words: object) -> Client:
    return Client([str(programs["crowd"]), str(port), *map(str, words)])


def idle(programs: dict[str, Path], files: int) -> Told:
    """Sessions that say nothing. Each takes a descriptor of the router."""
    count = min(SESSIONS, files - 200)
    with router(programs, CONFIG) as one:
        before = one.memory("VmRSS")
        clients = [crowd(programs, one.port, "idle", count // 2) for _ in range(2)]
        time.sleep(2)
        after, load, stats = one.memory("VmRSS"), one.load(10), one.stats()
        for client in clients:
            client.kill()
    lowered = f" (`ulimit -n` is {files})" if count < SESSIONS else ""
    faults = [] if stats["sessions"] == count // 2 * 2 else [f"idle: {stats['sessions']} of {count} sessions"]
    return Told(f"{count:,} idle sessions{lowered}",
                f"{after:.0f} MiB, of which {(after - before) * 1024 / count:.1f} KiB for each;"
                f" {load * 100:.1f} % of a processor", faults)


def fan_out(programs: dict[str, Path], files: int) -> Told:
    """One publisher; every subscriber has to get every event, in order."""
    count = min(SUBSCRIBERS, files - 200)
    with router(programs, CONFIG) as one:
        subscribers = crowd(programs, one.port, "subscribe", count, EVENTS)
        crowd(programs, one.port, "publish", EVENTS).told(600)
        told = json.loads(subscribers.told(600))
        most = one.memory("VmHWM")
    faults = [f"fan-out: {told[what]} {what}" for what in ("incomplete", "disordered") if told[what]]
    return Told(f"1 publisher to {count:,} subscribers, {EVENTS} events",
                f"{count * EVENTS / told['seconds']:,.0f} events/s, in order, none lost; {most:.0f} MiB", faults)


def calls(programs: dict[str, Path], files: int) -> Told:
    """Calls of 64 KiB, with results of as much."""
    with router(programs, {**CONFIG, "memory_limit": LIMIT}) as one:
        callee = crowd(programs, one.port, "serve", SIZE)
        told = json.loads(crowd(programs, one.port, "call", SIZE, RATE, SECONDS).told(SECONDS + 120))
        most, stats = one.memory("VmHWM"), one.stats()
        callee.kill()
    faults = []
    if told["errors"] or told["answered"] < told["calls"]:
        faults.append(f"calls: {told['errors']} errors, {told['calls'] - told['answered']} unanswered")
    if most * (1 << 20) >= LIMIT:
        faults.append(f"calls: {most:.0f} MiB with a memory_limit of {LIMIT >> 20}")
    if told["mib_s"] < 0.98 * RATE / (1 << 20):
        faults.append(f"calls: only {told['mib_s']} MiB/s")
    return Told(f"calls of 64 KiB, {RATE >> 20} MiB/s for {SECONDS:.0f} s, `memory_limit` {LIMIT >> 20} MiB",
                f"{told['mib_s']:.1f} MiB/s in each direction, {told['calls']:,} calls, {told['errors']} errors, worst"
                f" delay {told['worst_ms']:.1f} ms; at most {most:.0f} MiB, refused {stats.get('refused_messages', 0)}",
                faults)


def all_of(programs: dict[str, Path], files: int) -> list[Told]:
    told = []
    for one in (idle, fan_out, calls):
        told.append(one(programs, files))
        print(*list(rows(told[-1:]))[2:], *told[-1].faults, sep="\n", flush=True)
    return told


def rows(told: list[Told]) -> Iterator[str]:
    yield "| load | figures |"
    yield "|---|---|"
    for cell in told:
        yield f"| {cell.does} | {cell.figures} |"
