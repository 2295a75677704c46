"""The runner, on tests that pass, fail, fail every second time, crash, hang and leak by design.

python3 tests/runner/test_runner.py
"""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import child
import parts
import places
import report
import run
from faults import fault
from harness import Cargo, Failure, Plain, Told

SILENCE = 30  # seconds: more than any of these programs is silent for, unless it hangs


class Scene(unittest.TestCase):
    """A scratch directory in place of cargo's, with programs in it."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.here = Path(scratch.name)
        self.flaky, self.skips = self.here / "flaky.txt", self.here / "skips.txt"
        for module, name, value in (
            (report, "FLAKY", self.flaky), (report, "SKIPS", self.skips), (run, "LOGS", self.here / "logs"),
        ):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def program(self, text: str) -> list[str]:
        """The command of a program in Python."""
        file = self.here / f"program{len(list(self.here.iterdir()))}.py"
        file.write_text(text, encoding="utf-8")
        return [sys.executable, str(file)]

    def run_parts(self, *given: parts.Part, retries: int = 2) -> tuple[int, str]:
        """The status of a run, and what it printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = report.show(run.run(list(given), 2, retries))
        return status, said.getvalue()

    def part(self, text: str, **more) -> parts.Part:
        return parts.Part("sample", "does this and that", 1, Sample(self.program(text)), **{"excused": True, **more})


class Sample:
    """A test program with one test, `it`, which can be run again."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def command(self, name: str) -> list[str]:
        return self._command

    def read(self, name: str, ended: child.Ended) -> Told:
        if ended.status == 0:
            return Told(passed=1)
        return Told(failures=[Failure("it", ended.output, self._command)])


# Fails and passes in turns; the file beside it holds what comes next.
EVERY_SECOND_TIME = """
import pathlib, sys
turn = pathlib.Path(__file__).with_suffix(".turn")
first = not turn.exists()
turn.touch()
sys.exit("a bad moment" if first else 0)
"""


class Verdicts(Scene):
    def test_what_passes_is_green(self) -> None:
        status, said = self.run_parts(self.part("print('fine')"))
        self.assertEqual(status, 0)
        self.assertEqual(said.splitlines()[-1], "1 passed, 0 failed, 0 skipped")
        self.assertFalse(self.flaky.exists())

    def test_what_fails_by_chance_is_told_and_green(self) -> None:
        status, said = self.run_parts(self.part(EVERY_SECOND_TIME))
        self.assertEqual(status, 0, said)
        self.assertIn("FLAKY: sample: it", said)
        self.assertIn("a bad moment", self.flaky.read_text(encoding="utf-8"))
        self.assertEqual(said.splitlines()[-1], "1 passed, 0 failed, 0 skipped")

    def test_what_fails_every_second_time_is_told_as_flaky_and_red(self) -> None:
        alternating = """
import pathlib, sys
turn = pathlib.Path(__file__).with_suffix(".turn")
count = len(turn.read_text()) if turn.exists() else 0
turn.write_text("x" * (count + 1))
sys.exit(0 if count % 2 else 1)
"""
        status, said = self.run_parts(self.part(alternating))
        self.assertEqual(status, 1)
        self.assertIn("Failed:\nsample: it (flaky: 1 of 2 runs alone passed)", said)

    def test_no_retries_no_excuse(self) -> None:
        self.assertEqual(self.run_parts(self.part(EVERY_SECOND_TIME), retries=0)[0], 1)

    def test_parts_without_chance_have_no_excuse(self) -> None:
        self.assertEqual(self.run_parts(self.part(EVERY_SECOND_TIME, excused=False))[0], 1)

    def test_what_fails_always_is_red(self) -> None:
        status, said = self.run_parts(self.part("import sys; print('never'); sys.exit(3)"))
        self.assertEqual(status, 1)
        self.assertIn("never", said)
        self.assertEqual(said.splitlines()[-1], "0 passed, 1 failed, 0 skipped")

    def test_more_than_two_flaky_tests_are_red(self) -> None:
        status, said = self.run_parts(*(self.part(EVERY_SECOND_TIME) for _ in range(3)))
        self.assertEqual(status, 1)
        self.assertIn("3 flaky tests, more than 2", said)

    def test_many_failures_are_not_run_again(self) -> None:
        status, said = self.run_parts(*(self.part(EVERY_SECOND_TIME) for _ in range(run.MOST_RETRIED + 1)))
        self.assertEqual(status, 1)
        self.assertNotIn("again", said)

    def test_a_valgrind_report_is_never_excused(self) -> None:
        # Real output of a scenario that reads freed memory, with the status that we have valgrind give.
        told = "VALGRIND: valgrind ...; it said:\\n==4711== Invalid read of size 8\\n"
        status, said = self.run_parts(self.part(EVERY_SECOND_TIME.replace("a bad moment", told)))
        self.assertEqual(status, 1)
        self.assertIn("sample: it (a report of valgrind)", said)

    def test_what_it_needs_has_failed(self) -> None:
        bad = parts.Part("build", "fails", 1, Plain(self.program("import sys; sys.exit(1)")))
        status, said = self.run_parts(bad, self.part("print('fine')", needs=("build",)))
        self.assertEqual(status, 1)
        self.assertIn("sample: not run, because build failed", said)

    def test_skips_are_in_the_last_lines(self) -> None:
        self.skips.write_text("SKIPPED: no valgrind\n", encoding="utf-8")
        status, said = self.run_parts(self.part("print('fine')"))
        self.assertEqual(status, 0)
        self.assertIn("Not everything could be tested here:\nSKIPPED: no valgrind", said)
        self.assertEqual(said.splitlines()[-1], "1 passed, 0 failed, 1 skipped")


class Hangs(Scene):
    def test_a_hang_is_red_and_its_stacks_are_kept(self) -> None:
        hanging = """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"], start_new_session=True)
print("child", child.pid, flush=True)
threading.Event().wait()
"""
        status, said = self.run_parts(self.part(hanging, silence=3))
        self.assertEqual(status, 1)
        self.assertIn("HUNG: silent for 3 s", said)
        self.assertNotIn("again", said)
        saved = (self.here / "logs" / "sample.stacks.txt").read_text(encoding="utf-8")
        self.assertEqual(saved.count("===== process "), 2, saved)
        started = int(said.split("child ")[1].split()[0])
        self.assertFalse(is_running(started), "what it had started goes on")

    def test_who_talks_does_not_hang(self) -> None:
        talking = "import time\nfor number in range(4):\n    print(number, flush=True)\n    time.sleep(1)\n"
        self.assertEqual(self.run_parts(self.part(talking, silence=3))[0], 0)

    def test_nothing_outlives_a_part(self) -> None:
        leaving = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"],
                         start_new_session=True, stdout=subprocess.DEVNULL)
print(child.pid)
"""
        one = child.Child(self.program(leaving), self.here, dict(places.environment()), self.here / "log")
        ended = one.wait(SILENCE)
        self.assertEqual(ended.status, 0)
        self.assertFalse(is_running(int(ended.output)))


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


class Faults(unittest.TestCase):
    def test_traces(self) -> None:
        for output, wanted in {
            "(signal: 11, SIGSEGV: invalid memory reference)": "a crash",
            "signal: 6 (SIGABRT) (core dumped); it said:": "a crash",
            "AssertionError: status -11 of callee": "a crash",
            "thread 'wamp-io' panicked at src/client/pump.rs:12:5:": "a panic of the library",
            "==12== Conditional jump": "a report of valgrind",
            "==12==ERROR: AddressSanitizer: heap-use-after-free": "a report of a sanitizer",
            "HUNG: still running when the time was over": "a hang",
            "thread 'main' panicked at tests/hostile/slow.rs:3:1:": None,
            "AssertionError: status 1 of callee": None,
            "wamp.error.runtime_error": None,
        }.items():
            self.assertEqual(fault(output), wanted, output)


LIBTEST = """
     Running unittests src/lib.rs (target/debug/deps/wamp-0a1b2c)

running 2 tests
test codec::reads ... ok
test codec::writes ... FAILED

failures:

---- codec::writes stdout ----

thread 'codec::writes' panicked at src/codec/mod.rs:1:1:
left and right

failures:
    codec::writes

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `--lib`
     Running tests/hostile/main.rs (target/debug/deps/hostile-99aa)

running 1 test
test slow::it ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: 1 target failed:
    `--lib`
"""


class Readers(unittest.TestCase):
    def test_what_cargo_says(self) -> None:
        told = Cargo([]).read("unit", child.Ended(101, False, LIBTEST, 1.0))
        self.assertEqual(told.passed, 2)
        self.assertIsNone(told.trouble)
        [failure] = told.failures
        self.assertEqual(failure.test, "codec::writes")
        self.assertIn("left and right", failure.output)
        self.assertEqual(failure.again, ["cargo", "test", "--lib", "--", "--exact", "codec::writes"])

    def test_a_crash_is_no_failure_of_a_test(self) -> None:
        crash = LIBTEST.split("\nfailures:")[0] + (
            "error: test failed, to rerun pass `--lib`\n\nCaused by:\n"
            "  process didn't exit successfully: `wamp-0a1b2c` (signal: 11, SIGSEGV: invalid memory reference)\n"
        )
        told = Cargo([]).read("unit", child.Ended(101, False, crash, 1.0))
        self.assertEqual(told.failures, [])
        self.assertIn("SIGSEGV", told.trouble)

    def test_a_build_that_fails_is_trouble(self) -> None:
        told = Cargo([]).read("unit", child.Ended(101, False, "error[E0308]: mismatched types", 1.0))
        self.assertIn("101", told.trouble)


class Table(unittest.TestCase):
    def test_it_is_whole(self) -> None:
        names = [part.name for part in parts.PARTS]
        self.assertEqual(len(names), len(set(names)))
        for number, part in enumerate(parts.PARTS):
            self.assertIn(part.tier, parts.TIERS)
            self.assertLessEqual(set(part.needs), set(names[:number]), f"{part.name} needs what comes later")
            self.assertFalse(part.excused and isinstance(part.harness, Plain), part.name)
            if part.silence is not None:
                self.assertGreaterEqual(part.silence, 30, part.name)

    def test_tiers_and_families(self) -> None:
        named = {word: {part.name for part in parts.chosen([word])} for word in ("check", "test", "long", "interop")}
        self.assertLess(named["check"], named["test"])
        self.assertFalse(named["long"] & {"hostile", "format"})
        self.assertLessEqual({"library", "interop-c", "interop-features"}, named["interop"])
        with self.assertRaises(ValueError):
            parts.chosen(["no-such-part"])

    def test_every_test_program_is_in_the_test_tier(self) -> None:
        """Nothing that guards a promise is in no tier."""
        words = [word for part in parts.PARTS if part.tier != "long" for word in part.harness.command(part.name)]
        for file in (places.ROOT / "tests").glob("*.rs"):
            self.assertIn(file.stem, words)
        self.assertIn("hostile", words)
        # Two linked routers and their faults, which the library has no part in: the long tier alone.
        others = {"test_cluster.py", "test_cluster_links.py"}
        for file in (places.ROOT / parts.INTEROP).glob("test_*.py"):
            if file.name not in others:
                self.assertIn(f"{parts.INTEROP}/{file.name}", words)

    def test_contributors_see_the_same_table(self) -> None:
        """python3 tests/runner --table prints it."""
        self.assertIn(parts.table(), (places.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
