"""Builds the package: the extension module of build_wamp.py, with the C library beside it.

The library is built of its source, which needs Rust, a C compiler and make. Where the environment variable
LIBWAMP_LIBRARY names the file of one that is built already, that is taken instead.

For another system than this one, LIBWAMP_COMPILER is the command that makes shared libraries there, with what it needs to
find the headers of Python; LIBWAMP_STRIP is the command that strips them. LIBWAMP_NOTICES names
the file with the licences of what is in the library, if it does not lie beside it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_wamp import CRATE

# What of the repository an sdist carries, so that the library can be built of it.
SOURCES = (
    "Cargo.toml",
    "Cargo.lock",
    "Makefile",
    "build.rs",
    "cbindgen.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "build",
    "include",
    "packaging",
    "src",
    "tools",
)

NOTICES = "THIRD-PARTY.md"


def version() -> str:
    """The version of the library, which is the package's: it stands in Cargo.toml alone."""
    found = re.search(r'^version = "(.*)"', (CRATE / "Cargo.toml").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def shared_name(built: Path) -> str:
    """The name by which the extension module asks for the library."""
    if built.suffix == ".dll":
        return built.name
    major, minor, _ = version().split(".")
    return f"libwamp.so.{f'0.{minor}' if major == '0' else major}"


def library() -> Path:
    """The built library."""
    named = os.environ.get("LIBWAMP_LIBRARY")
    if named:
        return Path(named).resolve()
    check_tools()
    target = Path(os.environ.get("CARGO_TARGET_DIR") or CRATE / "target").resolve()
    subprocess.run(
        ["make", "-C", str(CRATE), "lib", "notices", f"PYTHON={sys.executable}"],
        check=True,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    return target / "release" / "libwamp.so"


def check_tools() -> None:
    """Ends the build where something is missing that it needs."""
    compiler = os.environ.get("CC", "cc").split()[0]
    needed = {"cargo": "Rust 1.95 or later", compiler: "a C compiler", "make": "make"}
    missing = [f"{what} ('{tool}')" for tool, what in needed.items() if shutil.which(tool) is None]
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append("the headers of Python ('Python.h')")
    if missing:
        raise SystemExit(
            "error: libwamp is to be built of its source here, for want of a wheel for this platform. That needs"
            f" Rust 1.95 or later, a C compiler, make and the headers of Python. Missing: {', '.join(missing)}."
        )


class BuildExtension(build_ext):
    """Links the module to the library, and puts that beside it."""

    beside = ""  # the library's name there

    def run(self) -> None:
        """Builds both; in the source tree the library is a link, so that the one last built is used."""
        built = library()
        self.beside = shared_name(built)
        for extension in self.extensions:
            extension.extra_objects.append(str(built))
        super().run()
        place = Path(self.get_ext_fullpath("libwamp._wamp")).resolve().parent
        beside = place / self.beside
        beside.unlink(missing_ok=True)
        if self.inplace:
            beside.symlink_to(built)
            return
        shutil.copy(built, beside)
        if strip := shutil.which(os.environ.get("LIBWAMP_STRIP", "strip")):
            module = self.get_ext_fullpath("libwamp._wamp")
            subprocess.run([strip, "--strip-debug", str(beside), module], check=True)
        if (notices := Path(os.environ.get("LIBWAMP_NOTICES", built.parent / NOTICES))).is_file():
            shutil.copy(notices, place)

    def build_extension(self, extension: Extension) -> None:
        """Compiles the module."""
        command = os.environ.get("LIBWAMP_COMPILER")
        if command is None:
            super().build_extension(extension)
            return
        module = self.get_ext_fullpath(extension.name)
        Path(module).parent.mkdir(parents=True, exist_ok=True)
        given = [*extension.sources, *extension.extra_objects, *extension.extra_link_args]
        folders = [f"-I{folder}" for folder in extension.include_dirs]
        more = ["-lpython3"] if module.endswith(".pyd") else []
        subprocess.run([*shlex.split(command), "-shared", *folders, *given, *more, "-o", module], check=True)

    def get_ext_filename(self, fullname: str) -> str:
        """Names the module's file, which has another ending on Windows."""
        named: str = super().get_ext_filename(fullname)
        return f"{named.split('.')[0]}.pyd" if self.beside.endswith(".dll") else named

    def get_outputs(self) -> list[str]:
        """Tells what is built."""
        place = Path(self.get_ext_fullpath("libwamp._wamp")).parent
        return [*super().get_outputs(), str(place / self.beside)]


class SourceDistribution(sdist):
    """Carries the source of the library, in the folder `crate`."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Adds it to what is Python's."""
        super().make_release_tree(base_dir, files)
        for name in SOURCES:
            source, copy = CRATE / name, Path(base_dir, "crate", name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copy(source, copy)


class Wheel(bdist_wheel):
    """One for all versions of Python from 3.11 on."""

    def finalize_options(self) -> None:
        """Says so, but to builds of Python that have no stable ABI."""
        if not sysconfig.get_config_var("Py_GIL_DISABLED"):
            self.py_limited_api = "cp311"
        super().finalize_options()


commands: dict[str, type[Command]] = {
    "build_ext": BuildExtension,
    "sdist": SourceDistribution,
    "bdist_wheel": Wheel,
}

setup(version=version(), cffi_modules=["build_wamp.py:builder"], cmdclass=commands)
