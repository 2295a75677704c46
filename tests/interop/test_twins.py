"""The examples that Autobahn|Python comes with, with one side of each by libwamp, and the other by autobahn-python.

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
PAIRS = [("libwamp", "autobahn"), ("autobahn", "libwamp")]
TWIN = Path(__file__).parent / "twin.py"
ID = re.compile(r"\b\d{6,}\b")


@pytest.fixture(scope="module")
def shown(crossbar, environment):
    """What both sides of an example show, for each pair of libraries; ids are numbered as they come."""
    known: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}

    def start(library: str, example: str, side: str) -> Program:
        url = crossbar.url
        if (example, side) == ("tls", "backend"):
            url = crossbar.tls_url
        elif (example, side) == ("component", "frontend"):
            url = crossbar.auth_url
        more = {"TWIN_SECRET": users.PASSWORD, "TWIN_CA": str(crossbar.pki.ca)}
        command = [sys.executable, str(TWIN), url, crossbar.realm, library, example, side]
        return Program(command, {**environment, **more})

    def run(backend: str, frontend: str, example: str) -> tuple[list[str], list[str]]:
        if (backend, frontend, example) not in known:
            libraries, first = {"backend": backend, "frontend": frontend}, FIRST[example]
            second = "frontend" if first == "backend" else "backend"
            programs = {}
            try:
                programs[first] = start(libraries[first], example, first)
                programs[first].wait_for("ready")
                programs[second] = start(libraries[second], example, second)
                programs[second].good()
                programs[first].process.stdin.close()
                programs[first].good()
            finally:
                for program in programs.values():
                    program.end()
            known[backend, frontend, example] = lines(programs["backend"], programs["frontend"])
        return known[backend, frontend, example]

    return run


def lines(*programs: Program) -> tuple[list[str], ...]:
    """What programs show, with their ids numbered."""
    numbers: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"<id {len(numbers)}>")

    return tuple([ID.sub(numbered, line) for line in program.output if line.startswith("> ")] for program in programs)


@pytest.mark.parametrize("example", FIRST)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair))
def test_example(shown, pair, example):
    wanted = shown("autobahn", "autobahn", example)
    assert any(wanted), "the originals show nothing"
    assert shown(*pair, example) == wanted

