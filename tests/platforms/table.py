"""Tries the library on every system that packaging/cross.py builds it for, and makes the table of docs/PLATFORMS.md.

    python3 tests/platforms/table.py TARGET...   tries these (all targets: all), and renews their columns
    python3 tests/platforms/table.py --only units TARGET...   some of it: hello, package, scenarios, units, python
    python3 tests/platforms/table.py --failed TARGET...   scenarios and unit tests that failed without a known reason, each
                                                 once more by itself: on a busy machine, limits of time say little
    python3 tests/platforms/table.py             makes the table of what was tried last

Windows is Wine here, and the processors are qemu's: what passes shows that the library works there, what fails may be the
emulation's fault. A failure that is not explained in known.py ends this with status 1.
"""

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "packaging"), str(Path(__file__).parent)]

import cross  # noqa: E402
import known  # noqa: E402
import packages  # noqa: E402
import pythons  # noqa: E402

RESULTS = cross.CROSS / "results"
PAGE = ROOT / "docs" / "PLATFORMS.md"
MODES = ("thread", "manual", "inline")
KINDS = ("hello", "package", "scenarios", "units", "python")
PROGRAMS = KINDS[:3]
TITLES = {
    "hello": "the program of README.md, and its router", "package": "the package, by pkg-config and CMake", "scenarios": "C scenarios (tests/c)", "units": "unit tests",
    "python": "Python: the wheel, and tests of the binding",
}


# ---- programs in C ----

def compiler(name: str, package: str) -> list[str]:
    """The command that compiles a program against the package."""
    target = cross.TARGETS[name]
    command = [target.gcc, "-O1", "-g", "-D_POSIX_C_SOURCE=200809L", f"-I{package}/include", *target.cflags]
    if name == cross.WINDOWS:
        # As C99 has it, mingw lacks what POSIX adds to it.
        return [*command, "-std=gnu99", "-D__USE_MINGW_ANSI_STDIO=1", f"-I{cross.SOURCE}/tests/platforms/windows"]
    return [*command, "-std=c99", f"-Wl,-rpath,{package}/lib"]


def libraries(name: str, package: str) -> list[str]:
    """The end of that command."""
    more = ["-lws2_32", "-Wl,-Bstatic", "-lpthread"] if name == cross.WINDOWS else ["-lpthread", "-lm"]
    return [f"-L{package}/lib", "-lwamp", *more]


def runs(name: str, program: str) -> list[str]:
    """The command that runs a program of the target."""
    return [*cross.TARGETS[name].runner, program + (".exe" if name == cross.WINDOWS else "")]


def scenarios(name: str) -> list[Path]:
    """The scenarios, but for those that the system has no use for, and those that other tests drive."""
    files = sorted((ROOT / "tests" / "c").glob("*.c"))
    return [file for file in files if not file.stem.startswith("interop_") and file.stem not in known.not_there(name)]


def scenario_jobs(name: str, folder: str) -> list[dict]:
    """The scenarios in all their modes."""
    jobs = []
    for file in scenarios(name):
        modes = MODES if "scenario.mode" in file.read_text(encoding="utf-8") else MODES[:1]
        command = runs(name, f"{folder}/{file.stem}")
        jobs += [
            {"name": f"{file.stem} {mode}", "command": [*command, "", "", mode], "says": f"ok: {file.stem}"}
            for mode in modes
        ]
    return jobs


def hello_jobs(name: str, folder: str, package: str) -> list[dict]:
    """The program of the README, with a router that runs there, too."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [source, *_] = re.findall(r"^```c\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    program = f"{folder}/hello"
    made = runs(name, program)[-1]
    command = [*compiler(name, package), "-x", "c", "-", "-o", made, *libraries(name, package)]
    hello = {
        "name": "hello", "router": runs(name, f"{folder}/router"), "source": source, "compile": command,
        "command": runs(name, program), "says": "2 + 3 = 5",
    }
    quickstart = {"name": "quickstart", "command": runs(name, f"{folder}/quickstart"), "says": "2 + 3 = 5"}
    return [hello, quickstart]


def compile_all(name: str, folder: str, package: str, kinds: list[str]) -> None:
    """Compiles the programs; one that does not compile fails later, when it is to run."""
    programs = [ROOT / "tests" / "platforms" / "router.c", ROOT / "examples-c" / "quickstart.c"]
    if "scenarios" in kinds:
        programs += scenarios(name)
    lines = [f"mkdir -p {folder}"]
    if name == cross.WINDOWS:
        lines.append(f"cp {package}/bin/wamp.dll {folder}")
    for file in programs:
        source = f"{cross.SOURCE}/{file.relative_to(ROOT)}"
        made = runs(name, f"{folder}/{file.stem}")[-1]
        command = [*compiler(name, package), source, "-o", made, *libraries(name, package)]
        lines.append(f"rm -f {made}; {' '.join(command)} || echo {file.stem} does not compile >&2")
    cross.in_root("\n".join(lines))


def run_programs(name: str, kinds: list[str]) -> dict[str, list[dict]]:
    """Runs the programs in C."""
    package = f"{cross.PLACE}/libwamp-{cross.version()}-{name}"
    folder = f"{cross.PLACE}/programs/{name}"
    compile_all(name, folder, package, kinds)
    found = {}
    for kind in kinds:
        if kind == "package":
            cross.in_root(packages.write_script(name, package, f"{folder}/package"), check=False)
            found[kind] = [*packages.check(name), *run_jobs(name, packages.jobs(name, f"{folder}/package"))]
        elif kind == "scenarios":
            found[kind] = run_jobs(name, scenario_jobs(name, folder))
        else:
            found[kind] = run_jobs(name, hello_jobs(name, folder, package))
    return found


def run_jobs(name: str, jobs: list[dict]) -> list[dict]:
    """Runs programs in the root, by run.py."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}-jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    place = f"{cross.PLACE}/results"
    cross.in_root(
        f"exec python3 tests/platforms/run.py {place}/{name}-jobs.json {place}/{name}-done.json",
        dict(cross.TARGETS[name].variables),
    )
    return json.loads((RESULTS / f"{name}-done.json").read_text(encoding="utf-8"))


# ---- unit tests ----

def run_units(name: str, exact: tuple[str, ...] = ()) -> list[dict]:
    """Runs the unit tests of the crate, or those with these names, one after another."""
    variables = cross.cargo(name)
    if cross.TARGETS[name].runner[:1] not in ((), ("wine",)):
        variables["PROPTEST_CASES"] = "16"  # of 256, which take minutes on an emulated processor
    chosen = f" -- --test-threads=1 --exact {' '.join(exact)}" if exact else ""
    log = RESULTS / f"{name}-units.txt"
    RESULTS.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        cross.in_root(
            f"exec cargo test --package libwamp --locked --lib --no-fail-fast {cross.WITHOUT_CHECKS} --target {name}"
            f" -Zbuild-std=std,panic_unwind,test{chosen}",
            variables, check=False, stdout=output, stderr=output,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$", text, re.MULTILINE)
    if "test result:" not in text:
        lines.append(("the end of the run", "FAILED"))
    return [{"name": test, "passed": how == "ok", "told": ""} for test, how in lines]


# ---- once more ----

def run_failed(name: str) -> dict[str, list[dict]]:
    """Runs scenarios and unit tests once more that failed without a known reason, with what is built."""
    kinds = (read(name) or {"kinds": {}})["kinds"]
    failed = {
        kind: {result["name"] for result in kinds.get(kind, []) if not result["passed"] and not known.reason(name, result["name"])}
        for kind in ("scenarios", "units")
    }
    again = {}
    if failed["scenarios"]:
        jobs = [job for job in scenario_jobs(name, f"{cross.PLACE}/programs/{name}") if job["name"] in failed["scenarios"]]
        again["scenarios"] = run_jobs(name, jobs)
    if failed["units"]:
        cross.prepare(name)
        again["units"] = run_units(name, tuple(sorted(failed["units"])))
    return {kind: renewed(kinds[kind], results) for kind, results in again.items()}


def renewed(before: list[dict], results: list[dict]) -> list[dict]:
    """The results of a run, with newer ones of some of its tests."""
    newer = {result["name"]: result for result in results}
    return [newer.get(result["name"], result) for result in before]


# ---- the page ----

def unexplained(results: dict[str, dict]) -> list[str]:
    """The failures without a known reason."""
    return [
        f"{name}: {kind}: {result['name']}: {result.get('told', '')}"
        for name, found in results.items()
        for kind in found["kinds"]
        for result in found["kinds"][kind]
        if not result["passed"] and known.reason(name, result["name"]) is None
    ]


def cell(found: dict | None, name: str, kind: str) -> str:
    """The number of those that passed, and of what was tried."""
    if found is None or kind not in found["kinds"]:
        return "not tried"
    results = found["kinds"][kind]
    passed = sum(result["passed"] for result in results)
    missing = len(known.not_there(name)) if kind == "scenarios" else 0
    quick = kind != "units" and found["profiles"].get(kind) == "dev"
    return f"{passed} of {len(results)}" + (f"; {missing} left out" if missing else "") + ("; dev" if quick else "")


def table(results: dict[str, dict]) -> str:
    """The table, and what did not pass, with its reason."""
    lines = [f"| target | {' | '.join(TITLES[kind] for kind in KINDS)} | tried |", f"|---|{'---|' * (len(KINDS) + 1)}"]
    for name in cross.TARGETS:
        found = results.get(name)
        cells = [cell(found, name, kind) for kind in KINDS]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {found['when'] if found else ''} |")
    failures = {}
    for name, found in results.items():
        for kind in found["kinds"]:
            for result in found["kinds"][kind]:
                if not result["passed"]:
                    why = known.reason(name, result["name"]) or "not explained"
                    failures.setdefault((result["name"], why), []).append(name)
    if failures:
        lines += ["", "| failed | where | why |", "|---|---|---|"]
        lines += [f"| {test} | {', '.join(names)} | {why} |" for (test, why), names in sorted(failures.items())]
    lines += ["", "| left out | where | why |", "|---|---|---|"]
    lines += [f"| {test} | {name} | {why} |" for name in results for test, why in sorted(known.not_there(name).items())]
    return "\n".join(lines)


def read(name: str) -> dict | None:
    """The results of a target that were kept, but for those of scenarios that are left out by now."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    left_out = known.not_there(name)
    kept = [result for result in found["kinds"].get("scenarios", []) if result["name"].split()[0] not in left_out]
    return found | {"kinds": found["kinds"] | ({"scenarios": kept} if kept else {})}


def keep(name: str, results: dict[str, list[dict]], built: bool = True) -> None:
    """Keeps results of a target beside those of other kinds, which another run may have brought meanwhile; `built`: of
    what PROFILE says, and not of what was there."""
    before = read(name) or {}
    RESULTS.mkdir(parents=True, exist_ok=True)
    now = {
        "when": datetime.now(UTC).date().isoformat(),
        "kinds": before.get("kinds", {}) | results,
        "profiles": before.get("profiles", {}) | (dict.fromkeys(results, cross.PROFILE) if built else {}),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(now, indent=1), encoding="utf-8")


BEGIN, END = "<!-- table: made by tests/platforms/table.py -->", "<!-- end of the table -->"


def write_page(results: dict[str, dict]) -> None:
    """Puts the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    asked = argparse.ArgumentParser(description="Tries the library on other systems.")
    asked.add_argument("targets", nargs="*", metavar="TARGET")
    asked.add_argument("--only", action="append", choices=KINDS)
    asked.add_argument("--keep", action="store_true", help="the packages that are there, instead of new ones")
    asked.add_argument("--failed", action="store_true", help="what failed without a known reason, with what is built")
    given = asked.parse_args()
    kinds = given.only or list(KINDS)
    for name in list(cross.TARGETS) if given.targets == ["all"] else given.targets:
        if given.failed:
            keep(name, run_failed(name), built=False)
            continue
        programs = [kind for kind in kinds if kind in PROGRAMS]
        if not given.keep and kinds != ["units"]:
            cross.pack(name)
        if programs:
            keep(name, run_programs(name, programs))
        if "python" in kinds:
            keep(name, {"python": pythons.run_python(name)})
        if "units" in kinds:
            cross.prepare(name)
            keep(name, {"units": run_units(name)})
    results = {name: found for name in cross.TARGETS if (found := read(name)) is not None}
    write_page(results)
    failed = unexplained(results)
    print("\n".join(failed))
    passed = sum(result["passed"] for found in results.values() for kind in found["kinds"].values() for result in kind)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
