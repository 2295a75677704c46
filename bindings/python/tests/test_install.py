"""Wheel and sdist, each installed in a clean environment, where README's program runs without more.

The library in them is the one that LIBWAMP_LIBRARY or LIBWAMP_PATH names, or that make has built, but for an sdist with WAMP_TEST_LONG=1:
then it is built of the source that the sdist carries.
"""

import os
import platform
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from programs import BINDING

ROOT = BINDING.parents[1]
LIBRARY = os.environ.get("LIBWAMP_LIBRARY") or os.environ.get("LIBWAMP_PATH") or f"{ROOT}/target/release/libwamp.so"
IS_LONG = os.environ.get("WAMP_TEST_LONG") == "1"
LIMIT = 3600 if IS_LONG else 600
PINNED = ROOT / "tests" / "interop" / "requirements.txt"


def clean(**more):
    """The environment of a user who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIBWAMP", "WAMP", "PYTHON"))}
    kept.pop("LD_LIBRARY_PATH", None)
    return {**kept, **more}


def good(*command, **environment):
    """Runs a command that has to end well, and gives what it says."""
    program = subprocess.run(
        [str(word) for word in command],
        env=clean(**environment),
        text=True,
        timeout=LIMIT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
    )
    assert program.returncode == 0, program.stdout
    return program.stdout


class Environment:
    """A virtual environment with nothing in it but what the package asks for."""

    def __init__(self, place, *packages):
        venv.create(place, with_pip=True)
        self.python = place / "bin" / "python"
        lines = PINNED.read_text(encoding="utf-8").splitlines()
        self.pip("install", *(line for line in lines if line.split("==")[0] in packages))

    def pip(self, verb, *arguments, **environment):
        return good(
            self.python, "-m", "pip", "--disable-pip-version-check", verb, "--no-deps", *arguments, **environment
        )

    def run(self, text, **environment):
        return good(self.python, "-c", text, **environment)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wheel")
    good(sys.executable, BINDING / "tools" / "wheel.py", directory, LIBWAMP_LIBRARY=LIBRARY)
    [made] = directory.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sdist")
    program = "import os, sys, setuptools.build_meta as m; os.chdir(sys.argv[1]); m.build_sdist(sys.argv[2])"
    good(sys.executable, "-c", program, BINDING, directory)
    [made] = directory.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel."""
    environment = Environment(tmp_path_factory.mktemp("environment"), "cffi")
    environment.pip("install", wheel)
    return environment


def readme_program():
    """The first block of Python in README.md, and what it says."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.S)
    return found[1], found[2]


def test_the_wheel_has_all_and_no_more(wheel):
    name = re.fullmatch(r"libwamp-[\d.]+-cp311-abi3-manylinux_2_(\d+)_\w+\.whl", wheel.name)
    assert name is not None, wheel.name
    named = re.search(r"glibc 2\.(\d+)", (BINDING / "README.md").read_text(encoding="utf-8"))
    if platform.libc_ver() == ("glibc", "2.36"):  # of Debian 12, of which README.md speaks
        assert name[1] == named[1], "README.md names another glibc"
    with zipfile.ZipFile(wheel) as archive:
        files = {file for file in archive.namelist() if "/licenses/" not in file}
        metadata = archive.read(next(file for file in files if file.endswith("/METADATA"))).decode()
        licences = [file for file in archive.namelist() if "/licenses/" in file]
    inside = {file.removeprefix("libwamp/") for file in files if file.startswith("libwamp/")}
    modules = {file.name for file in (BINDING / "libwamp").glob("*.py*") if file.is_file()}
    built = {"_wamp.abi3.so", "libwamp.so.0.2", "py.typed"}
    assert inside - {"THIRD-PARTY.md"} == modules | built
    for line in ("License-Expression: MIT OR Apache-2.0", "Requires-Python: >=3.11", "Requires-Dist: cffi"):
        assert line in metadata
    assert len(licences) == 2


def test_the_wheel_runs_readmes_program(installed):
    program, output = readme_program()
    assert installed.run(program) == output


def test_the_wheel_tells_its_version(installed):
    [version] = re.findall(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)
    told = installed.run("import libwamp, importlib.metadata as m; print(libwamp.version(), m.version('libwamp'))")
    assert told.split() == [version, version]


def test_a_library_of_another_version_is_refused(installed, tmp_path):
    """The same one, but for the version that it tells."""
    place = installed.run("import libwamp, os; print(os.path.dirname(libwamp.__file__))").strip()
    library = (Path(place) / "libwamp.so.0.2").read_bytes()
    version = installed.run("import libwamp; print(libwamp.version())").strip()
    other = tmp_path / "libwamp.so.0.2"
    other.write_bytes(library.replace(version.encode() + b"\0", b"9.9.9\0"))
    assert other.read_bytes() != library
    program = "try:\n import libwamp\nexcept ImportError as error:\n print(error)"
    told = installed.run(program, LIBWAMP_PATH=str(other))
    assert version in told
    assert "9.9.9" in told


def test_a_library_that_is_not_there_is_told(installed):
    program = "try:\n import libwamp\nexcept ImportError as error:\n print(error)"
    assert "/nowhere/libwamp.so" in installed.run(program, LIBWAMP_PATH="/nowhere/libwamp.so")


def test_the_import_is_quick(installed):
    """60 ms beside asyncio's own are promised; on a machine so busy that asyncio takes longer itself, no more than that."""
    program = """
import sys, time
begin = time.perf_counter()
import asyncio
middle = time.perf_counter()
import libwamp
print(middle - begin, time.perf_counter() - middle)
"""
    times = [tuple(map(float, installed.run(program).split())) for _ in range(7)]
    asyncios, ours = (min(each) for each in zip(*times, strict=True))
    print(f"asyncio {asyncios * 1000:.0f} ms, libwamp {ours * 1000:.0f} ms more")
    assert ours < max(0.06, asyncios)


def test_the_sdist_carries_what_the_library_is_built_of(sdist):
    with tarfile.open(sdist) as archive:
        files = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {
        "crate/Cargo.lock",
        "crate/Cargo.toml",
        "crate/build.rs",
        "crate/Makefile",
        "crate/include/wamp.h",
        "crate/src/lib.rs",
        "build_wamp.py",
        "setup.py",
        "LICENSE-MIT",
        "libwamp/py.typed",
    } <= files
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "src").rglob("*.rs")}
    assert {f"crate/{source}" for source in sources} <= files
    assert not [file for file in files if "target/" in file or file.endswith((".so", ".pyc"))]


def test_the_sdist_says_what_it_needs(sdist, tmp_path):
    """On a machine without Rust and make."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("cc", "env"):
        (tools / tool).symlink_to("/bin/true")
    program = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, sdist],
        env=clean(PATH=str(tools)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )
    assert program.returncode != 0
    assert "Missing: Rust 1.95 or later ('cargo'), make ('make')." in program.stdout


def test_the_sdist_is_installed_and_runs_readmes_program(sdist, tmp_path):
    environment = Environment(tmp_path / "environment", "cffi", "pycparser", "setuptools")
    more = {} if IS_LONG else {"LIBWAMP_LIBRARY": LIBRARY}
    environment.pip("install", "--no-build-isolation", sdist, **more)
    program, output = readme_program()
    assert environment.run(program) == output
