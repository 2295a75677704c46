"""Runs parts side by side, in the order of their table, and then what failed once more, alone."""

import sys
import threading
import time
from dataclasses import dataclass, field

from child import Child, Ended
from faults import fault
from harness import Failure, Told
from parts import Part
from places import LOGS, ROOT, environment

SHOWN = 120  # lines of a failure that are shown at once; the log has all
MOST_RETRIED = 10  # where more tests than these fail, it was not by chance


@dataclass
class Outcome:
    """What became of a part."""

    part: Part
    seconds: float
    told: Told
    flaky: list[Failure] = field(default_factory=list)  # failed, and then passed each time
    failed: list[tuple[Failure, str]] = field(default_factory=list)  # with a word on why it is not excused


@dataclass
class Report:
    """What became of all of them."""

    outcomes: list[Outcome]
    left_out: list[Part]  # because what they need has failed
    seconds: float


def run(parts: list[Part], jobs: int, retries: int) -> Report:
    """Runs parts on `jobs` processors, and then each failed test `retries` times more."""
    begun = time.monotonic()
    outcomes, left_out = Schedule(parts, jobs, begun).run()
    count = sum(len(outcome.told.failures) for outcome in outcomes)
    for outcome in outcomes:
        retry(outcome, retries if count <= MOST_RETRIED else 0)
    return Report(outcomes, left_out, time.monotonic() - begun)


def retry(outcome: Outcome, retries: int) -> None:
    """Tells the flaky tests of a part from those that fail."""
    for failure in outcome.told.failures:
        why = fault(failure.output)
        if why or not outcome.part.excused or not failure.again or retries == 0:
            outcome.failed.append((failure, why or ""))
            continue
        passed = sum(passes_alone(outcome.part, failure) for _ in range(retries))
        if passed == retries:
            outcome.flaky.append(failure)
        else:
            outcome.failed.append((failure, f"flaky: {passed} of {retries} runs alone passed" if passed else ""))


def passes_alone(part: Part, failure: Failure) -> bool:
    name = f"{part.name}-again"
    print(f"again  {failure.test}", flush=True)
    child = Child(failure.again, ROOT, {**environment(), **part.variables}, LOGS / f"{name}.log")
    ended = child.wait(part.silence)
    return ended.status == 0 and not ended.hung and not fault(ended.output)


class Schedule:
    """Begins a part when what it needs is there and enough processors are idle."""

    def __init__(self, parts: list[Part], jobs: int, begun: float) -> None:
        self._waiting = list(parts)
        self._jobs = self._idle = jobs
        self._begun = begun
        self._done: list[Outcome] = []
        self._running = 0
        self._changed = threading.Condition()

    def run(self) -> tuple[list[Outcome], list[Part]]:
        """Gives what became of each part, and those that could not begin."""
        with self._changed:
            while self._waiting:
                part = self._next()
                if part is None and not self._running:
                    break
                if part is None:
                    self._changed.wait()
                    continue
                self._waiting.remove(part)
                self._running += 1
                self._idle -= self._share(part)
                threading.Thread(target=self._run_one, args=(part,)).start()
            while self._running:
                self._changed.wait()
        return self._done, self._waiting

    def _share(self, part: Part) -> int:
        return min(part.processors, self._jobs)

    def _next(self) -> Part | None:
        """The first part that can begin; it may overtake those before it."""
        ready = {outcome.part.name for outcome in self._done if outcome.told.is_good}
        able = (part for part in self._waiting if ready.issuperset(part.needs) and self._share(part) <= self._idle)
        return next(able, None)

    def _run_one(self, part: Part) -> None:
        self._say(f"begin   {part.name}: {part.does}")
        child = Child(part.harness.command(part.name), ROOT, {**environment(), **part.variables},
                      LOGS / f"{part.name}.log")
        ended = child.wait(part.silence)
        told = part.harness.read(part.name, ended)
        if ended.hung:
            told.trouble = "\n".join(filter(None, [told.trouble, ended.output.strip().splitlines()[-1]]))
        with self._changed:
            self._tell(part, told, ended)
            self._done.append(Outcome(part, ended.seconds, told))
            self._running -= 1
            self._idle += self._share(part)
            self._changed.notify_all()

    def _tell(self, part: Part, told: Told, ended: Ended) -> None:
        tests = f", {told.passed} passed" if told.passed > 1 else ""
        self._say(f"{'ok' if told.is_good else 'FAILED':<7} {part.name}: {ended.seconds:.0f} s{tests}")
        if told.is_good:
            return
        for failure in told.failures:
            print(f"---- {failure.test}\n{tail(failure.output)}")
        if told.trouble:
            print(f"---- {part.name}: {told.trouble}\n{tail(ended.output)}")
        print(f"---- all of it: {LOGS / part.name}.log", flush=True)

    def _say(self, line: str) -> None:
        # In one piece, because parts that run side by side say something at the same time.
        sys.stdout.write(f"[{time.monotonic() - self._begun:5.0f} s] {line}\n")
        sys.stdout.flush()


def tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    return "\n".join(["[...]", *lines[-SHOWN:]] if len(lines) > SHOWN else lines)
