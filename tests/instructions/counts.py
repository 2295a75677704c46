"""What callgrind counted: instructions by function, out of one of its files."""

import re
from collections import Counter
from pathlib import Path

NAME = re.compile(r"^(fn|fl|fi|fe|cfn)=\((\d+)\)(?: (.*))?$")
COST = re.compile(r"^(?:\+\d+|-\d+|\*|\d+) (\d+)$")
HASH = re.compile(r"::h[0-9a-f]{16}\b")  # of legacy mangling
CRATE = re.compile(r"\[[0-9a-f]{8,16}\]")  # of v0 mangling: core[2f1a66de10b0fc0e]::fmt
CYCLE = re.compile(r"'\d+$")  # callgrind's own, for a function that calls itself


def read(file: Path) -> Counter[str]:
    """The instructions of each function itself, without those that it calls."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    function, called = "", False
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if cost := COST.match(line):
            # The line after `calls=` has what the call took, inside.
            counts[function] += 0 if called else int(cost[1])
            called = False
        elif line.startswith("calls="):
            called = True
        elif (named := NAME.match(line)) and named[1] in ("fn", "cfn"):
            # A name is written once, and after that its number alone.
            if named[3] is not None:
                names[named[2]] = plain(named[3])
            if named[1] == "fn":
                function = names[named[2]]
    return counts


def plain(name: str) -> str:
    """A function's name as it stays when it is compiled again."""
    return CRATE.sub("", HASH.sub("", CYCLE.sub("", name)))
