"""One measurement: starts a client and those whom it needs, each on its processor, and reads."""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from driver.programs import TARGET, Client, compiled
from driver.rows import ROLES, Row

READY = 60  # seconds that a program may take until it is ready
RESULT = 120  # and for its result, beyond the time for which it measures
SLOW = "3"  # microseconds that the slow router spends on each publication


class Failure(Exception):
    """A program did not do what it should; the text says what it did instead."""


class Processors:
    """Which of two processors a program has; none of its own where there is only one."""

    def __init__(self) -> None:
        allowed = sorted(os.sched_getaffinity(0))
        self.are_two = len(allowed) > 1
        self.tested, self.others = allowed[-1], allowed[0]
        if self.are_two:
            os.sched_setaffinity(0, {self.others})

    def bind(self, is_tested: bool) -> Callable[[], None] | None:
        if not self.are_two:
            return None
        return lambda: os.sched_setaffinity(0, {self.tested if is_tested else self.others})


class Child:
    """A process that prints lines. It is ended at the end of a `with`."""

    def __init__(
        self, command: list[str], bind: Callable[[], None] | None, **variables: str
    ) -> None:
        self.name = Path(command[0]).name
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.buffer = b""
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            preexec_fn=bind,
            env={**os.environ, **variables},
        )

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def line(self, limit: float) -> str:
        """The next line that it prints."""
        end = time.monotonic() + limit
        assert self.process.stdout is not None
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Failure(f"{self.name} said nothing for {limit:.0f} s{self.last_words()}")
            some = os.read(self.process.stdout.fileno(), 65536)
            if not some:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
                status = self.process.returncode
                raise Failure(f"{self.name} ended with status {status}{self.last_words()}")
            self.buffer += some
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode(errors="replace")

    def last_words(self) -> str:
        self.errors.seek(0)
        words = self.errors.read().decode(errors="replace").strip().splitlines()
        return f": {words[-1][:200]}" if words else ""

    def wait_ready(self) -> None:
        while self.line(READY) != "ready":
            continue

    def figures(self, limit: float) -> dict[str, float]:
        while not (line := self.line(limit)).startswith('{"messages"'):
            continue
        figures: dict[str, float] = json.loads(line)
        return figures

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()


class Lab:
    """Starts what a measurement needs.

    Each has a router of its own, so that nothing is left of what was before.
    """

    def __init__(self, library: Path, router: str = "forward", deflate: str = "false") -> None:
        self.processors = Processors()
        self.library, self.kind, self.deflate = library, router, deflate
        self.floor = compiled("floor")

    def measure(self, client: Client, row: Row, seconds: float) -> dict[str, float]:
        """The figures of a client in a row."""
        role = ROLES[row.role]
        serializer = client.serializer_for(row)
        assert serializer is not None
        wire = serializer.partition(".")[0]
        seconds *= client.patience
        with ExitStack() as started:
            sockets = started.enter_context(tempfile.TemporaryDirectory())
            urls = self.router(started, role.is_slow, sockets)
            other = "ws" if row.transport == "http" else row.transport
            if role.before:
                self.other(started, role.before, urls[other], row, wire).wait_ready()
            words = [role.program, urls[row.transport], serializer, str(row.size), str(seconds)]
            words += [str(row.in_flight), str(row.scale)]
            tested = self.start(started, [*client.command, *words], is_tested=True)
            if role.after:
                tested.wait_ready()
                self.other(started, role.after, urls[other], row, wire)
            return tested.figures(RESULT + seconds)

    def start(self, started: ExitStack, command: list[str], is_tested: bool = False) -> Child:
        modules = str(TARGET / "node_modules")
        return started.enter_context(
            Child(command, self.processors.bind(is_tested), NODE_PATH=modules)
        )

    def router(self, started: ExitStack, is_slow: bool, sockets: str) -> dict[str, str]:
        """Where a new router listens, by transport."""
        wanted = {
            "ws": "ws://127.0.0.1:0/ws",
            "rs": "rs://127.0.0.1:0",
            "ws+unix": f"ws+unix://{sockets}/ws:/ws",
            "rs+unix": f"rs+unix://{sockets}/rs",
        }
        if self.kind == "embedded":
            wanted["http"] = "http://127.0.0.1:0/lp"
            command = [
                compiled("embedded", self.library),
                json.dumps({"permessage_deflate": json.loads(self.deflate)}),
            ]
        else:
            command = [compiled("router"), *(["--slow", SLOW] if is_slow else [])]
        child = self.start(started, [*command, *wanted.values()])
        return dict(zip(wanted, child.line(READY).split(), strict=True))

    def other(self, started: ExitStack, role: str, url: str, row: Row, wire: str) -> Child:
        """The floor as the other side of a client under test, that works until it is ended."""
        scale = row.scale if row.role in ("subscriptions", "registrations") else 1
        return self.start(
            started, [self.floor, role, url, wire, str(row.size), "0", "100", str(scale)]
        )
