"""A machine to try: namespaces of its own for mounts and the network, made small or odd by some lines of shell; and the
programs that run in it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "runner"))

from places import PYTHON, TARGET  # noqa: E402

PROGRAMS = Path(os.environ.get("PROGRAMS") or TARGET / "debug")
EXAMPLES = Path(os.environ.get("WAMP_EXAMPLES_BIN") or TARGET / "c" / "examples")
WAMPD, WAMPCAT, QUICKSTART = PROGRAMS / "wampd", PROGRAMS / "wampcat", EXAMPLES / "quickstart"
LIMIT = 120  # seconds; met only where something hangs


class Machine:
    """Programs in namespaces of their own."""

    def __init__(self, setup: str, **variables: str) -> None:
        environment = {**os.environ, **variables}
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec", f"ip link set lo up\n{setup}\necho ready\nexec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        if self.holder.stdout.readline() != b"ready\n":
            self.end()
            raise unittest.SkipTest("there can be no such machine here")

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()

    def inside(self, *words: object) -> list[str]:
        """The command that runs another one in it."""
        return ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--", *map(str, words)]

    def run(self, *words: object, **options: object) -> tuple[int, str]:
        """Runs a program to its end: its status, and what it said."""
        ended = subprocess.run(self.inside(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False, **options)
        return ended.returncode, ended.stdout

    def call(self, url: str, *words: object) -> tuple[int, str]:
        return self.run(WAMPCAT, "--url", url, *(words or ("call", "wamp.session.count")))

    @contextlib.contextmanager
    def router(self, *options: object) -> Iterator["Program"]:
        """A wampd that listens."""
        with Program(self.inside(WAMPD, *options)) as program:
            program.wait_for("Ctrl-C ends it")
            yield program

    @contextlib.contextmanager
    def subscriber(self, url: str) -> Iterator["Program"]:
        """A wampcat that prints events of com.topic."""
        with Program(self.inside(WAMPCAT, "--url", url, "subscribe", "com.topic")) as program:
            program.wait_for("listening to com.topic")
            yield program


class Program:
    """A program that runs, and all that it says."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.said = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    @property
    def url(self) -> str:
        """The URL that a router listens at."""
        return re.search(r"^  (\S+)$", self.said, re.M)[1]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wait_for(self, words: str, times: int = 1) -> None:
        """Waits until it has said that."""
        with self._changed:
            found = self._changed.wait_for(lambda: self.said.count(words) >= times or self._is_over(), LIMIT)
        if not found or self.said.count(words) < times:
            raise AssertionError(f"it did not say {words!r} {times} times, but:\n{self.said}")

    def _is_over(self) -> bool:
        return not self._reader.is_alive()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self.said += line
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


class Case(unittest.TestCase):
    """Tests on a machine. What it needs, and is not there, is a reason to skip them."""

    def setUp(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("namespaces need root")
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(dir=TARGET)))

    def says(self, told: tuple[int, str], status: int, *words: str) -> None:
        """What a program has said, and how it ended."""
        self.assertEqual(told[0], status, told[1])
        for word in words:
            self.assertIn(word, told[1])
        self.assertNotIn("panicked", told[1])

    def quickstart_works(self, machine: Machine) -> None:
        self.says(machine.run(QUICKSTART), 0, "2 + 3 = 5")


__all__ = ["LIMIT", "PYTHON", "QUICKSTART", "ROOT", "TARGET", "WAMPCAT", "WAMPD", "Case", "Machine", "Program"]
