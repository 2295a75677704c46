"""What test programs say: how each kind is started, read, and made to run one of its tests again."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from child import Ended
from places import LOGS, PYTHON, ROOT


@dataclass(frozen=True)
class Failure:
    """A test that failed."""

    test: str
    output: str
    again: list[str] = field(default_factory=list)  # the command that runs it alone; empty: there is none


@dataclass
class Told:
    """What a run of tests says."""

    passed: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    trouble: str | None = None  # what went wrong beside the tests

    @property
    def is_good(self) -> bool:
        return not self.failures and not self.trouble


class Harness(Protocol):
    """A kind of test program."""

    def command(self, name: str) -> list[str]:
        """How a part of this name is run."""

    def read(self, name: str, ended: Ended) -> Told:
        """What it said."""


@dataclass(frozen=True)
class Plain:
    """A command that is judged by its status alone."""

    arguments: list[str]

    def command(self, name: str) -> list[str]:
        return self.arguments

    def read(self, name: str, ended: Ended) -> Told:
        return Told(passed=1) if ended.status == 0 else Told(failures=[Failure(name, ended.output)])


@dataclass(frozen=True)
class Cargo:
    """Tests in Rust. `targets` as `cargo test` takes them, `filters` as the test programs do."""

    targets: list[str]
    filters: list[str] = field(default_factory=list)

    def command(self, name: str) -> list[str]:
        return ["cargo", "test", "--no-fail-fast", *self.targets, "--", *self.filters]

    def read(self, name: str, ended: Ended) -> Told:
        told = Told()
        for target, output in self._programs(ended.output):
            told.passed += sum(int(count) for count in re.findall(r"^test result: .*?(\d+) passed;", output, re.M))
            for test, story in re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=^---- \S+ stdout ----$|^failures:$)",
                                          output, re.M | re.S):
                package = self.targets[:2] if self.targets[:1] == ["--package"] else []
                again = ["cargo", "test", *package, *target, "--", "--exact", test]
                told.failures.append(Failure(test, story, again))
        ends = re.findall(r"process didn't exit successfully: .*", ended.output)
        if ends:
            told.trouble = "\n".join(ends)
        elif ended.status != 0 and not told.failures:
            told.trouble = f"cargo ended with status {ended.status}"
        return told

    @staticmethod
    def _target(file: str, program: str) -> list[str]:
        """The option for a test program, made of this file."""
        if file.startswith("src/"):
            return ["--bin", program] if file.endswith("/main.rs") else ["--lib"]
        return ["--test", program]

    def _programs(self, output: str) -> list[tuple[list[str], str]]:
        """What each test program said, and the option that names it."""
        words = re.split(r"^ +(?:Running (?:unittests )?(\S+) \(\S*?/([^/\s]+)-[0-9a-f]+\)|Doc-tests \S+)$",
                         output, flags=re.M)
        programs = []
        for file, program, said in zip(words[1::3], words[2::3], words[3::3], strict=True):
            programs.append((["--doc"] if file is None else self._target(file, program), said))
        return programs


@dataclass(frozen=True)
class Pytest:
    """Tests in Python."""

    arguments: list[str]

    def command(self, name: str) -> list[str]:
        return [*self._pytest(), f"--junitxml={self._report(name)}", *self.arguments]

    def read(self, name: str, ended: Ended) -> Told:
        told = Told()
        report = self._report(name)
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            told.trouble = f"pytest ended with status {ended.status} and left no report"
            return told
        report.unlink()  # so that no later run is judged by it
        for case in cases:
            test = f"{case.get('file')}::{case.get('name')}"
            failed = [*case.iter("failure"), *case.iter("error")]
            if failed:
                words = [part.text or "" for part in (*failed, *case.iter("system-out"), *case.iter("system-err"))]
                told.failures.append(Failure(test, "\n".join(words), [*self._pytest(), test]))
            elif (skipped := case.find("skipped")) is not None:
                told.skipped.append(f"{test}: {skipped.get('message')}")
            else:
                told.passed += 1
        if ended.status != 0 and not told.failures:
            told.trouble = f"pytest ended with status {ended.status}"
        return told

    def _pytest(self) -> list[str]:
        more = ["-v", "--tb=short", "-o", "junit_family=xunit1", "-o", "junit_logging=all",
                "-o", "junit_log_passing_tests=false", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
        return [str(PYTHON), "-m", "pytest", *more]

    def _report(self, name: str) -> Path:
        return LOGS / f"{name}.xml"
