"""The guard against slowness: instructions per message, of the library and of the floor, and the ratio of both
against the budget. A row that is more than 5 % over its budget fails, and the functions that grew are named.

    python3 tests/instructions/guard.py            measures, and fails if a row is over its budget
    python3 tests/instructions/guard.py --update   measures, and writes the budget anew

Both want the library and client.c built: `make count` and `make budget` see to that.

The floor (floor.h) is what any client has to do, written by hand, in the same program. Instructions do not depend on
what else the machine does. The floor's do on the C compiler, and on the processor, by which the C library chooses its
functions: with gcc -O3 it is 30 % lower in a row, and without AVX2 it is twice as high, where the library stays within
5 %. So a row is judged by the floor that is in the budget's file, and a floor that is another one here gets a note.
"""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import CLIENT, FILES, Row, circumstances, measure
from places import SKIPS

BUDGET = Path(__file__).with_name("budget.json")
MARGIN = 0.05
SHIFT = 0.02  # of a floor, from which on it is another one; it counts the same in each run
SHARE = 0.01  # the part of a row from which on a function is in the budget
NAMED = 12  # functions, at most


@dataclass(frozen=True)
class Budget:
    """The file: what the rows may take, and took when it was written."""

    circumstances: Mapping[str, str]
    ratios: Mapping[str, float]
    rows: Mapping[str, Row]  # with the larger functions alone
    totals: Mapping[str, float]  # of the library, all functions

    def excess(self, name: str, row: Row) -> float:
        """The part of its budget by which a row is over it."""
        return self.ratio(name, row) / self.ratios[name] - 1

    def ratio(self, name: str, row: Row) -> float:
        """How many times the floor a row takes, of the floor that the budget was written with."""
        return row.library / self.rows[name].floor


def main(arguments: list[str]) -> int:
    """The status for the shell."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--update", action="store_true", help="write the budget anew")
    update = options.parse_args(arguments).update
    budget = load() if BUDGET.exists() else Budget({}, {}, {}, {})
    if reason := obstacle(budget, update):
        if update:
            sys.exit(reason)
        skip(reason)
        return 0
    rows, now = measure(), circumstances()
    print(table(rows, budget))
    if update:
        BUDGET.write_text(text_of(rows, now), encoding="utf-8")
        print(f"\nwritten: {BUDGET}")
        return 0
    failures, hints = judge(rows, budget, now)
    print("", *hints, *failures, sep="\n")
    return 1 if failures else 0


def obstacle(budget: Budget, update: bool) -> str | None:
    """What keeps the counts from being taken here."""
    if not shutil.which("valgrind"):
        return "instruction counts: no valgrind"
    made_for = budget.circumstances.get("machine", platform.machine())
    if made_for != platform.machine() and not update:
        return f"instruction counts: the budget is for {made_for}"
    if not CLIENT.exists():
        sys.exit(f"there is no {CLIENT}; `make counted` builds it")
    return None


def skip(reason: str) -> None:
    """Tells that something was not tested, and adds it to what the end of `make test` shows."""
    print(f"SKIPPED: {reason}")
    with SKIPS.open("a", encoding="utf-8") as file:
        file.write(f"SKIPPED: {reason}\n")


# ===== the budget's file =====


def load(file: Path = BUDGET) -> Budget:
    told = json.loads(file.read_text(encoding="utf-8"))
    rows = told["rows"]
    return Budget(
        told["circumstances"],
        {name: row["budget"] for name, row in rows.items()},
        {name: Row(row["floor"], row["functions"]) for name, row in rows.items()},
        {name: row["library"] for name, row in rows.items()},
    )


def text_of(rows: Mapping[str, Row], now: Mapping[str, str]) -> str:
    """The file, with the functions that matter, the largest first."""
    told = {}
    for name, row in rows.items():
        large = {one: count for one, count in row.functions.items() if count >= SHARE * row.library}
        told[name] = {
            "budget": round(row.ratio, 2), "floor": round(row.floor, 1), "library": round(row.library),
            "functions": {one: round(large[one]) for one in sorted(large, key=lambda one: (-round(large[one]), one))},
        }
    return json.dumps({"circumstances": now, "rows": told}, indent=1, ensure_ascii=False) + "\n"


# ===== what is said =====


def table(rows: Mapping[str, Row], budget: Budget) -> str:
    lines = [f"{'row':16} {'library':>9} {'floor':>7} {'ratio':>7} {'budget':>7}   off"]
    for name, row in rows.items():
        ratio, rest = row.ratio, f"{'none':>7}"
        if name in budget.ratios:
            ratio = budget.ratio(name, row)
            rest = f"{budget.ratios[name]:7.2f} {budget.excess(name, row) * 100:+5.1f} %"
        lines.append(f"{name:16} {row.library:9.0f} {row.floor:7.0f} {ratio:7.2f} {rest}")
    return "\n".join(lines)


def judge(rows: Mapping[str, Row], budget: Budget, now: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What fails, and what is only worth a word."""
    failures, hints = [], []
    for name, row in rows.items():
        if name not in budget.ratios:
            failures.append(f"{name} has no budget: `make budget` writes one")
            continue
        excess, floor = budget.excess(name, row), budget.rows[name].floor
        if abs(row.floor / floor - 1) > SHIFT:
            hints.append(f"note: the floor of {name} is {row.floor:.0f} here; what counts is the budget's, {floor:.0f}")
        if excess > MARGIN:
            failures.append(story(name, row, budget))
        elif excess < -MARGIN:
            hints.append(f"WARNING: {name} is {-excess * 100:.1f} % below its budget, which should be taken down: "
                         "`make budget`")
    if failures:
        failures += [f"note: {what} is {now.get(what)!r} here, and was {before!r} when the budget was written"
                     for what, before in budget.circumstances.items() if now.get(what) != before]
        failures.append(f"What to do about it: CONTRIBUTING.md, \"Slowness\". All that was counted is in {FILES}.")
    return failures, hints


def story(name: str, row: Row, budget: Budget) -> str:
    """A row over its budget, and the functions that made it so."""
    before, aim, over = budget.rows[name], budget.ratios[name], budget.excess(name, row) * 100
    lines = [f"{name}: {budget.ratio(name, row):.2f} times the floor, {over:.1f} % over its budget of {aim:.2f}",
             f"  the library took {budget.totals[name]:.0f} instructions per message, and takes {row.library:.0f} now"]
    changes = changed(row, before, SHARE * budget.totals[name])
    grown = [line for change, line in changes if change > 0]
    shrunk = [line for change, line in reversed(changes) if change < 0]
    lines += ["  functions that grew, with their own instructions per message before and now:", *grown[:NAMED]]
    if not grown:
        lines[-1] = "  no function grew: the budget is lower than the counts that it was written with"
    if shrunk:
        lines += ["  functions that shrank; what is inlined moves from one to another:", *shrunk[:NAMED]]
    return "\n".join(lines)


def changed(row: Row, before: Row, least: float) -> list[tuple[float, str]]:
    """The functions that changed by more than rounding, those that grew most first. What is not in the budget had less
    than `least`."""
    found = []
    for name in row.functions.keys() | before.functions.keys():
        old, now = before.functions.get(name), row.functions.get(name, 0)
        change = now - (least if old is None else old)
        if old is None and change <= 0 or abs(change) < least / 10:
            continue
        was = f"under {least:.0f}" if old is None else f"{old:.0f}"
        found.append((change, f"    {was:>9} -> {now:6.0f}  {name}"))
    return sorted(found, key=lambda one: (-one[0], one[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
