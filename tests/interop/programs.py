"""Programs under test, and what they say."""

import contextlib
import queue
import subprocess
import threading
from pathlib import Path
from typing import IO

BINDING = Path(__file__).parents[2] / "bindings" / "python"

LIMIT = 120  # seconds: generous, met only where something hangs


class Program:
    """A running program. Its lines can be waited for; each wait has a limit."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command = command
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            command, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, None), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: "queue.Queue[str | None] | None") -> None:
        for line in stream:
            self.output.append(line)
            if lines is not None:
                lines.put(line.rstrip("\n"))
        if lines is not None:
            lines.put(None)

    def line(self, limit: float = LIMIT) -> str:
        """The next line of its standard output."""
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            raise AssertionError(f"no line from {self} within {limit} s") from None
        assert line is not None, f"no more lines from {self}"
        return line

    def wait_for(self, wanted: str) -> str:
        """Skips its lines until one that contains a text."""
        while wanted not in (line := self.line()):
            pass
        return line

    def tell(self, line: str) -> None:
        """Writes a line to its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def good(self, limit: float = LIMIT) -> str:
        """Waits until it has ended, which must be with status 0. Gives its output."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit} s: {self}") from None
        for reader in self._readers:
            reader.join(LIMIT)
        assert status == 0, f"status {status} of {self}"
        return "".join(self.output)

    def end(self) -> None:
        """Ends it, however it stands."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(LIMIT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def __str__(self) -> str:
        return f"{' '.join(self.command)}; it said:\n{''.join(self.output[-60:])}"
