"""From the embedded router to a cluster of Crossbar.io: the same program with both, as docs/ROUTER.md tells, and what it
sees when a router is killed under load and started again.

The program is station.py; it runs in pairs, which call each other and hear each other's events. A program in C,
tests/c/interop_storm.c, counts the callbacks. What crosses the links between the nodes, and what does not, is left to
test_cluster_links.py.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cluster import Cluster, single
from node import free_port
from programs import Program

STATION = Path(__file__).with_name("station.py")
DIRECTORY = os.environ.get("WAMP_C_BIN")
ROUTER = Path(__file__).parents[1] / "liveness" / "router.py"
# What may become of a request: the error while the callee is away, that of one that was with it then, and where the
# router is lost that has the request.
OUTCOMES = {"done", "wamp.error.no_such_procedure", "wamp.error.canceled", "unknown"}


class Station:
    """A running station.py."""

    def __init__(self, environment: dict[str, str], options: dict, name: str, partner: str) -> None:
        self.name = name
        self.program = Program([sys.executable, str(STATION), json.dumps(options), name, partner], environment)
        self.report: dict = {}

    def wait_active(self, url: str) -> None:
        """Waits until its registration and its subscription are in place, at that URL."""
        told = json.loads(self.program.wait_for('"active"'))
        assert told["active"] == url, f"{self.name} is at {told['active']}"

    def wait_lost(self) -> None:
        assert json.loads(self.program.wait_for('"lost"'))["lost"] == "lost"


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., Station]]:
    """Starts stations; ends those that are left."""
    stations: list[Station] = []

    def start_one(options: dict, name: str, partner: str) -> Station:
        stations.append(Station(environment, options, name, partner))
        return stations[-1]

    yield start_one
    for station in stations:
        station.program.end()


def work(*stations: Station) -> None:
    """Waits until a call of each has been answered by its partner, and each has heard an event, all from now on."""
    for station in stations:
        station.program.tell("work")
    for station in stations:
        station.program.wait_for('"working"')


def finish(*stations: Station) -> None:
    """Ends the load everywhere, and then the stations, which have their reports then."""
    for station in stations:
        station.program.tell("stop")
    for station in stations:
        station.program.wait_for('"stopped"')
    for station in stations:
        station.program.process.stdin.close()
        station.report = json.loads(station.program.good().splitlines()[-1])["report"]


def check(one: Station, other: Station, outages: int) -> None:
    """Each request of both was told once, and had the effect that was told; so many outages have cost events."""
    for station, partner in ((one, other), (other, one)):
        calls, publications = (told_once(station, kind) for kind in ("calls", "publications"))
        served = {int(number): times for number, times in partner.report["served"].items()}
        assert {number: times for number, times in served.items() if times > 1} == {}, "served twice"
        assert {number for number, outcome in calls.items() if outcome == "done"} - set(served) == set()
        assert set(served) <= set(calls), "served, and told not to have been sent"
        heard = partner.report["heard"]
        assert heard == sorted(set(heard)), "an event came twice, or late"
        assert set(heard) <= set(publications), "heard, and told not to have been sent"
        gaps = [(last + 1, number - 1) for last, number in pairwise(heard) if number > last + 1]
        print(f"  {partner.name} has heard {len(heard)}, and missed {gaps}; refused: {partner.report['refusals']}")
        assert len(gaps) <= outages


def told_once(station: Station, kind: str) -> dict[int, str]:
    """The outcome of each request that was made, by number."""
    report = station.report[kind]
    told = {int(number): outcomes for number, outcomes in report["outcomes"].items()}
    print(f"{station.name}: {kind}", dict(Counter(outcome for outcomes in told.values() for outcome in outcomes)),
          "not sent and made again:", sum(report["not_sent"].values()))
    # No number is missing, but those that were not sent and not made again.
    assert sorted([*told, *report["left"]]) == list(range(1, len(told) + len(report["left"]) + 1))
    assert {number: outcomes for number, outcomes in told.items() if len(outcomes) != 1} == {}
    outcomes = {number: outcome for number, [outcome] in told.items()}
    assert {number: outcome for number, outcome in outcomes.items() if outcome not in OUTCOMES} == {}
    return outcomes


def test_the_embedded_router(start, environment):
    options = single(port := free_port())

    def router() -> Program:
        program = Program([sys.executable, str(ROUTER), "{}", f"ws://127.0.0.1:{port}/"], environment)
        program.wait_for("ws://")
        return program

    running = router()
    try:
        stations = start(options, "a", "b"), start(options, "b", "a")
        for station in stations:
            station.wait_active(options["url"])
        work(*stations)

        running.end()  # by SIGKILL
        for station in stations:
            station.wait_lost()
        running = router()
        for station in stations:
            station.wait_active(options["url"])
        work(*stations)
        finish(*stations)
    finally:
        running.end()
    check(*stations, outages=1)


def test_two_nodes(start, tmp_path):
    cluster = Cluster(tmp_path)
    at_a, at_b = cluster.options("a"), cluster.options("b")
    try:
        cluster.start()
        first = a, b = start(at_a, "a", "b"), start(at_b, "b", "a")
        a.wait_active(cluster.url("a"))
        b.wait_active(cluster.url("b"))
        work(*first)

        cluster.cut()
        work(*first)

        cluster.a.kill()
        a.wait_lost()
        a.wait_active(cluster.url("b"))
        work(*first)

        cluster.a.start()
        second = c, d = start(at_a, "c", "d"), start(at_b, "d", "c")
        c.wait_active(cluster.url("a"))
        d.wait_active(cluster.url("b"))
        work(*first, *second)

        cluster.b.kill()
        for station in (a, b, d):
            station.wait_lost()
        for station in (a, b, d):
            station.wait_active(cluster.url("a"))
        work(*first, *second)
        finish(*first, *second)
    finally:
        cluster.stop()
    check(*first, outages=3)
    check(*second, outages=1)


@pytest.mark.skipif(not DIRECTORY, reason="WAMP_C_BIN does not name the directory of the built C scenarios")
def test_storm(environment, tmp_path):
    """All clients at one node, as the document advises, and then at the other: each callback comes once."""
    cluster = Cluster(tmp_path)
    transports = json.dumps(cluster.options("a")["transports"])
    command = [str(Path(DIRECTORY) / "interop_storm"), cluster.url("a"), "realm1", "", transports]
    try:
        cluster.start()
        storm = Program(command, environment)
        try:
            storm.wait_for("serving")
            for node in (cluster.a, cluster.b):
                node.kill()
                for line in ("down", "up", "serving"):
                    storm.wait_for(line)
                node.start()
            storm.process.stdin.close()
            print(storm.good())
        finally:
            storm.end()
    finally:
        cluster.stop()
