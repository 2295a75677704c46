"""Holds the Rust code to the measures of CONTRIBUTING.md, "Style": short functions and files, shallow nesting, comments
within 100 columns, doc comments that begin with a noun or a verb. And nothing in the tree that was built.

    python3 tests/style.py            says what does not keep to them, and fails
    python3 tests/style.py --table    shows the measures of the code
"""

import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "src", ROOT / "tools" / "src")

COLUMNS = 100
FILE_LINES = 500
FUNCTION_LINES = 60
NESTING = 5

# The top of the tree. What is built, in whatever place, is no part of it.
TOP = {
    ".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml", "LICENSE-APACHE",
    "LICENSE-MIT", "Makefile", "README.md", "SECURITY.md", "benches", "bindings", "build", "build.rs", "cbindgen.toml",
    "clippy.toml", "docs", "examples-c", "fuzz", "include", "packaging", "rustfmt.toml", "src", "tests", "tools",
}

QUESTIONS = {"Who", "What", "Where", "Whom", "Whose", "Which", "Whether", "When", "How", "That"}

TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"^(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern \"C\" )*fn (\w+)")
COMMENT = re.compile(r"^\s*//")
DOC = re.compile(r"^\s*//[/!] ?(.*)$")


@dataclass(frozen=True)
class Function:
    file: str
    name: str
    lines: int
    nesting: int


def is_test(file: Path) -> bool:
    """Whether the whole file belongs to tests."""
    return "tests" in file.relative_to(ROOT).parts or file.stem in ("tests", "testing")


def functions(name: str, lines: list[str]) -> list[Function]:
    """The functions of a file, as rustfmt has laid them out."""
    found = []
    for start, line in enumerate(lines):
        if not (head := FUNCTION.match(line)):
            continue
        indent = len(head[1])
        end = start
        while not lines[end].startswith(" " * indent + "}") and not lines[end].rstrip().endswith((";", "}")) or (
            end > start and len(lines[end]) - len(lines[end].lstrip()) > indent
        ):
            end += 1
        depths = [(len(one) - len(one.lstrip()) - indent) // 4 - 1 for one in lines[start + 1 : end] if one.strip()]
        found.append(Function(name, head[2], end - start + 1, max(depths, default=0)))
    return found


def questions(name: str, lines: list[str]) -> list[str]:
    """Doc comments, and their paragraphs, that do not begin with a noun or a verb."""
    found, before = [], ""
    for number, line in enumerate(lines, 1):
        doc = DOC.match(line)
        if doc and not before and doc[1].partition(" ")[0] in QUESTIONS:
            found.append(f"{name}:{number} begins with a question: {line.strip()}")
        before = doc[1].strip() if doc else ""
    return found


def wide_comments(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        f"{file.relative_to(ROOT)}:{number} has {len(line)} columns"
        for number, line in enumerate(lines, 1)
        if len(line) > COLUMNS and COMMENT.match(line) and " | " not in line
    ]


def strangers() -> list[str]:
    """Whatever git has at the top of the tree that does not belong there; nothing where there is no git."""
    command = ["git", "-C", str(ROOT), "ls-tree", "--name-only", "HEAD"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return []
    return [f"{name} does not belong to the tree (TOP in tests/style.py)" for name in names if name not in TOP]


def main() -> int:
    faults, measured, sizes = strangers(), [], []
    for file in sorted(file for source in SOURCES for file in source.rglob("*.rs")):
        if is_test(file):
            continue
        name = str(file.relative_to(ROOT))
        lines = TESTS.sub("", file.read_text(encoding="utf-8")).splitlines()
        sizes.append(len(lines))
        if len(lines) > FILE_LINES:
            faults.append(f"{name} has {len(lines)} lines")
        faults += questions(name, lines)
        measured += functions(name, lines)
    for function in measured:
        if function.lines > FUNCTION_LINES:
            faults.append(f"{function.file}: {function.name} has {function.lines} lines")
        if function.nesting > NESTING:
            faults.append(f"{function.file}: {function.name} is nested {function.nesting} deep")
    for folder in ("src", "tools", "build", "tests"):
        for file in sorted((ROOT / folder).rglob("*.rs")):
            faults += wide_comments(file)
    if "--table" in sys.argv:
        lengths = sorted(function.lines for function in measured)
        print(f"file lines, median / max: {statistics.median(sizes):.0f} / {max(sizes)}")
        p90, p99 = (lengths[int(len(lengths) * part)] for part in (0.9, 0.99))
        print(f"function lines, p90 / p99 / max: {p90} / {p99} / {lengths[-1]}")
        print(f"deepest nesting: {max(function.nesting for function in measured)}")
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
