"""One Crossbar.io node for all tests of this directory."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from node import Node, configuration, free_port, role, websocket
from programs import BINDING, Program

sys.path[:0] = [str(BINDING), str(BINDING / "tests")]


@dataclass(frozen=True)
class Router:
    url: str
    realm: str


@pytest.fixture(scope="session")
def crossbar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    router = Router(f"ws://127.0.0.1:{(port := free_port())}/", "realm1")
    realm = {"name": router.realm, "roles": [role("anonymous")]}
    node = Node(tmp_path_factory.mktemp("crossbar"), configuration([realm], [websocket(port)]))
    try:
        node.start()
        yield router
    finally:
        node.stop()


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For programs that use the Python binding from the source tree."""
    path = os.pathsep.join(filter(None, [str(BINDING), str(BINDING / "tests"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(crossbar: Router, environment: dict[str, str]) -> Iterator[Callable[..., Program]]:
    """Starts programs with the router's URL and realm as their first arguments; ends those that are left."""
    started: list[Program] = []

    def start_one(program: Path, *arguments: str, interpreter: tuple[str, ...] = ()) -> Program:
        command = [*interpreter, str(program), crossbar.url, crossbar.realm, *arguments]
        started.append(Program(command, environment))
        return started[-1]

    yield start_one
    for program in started:
        program.end()


@pytest.fixture
def example() -> Callable[[str], Path]:
    """The built C example program of a name."""
    directory = os.environ.get("WAMP_EXAMPLES_BIN")
    if not directory:
        pytest.skip("WAMP_EXAMPLES_BIN does not name the directory of the built C example programs")

    def find(name: str) -> Path:
        program = Path(directory) / name
        assert os.access(program, os.X_OK), f"{program} has not been built"
        return program

    return find
