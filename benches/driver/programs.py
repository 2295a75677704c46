"""The clients, the routers, how they are built, and which versions they have."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from driver.rows import PLAIN_ROLES, ROLES, Row

BENCHES = Path(__file__).resolve().parents[1]
ROOT = BENCHES.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
OUTPUT = TARGET / "bench"
STRICT = ["-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
AUTOBAHN_CPP = [
    "-O2", "-std=c++14", "-w", "-D_GNU_SOURCE", "-DMSGPACK_DEFAULT_API_VERSION=1",
    "-DBOOST_THREAD_VERSION=4", "-DBOOST_THREAD_PROVIDES_FUTURE_CONTINUATION",
]  # fmt: skip
AUTOBAHN_CPP_LIBRARIES = [
    "-lboost_thread", "-lboost_system", "-lboost_random", "-lssl", "-lcrypto", "-lpthread",
]  # fmt: skip

PEER_ROLES = (*PLAIN_ROLES, "memory")
FLOOR = "floor"
MODES = ("inline", "thread", "manual")


def is_peer(client: str) -> bool:
    return client != FLOOR and not client.startswith("libwamp")


class Missing(Exception):
    """Something is not there, or cannot be built; the text says what."""


@dataclass(frozen=True)
class Client:
    """A program that is measured."""

    name: str
    command: tuple[str, ...]
    transports: tuple[str, ...] = ("ws",)
    serializers: tuple[str, ...] = ("json", "msgpack")
    instead: str = ""  # the serializer that it takes where it does not have JSON
    roles: tuple[str, ...] = PEER_ROLES
    patience: float = 1  # how many times longer it is measured, as compilers at run time need it
    is_quick: bool = False  # takes part in thin rows

    def serializer_for(self, row: Row) -> str | None:
        """What it speaks in a row; nothing if it does not take part."""
        if row.role not in self.roles or row.transport not in self.transports:
            return None
        if self.name.startswith("libwamp"):
            return row.serializer
        if row.wire in self.serializers:
            return row.wire
        return self.instead if self.instead and row.serializer == "json" else None


# ---- building ----


def run(command: list[str], where: Path = ROOT, limit: float = 900) -> str:
    try:
        done = subprocess.run(
            command, cwd=where, capture_output=True, text=True, timeout=limit, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no reason is given"]
        telling = next((line for line in words if "error" in line.lower()), words[-1])
        raise Missing(f"{command[0]} says: {telling.replace(str(ROOT), '.')[:300]}")
    return done.stdout


def is_fresh(made: Path, sources: list[Path]) -> bool:
    return made.exists() and all(
        made.stat().st_mtime > source.stat().st_mtime for source in sources
    )


@cache
def compiled(name: str, library: Path | None = None) -> str:
    """A program of benches/c; with a directory of libwamp.so, one that is linked with it."""
    made = OUTPUT / "bin" / name
    sources = [
        BENCHES / "c" / f"{name}.c",
        *(BENCHES / "c").glob("*.h"),
        ROOT / "include" / "wamp.h",
    ]
    link = (
        [f"-I{ROOT / 'include'}", f"-L{library}", "-lwamp", f"-Wl,-rpath,{library}", "-lpthread"]
        if library
        else []
    )
    made.parent.mkdir(parents=True, exist_ok=True)
    if library or not is_fresh(made, sources):
        run([os.environ.get("CC", "cc"), *STRICT, str(sources[0]), "-o", str(made), *link])
    return str(made)


def library_in(directory: Path) -> Path:
    if not (directory / "libwamp.so").exists():
        raise Missing(f"there is no {directory}/libwamp.so: run `make lib` first")
    return directory.resolve()


def wamp_async() -> Client:
    project = BENCHES / "peers" / "wamp_async"
    built = OUTPUT / "peers"
    if not shutil.which("cargo"):
        raise Missing("there is no cargo")
    run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", str(built)], project)
    command = (str(built / "release" / "peer"),)
    return Client("wamp_async", command, ("ws", "rs"), is_quick=True)


def autobahn_cpp() -> Client:
    made, source = OUTPUT / "bin" / "autobahn_cpp", BENCHES / "peers" / "autobahn_cpp.cpp"
    if not Path("/usr/include/autobahn/autobahn.hpp").exists():
        raise Missing("its headers are not installed (Debian's package autobahn-cpp-dev)")
    if not is_fresh(made, [source, BENCHES / "c" / "meter.h"]):
        compiler = os.environ.get("CXX", "c++")
        run([compiler, *AUTOBAHN_CPP, str(source), "-o", str(made), *AUTOBAHN_CPP_LIBRARIES])
    return Client(
        "autobahn-cpp", (str(made),), ("ws", "rs"), ("msgpack",), "msgpack", is_quick=True
    )


def autobahn_python() -> Client:
    python = TARGET / "venv" / "bin" / "python"
    if not (TARGET / "venv" / "ready").exists():
        raise Missing("it is not installed: run `make venv`")
    command = (str(python), "-W", "ignore", str(BENCHES / "peers" / "autobahn_python.py"))
    return Client("autobahn-python", command, ("ws", "rs"), ("json", "msgpack", "cbor"), patience=2)


def javascript(library: str) -> Client:
    node = shutil.which("node")
    if not node or not (TARGET / "node_modules" / library / "package.json").exists():
        raise Missing("it is not installed: run `make javascript`")
    command = (node, str(BENCHES / "peers" / "javascript.js"), library)
    # wampy has every publication acknowledged.
    roles = tuple(
        role for role in PEER_ROLES if library != "wampy" or not role.startswith("publish")
    )
    name = "autobahn-js" if library == "autobahn" else library
    return Client(name, command, serializers=("json", "msgpack", "cbor"), roles=roles, patience=3)


PEERS: dict[str, Callable[[], Client]] = {
    "wamp_async": wamp_async,
    "autobahn-cpp": autobahn_cpp,
    "autobahn-python": autobahn_python,
    "autobahn-js": lambda: javascript("autobahn"),
    "wampy": lambda: javascript("wampy"),
}


def floor() -> Client:
    transports = ("ws", "rs", "ws+unix", "rs+unix")
    return Client(
        FLOOR,
        (compiled("floor"),),
        transports,
        ("json", "msgpack", "cbor"),
        roles=tuple(ROLES),
        is_quick=True,
    )


def libwamp(mode: str, library: Path, payloads: str, deflate: str) -> Client:
    command = (
        compiled("client", library),
        "--mode",
        mode,
        "--payloads",
        payloads,
        "--deflate",
        deflate,
    )
    transports = ("ws", "rs", "ws+unix", "rs+unix", "http")
    # In manual mode one thread cannot wait for the events of many connections.
    roles = tuple(role for role in ROLES if mode != "manual" or role != "connections")
    return Client(
        f"libwamp-{mode}", command, transports, (), roles=roles, is_quick=mode == "inline"
    )


# ---- versions ----


def first_line(*command: str) -> str:
    try:
        return run(list(command), limit=30).strip().partition("\n")[0] or "unknown"
    except Missing:
        return "unknown"


def line_of(file: Path, beginning: str, mark: str) -> str:
    """What follows a mark in the first line of a file that begins so."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next(
        (line.partition(mark)[2].strip(' "') for line in lines if line.startswith(beginning)),
        "unknown",
    )


def peer_version(name: str) -> str:
    if name == "wamp_async":
        return line_of(BENCHES / "peers" / "wamp_async" / "Cargo.toml", "wamp_async", "=").strip(
            '="'
        )
    if name == "autobahn-cpp":
        return first_line("dpkg-query", "-W", "-f", "${Version}", "autobahn-cpp-dev")
    if name == "autobahn-python":
        python = str(TARGET / "venv" / "bin" / "python")
        code = "import importlib.metadata as m; print(m.version('autobahn'))"
        return f"{first_line(python, '-c', code)} on {first_line(python, '--version')}"
    package = (
        TARGET / "node_modules" / ("autobahn" if name == "autobahn-js" else name) / "package.json"
    )
    version = json.loads(package.read_text(encoding="utf-8"))["version"]
    return f"{version} on Node.js {first_line('node', '--version')}"


def facts(clients: list[Client]) -> dict[str, str]:
    """What to know of a run: where, when and with what."""
    commit = first_line("git", "describe", "--always", "--dirty", "--abbrev=10")
    processor = line_of(Path("/proc/cpuinfo"), "model name", ":")
    found = {
        "libwamp": f"{line_of(ROOT / 'Cargo.toml', 'version', '=')}, commit {commit}",
        "machine": f"{processor}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "compiler": first_line(os.environ.get("CC", "cc"), "--version"),
        "rustc": first_line("rustc", "--version"),
    }
    peers = [client.name for client in clients if is_peer(client.name)]
    return found | {peer: peer_version(peer) for peer in peers}
