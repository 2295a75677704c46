"""64 MB of memory, for the library and for a router whose clients want more."""

import contextlib
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from machine import LIMIT, QUICKSTART, WAMPCAT, WAMPD, Case, Machine, Program

SIZE = 64 << 20
SUBSCRIBERS, EVENTS, EVENT = 8, 2000, 65_536  # a gigabyte, for who keeps it


class Group:
    """A control group that has no more memory than that, of either version."""

    def __init__(self) -> None:
        name = f"wamp-test-{uuid.uuid4()}"
        top = Path("/sys/fs/cgroup")
        self.limit = "memory.limit_in_bytes"
        self.path = top / "memory" / name
        if not (top / "memory" / self.limit).exists():
            self.limit, self.path = "memory.max", top / name

    def __enter__(self) -> "Group":
        self.path.mkdir()
        try:
            (self.path / self.limit).write_text(str(SIZE))
        except OSError:
            self.path.rmdir()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.path.rmdir()

    def inside(self, *words: object) -> list[str]:
        """The command that runs another one in it."""
        return ["sh", "-ec", f'echo $$ > {self.path}/cgroup.procs; exec "$@"', "sh", *map(str, words)]


class Memory(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine = self.enterContext(Machine(""))
        try:
            self.group = self.enterContext(Group())
        except OSError as error:
            self.skipTest(f"there can be no control group here: {error}")

    def test_the_example(self) -> None:
        self.says(self.machine.run(*self.group.inside(QUICKSTART)), 0, "2 + 3 = 5")

    def test_the_example_with_few_addresses(self) -> None:
        self.says(self.machine.run("prlimit", f"--as={SIZE}", QUICKSTART), 0, "2 + 3 = 5")

    def test_subscribers_that_take_nothing(self) -> None:
        with Program(self.machine.inside(*self.group.inside(WAMPD, "--port", "0"))) as router:
            router.wait_for("Ctrl-C ends it")
            idle = resident(router)
            with self.deaf(router.url):
                self.publish(router.url)
                told = self.machine.call(router.url)
            self.says(told, 0)
            self.assertIsNone(router.process.poll(), "the system has ended the router for want of memory")
            print(f"resident: {idle} kB idle, {resident(router)} kB at most")
            self.assertIn("slow client dropped", router.said)

    @contextlib.contextmanager
    def deaf(self, url: str) -> Iterator[None]:
        """Subscribers that do not read."""
        with contextlib.ExitStack() as stack:
            for _ in range(SUBSCRIBERS):
                stack.enter_context(self.machine.subscriber(url)).stop()
            yield

    def publish(self, url: str) -> None:
        lines = (json.dumps("x" * EVENT) + "\n") * EVENTS
        command = self.machine.inside(WAMPCAT, "--url", url, "publish", "--lines", "com.topic")
        # What finds no room is refused, which the program tells.
        subprocess.run(command, input=lines, text=True, timeout=LIMIT, check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def resident(program: Program) -> int:
    status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
