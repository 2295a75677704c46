"""What the embedded router manages, with all its clients on the same machine: the figures of docs/ROUTER.md.

    python3 benches/embedded.py [--write] [--seconds SECONDS] [--lib LIB]

It wants what `make lib` builds. The router has one processor for itself, its clients have the other; these are the floor of
the benchmark (benches/c/floor.c), which costs so little that the router is what is measured. With --write the table in
docs/ROUTER.md is made anew.
"""

import argparse
import re
import statistics
from contextlib import ExitStack
from pathlib import Path

from driver.measuring import READY, RESULT, Child, Lab
from driver.programs import ROOT, TARGET, compiled, library_in

DOCUMENT = ROOT / "docs" / "ROUTER.md"
BEGIN, END = "<!-- figures: benches/embedded.py --write -->\n", "<!-- end of figures -->\n"
ROUNDS = 3
SESSIONS = 10_000
SIZES = {"16": "16 B", "4096": "4 KiB"}


class Bench:
    """Measures with a new router each time."""

    def __init__(self, library: Path, seconds: float) -> None:
        self._lab = Lab(library, "embedded")
        self._command = [compiled("embedded", library), "{}", "ws://127.0.0.1:0/ws"]
        self._floor = compiled("floor")
        self._seconds = seconds

    def calls(self, size: str) -> float:
        """Calls a second, 100 in flight."""
        with ExitStack() as started:
            _, url = self._router(started)
            self._client(started, "invocation", url, size).wait_ready()
            return self._rate(self._client(started, "call", url, size, self._seconds, 100))

    def events(self, size: str) -> float:
        """Events a second, of one publisher to one subscriber."""
        with ExitStack() as started:
            _, url = self._router(started)
            tested = self._client(started, "event", url, size, self._seconds)
            tested.wait_ready()
            self._client(started, "publish", url, size)
            return self._rate(tested)

    def joins(self) -> float:
        """Clients a second that connect, join and are gone again."""
        with ExitStack() as started:
            _, url = self._router(started)
            return self._rate(self._client(started, "connect", url, "16", self._seconds))

    def idle(self) -> float:
        """KiB of the router's memory for each session that does nothing."""
        with ExitStack() as started:
            router, url = self._router(started)
            before = self._memory(router)
            self._client(started, "memory", url, "16", scale=SESSIONS).figures(RESULT)
            return (self._memory(router) - before) / SESSIONS

    def _router(self, started: ExitStack) -> tuple[Child, str]:
        router = started.enter_context(Child(self._command, self._lab.processors.bind(True)))
        return router, router.line(READY).strip()

    def _client(self, started: ExitStack, role: str, url: str, size: str, seconds: float = 0,
                in_flight: int = 1, scale: int = 1) -> Child:
        words = [role, url, "json", size, str(seconds), str(in_flight), str(scale)]
        return started.enter_context(Child([self._floor, *words], self._lab.processors.bind(False)))

    def _rate(self, tested: Child) -> float:
        return 1e6 / tested.figures(RESULT + self._seconds)["wall"]

    @staticmethod
    def _memory(router: Child) -> float:
        """The most that it has had, in KiB."""
        status = Path(f"/proc/{router.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return float(found[1])


def table(bench: Bench) -> str:
    rows = [
        *((f"calls a second, 100 in flight, {name}", bench.calls, (size,)) for size, name in SIZES.items()),
        *((f"events a second, to one subscriber, {name}", bench.events, (size,)) for size, name in SIZES.items()),
        ("clients a second that connect and join", bench.joins, ()),
        (f"KiB of memory for each of {SESSIONS:,} idle sessions", bench.idle, ()),
    ]
    lines = ["| JSON on WebSocket | |", "|---|---|"]
    for name, measure, words in rows:
        figure = statistics.median(measure(*words) for _ in range(ROUNDS))
        lines.append(f"| {name} | {rounded(figure)} |")
        print(lines[-1], flush=True)
    return "".join(f"{line}\n" for line in lines)


def rounded(figure: float) -> str:
    """With two digits that mean something."""
    return f"{float(f'{figure:.2g}'):,.0f}" if figure >= 10 else f"{figure:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/ROUTER.md")
    parser.add_argument("--seconds", type=float, default=2, help="for how long each rate is measured")
    parser.add_argument("--lib", type=Path, default=TARGET / "release", help="the directory of libwamp.so")
    options = parser.parse_args()
    figures = table(Bench(library_in(options.lib), options.seconds))
    if options.write:
        before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
        DOCUMENT.write_text(before + BEGIN + figures + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
