"""Holds the folders of src/ to the arrows that ARCHITECTURE.md draws: who imports whom.

    python3 tests/arrows.py            says what imports against an arrow, and fails
    python3 tests/arrows.py --list     shows all that is imported

Reads `use` lines and paths in bodies (`crate::`, `super::`), without tests.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
DRAWING = ROOT / "ARCHITECTURE.md"

ARROW = re.compile(r"^ {4}(\w+) -> (.+)$", re.MULTILINE)
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"//[^\n]*")
PATH = re.compile(r"\b(crate|super(?:::super)*)::(\{[^;]*?\}|\w+)", re.DOTALL)


def arrows(drawing: str) -> dict[str, set[str]]:
    """The arrows of the drawing: each line names a folder and all that it may import."""
    drawn = {folder: set(re.findall(r"\w+", targets)) for folder, targets in ARROW.findall(drawing)}
    if not drawn:
        raise SystemExit(f"{DRAWING.name} draws no arrows")
    return drawn


def module_of(file: Path) -> list[str]:
    """The path of the module that a file is: src/client/pump.rs is client::pump."""
    parts = list(file.relative_to(SOURCE).with_suffix("").parts)
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def is_test(file: Path) -> bool:
    """Whether the whole file belongs to tests."""
    parts = file.relative_to(SOURCE).parts
    return "tests" in parts or file.stem in ("tests", "testing")


def imports(file: Path) -> set[str]:
    """The top-level modules that a file names."""
    text = COMMENT.sub("", TESTS.sub("", file.read_text(encoding="utf-8")))
    here = module_of(file)
    found = set()
    for start, rest in PATH.findall(text):
        base = [] if start == "crate" else here[: max(0, len(here) - start.count("super"))]
        names = re.findall(r"(?:^\{|,)\s*(\w+)", rest) if rest.startswith("{") else [rest]
        found.update(base[0] if base else name for name in names)
    return found


def main() -> int:
    drawn = arrows(DRAWING.read_text(encoding="utf-8"))
    files = [file for file in sorted(SOURCE.rglob("*.rs")) if not is_test(file)]
    folders = {module_of(file)[0] for file in files if module_of(file)}
    missing = folders - drawn.keys()
    against = [f"src/{folder} stands in no arrow of {DRAWING.name}" for folder in sorted(missing)]
    seen: dict[str, set[str]] = defaultdict(set)
    for file in files:
        module = module_of(file)
        if not module or module[0] in missing:
            continue
        targets = (imports(file) & folders) - {module[0]}
        seen[module[0]] |= targets
        for target in sorted(targets - drawn[module[0]]):
            against.append(f"{file.relative_to(ROOT)} imports {target}, against the arrows of {DRAWING.name}")
    if "--list" in sys.argv:
        for folder in sorted(seen):
            print(f"{folder} -> {', '.join(sorted(seen[folder]))}")
    for line in against:
        print(line, file=sys.stderr)
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
