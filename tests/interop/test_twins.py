"""The examples that Autobahn|Python comes with, each side by libwamp and by autobahn-python, and crosswise.

What the two sides of Autobahn show to each other is what is wanted of every pair.
"""

import re
import sys
from pathlib import Path

import pytest
import users
from programs import Program

# Which side has to be there first; what comes then may end by itself.
FIRST = {
    "overview": "backend", "basic": "frontend", "complex": "frontend", "decorators": "frontend",
    "options": "frontend", "tls": "frontend", "unsubscribe": "backend", "timeservice": "backend",
    "slowsquare": "backend", "arguments": "backend", "rpc_complex": "backend", "rpc_decorators": "backend",
    "errors": "backend", "rpc_options": "backend", "progress": "backend", "series": "backend",
    "component": "backend",
}
OTHER_URLS = {("tls", "backend"): "tls_url", ("component", "frontend"): "auth_url"}  # for who logs in
PAIRS = [("libwamp", "autobahn"), ("autobahn", "libwamp"), ("libwamp", "libwamp")]
TWIN = Path(__file__).parent / "twin.py"
ID = re.compile(r"\b\d{6,}\b")


@pytest.fixture(scope="module")
def shown(crossbar, environment):
    """Runs an example with a pair of libraries, and gives what both sides show; ids are numbered as they come."""
    secrets = {"TWIN_SECRET": users.PASSWORD, "TWIN_CA": str(crossbar.pki.ca)}
    programs: dict[tuple[str, str], Program] = {}
    known: dict[tuple[str, str, str], list[list[str]]] = {}

    def program(library: str, side: str) -> Program:
        if (library, side) not in programs:
            command = [sys.executable, str(TWIN), crossbar.realm, library]
            programs[library, side] = Program(command, {**environment, **secrets})
        return programs[library, side]

    def begin(library: str, example: str, side: str) -> Program:
        url = OTHER_URLS.get((example, side), "url")
        twin = program(library, side)
        twin.tell(f"{example} {side} {getattr(crossbar, url)}")
        return twin

    def run(backend: str, frontend: str, example: str) -> list[list[str]]:
        if (backend, frontend, example) not in known:
            libraries, first = {"backend": backend, "frontend": frontend}, FIRST[example]
            second = "frontend" if first == "backend" else "backend"
            serving = begin(libraries[first], example, first)
            said = {first: lines(serving, "ready")}
            said[second] = lines(begin(libraries[second], example, second), "done")
            serving.tell("leave")
            said[first] += lines(serving, "done")
            known[backend, frontend, example] = numbered(said["backend"], said["frontend"])
        return known[backend, frontend, example]

    yield run
    try:
        for twin in programs.values():
            twin.process.stdin.close()
            twin.good()
    finally:
        for twin in programs.values():
            twin.end()


def lines(twin: Program, end: str) -> list[str]:
    """Reads what a twin shows, until it says that it is ready or done."""
    said = []
    while (line := twin.line()) != end:
        said.append(line)
    return [line for line in said if line.startswith("> ")]


def numbered(*sides: list[str]) -> list[list[str]]:
    """The same, with ids numbered."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"<id {len(numbers)}>")

    return [[ID.sub(number, line) for line in side] for side in sides]


@pytest.mark.parametrize("example", FIRST)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair))
def test_example(shown, pair, example):
    wanted = shown("autobahn", "autobahn", example)
    assert any(wanted), "the originals show nothing"
    assert shown(*pair, example) == wanted
