"""The table of all parts of the test run: what each does, needs and takes, and what belongs to which tier."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness import Cargo, Harness, Plain, Pytest
from places import PYTHON, SHAKE, TARGET

TIERS = ("check", "test", "long")  # each is seen less often than the one before; `test` holds `check` too

INTEROP = "tests/interop"
PYTHON_TESTS = "bindings/python/tests"
JUDGES = f"{PYTHON_TESTS}/test_judges.py"
SOAK = f"{PYTHON_TESTS}/test_soak.py"
INSTALL = f"{PYTHON_TESTS}/test_install.py"
OTHER_PARTS = tuple(f"--ignore={file}" for file in (JUDGES, SOAK, INSTALL))


@dataclass(frozen=True)
class Part:
    """A part of the test run."""

    name: str
    does: str
    seconds: int  # what it takes beside another part, on two processors that do nothing else
    harness: Harness
    tier: str = "test"
    needs: tuple[str, ...] = ()
    # How long it may be silent before it counts as hanging: ten times the longest pause in a run alone, and no less
    # than 30 s. None: for ever, as compilers are on a slow machine.
    silence: float | None = None
    # Whether a test that fails may have failed by chance, so that it is run again alone. Never what is deterministic.
    excused: bool = False
    processors: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)


def make(*targets: str) -> Plain:
    return Plain(["make", "--no-print-directory", *targets])


def cargo(*arguments: str) -> Plain:
    return Plain(["cargo", *arguments])


def tests(*names: str, filters: tuple[str, ...] = ()) -> Cargo:
    """The programs tests/NAME.rs."""
    return Cargo([word for name in names for word in ("--test", name)], list(filters))


def interop(*subjects: str, more: tuple[str, ...] = ()) -> Pytest:
    return Pytest([*(f"{INTEROP}/test_{subject}.py" for subject in subjects), *more])


LONG = {"WAMP_TEST_LONG": "1"}
# What delays system calls and futexes at random (tests/shake/shake.c), and C scenarios behind each of their steps.
SHAKEN = {"LD_PRELOAD": str(SHAKE), "WAMP_TEST_JITTER": "500", "WAMP_TEST_COUNT": "1000"}
PEERS = ("library", "programs", "binding", "node-packages")

PARTS = (
    # ---- what the others need; the longest way through them begins first ----
    Part("library", "builds the release library, shared and static", 290, make("lib")),
    Part("rust", "builds the tests in Rust", 235, cargo("test", "--no-run", "--quiet"), tier="check"),
    Part("python-packages", "installs Crossbar.io and the peers in Python", 95, make("venv")),
    Part("python-tools", "installs ruff and mypy", 8, make("python-tools"), tier="check"),
    Part("binding", "builds the extension module of the Python binding", 8, make("python"),
         needs=("library", "python-packages")),
    Part("node-packages", "installs the peers in JavaScript", 6, make("javascript")),
    Part("programs", "builds the programs in C", 29, make("scenarios", "examples", "counted"), needs=("library",)),
    Part("shaker", "builds what delays system calls", 1, make("shaker"), tier="long"),

    # ---- check: what a change needs before it is committed ----
    Part("format", "cargo fmt --check", 2, cargo("fmt", "--check"), tier="check"),
    Part("arrows", "the folders of src/ import each other as drawn", 1,
         Plain([sys.executable, "tests/arrows.py"]), tier="check"),
    Part("style", "short functions and files, comments that read well", 1,
         Plain([sys.executable, "tests/style.py"]), tier="check"),
    Part("dependencies", "licences of what is linked, and no package twice", 1,
         Plain([sys.executable, "packaging/dependencies.py"]), tier="check", needs=("rust",)),
    Part("runner", "this runner, on tests that fail by design", 13,
         Plain([sys.executable, "tests/runner/test_runner.py"]), tier="check"),
    Part("unit", "unit and property tests of the crate", 48, Cargo(["--package", "libwamp", "--lib"]), tier="check", needs=("rust",),
         silence=300),
    Part("clippy", "lints", 73, cargo("clippy", "--quiet", "--all-targets", "--", "-D", "warnings"), tier="check",
         needs=("rust",)),
    Part("documentation", "cargo doc without warnings", 18, cargo("doc", "--quiet", "--no-deps"), tier="check",
         needs=("clippy",), variables={"RUSTDOCFLAGS": "-Dwarnings"}),

    Part("python-lints", "ruff and mypy on the Python binding", 10,
         make("python-lints"), tier="check", needs=("python-tools",)),

    # ---- test: what each landing needs ----
    Part("surface", "header, description, symbols, ABI, reference, environment", 10,
         tests("abi", "header", "description", "symbols", "reference", "environment"), needs=("rust", "library"), silence=300),
    Part("hand-over", "the steps between threads that read one socket, in all their orders", 10, tests("hand_over"),
         needs=("rust",)),
    Part("decoders", "the bodies of the fuzz targets, on seeds and mutations", 30, tests("fuzz_bodies"),
         needs=("rust",), silence=600),
    Part("hostile", "routers that break every rule", 80, tests("hostile"), needs=("rust",), silence=300, excused=True),
    Part("c-plain", "C scenarios and examples, in every mode", 20,
         tests("c_scenarios", filters=("--skip", "valgrind")), needs=("rust", "programs"), silence=600, excused=True),
    Part("c-valgrind", "the same under valgrind, in two of the modes", 230,
         tests("c_scenarios", filters=("valgrind",)), needs=("rust", "programs"), silence=900, excused=True),
    Part("instructions", "instructions per message, against their budget", 7,
         Plain([sys.executable, "tests/instructions/guard.py"]), needs=("programs",), silence=300),
    Part("instructions-guard", "the same, on a client that wastes some by design", 9,
         Plain([sys.executable, "tests/instructions/test_guard.py"]), needs=("programs",), silence=300),
    Part("features", "the library with parts left out: lints, and the smallest client in C", 60,
         Plain([sys.executable, "tests/features/check.py", "few"]), needs=("rust", "library"), silence=600),
    Part("interop-features", "the whole client against Crossbar.io, Autobahn and wampy", 165,
         interop("auth", "auth_helpers", "autobahn", "examples", "features", "javascript", "longpoll_javascript",
                 "patterns", "python_binding", "store", "twins"),
         needs=PEERS, silence=300, excused=True),
    Part("interop-transports", "every transport, serializer, loss and fallback, against Crossbar.io", 165,
         interop("compression", "cookies", "fallback", "matrix", "reconnect", "tls", "transports"),
         needs=PEERS, silence=600, excused=True),
    Part("interop-guests", "other clients as guests and admins of the embedded router", 12, interop("guests"), needs=PEERS,
         silence=300, excused=True),
    Part("interop-c", "C scenarios against Crossbar.io", 95, interop("c_scenarios"), needs=PEERS, silence=600,
         excused=True),
    Part("interop-tools", "wampcat against Crossbar.io and wampd: each subcommand, some transports and logins", 15,
         interop("tools"), needs=("rust", "python-packages"), silence=300, excused=True),
    Part("tools", "wampd and wampcat, as their users start them", 20, Cargo(["--package", "libwamp-tools"]),
         needs=("rust",), silence=300, excused=True),
    Part("hosts", "the library in a process of Mono", 3, tests("hosts"), needs=("rust", "library"), silence=600,
         excused=True),
    Part("websocket", "the Autobahn TestSuite, both sides, 403 cases", 95, tests("websocket_cases"),
         needs=("rust", "python-packages"), silence=900, excused=True),
    Part("python", "the Python binding", 40, Pytest([PYTHON_TESTS, *OTHER_PARTS]), needs=("binding",), silence=300,
         excused=True),
    Part("python-uvloop", "the same on uvloop", 25, Pytest([PYTHON_TESTS, *OTHER_PARTS]), needs=("binding",),
         silence=300, excused=True, variables={"WAMP_TEST_LOOP": "uvloop"}),
    Part("python-soak", "100,000 events and calls in Python, with exceptions, cancellations and losses", 30,
         Pytest([SOAK]), needs=("binding",), silence=300, variables={"WAMP_SOAK_COUNT": "100000"}),
    Part("python-install", "wheel and sdist of the Python binding, in clean environments", 45, Pytest([INSTALL]),
         needs=("binding",), silence=600, excused=True),
    Part("judges", "encodings before json, msgpack and cbor2, by properties", 60, Pytest([JUDGES]),
         needs=("binding",), silence=300),
    Part("install", "make install, pkg-config and CMake", 30, tests("install"), needs=("rust", "library"), silence=300,
         excused=True),
    Part("readme", "all that README and docs tell to do", 10, tests("readme"),
         needs=("rust", "binding"), silence=300, excused=True),
    Part("benchmark", "the benchmark, for a moment: each role gives a figure", 10, make("bench-smoke"),
         needs=("library",), silence=300),

    # ---- long: what is seen before a subject is called done ----
    Part("long-programs", "builds wampd and wampcat as they are installed", 400, make("programs"), tier="long",
         needs=("library",), variables={"PROGRAMS": str(TARGET / "programs" / "release")}),
    Part("long-tools", "wampcat against Crossbar.io and wampd: each subcommand over each transport, each login", 70,
         interop("tools"), tier="long", needs=("rust", "python-packages"), silence=900, excused=True, variables=LONG),
    Part("long-browser", "the live page of examples-c/dashboard.c, in Chromium", 20, Pytest(["tests/browser"]), tier="long",
         needs=(*PEERS, "rust"), silence=300),
    Part("long-valgrind", "C scenarios under valgrind, each mode with each wire", 480,
         tests("c_scenarios", filters=("valgrind",)), tier="long", needs=("rust", "programs"), silence=3000,
         variables=LONG),
    Part("long-hand-over", "the same, with one more turn cut short", 300, tests("hand_over"), tier="long",
         needs=("rust",), silence=3000, variables=LONG),
    Part("long-order", "100,000 messages in order through Crossbar.io", 490,
         interop("c_scenarios", more=("-k", "order")), tier="long", needs=PEERS, silence=3000, variables=LONG),
    Part("long-storm", "50 rounds of a Crossbar.io killed, frozen, restarted under load", 380, interop("reconnect"),
         tier="long", needs=PEERS, silence=3000, variables={"WAMP_STORM_ROUNDS": "50"}),
    Part("long-cluster", "one program on the embedded router and on two linked nodes, killed under load", 75,
         interop("cluster", "cluster_links"), tier="long", needs=PEERS, silence=900, excused=True),
    Part("long-websocket", "the Autobahn TestSuite, both sides, all 517 cases", 500, tests("websocket_cases"),
         tier="long", needs=("rust", "python-packages"), silence=1500, variables={"WAMP_WEBSOCKET_CASES": "all"}),
    Part("long-judges", "encodings before their judges, 1500 examples each", 350, Pytest([JUDGES]), tier="long",
         needs=("binding",), silence=900, variables={"WAMP_JUDGE_EXAMPLES": "1500"}),
    Part("long-python", "1,000,000 events and calls in Python, as in python-soak", 400, Pytest([SOAK]), tier="long",
         needs=("binding",), silence=3000, variables={"WAMP_SOAK_COUNT": "1000000"}),
    Part("long-python-install", "an sdist of the Python binding, with the library built of it", 400, Pytest([INSTALL]),
         tier="long", needs=("binding",), variables=LONG),
    Part("long-properties", "property tests of the crate, 4096 examples each", 300, Cargo(["--lib"]), tier="long",
         needs=("rust",), silence=1500, variables={"PROPTEST_CASES": "4096"}),
    Part("long-logins", "the times of failed logins, of names that are known and that are not, 300 of each", 240,
         Cargo(["--lib"], ["router::tests::timing"]), tier="long", needs=("rust",), silence=1500,
         variables={"WAMP_TEST_LOGINS": "300"}),
    Part("long-liveness", "routers frozen, cut off and slow, over each transport", 330,
         Plain([str(PYTHON), "tests/liveness/table.py"]), tier="long", needs=("binding",),
         silence=3300),
    Part("long-systems", "machines without IPv6, with 64 MB of memory, with file systems that cannot be written to", 30,
         Plain([sys.executable, "tests/systems"]), tier="long", needs=("rust", "programs", "binding"), silence=300),
    Part("long-attacks", "attacks on a router, and what a bystander feels; crowds", 950,
         Plain([sys.executable, "tests/attacks/table.py"]), tier="long", needs=("library",), silence=3300),
    Part("long-cross", "the library on Windows, ARM, RISC-V and musl, under Wine and qemu", 7200,
         Plain([sys.executable, "tests/platforms/table.py", "all"]), tier="long"),
    Part("long-features", "the same, with each part alone and each left out", 300,
         Plain([sys.executable, "tests/features/check.py", "all"]), tier="long", needs=("rust", "library"), silence=900),
    Part("long-fuzz", "every fuzz target for ten minutes", 7200, make("fuzz"), tier="long"),
    Part("shake-c", "C scenarios, delayed at random", 60, tests("c_scenarios", filters=("plain",)), tier="long",
         needs=("rust", "programs", "shaker"), silence=900, variables=SHAKEN),
    Part("shake-hostile", "hostile routers, delayed at random", 90, tests("hostile"), tier="long",
         needs=("rust", "shaker"), silence=900, variables=SHAKEN),
    Part("shake-python", "the Python binding, delayed at random", 40, Pytest([PYTHON_TESTS, *OTHER_PARTS]),
         tier="long", needs=("binding", "shaker"), silence=900, variables=SHAKEN),
    Part("shake-interop", "everything against Crossbar.io, delayed at random", 320, Pytest([INTEROP]), tier="long",
         needs=(*PEERS, "shaker"), silence=900, variables=SHAKEN),
)


def chosen(words: list[str]) -> list[Part]:
    """The parts that tiers, names and families of names (`shake`, `interop`) stand for, with all that they need."""
    names: set[str] = set()
    for word in words:
        found = [part.name for part in PARTS if is_meant(part, word)]
        if not found:
            raise ValueError(f"there is no part {word!r}; --list shows all")
        names.update(found)
    for part in reversed(PARTS):
        if part.name in names:
            names.update(part.needs)
    return [part for part in PARTS if part.name in names]


def is_meant(part: Part, word: str) -> bool:
    if word in TIERS:
        return part.tier == word or (part.tier == "check" and word == "test")
    return part.name == word or part.name.startswith(f"{word}-")


def table() -> str:
    """The table of CONTRIBUTING.md."""
    rows = (f"| {part.tier} | `{part.name}` | {part.seconds} | {part.does} |" for part in PARTS)
    return "\n".join(["| tier | part | s | what it does |", "|---|---|---|---|", *rows])
