"""Holds the folders of src/ to the arrows that ARCHITECTURE.md draws: who imports whom. And looks
into some of them, whose parts must not import each other in a circle.

    python3 tests/arrows.py            says what imports against an arrow or in a circle, and fails
    python3 tests/arrows.py --list     shows all that is imported

Reads `use` lines and paths in bodies (`crate::`, `super::`, `self::`), without tests.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
DRAWING = ROOT / "ARCHITECTURE.md"

# Folders without circles. Their parts are the files and folders in them, but for mod.rs, which all
# of them may use: what it passes on (`pub use part::Name`) counts as an import of the part.
WITHOUT_CIRCLES = (
    "auth", "client", "client/connection", "client/delivery", "client/options", "client/session", "codec", "codec/binary",
    "codec/json", "ffi", "os", "os/unix", "os/windows", "protocol", "protocol/message", "protocol/session", "router", "router/auth", "router/config",
    "router/dealer", "router/meta", "transport", "transport/longpoll", "transport/proxy", "transport/rawsocket", "transport/tls",
    "transport/websocket",
)

# Imports that close a circle all the same, and why.
ALLOWED = {
    "client/session": {
        ("handler", "notice"): "a handler is told of notices, and a notice knows its handler",
        ("handler", "durable"): "a receiver may be a declaration, and a declaration has a handler",
    },
    "codec": {
        ("json", "reader"): "the trait of all readers gives dicts, which are JSON text, and stands beside what reads any encoding",
        ("binary", "reader"): "as json",
        ("payload", "json"): "a payload can be brought into another encoding, and the readers of each give payloads",
        ("payload", "transcode"): "as json",
    },
    "router": {
        ("meta", "realm"): "a realm leads calls of the meta API there, which work on its state",
    },
    "transport": {
        ("tls", "error"): "an error of connecting may be one of TLS, and a TLS handshake is a part of connecting",
    },
    "transport/longpoll": {
        ("shared", "server"): "a server has its open transports, and each takes itself out of it",
    },
}

ARROW = re.compile(r"^ {4}([\w/]+) -> (.+)$", re.MULTILINE)
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"//[^\n]*")
PATH = re.compile(r"(?<!::)\b(?=(?:crate|self|super)::[\w{*])")
USE = re.compile(r"\buse\s+(?=[^;]+;)")
WORD = re.compile(r"\s*(\w+|\*)")
MORE = re.compile(r"\s*::\s*(?=[\w{*])")
OPEN, COMMA, CLOSE = (re.compile(rf"\s*{sign}") for sign in (r"\{", ",", r"\}"))
ALIAS = re.compile(r"\s+as\s+(\w+)")
ITEM = re.compile(
    r"^pub (?:(?:const|unsafe|async) )*(?:struct|enum|union|trait|fn|type|static|mod|const) (\w+)",
    re.MULTILINE,
)

# The names along a path, such as crate, protocol, ids, IdMap.
Names = tuple[str, ...]


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


def source(file: Path) -> str:
    """The text of a file without tests and comments."""
    return COMMENT.sub("", TESTS.sub("", file.read_text(encoding="utf-8")))


def tree(text: str, at: int, before: Names = ()) -> tuple[list[tuple[Names, str]], int]:
    """The paths of `a::{b::C, d::E as F}` that begins there, each with the name that it gives, and
    where it ends."""
    path = before
    while True:
        if brace := OPEN.match(text, at):
            found: list[tuple[Names, str]] = []
            at = brace.end()
            while not (closed := CLOSE.match(text, at)):
                inner, end = tree(text, at, path)
                found += inner
                comma = COMMA.match(text, end)
                if end == at and not comma:
                    return found, at  # No tree after all.
                at = comma.end() if comma else end
            return found, closed.end()
        if not (word := WORD.match(text, at)):
            return [], at
        path, at = (*path, word[1]), word.end()
        if not (more := MORE.match(text, at)):
            break
        at = more.end()
    if path[-1] == "self" and len(path) > 1:
        path = path[:-1]
    alias = ALIAS.match(text, at)
    return [(path, alias[1] if alias else path[-1])], alias.end() if alias else at


def absolute(path: Names, here: Names) -> Names:
    """The path from src/ on, of one that the module `here` begins with crate, self or super."""
    base = () if path[0] == "crate" else here
    for at, name in enumerate(path):
        if name == "super":
            base = base[:-1]
        elif name not in ("crate", "self"):
            return base + path[at:]
    return base


def imports(file: Path) -> set[Names]:
    """The paths in this crate that a file names, from src/ on."""
    text, here = source(file), tuple(module_of(file))
    starts = [start.start() for start in PATH.finditer(text)]
    return {absolute(path, here) for at in starts for path, _ in tree(text, at)[0]}


def passed_on(folder: Path, parts: dict[str, Path]) -> dict[str, str]:
    """The names that the mod.rs of a folder has from its parts, and from which."""
    names: dict[str, str] = {}
    text = source(folder / "mod.rs")
    for use in USE.finditer(text):
        for path, name in tree(text, use.end())[0]:
            part = path[1] if path[0] == "self" and len(path) > 1 else path[0]
            if part in parts:
                file = parts[part] if parts[part].is_file() else parts[part] / "mod.rs"
                names.update(dict.fromkeys(ITEM.findall(source(file)) if name == "*" else [name], part))
    return names


def against_inner(drawn: dict[str, set[str]], folder: str, seen: dict[str, set[str]]) -> list[str]:
    """What imports against the arrows between the parts of a folder. Its other files are for all of
    them, and import none."""
    parts = {name.rpartition("/")[2]: drawn[name] for name in drawn if name.rpartition("/")[0] == folder}
    return [
        f"src/{folder}/{part} imports {target}, against the arrows of {DRAWING.name}"
        for part, targets in sorted(seen.items())
        for target in sorted(targets & parts.keys())
        if target not in parts.get(part, set())
    ]


def inner_imports(folder: Path) -> dict[str, set[str]]:
    """The parts of a folder, and which of the others each imports."""
    places = [place for place in sorted(folder.iterdir()) if place.is_dir() or place.suffix == ".rs"]
    parts = {place.stem: place for place in places if place.name != "mod.rs" and not is_test(place)}
    names = passed_on(folder, parts)
    base = folder.relative_to(SOURCE).parts
    seen: dict[str, set[str]] = {part: set() for part in parts}
    for part, place in parts.items():
        files = [place] if place.is_file() else sorted(place.rglob("*.rs"))
        for path in {path for file in files if not is_test(file) for path in imports(file)}:
            name = path[len(base)] if path[: len(base)] == base and len(path) > len(base) else ""
            if name == "*":
                seen[part].update(names.values())
            elif name in parts or name in names:
                seen[part].add(name if name in parts else names[name])
        seen[part].discard(part)
    return seen


def circles(seen: dict[str, set[str]]) -> list[list[str]]:
    """A shortest circle through each part that is in one, but for those of circles already found."""
    found: list[list[str]] = []
    for start in sorted(seen):
        if any(start in circle for circle in found):
            continue
        ways = [[start]]
        reached = {start}
        while ways:
            way = ways.pop(0)
            if start in seen[way[-1]]:
                found.append([*way, start])
                break
            ways += [[*way, part] for part in sorted(seen[way[-1]] - reached)]
            reached |= seen[way[-1]]
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
        targets = ({path[0] for path in imports(file) if path} & folders) - {module[0]}
        seen[module[0]] |= targets
        for target in sorted(targets - drawn[module[0]]):
            against.append(f"{file.relative_to(ROOT)} imports {target}, against the arrows of {DRAWING.name}")
    inner = {folder: inner_imports(SOURCE / folder) for folder in WITHOUT_CIRCLES}
    for folder, parts in inner.items():
        against += against_inner(drawn, folder, parts)
        for part, target in ALLOWED.get(folder, {}):
            parts[part].discard(target)
        for circle in circles(parts):
            against.append(f"the parts of src/{folder} import each other in a circle: {' -> '.join(circle)}")
    if "--list" in sys.argv:
        for folder in sorted(seen):
            print(f"{folder} -> {', '.join(sorted(seen[folder]))}")
        for folder, parts in inner.items():
            for part, targets in sorted(parts.items()):
                print(f"{folder}/{part} -> {', '.join(sorted(targets)) or 'nothing'}")
    for line in against:
        print(line, file=sys.stderr)
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
