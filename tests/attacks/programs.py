"""The programs in C, and the processes that they are: the router, the bystander, crowds."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LIBRARY = TARGET / "release" / "libwamp.a"
SYSTEM = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
STRICT = ["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-g"]
ROUTER = ROOT / "benches" / "c" / "embedded.c"
NAMES = ("bystander", "crowd")
ATTACKERS_NICE = 10  # they stand for other machines, which take no processor of the router's
ROUTER_NICE = -15  # where that is allowed: what else this machine does is not measured
TICKS = os.sysconf("SC_CLK_TCK")


def build(directory: Path) -> dict[str, Path]:
    """Compiles the programs."""
    compiler = os.environ.get("CC", "cc")
    link = [f"-I{ROOT / 'include'}", str(LIBRARY), *SYSTEM]
    sources = {"router": ROUTER, **{name: HERE / f"{name}.c" for name in NAMES}}
    for name, source in sources.items():
        more = link if name == "router" else []
        subprocess.run([compiler, *STRICT, str(source), "-o", str(directory / name), *more], check=True)
    return {name: directory / name for name in sources}


def allow_files() -> int:
    """Raises the limit of descriptors for all processes to come, as far as it goes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def hurry() -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, ROUTER_NICE)


class Router:
    """A router in a process of its own."""

    def __init__(self, program: Path, config: dict) -> None:
        urls = ["rs://127.0.0.1:0", "ws://127.0.0.1:0/wamp"]
        self._process = subprocess.Popen([str(program), json.dumps(config), *urls], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, preexec_fn=hurry)
        listening = self._process.stdout.readline().split()
        if len(listening) < len(urls):
            raise RuntimeError("the router did not start")
        self.port, self.web_port = (urlsplit(url).port for url in listening)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stats(self) -> dict:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def memory(self, which: str) -> float:
        """VmRSS or VmHWM, the most that it was, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith(which))
        return int(line.split()[1]) / 1024

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        words = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def load(self, seconds: float) -> float:
        """The part of a processor that it uses, for so long."""
        before, begun = self.cpu(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu() - before) / (time.monotonic() - begun)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def router(programs: dict[str, Path], config: dict) -> Iterator[Router]:
    one = Router(programs["router"], config)
    try:
        yield one
    finally:
        one.end()


class Client:
    """A program that says "ready", and something once its input has ended, or by itself."""

    def __init__(self, command: list[str], ready: bool = True, nice: int = 0) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         preexec_fn=lambda: os.nice(nice))
        if ready and (said := self._process.stdout.readline().strip()) != "ready":
            self.kill()
            raise RuntimeError(f"{command} did not get ready: {said!r}")

    def told(self, timeout: float = 120) -> str:
        """Ends its input, and returns what it says then."""
        said, _ = self._process.communicate(timeout=timeout)
        if self._process.returncode != 0:
            raise RuntimeError(f"{self._process.args} ended with status {self._process.returncode}")
        return said

    def stop(self) -> dict:
        """Ends an attacker, and returns its report."""
        try:
            said, _ = self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            return {}
        return json.loads(said.splitlines()[-1]) if said.strip() else {}

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def attackers(name: str, one: Router, count: int) -> list[Client]:
    command = [sys.executable, str(HERE / "attacker.py"), name, str(one.port), str(one.web_port)]
    return [Client([*command, str(number)], ready=False, nice=ATTACKERS_NICE) for number in range(count)]
