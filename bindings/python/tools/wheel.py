"""Makes a wheel, tagged for the oldest systems that it runs on, as auditwheel judges.

    python tools/wheel.py DIRECTORY

LIBWAMP_LIBRARY names the library to put into it; without it that is built. Needs what pyproject.toml asks for, and
auditwheel and wheel.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BINDING = Path(__file__).resolve().parents[1]


def main(directory: str) -> None:
    """Leaves the wheel in the directory, and prints its path."""
    with tempfile.TemporaryDirectory() as scratch:
        made = build(Path(scratch))
        platform = oldest_platform(made)
        run("wheel", "tags", "--remove", "--platform-tag", platform, str(made))
        [tagged] = Path(scratch).glob("*.whl")
        Path(directory).mkdir(parents=True, exist_ok=True)
        print(shutil.move(tagged, Path(directory, tagged.name)))


def build(scratch: Path) -> Path:
    """A wheel with the tag of this very machine."""
    run(
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(scratch),
        str(BINDING),
    )
    [made] = scratch.glob("*.whl")
    return made


def oldest_platform(made: Path) -> str:
    """The tag that auditwheel finds a wheel to be consistent with."""
    said = " ".join(run("auditwheel", "show", str(made)).split())
    found = re.search(r'platform tag: "(\S+?)"', said)
    if found is None:
        raise SystemExit(f"auditwheel names no platform: {said}")
    return found[1]


def run(module: str, *arguments: str) -> str:
    """Runs a module of Python's, and gives what it says."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
