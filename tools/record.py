"""Runs the terminal sessions of Markdown pages: what stands there is what happens.

    python3 tools/record.py PAGE...             says what has changed, and fails
    python3 tools/record.py --write PAGE...     writes it into the pages

A block of the language `console` is a terminal, whose name follows: `console router`. Blocks of one name are one
terminal, one after the other. A line that begins with `$ ` is a command, `^C` interrupts the one that runs, and the
others are what is said. Commands that go on have said something by which they are ready; where a block has no command,
it is what has been said since. A block of another language with the name of a file, `json wampd.json`, is that file.

Ports, times, ids and figures differ from run to run: where nothing else does, pages stay as they are. PROGRAMS names the
directory of wampd and wampcat.
"""

import difflib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 60.0  # for whatever is awaited

# The commands that go on, and what they say once they are ready.
GOING_ON = (
    (re.compile(r"^wampd(?! --(check|help|version))"), re.compile(r"^Ctrl-C ends it\.$", re.M)),
    (re.compile(r"^wampcat (register|subscribe)\b(?!.* --(help|count|for)\b)"), re.compile(r"^listening to .*$", re.M)),
)
# Commands that nobody can try here, and those for which it is enough to have built something.
NOT_RUN = ("cargo install", "make", "sudo ")
PORTS = ("8080", "9090")
# Texts that differ from run to run.
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b\d{9,16}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "AUTHID"),
    (re.compile(r"\d[\d,]*\.?\d* ?(ns|us|µs|ms|s|/s|MB/s|kB/s)\b"), "FIGURE"),
    (re.compile(r"\d+\.\d+(e[+-]?\d+)?\b(?!\.)"), "NUMBER"),
    (re.compile(r" {2,}"), "  "),
)
FENCE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.M | re.S)


class Wrong(Exception):
    """Something did not go as it stands there."""


@dataclass
class Running:
    """A command, and what it has said."""

    process: subprocess.Popen
    said: str = ""
    shown: int = 0
    news: threading.Condition = field(default_factory=threading.Condition)
    is_over: bool = False

    def gather(self) -> None:
        for line in self.process.stdout:
            with self.news:
                self.said += line
                self.news.notify_all()
        with self.news:
            self.is_over = True
            self.news.notify_all()

    def await_(self, what, why: str) -> None:
        with self.news:
            if not self.news.wait_for(lambda: what(self.said) or self.is_over, LIMIT) or not what(self.said):
                raise Wrong(f"{why}; it said:\n{self.said}")

    def rest(self) -> str:
        """The output since the last time."""
        said, self.shown = self.said[self.shown :], len(self.said)
        return said

    def end(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        with self.news:
            if not self.news.wait_for(lambda: self.is_over, LIMIT):
                os.killpg(self.process.pid, signal.SIGKILL)
                raise Wrong(f"it did not end:\n{self.said}")
        self.process.wait(LIMIT)


class Session:
    """The terminals of a page."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.terminals: dict[str, Running] = {}
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
        programs = Path(os.environ.get("PROGRAMS") or ROOT / "target" / "debug").resolve()
        self.environment = {
            **kept,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "WAMPCAT_URL": f"ws://127.0.0.1:{self.ports['8080']}/ws",
            "WAMPCAT_PROFILES": str(place / "none.json"),
        }

    def there(self, text: str) -> str:
        """With the ports that are free here."""
        return swap(text, self.ports.items())

    def here(self, text: str) -> str:
        """With the ports of the page."""
        return swap(text, ((real, port) for port, real in self.ports.items()))

    def save(self, name: str, text: str) -> None:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.there(text), encoding="utf-8")

    def run(self, name: str, text: str) -> str:
        """A block, as it is now."""
        lines = text.splitlines()
        if not any(line.startswith("$ ") or line == "^C" for line in lines):
            running = self.terminals.get(name)
            if running is None:
                raise Wrong(f"nothing runs in the terminal {name!r}")
            running.await_(lambda said: len(said[running.shown :].splitlines()) >= len(lines),
                           f"{len(lines)} lines were expected in {name!r}")
            return self.here(running.rest())
        told = ""
        while lines:
            line = lines.pop(0)
            if line == "^C":
                running = self.terminals.pop(name)
                running.end(signal.SIGINT)
                told += "^C\n" + self.here(farewell(running.rest()))
            elif line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\"):
                    line += "\n" + lines[0]
                    command = command[:-1] + lines.pop(0)
                told += f"{line}\n" + self.here(self.command(name, command))
        return told

    def command(self, name: str, command: str) -> str:
        if command.startswith(NOT_RUN):
            return ""
        ready = next((ready for begin, ready in GOING_ON if begin.match(command)), None)
        if re.match(r"wampd(?!.* (-l|--listen|-p|--port|-c|--config|--check|--help))", command):
            command = command.replace("wampd", f"wampd --port {PORTS[0]}", 1)
        process = subprocess.Popen(
            ["sh", "-c", f"exec {self.there(command)}" if ready else self.there(command)],
            cwd=self.place, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        running = Running(process)
        threading.Thread(target=running.gather, daemon=True).start()
        if ready:
            self.terminals[name] = running
            running.await_(ready.search, f"`{command}` is not ready")
            found = ready.search(running.said)
            running.shown = found.end() + 1
            return running.said[: running.shown]
        try:
            process.wait(LIMIT)
        finally:
            running.end(signal.SIGKILL)
        return running.rest()

    def close(self) -> None:
        for running in self.terminals.values():
            running.end(signal.SIGTERM)


def farewell(said: str) -> str:
    """The last words of a command that is interrupted; a router has said much before."""
    lines = said.splitlines(keepends=True)
    begin = next((index for index, line in enumerate(lines) if " closing clients=" in line), 0)
    return "".join(lines[begin:])


def swap(text: str, pairs) -> str:
    for port, other in pairs:
        text = re.sub(rf"\b{port}\b", other, text)
    return text


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def steady(text: str) -> str:
    """The text without all that differs from run to run."""
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text


def renewed(page: str) -> str:
    """A page, as its sessions go now."""
    with tempfile.TemporaryDirectory() as directory:
        session = Session(Path(directory))

        def block(match: re.Match) -> str:
            language, name, text = match.groups()
            if language != "console":
                if language != "text":
                    session.save(name, text)
                return match[0]
            try:
                now = session.run(name, text)
            except Wrong as why:
                raise Wrong(f"```{language} {name}\n{text}```\n{why}") from why
            return match[0] if steady(now) == steady(text) else f"```console {name}\n{now}```"

        try:
            return FENCE.sub(block, page)
        finally:
            session.close()


def main() -> int:
    pages = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    status = 0
    for page in pages:
        begin = time.monotonic()
        before = page.read_text(encoding="utf-8")
        try:
            after = renewed(before)
        except Wrong as why:
            print(f"{page}: {why}", file=sys.stderr)
            status = 1
            continue
        if after != before and "--write" in sys.argv:
            page.write_text(after, encoding="utf-8")
        elif after != before:
            name = str(page)
            lines = (text.splitlines(keepends=True) for text in (before, after))
            sys.stderr.writelines(difflib.unified_diff(*lines, name, f"{name} now"))
            status = 1
        print(f"{page}: {time.monotonic() - begin:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
