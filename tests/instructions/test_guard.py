"""The guard against slowness, on counts that are made up, and on a client that wastes instructions by design.

python3 tests/instructions/test_guard.py
"""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import counts
from guard import Budget, judge, load, obstacle, story, text_of
from measure import Row, measure

HERE = {"rustc": "rustc version 1.95.0"}
READING, WRITING, SMALL = "wamp::codec::json::read", "wamp::codec::json::write", "malloc"


def row(**functions: float) -> Row:
    """A row with the functions of the test, some of them with other counts."""
    return Row(100, {READING: 600, WRITING: 390, SMALL: 10, **functions})


def budget_of(rows: dict[str, Row]) -> Budget:
    """The budget that these rows are written as."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "budget.json"
        file.write_text(text_of(rows, HERE), encoding="utf-8")
        return load(file)


def lowered(budget: Budget, percent: float) -> Budget:
    """The budget of a library that took so much less, in each of its functions."""
    part = 1 / (1 + percent / 100)
    return replace(
        budget,
        ratios={name: ratio * part for name, ratio in budget.ratios.items()},
        rows={name: Row(one.floor, {function: count * part for function, count in one.functions.items()})
              for name, one in budget.rows.items()},
        totals={name: total * part for name, total in budget.totals.items()},
    )


class Judging(unittest.TestCase):
    budget = budget_of({"event 16": row()})

    def test_six_percent_more_fail_and_the_function_is_named(self) -> None:
        failures, hints = judge({"event 16": row(**{READING: 660})}, self.budget, HERE)
        self.assertEqual(hints, [])
        self.assertIn("event 16: 10.60 times the floor, 6.0 % over its budget of 10.00", failures[0])
        self.assertIn(f"600 ->    660  {READING}", failures[0])
        self.assertNotIn(WRITING, failures[0])
        self.assertNotIn("note:", "".join(failures))

    def test_a_budget_that_is_six_percent_too_low_fails(self) -> None:
        failures, _ = judge({"event 16": row()}, lowered(self.budget, 6), HERE)
        for name in (READING, WRITING):
            self.assertIn(name, failures[0])

    def test_four_percent_more_pass(self) -> None:
        self.assertEqual(judge({"event 16": row(**{READING: 640})}, self.budget, HERE), ([], []))

    def test_six_percent_less_are_worth_a_word(self) -> None:
        failures, hints = judge({"event 16": row(**{READING: 540})}, self.budget, HERE)
        self.assertEqual(failures, [])
        self.assertIn("event 16 is 6.0 % below its budget", hints[0])

    def test_a_new_function_is_named_and_what_went_into_it(self) -> None:
        inlined = Row(100, {"wamp::both": 1100, SMALL: 10})
        told = story("event 16", inlined, self.budget)
        grown, shrunk = told.split("functions that shrank")
        self.assertIn("under 10 ->   1100  wamp::both", grown)
        self.assertIn(f"600 ->      0  {READING}", shrunk)

    def test_another_floor_is_told_and_does_not_count(self) -> None:
        for floor in (80, 150):
            failures, hints = judge({"event 16": replace(row(), floor=floor)}, self.budget, HERE)
            self.assertEqual(failures, [])
            self.assertEqual(hints, [f"note: the floor of event 16 is {floor} here; what counts is the budget's, 100"])
        failures, _ = judge({"event 16": replace(row(**{READING: 660}), floor=150)}, self.budget, HERE)
        self.assertIn("6.0 % over", failures[0])

    def test_a_budget_that_was_lowered_by_hand_fails(self) -> None:
        failures, _ = judge({"event 16": row()}, replace(self.budget, ratios={"event 16": 9.4}), HERE)
        self.assertIn("6.4 % over its budget of 9.40", failures[0])
        self.assertIn("no function grew", failures[0])

    def test_another_compiler_is_told_where_it_matters(self) -> None:
        other = {"rustc": "rustc version 1.96.0"}
        self.assertEqual(judge({"event 16": row()}, self.budget, other), ([], []))
        failures, _ = judge({"event 16": row(**{READING: 700})}, self.budget, other)
        self.assertIn("note: rustc is 'rustc version 1.96.0' here", failures[1])

    def test_a_row_without_a_budget_fails(self) -> None:
        failures, _ = judge({"event 65536": row()}, self.budget, HERE)
        self.assertIn("event 65536 has no budget", failures[0])


SAMPLE = """# callgrind format
events: Ir
summary: 1160

fl=(1) /libwamp/src/codec/json/read.rs
fn=(10) wamp::codec::json::read::h0123456789abcdef
37 100
+2 5
fi=(2) /rustc/library/core/src/slice.rs
* 7
fe=(1)
-1 3
cfi=(3) libc.c
cfn=(11) memcpy
calls=2 +28
* 1000
* 40

fn=(11)
12 1000

fn=(12) <wamp[2f1a66de10b0fc0e]::Session as core[0c0ffee0c0ffee00]::Clone>::clone'2
8 5
"""


class Reading(unittest.TestCase):
    def test_each_function_has_what_is_its_own(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "callgrind.out"
            file.write_text(SAMPLE, encoding="utf-8")
            found = counts.read(file)
        clone = "<wamp::Session as core::Clone>::clone"
        self.assertEqual(found, {"wamp::codec::json::read": 155, "memcpy": 1000, clone: 5})
        self.assertEqual(found.total(), 1160)


@unittest.skipIf(obstacle(Budget({}, {}, {}, {}), False), "no valgrind")
class Waste(unittest.TestCase):
    """The whole of it: client, valgrind, counts and judgement."""

    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as directory:
            cls.clean = measure(["event"], [16], Path(directory))
            cls.again = measure(["event"], [16], Path(directory))
            cls.wasteful = measure(["event"], [16], Path(directory), waste=True)
        cls.budget = budget_of(cls.clean)

    def test_two_runs_count_the_same(self) -> None:
        self.assertAlmostEqual(self.again["event 16"].library / self.clean["event 16"].library, 1, delta=0.01)
        self.assertEqual(judge(self.again, self.budget, HERE), ([], []))

    def test_waste_is_found_and_named(self) -> None:
        failures, _ = judge(self.wasteful, self.budget, HERE)
        grown = failures[0].split("before and now:\n")[1].splitlines()
        self.assertRegex(grown[0], r"^ +under \d+ -> +\d+  waste$")

    def test_a_budget_that_is_six_percent_too_low_fails(self) -> None:
        failures, _ = judge(self.again, lowered(self.budget, 6), HERE)
        self.assertIn("over its budget", failures[0])
        self.assertIn("wamp::", failures[0])


if __name__ == "__main__":
    unittest.main()
