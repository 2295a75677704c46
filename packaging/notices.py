"""The notices of what is linked into the library and the programs, as Markdown on standard output.

    python3 packaging/notices.py [TARGET]      for another system than this one

Cargo tells the packages; their licences are the files that they bring along.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

LICENCES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*", "license*")
# What the compilers link beside the packages, by the end of a target's name, and where Debian has the licences.
LIBGCC = "libgcc, of the GNU Compiler Collection: GPL-3.0-or-later WITH GCC-exception-3.1"
RUNTIMES = {
    "windows-gnu": [
        ("the runtime of MinGW-w64, with winpthreads: ZPL-2.1, MIT and others", "mingw-w64-common"),
        (LIBGCC, "gcc-mingw-w64-base"),
    ],
    "musl": [(LIBGCC, "libgcc-s1")],
}


def main() -> None:
    library, programs = linked("libwamp"), linked("libwamp-tools")
    more = [package for package in programs if package not in library and package["name"] != "libwamp"]
    print("# Third-party notices\n\nlibwamp contains these packages, under these licences:\n")
    listed(library)
    print(f"* the standard library of {told('rustc', '--version').strip()}: MIT OR Apache-2.0")
    for runtime, _ in runtimes():
        print(f"* {runtime}")
    print("\nThe programs wampd and wampcat contain them, too, and these:\n")
    listed(more)
    texts: dict[str, list[str]] = {}  # the same text stands once, whoever brings it
    for package in library + more:
        for file in licences(Path(package["manifest_path"]).parent):
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for runtime, package in runtimes():
        text = Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8", errors="replace").strip()
        texts.setdefault(text, []).append(runtime.split(":")[0])
    for text, names in texts.items():
        print(f"\n## {', '.join(dict.fromkeys(names))}\n\n```text\n{text}\n```")


def runtimes() -> list[tuple[str, str]]:
    return next((linked for end, linked in RUNTIMES.items() if target().endswith(end)), [])


def listed(packages: list[dict]) -> None:
    for package in packages:
        print(f"* {package['name']} {package['version']}: {package['license'] or 'see its licence below'}")


def linked(member: str) -> list[dict]:
    """The packages that are linked into a member of the workspace, in the order of their names."""
    packages = {(package["name"], package["version"]): package for package in metadata()["packages"]}
    tree = told("cargo", "tree", "--locked", "--package", member, "--edges", "normal,no-proc-macro", "--target", target(),
                "--prefix", "none", "--no-dedupe", "--format", "{p}")
    named = {tuple(line.replace(" v", " ", 1).split()[:2]) for line in tree.splitlines() if line}
    return [packages[name] for name in sorted(named) if name[0] != member]


@cache
def metadata() -> dict:
    return json.loads(told("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target()))


@cache
def target() -> str:
    """The system that is asked about: this one, unless another is named."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    lines = told("rustc", "-vV").splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def told(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def licences(directory: Path) -> list[Path]:
    files = {file for pattern in LICENCES for file in directory.glob(pattern) if file.is_file()}
    if not files:
        print(f"packaging/notices.py: {directory.name} brings no licence file", file=sys.stderr)
    return sorted(files)


if __name__ == "__main__":
    main()
