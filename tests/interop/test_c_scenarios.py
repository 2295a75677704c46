"""The C scenarios, against Crossbar.io instead of the embedded router.

WAMP_C_BIN names the directory of the built programs.
"""

import os
from pathlib import Path

import pytest
from programs import Program

DIRECTORY = os.environ.get("WAMP_C_BIN")
MODES = ("thread", "manual", "inline")
# Those that have a router of their own, and those that a test of this directory drives.
OTHERS = ("local_", "interop_")
LIMIT = 300
COUNT = "100000"


def scenarios() -> list[tuple[Path, tuple[str, ...]]]:
    if not DIRECTORY:
        return []
    programs = [
        path
        for path in sorted(Path(DIRECTORY).iterdir())
        if path.is_file() and not path.suffix and os.access(path, os.X_OK) and not path.name.startswith(OTHERS)
    ]
    return [
        (program, (mode,) if mode else ())
        for program in programs
        for mode in (MODES if program.name == "order" else ("",))
    ]


SCENARIOS = scenarios()


@pytest.mark.skipif(not DIRECTORY, reason="WAMP_C_BIN does not name the directory of the built C scenarios")
def test_there_are_scenarios():
    assert SCENARIOS


@pytest.mark.parametrize("serializer", ("msgpack", "cbor"))
@pytest.mark.parametrize("program", [program for program, mode in SCENARIOS if not mode], ids=lambda path: path.name)
def test_scenario_over_another_wire(crossbar, environment, program, serializer):
    more = {"WAMP_TEST_SERIALIZERS": f'["{serializer}"]'}
    running = Program([str(program), crossbar.url, crossbar.realm], {**more, **environment})
    try:
        running.good(LIMIT)
    finally:
        running.end()


@pytest.mark.parametrize(("program", "mode"), SCENARIOS, ids=["-".join([p.name, *mode]) for p, mode in SCENARIOS])
def test_scenario(crossbar, environment, program, mode):
    # For the other scenarios their own counts are enough: Crossbar.io does a few thousand calls a second.
    count = {"WAMP_TEST_COUNT": COUNT} if program.name == "order" else {}
    running = Program([str(program), crossbar.url, crossbar.realm, *mode], {**count, **environment})
    try:
        running.good(LIMIT)
    finally:
        running.end()
