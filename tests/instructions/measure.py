"""Counts the instructions of each row, of the library and of the floor, by running client.c under valgrind.

A count is a slope: that of many messages less that of few, divided by the messages between, so that what is done once
drops out. Of several attempts the one with the fewest instructions counts: now and then another thread of the runtime
wakes up, or the memory allocator tidies.
"""

import os
import platform
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import counts
import router

sys.path.append(str(Path(__file__).resolve().parents[1] / "runner"))

from places import RELEASE, TARGET  # noqa: E402

CLIENT = TARGET / "c" / "instructions" / "client"
LIBRARY = RELEASE / "libwamp.so"
FILES = TARGET / "instructions"  # what callgrind writes, for callgrind_annotate

ROWS = ("call", "publish", "event", "invocation", "read")
# Of each size, few messages and many: as many as sockets take at once, so that nobody waits in between.
MESSAGES = {16: (256, 768), 4096: (8, 40)}
ATTEMPTS = 5

# From some size on glibc copies by one instruction, which valgrind counts once for each byte.
TUNABLES = "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824"
VALGRIND = ["valgrind", "--tool=callgrind", "--quiet", "--vgdb=no",
            "--zero-before=row_begins", "--dump-before=row_ends"]


@dataclass(frozen=True)
class Row:
    """Instructions per message."""

    floor: float
    functions: Mapping[str, float]  # of the library, the C library under it, and the callback

    @property
    def library(self) -> float:
        return sum(self.functions.values())

    @property
    def ratio(self) -> float:
        return self.library / self.floor


@dataclass(frozen=True)
class Pass:
    """One run of messages between two dumps of callgrind."""

    row: str
    size: int
    messages: int


def measure(
    rows: Iterable[str] = ROWS, sizes: Iterable[int] = tuple(MESSAGES), files: Path = FILES, waste: bool = False
) -> dict[str, Row]:
    """The rows, as "event 16". `waste`: with a client that does something in vain for each event."""
    passes = run(rows, sizes, files, waste)
    best: dict[Pass, Counter[str]] = {}
    for number, one in enumerate(passes, 1):
        file = files / f"callgrind.out.{number}"
        found = counts.read(file)
        if one not in best or found.total() < best[one].total():
            best[one] = found
            keep(file, files / f"{one.row}-{one.size}.{one.messages}")
        file.unlink()
    return {f"{row} {size}": row_of(best, row, size) for size in sizes for row in rows}


def run(rows: Iterable[str], sizes: Iterable[int], files: Path, waste: bool) -> list[Pass]:
    """Runs the client, which leaves a file for each pass."""
    passes = []
    files.mkdir(parents=True, exist_ok=True)
    for old in files.iterdir():
        old.unlink()
    environment = {**os.environ, "GLIBC_TUNABLES": TUNABLES}
    with router.client([*VALGRIND, f"--callgrind-out-file={files}/callgrind.out", str(CLIENT)], environment) as peer:
        if waste:
            peer.tell("waste")
        for row, size in ((row, size) for size in sizes for row in with_parts(rows)):
            few, many = MESSAGES[size]
            for count in (many, *(few, many) * ATTEMPTS):  # the first for what is done once
                peer.work(row)(count, size)
                passes.append(Pass(row, size, count))
            for count in (few, many):
                peer.floor(row, count, size)
                passes.append(Pass(f"floor-{row}", size, count))
    return passes


def keep(file: Path, name: Path) -> None:
    """Keeps a file for callgrind_annotate, which takes a call that began before the count, so zero times, for none."""
    text = file.read_text(encoding="utf-8", errors="replace")
    name.write_text(text.replace("\ncalls=0 ", "\ncalls=1 "), encoding="utf-8")


def with_parts(rows: Iterable[str]) -> list[str]:
    """Reading is measured with the event that is read."""
    return list(dict.fromkeys(part for row in rows for part in (("event", "read") if row == "read" else (row,))))


def row_of(best: Mapping[Pass, Counter[str]], row: str, size: int) -> Row:
    functions, floor = slope(best, row, size), sum(slope(best, f"floor-{row}", size).values())
    if row == "read":
        for name, count in slope(best, "event", size).items():
            functions[name] = functions.get(name, 0) - count
        floor -= sum(slope(best, "floor-event", size).values())
    return Row(floor, functions)


def slope(best: Mapping[Pass, Counter[str]], row: str, size: int) -> dict[str, float]:
    """Instructions of each function per message."""
    few, many = (best[Pass(row, size, count)] for count in MESSAGES[size])
    between = MESSAGES[size][1] - MESSAGES[size][0]
    return {name: (many[name] - few[name]) / between for name in many.keys() | few.keys()}


def circumstances() -> dict[str, str]:
    """What the counts depend on, beside the library's source."""
    features = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    return {
        "machine": platform.machine(),
        # valgrind shows programs a processor of its own, with as much of AVX2 as the real one has.
        "vectors": "AVX2" if "avx2" in features else "no AVX2",
        "rustc": compiler(LIBRARY, rb"rustc version [^\0]+"),
        "C compiler": compiler(CLIENT, rb"GCC: [^\0]+|clang version [^\0]+"),
        "C library": " ".join(platform.libc_ver()),
        "valgrind": valgrind.stdout.strip(),
    }


def compiler(program: Path, name: bytes) -> str:
    """The compiler, as it has left its name in what it made."""
    found = re.search(name, program.read_bytes())
    return found[0].decode(errors="replace") if found else "unknown"
