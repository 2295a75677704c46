"""The notices of what is linked into the library, as Markdown on standard output.

Cargo tells the packages; their licences are the files that they bring along.
"""

import json
import subprocess
import sys
from pathlib import Path

LICENCES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*", "license*")


def main() -> None:
    packages = linked()
    print("# Third-party notices\n\nlibwamp contains these packages, under these licences:\n")
    for package in packages:
        print(f"* {package['name']} {package['version']}: {package['license'] or 'see its licence below'}")
    texts: dict[str, list[str]] = {}  # the same text stands once, whoever brings it
    for package in packages:
        for file in licences(Path(package["manifest_path"]).parent):
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for text, names in texts.items():
        print(f"\n## {', '.join(dict.fromkeys(names))}\n\n```text\n{text}\n```")


def linked() -> list[dict]:
    """The packages that are linked into the library here, in the order of their names."""
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host()],
        stdout=subprocess.PIPE, check=True,
    ).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    return sorted((packages[id] for id in normal(metadata)), key=lambda package: (package["name"], package["version"]))


def host() -> str:
    told = subprocess.run(["rustc", "-vV"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in told.splitlines() if line.startswith("host: "))


def normal(metadata: dict) -> set[str]:
    """The packages that are linked: no tools of the build, no tests, not libwamp itself."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, waiting = set(), [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return found


def licences(directory: Path) -> list[Path]:
    files = {file for pattern in LICENCES for file in directory.glob(pattern) if file.is_file()}
    if not files:
        print(f"packaging/notices.py: {directory.name} brings no licence file", file=sys.stderr)
    return sorted(files)


if __name__ == "__main__":
    main()
