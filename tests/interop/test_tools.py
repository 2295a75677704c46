"""`wampcat` as its users start it, each subcommand, against Crossbar.io and against `wampd`: over every transport, with every login.

Without WAMP_TEST_LONG a slice of it: each subcommand once, over one transport of each router.
"""

import contextlib
import json
import os
import pty
import queue
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import users
from conftest import Router
from node import free_port

ROOT = Path(__file__).parents[2]
LIMIT = 120  # seconds: generous, met only where something hangs
IS_LONG = bool(os.environ.get("WAMP_TEST_LONG"))
TRANSPORTS = ("ws", "wss", "rs", "rss", "ws+unix", "rs+unix", "http", "https")
REALM = "realm1"


def program(name: str) -> str:
    """A built program: of the directory that PROGRAMS names, or as `cargo build` makes it."""
    path = Path(os.environ.get("PROGRAMS") or ROOT / "target" / "debug") / name
    if not path.exists():
        pytest.fail(f"there is no {path}: cargo build --package libwamp-tools")
    return str(path)


@dataclass(frozen=True)
class Door:
    """A way to a router, and the options that it wants."""

    url: str
    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [program("wampcat"), "--url", self.url, "--realm", REALM, *self.options, *arguments]

    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("WAMP")}
        return {**plain, "XDG_CONFIG_HOME": "/nonexistent", **self.variables}

    def run(self, *arguments: str, status: int = 0, feed: str = "") -> str:
        """Runs wampcat to its end, which must have this status; gives what it has printed."""
        ended = subprocess.run(
            self.command(*arguments), env=self.environment(), input=feed, capture_output=True, text=True,
            timeout=LIMIT, check=False,
        )
        assert ended.returncode == status, f"{arguments}: {ended.returncode} {ended.stderr}"
        return ended.stdout if status == 0 else ended.stderr

    def start(self, *arguments: str) -> "Listening":
        return Listening(subprocess.Popen(
            self.command(*arguments), env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ))


class Listening:
    """A wampcat that listens."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self._out, self._err = (self._lines(stream) for stream in (process.stdout, process.stderr))
        while "listening to" not in (line := self._err.get(timeout=LIMIT) or "the end"):
            assert line != "the end", "it has ended"

    @staticmethod
    def _lines(stream) -> "queue.Queue[str | None]":
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            for line in stream:
                lines.put(line.rstrip("\n"))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        return lines

    def line(self) -> str:
        line = self._out.get(timeout=LIMIT)
        assert line is not None, "it has ended"
        return line

    def end(self) -> None:
        """Ends it as a service manager does, which must be in order."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(LIMIT) == 0

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    """Starts wampcats that listen; ends those that are left."""
    started: list[Listening] = []

    def start(door: Door, *arguments: str) -> Listening:
        started.append(door.start(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def wampd(tmp_path_factory: pytest.TempPathFactory, crossbar: Router) -> Iterator[dict[str, str]]:
    """A wampd for everybody that listens everywhere, and one for the users of USERS; their URLs."""
    directory = tmp_path_factory.mktemp("wampd")
    ports = iter(lambda: free_port(), None)
    urls = {
        "ws": f"ws://127.0.0.1:{next(ports)}/ws", "wss": f"wss://127.0.0.1:{next(ports)}/ws",
        "rs": f"rs://127.0.0.1:{next(ports)}", "rss": f"rss://127.0.0.1:{next(ports)}",
        "ws+unix": f"ws+unix://{directory}/ws.sock:/ws", "rs+unix": f"rs+unix://{directory}/rs.sock",
        "http": f"http://127.0.0.1:{next(ports)}/lp", "https": f"https://127.0.0.1:{next(ports)}/lp",
    }
    guarded = {"guarded ws": f"ws://127.0.0.1:{next(ports)}/ws", "guarded wss": f"wss://127.0.0.1:{next(ports)}/ws"}
    tls = {"cert": str(crossbar.pki.server), "key": str(crossbar.pki.server_key)}
    processes = [
        _start_wampd(directory / "open.json", {"tls": tls}, list(urls.values())),
        _start_wampd(directory / "guarded.json", {"tls": tls, "auth": USERS}, list(guarded.values())),
    ]
    yield {**urls, **guarded}
    for process in processes:
        process.terminate()
    for process in processes:
        assert process.wait(LIMIT) == 0


USERS = {
    "anonymous": {"role": "anonymous"},
    "ticket": {"ticket": {"ticket": users.PASSWORD}},
    "wampcra": {"plain": {"secret": users.PASSWORD}, "salted": {"secret": users.PASSWORD, "salt": "grains", "iterations": 1000}},
    "scram": {"pbkdf2": {"password": users.PASSWORD, "kdf": "pbkdf2", "iterations": 4096}},
    "wamp-scram": {"standard": {"password": users.PASSWORD, "kdf": "pbkdf2", "iterations": 4096}},
    "cryptosign": {"key": {"pubkey": users.PUBLIC_KEY}},
}


def _start_wampd(file: Path, config: dict, urls: list[str]) -> subprocess.Popen:
    file.write_text(json.dumps(config), encoding="utf-8")
    listen = [word for url in urls for word in ("--listen", url)]
    process = subprocess.Popen(
        [program("wampd"), "--config", str(file), *listen], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )
    said = ""
    while "Ctrl-C ends it" not in said:
        line = process.stdout.readline()
        assert line, f"wampd has ended: {said}"
        said += line
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return process


def _crossbar_url(crossbar: Router, transport: str) -> str:
    return {
        "ws": crossbar.url, "wss": crossbar.tls_url, "rs": crossbar.raw_url, "rss": crossbar.raw_tls_url,
        "ws+unix": crossbar.unix_url, "rs+unix": crossbar.raw_unix_url, "http": crossbar.longpoll_url,
        "https": crossbar.longpoll_tls_url,
    }[transport]


DOORS = [(router, transport) for router in ("crossbar", "wampd") for transport in TRANSPORTS]
SLICE = [("crossbar", "wss"), ("wampd", "ws")]


@pytest.fixture(params=DOORS if IS_LONG else SLICE, ids=lambda door: "-".join(door))
def door(request, crossbar: Router, wampd: dict[str, str]) -> Door:
    router, transport = request.param
    url = _crossbar_url(crossbar, transport) if router == "crossbar" else wampd[transport]
    return Door(url, ["--ca", str(crossbar.pki.ca)])


def test_calls(door, listen, uri):
    callee = listen(door, "register", uri, "--", "cat")
    called = json.loads(door.run("call", uri, "23", "text", "k=[1, 2]"))
    assert (called["procedure"], called["args"], called["kwargs"]) == (uri, [23, "text"], {"k": [1, 2]})
    failing = listen(door, "register", f"{uri}.failing", "--error", f"{uri}.failed", "--", "sh", "-c", "echo why >&2; exit 3")
    assert door.run("call", f"{uri}.failing", status=1) == f"wampcat: {uri}.failed: why status=3\n"
    slow = listen(door, "register", f"{uri}.slow", "--", "sleep", "1000")
    assert "no answer within 1 s" in door.run("--timeout", "1", "call", f"{uri}.slow", status=5)
    for one in (callee, failing, slow):
        one.end()
    assert "wamp.error.no_such_procedure" in door.run("call", uri, status=1)


def test_events(door, listen, uri):
    subscriber = listen(door, "subscribe", uri, "--match", "prefix", "--count", "3")
    door.run("publish", f"{uri}.a", "1", "k=v")
    door.run("publish", f"{uri}.b", "--lines", feed="2\nx y\n")
    assert [subscriber.line() for _ in range(3)] == [f'{uri}.a 1 k="v"', f"{uri}.b 2", f'{uri}.b "x y"']
    assert subscriber.process.wait(LIMIT) == 0
    keeper = listen(door, "subscribe", uri)
    door.run("publish", uri, "7", "--retain")
    assert keeper.line() == f"{uri} 7"
    assert door.run("-q", "subscribe", uri, "--retained", "--count", "1") == f"{uri} 7\n"
    keeper.end()


def test_looks(door, listen, uri):
    callee = listen(door, "register", uri, "--", "cat")
    subscriber = listen(door, "subscribe", uri)
    assert "this one" in door.run("meta", "sessions")
    registrations = [json.loads(line) for line in door.run("-j", "meta", "registrations").splitlines()]
    assert any((one["procedure"], one["callees"]) == (uri, 1) for one in registrations), registrations
    subscriptions = [json.loads(line) for line in door.run("-j", "meta", "subscriptions").splitlines()]
    assert any((one["topic"], one["subscribers"]) == (uri, 1) for one in subscriptions), subscriptions
    assert uri in door.run("meta", "registrations", uri)
    assert uri in door.run("meta", "subscriptions", uri)
    callee.end()
    subscriber.end()


def test_measures(door):
    assert "3 round trips" in door.run("ping", "--count", "3", "--interval", "0")
    for load in ("call", "publish", "event"):
        figures = json.loads(door.run("-j", "bench", load, "--count", "50", "--in-flight", "4"))
        assert (figures["load"], figures["count"]) == (load, 50)


def test_trace(door, listen, uri):
    trace = listen(door, "trace", uri)
    door.run("publish", uri, "7")
    while "EVENT" not in (line := trace.line()):
        pass
    assert line.endswith("[7]]"), line
    trace.end()


# The logins of each user: method, name, variable, secret.
LOGINS = {
    "anonymous": ("anonymous", None, None, None),
    "ticket": ("ticket", "ticket", "WAMPCAT_TICKET", users.PASSWORD),
    "wampcra": ("wampcra", "plain", "WAMPCAT_SECRET", users.PASSWORD),
    "wampcra-salted": ("wampcra", "salted", "WAMPCAT_SECRET", users.PASSWORD),
    "scram": ("scram", "pbkdf2", "WAMPCAT_SECRET", users.PASSWORD),
    "wamp-scram": ("wamp-scram", "standard", "WAMPCAT_SECRET", users.PASSWORD),
    "cryptosign": ("cryptosign", "key", "WAMPCAT_PRIVKEY", users.SEED),
}
FILES = {"WAMPCAT_TICKET": "--ticket-file", "WAMPCAT_SECRET": "--secret-file", "WAMPCAT_PRIVKEY": "--privkey-file"}
PAIRS = [(router, transport, login) for router in ("crossbar", "wampd") for transport in ("ws", "wss") for login in LOGINS]
# Crossbar.io does not know the standard's SCRAM.
PAIRS = [pair for pair in PAIRS if pair[0] == "wampd" or pair[2] != "wamp-scram"]
FEW = [("crossbar", "wss", "ticket"), ("crossbar", "ws", "cryptosign"), ("wampd", "ws", "wampcra"), ("wampd", "wss", "scram")]


@pytest.mark.parametrize(("router", "transport", "login"), PAIRS if IS_LONG else FEW)
def test_logins(crossbar, wampd, tmp_path, router, transport, login):
    url = {
        ("crossbar", "ws"): crossbar.auth_url, ("crossbar", "wss"): crossbar.tls_url,
        ("wampd", "ws"): wampd["guarded ws"], ("wampd", "wss"): wampd["guarded wss"],
    }[router, transport]
    method, name, variable, secret = LOGINS[login]
    options = ["--ca", str(crossbar.pki.ca), "--authmethod", method, *(["--authid", name] if name else [])]
    ask = ("call", "wamp.session.count")
    door = Door(url, options, {variable: secret} if variable else {})
    assert int(door.run(*ask)) >= 1
    if not variable:
        return
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n", encoding="utf-8")
    assert int(Door(url, [*options, FILES[variable], str(file)]).run(*ask)) >= 1
    wrong = Door(url, options, {variable: "0" * 64})
    assert "the router refused the session" in wrong.run(*ask, status=4)
    traced = Door(url, [*options, "--trace"], {variable: secret})
    ended = subprocess.run(
        traced.command(*ask), env=traced.environment(), capture_output=True, text=True, timeout=LIMIT, check=True,
    )
    assert "AUTHENTICATE" in ended.stderr and secret not in ended.stderr + ended.stdout


def test_a_certificate_of_our_own(crossbar):
    trust = ["--ca", str(crossbar.pki.ca)]
    own = ["--cert", str(crossbar.pki.client), "--key", str(crossbar.pki.client_key)]
    assert int(Door(crossbar.client_url, [*trust, *own]).run("call", "wamp.session.count")) >= 1
    Door(crossbar.client_url, trust).run("call", "wamp.session.count", status=3)


def test_a_password_from_the_keyboard(wampd):
    door = Door(wampd["guarded ws"], ["--ask", "--authmethod", "wampcra", "--authid", "plain"])
    ask = door.command("call", "wamp.session.count")
    # Its controlling terminal is ours.
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(ask[0], ask, door.environment())  # noqa: S606
    seen = b""
    while b"Password: " not in seen:
        seen += os.read(terminal, 1024)
    end = time.monotonic() + LIMIT
    while termios.tcgetattr(terminal)[3] & termios.ECHO:  # which cannot be awaited
        assert time.monotonic() < end, "what is typed would be seen"
        time.sleep(0.01)
    os.write(terminal, f"{users.PASSWORD}\n".encode())
    with contextlib.suppress(OSError):  # the end of a terminal
        while more := os.read(terminal, 1024):
            seen += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    assert seen.split()[-1].isdigit() and users.PASSWORD.encode() not in seen, seen
    # Without one there is nobody to ask.
    ended = subprocess.run(
        ask, env=door.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True,
        timeout=LIMIT, check=False,
    )
    assert (ended.returncode, ended.stderr.startswith("wampcat: --ask needs a terminal")) == (2, True), ended.stderr


def test_a_router_that_is_killed(tmp_path, listen, uri):
    """A command that listens is there again with the next router; others end with status 6."""
    port = free_port()
    door = Door(f"ws://127.0.0.1:{port}/ws", ["--set", "initial_retry_delay=0.1", "--set", "max_retry_delay=0.5"])
    first = _start_wampd(tmp_path / "first.json", {}, [door.url])
    callee = listen(door, "register", uri, "--text", "--", "cat")
    waiting = subprocess.Popen(
        door.command("ping", "--count", "0", "--interval", "1000"), env=door.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert waiting.stdout.readline()
    first.kill()
    first.wait()
    assert waiting.wait(LIMIT) == 6
    second = _start_wampd(tmp_path / "second.json", {}, [door.url])
    end = time.monotonic() + LIMIT
    while True:
        called = subprocess.run(
            door.command("call", uri, "back", "--raw"), env=door.environment(), capture_output=True, text=True,
            timeout=LIMIT, check=False,
        )
        if called.stdout == "back\n":
            break
        assert time.monotonic() < end, called.stderr
        time.sleep(0.1)
    callee.end()
    second.terminate()
    assert second.wait(LIMIT) == 0
