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
# Those that are run over RawSocket too.
RAW = ("cancel", "order", "pubsub", "rpc")
LIMIT = 1200
# Messages in order: Crossbar.io takes some minutes for the larger number, in each of the modes.
COUNT = "100000" if os.environ.get("WAMP_TEST_LONG") == "1" else "10000"


def scenarios() -> list[tuple[Path, tuple[str, ...], str]]:
    """Each program, the mode to give it, and the scheme of the URL."""
    if not DIRECTORY:
        return []
    programs = [
        path
        for path in sorted(Path(DIRECTORY).iterdir())
        if path.is_file() and not path.suffix and os.access(path, os.X_OK) and not path.name.startswith(OTHERS)
    ]
    websocket = [
        (program, (mode,) if mode else (), "ws")
        for program in programs
        for mode in (MODES if program.name == "order" else ("",))
    ]
    return websocket + [(program, (), "rs") for program in programs if program.name in RAW]


SCENARIOS = scenarios()


@pytest.mark.skipif(not DIRECTORY, reason="WAMP_C_BIN does not name the directory of the built C scenarios")
def test_there_are_scenarios():
    assert {program.name for program, _, scheme in SCENARIOS if scheme == "rs"} == set(RAW)


# What a serializer can do wrong; the others would only take their time once more.
WIRED = ("interrupt", "payload", "progress", "pubsub", "rpc", "testament", "whitelist")


@pytest.mark.parametrize("serializer", ("msgpack", "cbor"))
@pytest.mark.parametrize(
    "program",
    [program for program, _, scheme in SCENARIOS if program.name in WIRED and scheme == "ws"],
    ids=lambda path: path.name,
)
def test_scenario_over_another_wire(crossbar, environment, program, serializer):
    more = {"WAMP_TEST_SERIALIZERS": f'["{serializer}"]'}
    running = Program([str(program), crossbar.url, crossbar.realm], {**more, **environment})
    try:
        running.good(LIMIT)
    finally:
        running.end()


@pytest.mark.parametrize(
    ("program", "mode", "scheme"),
    SCENARIOS,
    ids=["-".join([program.name, *mode, *(["rs"] if scheme == "rs" else [])]) for program, mode, scheme in SCENARIOS],
)
def test_scenario(crossbar, environment, program, mode, scheme):
    # For the other scenarios their own counts are enough: Crossbar.io does a few thousand calls a second.
    count = {"WAMP_TEST_COUNT": COUNT} if program.name == "order" else {}
    url = crossbar.raw_url if scheme == "rs" else crossbar.url
    running = Program([str(program), url, crossbar.realm, *mode], {**count, **environment})
    try:
        running.good(LIMIT)
    finally:
        running.end()
