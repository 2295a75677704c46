"""Builds the library with parts left out, and writes into docs/PLATFORMS.md how large it is then.

    python3 packaging/sizes.py            builds and measures all variants, one after the other: an hour
    python3 packaging/sizes.py NAME...    these; of the others the table has what was measured before
    python3 packaging/sizes.py --measure  measures anew what is built, which takes seconds
    python3 packaging/sizes.py --list     the variants, and how each is built

Leaves the libraries in target/sizes, each in a folder of its name. One program, tests/features/small.c, runs with all of
them, as they have the same header and the same functions; the router that it connects to is that of the whole library.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = (ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve()
SIZES = TARGET / "sizes"
RESULTS = SIZES / "results.json"
PROGRAM = SIZES / "small"
DOCUMENT = ROOT / "docs" / "PLATFORMS.md"
BEGIN, END = "<!-- sizes: made by packaging/sizes.py -->", "<!-- end of the sizes -->"

PARTS: list[str] = tomllib.loads((ROOT / "Cargo.toml").read_text())["features"]["default"]
ROUNDS = 40


@dataclass(frozen=True)
class Variant:
    """A way to build the library."""

    name: str
    says: str
    features: tuple[str, ...]
    for_size: bool = False

    def options(self) -> list[str]:
        """What Cargo is to be told of the parts."""
        if set(self.features) == set(PARTS):
            return []
        return ["--no-default-features", *(["--features", ",".join(self.features)] if self.features else [])]


def without(*parts: str) -> tuple[str, ...]:
    return tuple(part for part in PARTS if part not in parts)


CLIENT = "a client of `ws://` and `rs://`, with JSON, MsgPack and CBOR"
VARIANTS = (
    Variant("all", "everything, as it is released", tuple(PARTS)),
    *(Variant(f"no-{part}", f"without `{part}`", without(part)) for part in PARTS),
    Variant("tls-client", "a client with TLS: `tls` alone", ("tls",)),
    Variant("smallest", f"none of them: {CLIENT}", ()),
    Variant("smallest-z", "the same, `opt-level = \"z\"`", (), True),
)


def run(command: list[str | Path], **options) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options).stdout


def build(variant: Variant) -> Path:
    """The folder with the stripped library."""
    # Without debug information, which is stripped anyway, and takes a third of the time.
    environment = dict(os.environ, CARGO_PROFILE_RELEASE_DEBUG="none",
                       CARGO_PROFILE_RELEASE_OPT_LEVEL="z" if variant.for_size else "3")
    run(["cargo", "rustc", "--quiet", "--locked", "--package", "libwamp", "--lib", "--release", "--crate-type", "cdylib",
         *variant.options(), "--target-dir", SIZES / "build"], env=environment)
    folder = SIZES / variant.name
    folder.mkdir(exist_ok=True)
    run(["strip", "-o", folder / "libwamp.so", SIZES / "build" / "release" / "libwamp.so"])
    # The name that programs ask for: while the major version is 0, each minor version has an ABI of its own.
    soname = next(word.strip("[]") for line in run(["readelf", "-d", folder / "libwamp.so"]).splitlines()
                  if "SONAME" in line for word in line.split()[-1:])
    (folder / soname).unlink(missing_ok=True)
    (folder / soname).symlink_to("libwamp.so")
    return folder


def crates(variant: Variant) -> int:
    """How many packages are linked, without the library itself."""
    tree = run(["cargo", "tree", "--locked", "--package", "libwamp", "--edges", "normal,no-proc-macro", "--prefix", "none",
                "--format", "{p}", *variant.options()])
    names = {line.split(" (")[0] for line in tree.splitlines() if line}
    return len(names) - 1


def with_library(folder: Path) -> dict[str, str]:
    return dict(os.environ, LD_LIBRARY_PATH=str(folder))


def built(variant: Variant) -> dict[str, float]:
    folder = build(variant)
    if variant.name == "all":
        run([os.environ.get("CC", "cc"), "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Iinclude",
             "tests/features/small.c", "-L", folder, "-lwamp", "-lpthread", "-o", PROGRAM])
    return {"bytes": (folder / "libwamp.so").stat().st_size, "crates": crates(variant)}


def measure(results: dict[str, dict[str, float]]) -> None:
    """Until a session is joined by ws://, from the start of the process, in ms; and the peak of resident memory, in MiB. The
    variants take turns, so that what else the machine does is the same for all."""
    said: dict[str, list[list[str]]] = {name: [] for name in results}
    router = subprocess.Popen([PROGRAM, "router"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=with_library(SIZES / "all"))
    try:
        url = router.stdout.readline().strip()
        for _ in range(ROUNDS):
            for name, lines in said.items():
                begin = str(time.monotonic_ns())
                lines.append(run([PROGRAM, "call", url, begin], env=with_library(SIZES / name)).split())
    finally:
        router.communicate("")
    for name, lines in said.items():
        # The least, which tells most of the library and least of the machine.
        results[name]["joined"] = min(float(words[words.index("after") + 1]) for words in lines)
        results[name]["resident"] = statistics.median(float(words[-2]) for words in lines)


def table(results: dict[str, dict[str, float]]) -> str:
    whole = results["all"]
    lines = [
        "| build | stripped library | less than everything | crates | one connection: joined after, at best | at most resident |",
        "|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        if one := results.get(variant.name):
            less = (whole["bytes"] - one["bytes"]) / 1024
            lines.append(
                f"| {variant.says} | {one['bytes'] / 1024:,.0f} KiB | {f'{less:,.0f} KiB' if variant.name != 'all' else ''} "
                f"| {one['crates']:.0f} | {one['joined']:.1f} ms | {one['resident']:.1f} MiB |"
            )
    return "\n".join(lines)


def write(results: dict[str, dict[str, float]]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *(variant.name for variant in VARIANTS)], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="shows the variants, and builds nothing")
    parser.add_argument("--measure", action="store_true", help="builds nothing: measures what is built, and writes the table")
    arguments = parser.parse_args()
    if arguments.list:
        for variant in VARIANTS:
            print(f"{variant.name:12} {' '.join(variant.options())}".rstrip())
        return 0
    SIZES.mkdir(parents=True, exist_ok=True)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    chosen = [variant for variant in VARIANTS if not arguments.names or variant.name in arguments.names]
    chosen = [] if arguments.measure else chosen
    for variant in chosen:
        if variant.name != "all" and "all" not in results:
            parser.error("the others are compared with `all`: build that first")
        results[variant.name] = built(variant)
        RESULTS.write_text(json.dumps(results, indent=1))
        print(variant.name, results[variant.name], flush=True)
    measure(results)
    write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
