"""One Crossbar.io node for all tests of this directory.

The Crossbar.io of the virtual environment whose Python runs the tests is used.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import BINDING, Program

READY = "Ok, local node configuration ran successfully."
START_LIMIT = 120
STOP_LIMIT = 30

sys.path[:0] = [str(BINDING), str(BINDING / "tests")]


@dataclass(frozen=True)
class Router:
    url: str
    realm: str
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(port: int, realm: str) -> dict:
    verbs = ("call", "register", "publish", "subscribe")
    anonymous = {
        "name": "anonymous",
        "permissions": [
            {
                "uri": "",
                "match": "prefix",
                "allow": dict.fromkeys(verbs, True),
                "disclose": {"caller": True, "publisher": True},
                "cache": True,
            }
        ],
    }
    transport = {
        "type": "websocket",
        "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": port},
        "serializers": ["json", "msgpack", "cbor"],
    }
    worker = {"type": "router", "realms": [{"name": realm, "roles": [anonymous]}], "transports": [transport]}
    return {"version": 2, "workers": [worker]}


def tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-60:])


def wait_until_ready(process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_LIMIT
    while READY not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None:
            pytest.fail(f"Crossbar.io ended with status {process.returncode}; its log ends so:\n{tail(log)}")
        if time.monotonic() > end:
            pytest.fail(f"Crossbar.io was not ready within {START_LIMIT} s; its log ends so:\n{tail(log)}")
        time.sleep(0.1)  # a file cannot be awaited


@pytest.fixture(scope="session")
def crossbar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    program = Path(sys.executable).parent / "crossbar"
    if not program.exists():
        pytest.fail(f"there is no {program}: install requirements.txt in this environment")
    directory = tmp_path_factory.mktemp("crossbar")
    router = Router(f"ws://127.0.0.1:{(port := free_port())}/", "realm1", directory / "log.txt")
    (directory / "config.json").write_text(json.dumps(configuration(port, router.realm)))
    with router.log.open("wb") as log:
        process = subprocess.Popen(
            [program, "start", "--cbdir", directory, "--loglevel", "info"],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(process, router.log)
        yield router
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
