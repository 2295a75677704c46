"""Looks at the binding's code: by ruff, and by mypy as programs see it that use the package.

    python tools/lints.py CACHE

CACHE is a directory for what mypy remembers.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

BINDING = Path(__file__).resolve().parents[1]
SAMPLES = BINDING / "tests" / "typed"
FORMATTED = ("libwamp", "tests", "tools", "examples", "setup.py", "build_wamp.py")


def main(cache: str) -> int:
    """The status for the shell."""
    failures = [
        run("ruff", "check", "--no-cache", *FORMATTED),
        run("ruff", "format", "--no-cache", "--check", *FORMATTED),
        run("mypy", "--cache-dir", cache, "libwamp", "examples", str(SAMPLES / "right.py")),
        wrong_is_refused(cache),
    ]
    return 1 if any(failures) else 0


def run(tool: str, *arguments: str) -> int:
    """The status of a tool that was run in the binding's directory."""
    environment = {**os.environ, "MYPYPATH": str(BINDING)}
    return subprocess.run([sys.executable, "-m", tool, *arguments], cwd=BINDING, env=environment).returncode


def wrong_is_refused(cache: str) -> int:
    """Whether mypy finds what is wrong in wrong.py: in each line that says so, and in no other."""
    file = SAMPLES / "wrong.py"
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    wanted = {(number, match[1]) for number, line in lines if (match := re.search(r"# refused: ([\w-]+)", line))}
    command = [sys.executable, "-m", "mypy", "--cache-dir", cache, "--no-error-summary", str(file)]
    environment = {**os.environ, "MYPYPATH": str(BINDING)}
    said = subprocess.run(command, cwd=BINDING, env=environment, stdout=subprocess.PIPE, text=True).stdout
    found = {(int(number), code) for number, code in re.findall(r"wrong\.py:(\d+): error: .*\[([\w-]+)\]$", said, re.M)}
    if found == wanted:
        return 0
    print(f"{file}: mypy says\n{said}and not what the comments say: {sorted(wanted ^ found)}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
