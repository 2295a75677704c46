"""Programs that are WAMP clients and do what a test asks for, one thing after the other: peer.py and peer_*.js."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import peer
import pytest
from programs import Program

DIRECTORY = Path(__file__).parent
JAVASCRIPT = {"autobahn-js": "peer_autobahn.js", "wampy": "peer_wampy.js"}


class Peer:
    """A running peer; its methods are called there, and their results come back."""

    def __init__(self, program: Program, pack: Callable, unpack: Callable) -> None:
        self._program, self._pack, self._unpack = program, pack, unpack
        self.is_usable = True
        try:
            self._answer()
        except BaseException:
            program.end()
            raise

    def __getattr__(self, method: str) -> Callable:
        def ask(*args, **kwargs):
            self._program.tell(self._pack((method, args, kwargs)))
            return self._answer()

        return ask

    def later(self, method: str, *args, **kwargs) -> Callable:
        """Calls a method without waiting for what it gives: for that the returned function is called."""
        self._program.tell(self._pack((method, args, kwargs)))
        return self._answer

    def _answer(self):
        self.is_usable = False  # without an answer nobody knows whose the next one is
        good, value = self._unpack(self._program.line())
        self.is_usable = True
        assert good, f"{value}\n{self._program}"
        return value

    def end(self) -> None:
        if not self.is_usable:
            self._program.end()
            return
        try:
            self._program.process.stdin.close()
            self._program.good()
        finally:
            self._program.end()


def start_peer(url: str, realm: str, environment: dict[str, str], library: str, *serializer: str) -> Peer:
    """Starts one that uses `libwamp`, `autobahn` with a serializer, `autobahn-js` or `wampy`, with one or with JSON.

    Behind the serializer there may be an authid and a ticket.
    """
    if library in JAVASCRIPT:
        command = [node(), str(DIRECTORY / JAVASCRIPT[library]), url, realm, *serializer]
        return Peer(Program(command, {**environment, "NODE_PATH": modules()}), json.dumps, json.loads)
    command = [sys.executable, str(DIRECTORY / "peer.py"), url, realm, library, *serializer]
    return Peer(Program(command, environment), peer.pack, peer.unpack)


def node() -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed: nothing was tested against JavaScript")
    return program


def modules() -> str:
    """Where npm has installed package.json's packages."""
    directory = os.environ.get("WAMP_NODE_MODULES")
    if not directory or not Path(directory, "wampy").is_dir():
        pytest.skip("WAMP_NODE_MODULES does not name a directory with autobahn and wampy in it: is npm installed?")
    return directory
