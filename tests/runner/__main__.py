"""Runs the project's tests: python3 tests/runner TIER or PART...

    python3 tests/runner check        what a change needs before it is committed
    python3 tests/runner test         what each landing needs
    python3 tests/runner long         what is seen before a subject is called done
    python3 tests/runner PART...      these parts, with what they need built
    python3 tests/runner --list       all parts, with what each does and how long it takes; --table for CONTRIBUTING.md

RETRIES=0 runs no failed test again; JOBS is how many processors may be kept busy (2).
"""

import os
import sys

from parts import PARTS, TIERS, chosen, table
from places import FLAKY, SKIPS, TARGET
from report import show
from run import run

RETRIES = 2


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if arguments else 2
    if arguments in (["--list"], ["--table"]):
        print(table() if arguments == ["--table"] else listing())
        return 0
    try:
        parts = chosen(arguments)
        retries, jobs = number("RETRIES", RETRIES), max(number("JOBS", 2), 1)
    except ValueError as error:
        print(f"tests/runner: {error}", file=sys.stderr)
        return 2
    TARGET.mkdir(parents=True, exist_ok=True)
    SKIPS.unlink(missing_ok=True)
    FLAKY.unlink(missing_ok=True)
    return show(run(parts, jobs, retries))


def number(name: str, usual: int) -> int:
    """The whole number that a variable of the environment holds."""
    text = os.environ.get(name, "")
    if not text:
        return usual
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}; a whole number is expected")
    return int(text)


def listing() -> str:
    """All parts, for a terminal."""
    lines = []
    for tier in TIERS:
        lines.append(f"{tier}:")
        lines += [f"  {part.name:<22} {part.seconds:>5} s  {part.does}" for part in PARTS if part.tier == tier]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
