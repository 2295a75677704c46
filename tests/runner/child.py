"""One command that is run to its end: what it says is kept, and what no longer says anything is ended.

All that it starts is told by a mark in the environment, whoever its parent has become, and nothing of it outlives it.
"""

import itertools
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stacks import stacks

MARK = "WAMP_TEST_RUN"
DUMP_SECONDS = 10  # for Python to write the stacks of its threads
LAST_WORDS = 30  # for the pipe to end once all processes have been killed

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int  # as subprocess has it: negative for a signal
    hung: bool  # it was ended because it said nothing any more
    output: str
    seconds: float


class Child:
    """A running command, in a session of its own."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str], log: Path) -> None:
        self.mark = f"{os.getpid()}.{next(_numbers)}"
        self.log = log
        self._begun = self._heard = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        # What tests look for must not depend on who called make.
        clean = {name: value for name, value in environment.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        self._process = subprocess.Popen(
            command, cwd=directory, env={**clean, MARK: self.mark}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self.log.open("wb") as log:
            while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
                self._heard = time.monotonic()
                log.write(chunk)
                log.flush()

    def wait(self, silence: float | None) -> Ended:
        """Waits for its end. `silence`: for so many seconds it may say nothing; None: it may be silent for ever."""
        hung = False
        while True:
            left = None if silence is None else self._heard + silence - time.monotonic()
            try:
                self._process.wait(None if left is None else max(left, 0.01))
                break
            except subprocess.TimeoutExpired:
                # It may have said something in the meantime.
                if time.monotonic() - self._heard >= silence:
                    hung = True
                    break
        told = self._end_hung(silence) if hung else ""
        self.kill()
        status = self._process.wait()
        self._reader.join(LAST_WORDS)
        if not self._reader.is_alive():
            self._process.stdout.close()
        output = self.log.read_text(encoding="utf-8", errors="replace")
        if told:
            output += told
            self.log.write_text(output, encoding="utf-8")
        return Ended(status, hung, output, time.monotonic() - self._begun)

    def _end_hung(self, silence: float) -> str:
        """Saves the stacks of all its processes, and has Python add its own."""
        saved = self.log.with_suffix(".stacks.txt")
        saved.write_text("".join(stacks(pid) for pid in self.processes()), encoding="utf-8")
        # pytest has faulthandler on, so this makes it write its threads' stacks before it dies.
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DUMP_SECONDS)
        return f"\nHUNG: silent for {silence:.0f} s, and ended; the stacks of all threads are in {saved}\n"

    def processes(self) -> list[int]:
        """All processes that it has started, and theirs."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                # A process that is just ending, or another user's, is none of ours.
                with suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return sorted(found)

    def kill(self) -> None:
        """Ends all that is left of it."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
