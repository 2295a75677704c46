"""A Crossbar.io that is killed, frozen, shut down and started again, many times in one run, under load.

The load is tests/c/interop_storm.c, which counts that each request is answered once and each user_data freed once.
WAMP_STORM_ROUNDS sets how often; a round takes as long as Crossbar.io takes to start.
"""

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from node import Node, configuration, free_port, role, websocket
from programs import Program

DIRECTORY = os.environ.get("WAMP_C_BIN")
ROUNDS = int(os.environ.get("WAMP_STORM_ROUNDS", "8"))
ANONYMOUS = "anonymous"
REALM = "realm1"
GROWTH = 512  # KiB: what the memory after the last rounds may be above that after the first ones
# glibc lets each thread keep freed memory for itself. Threads come and go, which would look like slow growth.
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"}


@pytest.fixture
def router(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    """A node of our own, with as little in it as possible: it starts sooner."""
    port = free_port()
    realm = {"name": REALM, "roles": [role(ANONYMOUS)]}
    node = Node(tmp_path, configuration([realm], [websocket(port, serializers=["json"])]))
    node.start()
    try:
        yield node, f"ws://127.0.0.1:{port}/"
    finally:
        node.stop()


def killed(node: Node, storm: Program) -> None:
    node.kill()
    storm.wait_for("down")
    node.start()


def shut_down(node: Node, storm: Program) -> None:
    node.stop()
    storm.wait_for("down")
    node.start()


def frozen(node: Node, storm: Program) -> None:
    """It comes to life again after our pings have found it dead, and finds sessions of clients that have given up."""
    node.freeze()
    storm.wait_for("down")
    node.thaw()


def frozen_and_killed(node: Node, storm: Program) -> None:
    node.freeze()
    storm.wait_for("down")
    node.kill()
    node.start()


WAYS = (killed, frozen, shut_down, frozen_and_killed)


@pytest.mark.skipif(not DIRECTORY, reason="WAMP_C_BIN does not name the directory of the built C scenarios")
def test_storm(router, environment):
    node, url = router
    storm = Program([str(Path(DIRECTORY) / "interop_storm"), url, REALM], {**environment, **MALLOC})
    memory = []
    try:
        storm.wait_for("serving")
        for number in range(ROUNDS):
            WAYS[number % len(WAYS)](node, storm)
            storm.wait_for("up")
            memory.append(int(storm.wait_for("serving").split()[1]))
        storm.process.stdin.close()
        output = storm.good()
    finally:
        storm.end()
    assert "ok: interop_storm" in output
    # In the first rounds buffers and pools reach their sizes.
    settled, last = (statistics.median(part) for part in (memory[len(WAYS) - 1 : 2 * len(WAYS)], memory[-len(WAYS) :]))
    print(f"{ROUNDS} rounds;", next(line for line in output.splitlines() if line.startswith("made")))
    print("KiB after each round:", *memory)
    assert last - settled < GROWTH, f"KiB after each round: {memory}"
