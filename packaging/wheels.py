"""Makes wheels of the Python binding for other systems, of the packages that packaging/cross.py makes.

    python3 packaging/wheels.py TARGET...      makes wheels (all targets: all), and the packages where they are missing

Leaves them in target/cross/wheels (CROSS_DIR). setup.py makes them, as everywhere, with the compiler of the target and the
headers of the oldest Python that they are for. Each is tagged for the oldest systems that it runs on: on Linux what its
libraries ask of glibc decides that.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import cross

ROOT = Path(__file__).resolve().parents[1]
WHEELS = cross.CROSS / "wheels"
HEADERS = cross.CROSS / "python-headers"
# The oldest Python that a wheel is for: Debian 12 has it, whose source has the headers for all systems.
OLDEST, DEBIAN_OF_OLDEST = (3, 11), "bookworm"
# The names of machines in tags.
MACHINES = {
    cross.WINDOWS: "amd64",
    "aarch64-unknown-linux-gnu": "aarch64",
    "armv7-unknown-linux-gnueabihf": "armv7l",
    "riscv64gc-unknown-linux-gnu": "riscv64",
    "x86_64-unknown-linux-musl": "x86_64",
    "aarch64-unknown-linux-musl": "aarch64",
}
# What glibc and musl bring: all else would have to be in the wheel.
SYSTEM = re.compile(r"lib(c|m|dl|rt|pthread|gcc_s)\.so(\.\d+)?|ld-linux[\w-]*\.so\.\d+")


# ---- the headers of Python ----

def make_headers() -> None:
    """Unpacks what the extension module is compiled against, once."""
    stamp = HEADERS / "ready"
    if stamp.exists():
        return
    cross.tell(f"fetches the headers of Python {OLDEST[0]}.{OLDEST[1]}")
    shutil.rmtree(HEADERS, ignore_errors=True)
    HEADERS.mkdir(parents=True)
    sources = cross.DEBIAN / "etc" / "apt" / "sources.list.d" / "python.list"
    sources.write_text(f"deb-src {cross.mirror()} {DEBIAN_OF_OLDEST} main\n", encoding="ascii")
    name = f"python{OLDEST[0]}.{OLDEST[1]}"
    cross.in_root(
        f"set -e; apt-get -qq update; cd {cross.PLACE}/{HEADERS.name}\n"
        f"apt-get -qq -o APT::Sandbox::User=root source --tar-only --download-only {name}"
    )
    [archive] = HEADERS.glob("*.orig.tar.*")
    with tarfile.open(archive) as packed:
        for member in packed:
            _, _, path = member.name.partition("/")
            if member.isfile() and (path.startswith("Include/") or path in ("PC/pyconfig.h", "Misc/stable_abi.toml")):
                member.name = path
                packed.extract(member, HEADERS, filter="data")
    archive.unlink()
    stamp.touch()


def stable_abi() -> list[str]:
    """The functions and variables that all versions of Python from the oldest one on have, in the order of their names."""
    listed = tomllib.loads((HEADERS / "Misc" / "stable_abi.toml").read_text(encoding="utf-8"))
    return sorted([*listed["function"], *listed["data"]])


def import_library(folder: Path) -> Path:
    """The library by which a module for Windows is linked to python3.dll."""
    listed = tomllib.loads((HEADERS / "Misc" / "stable_abi.toml").read_text(encoding="utf-8"))
    lines = [*listed["function"], *(f"{name} DATA" for name in listed["data"])]
    definition = folder / "python3.def"
    definition.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *lines, ""]), encoding="ascii")
    made = folder / "libpython3.a"
    run(f"{cross.TARGETS[cross.WINDOWS].binutils}dlltool", "--input-def", definition, "--output-lib", made)
    return made


# ---- a wheel, inside the root ----

def compiler(name: str, folder: Path) -> list[str]:
    """The command that makes the extension module."""
    target = cross.TARGETS[name]
    command = [target.gcc, "-O2", "-g", "-fno-strict-aliasing", "-Wall", *target.cflags, f"-I{HEADERS}/Include"]
    command.append(f"-ffile-prefix-map={folder}=.")
    if name == cross.WINDOWS:
        # MinGW's compiler, unlike Microsoft's, is told apart from Cygwin's by nothing else.
        return [*command, f"-I{HEADERS}/PC", "-DMS_WIN64", f"-L{folder}"]
    return [*command, "-fPIC", f"-I{ROOT}/packaging/python"]


def make_inside(name: str) -> None:
    """Makes the wheel of a target; everything that it needs is there."""
    package, folder = cross.CROSS / f"libwamp-{cross.version()}-{name}", Path("/tmp/wheel")
    binding = folder / "bindings" / "python"
    # A copy, as setuptools leaves files in its source.
    shutil.copytree(ROOT / "bindings" / "python", binding, ignore=shutil.ignore_patterns("*.so*", "build", "*.egg-info"))
    for needed in ("Cargo.toml", "include"):
        (folder / needed).symlink_to(ROOT / needed)
    command = compiler(name, folder)
    library = package / "lib" / f"libwamp.so.{cross.version()}"
    if name == cross.WINDOWS:
        library = package / "bin" / "wamp.dll"
        import_library(folder)
    environment = {
        "LIBWAMP_LIBRARY": str(library), "LIBWAMP_COMPILER": " ".join(command),
        "LIBWAMP_NOTICES": str(package / "share" / "doc" / "libwamp" / "THIRD-PARTY.md"),
        "LIBWAMP_STRIP": f"{cross.TARGETS[name].binutils}strip",
    }
    asked = ["setup.py", "--quiet", "bdist_wheel", "--dist-dir", folder / "dist"]
    run(sys.executable, "-W", "ignore", *asked, cwd=binding, env=os.environ | environment)
    [made] = (folder / "dist").glob("*.whl")
    libraries = [*binding.glob("build/lib*/libwamp/*.so*")]
    tag = platform_tag(name, libraries)
    run(sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", tag, made)
    [tagged] = (folder / "dist").glob("*.whl")
    WHEELS.mkdir(exist_ok=True)
    for older in WHEELS.glob(f"libwamp-*{re.sub('_[0-9]+_[0-9]+_', '_*_', tag)}.whl"):
        older.unlink()
    shutil.copy(tagged, WHEELS)
    print(tagged.name)


def platform_tag(name: str, libraries: list[Path]) -> str:
    """The tag of the oldest systems that have all that the libraries need."""
    machine = MACHINES[name]
    if name == cross.WINDOWS:
        return f"win_{machine}"
    tools, least = cross.TARGETS[name].binutils, (2, 17)
    for library in libraries:
        told = run(f"{tools}objdump", "-p", library)
        foreign = [need for need in re.findall(r"NEEDED +(\S+)", told) if not SYSTEM.fullmatch(need) and "wamp" not in need]
        if foreign:
            raise SystemExit(f"{library.name} needs {', '.join(foreign)}, which not every system has")
        least = max([least, *(tuple(map(int, version.split("."))) for version in re.findall(r" GLIBC_(2\.\d+)", told))])
    if name.endswith("musl"):
        return f"musllinux_1_2_{machine}"
    return f"manylinux_{least[0]}_{least[1]}_{machine}"


def run(*command: object, **how: object) -> str:
    """Runs a command that must end well, and gives what it says."""
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True, **how).stdout


# ---- from outside ----

def make(name: str) -> Path:
    """Makes the wheel of a target, and gives its path."""
    cross.make_root()
    if not (cross.CROSS / f"libwamp-{cross.version()}-{name}").is_dir():
        cross.pack(name)
    make_headers()
    listing = WHEELS.with_suffix(".txt")
    with listing.open("w", encoding="utf-8") as output:
        settings = {"CROSS_DIR": cross.PLACE, "PYTHONDONTWRITEBYTECODE": "1"}
        cross.in_root(f"exec python3 packaging/wheels.py --inside {name}", settings, stdout=output)
    return WHEELS / listing.read_text(encoding="utf-8").split()[-1]


def main() -> int:
    asked = argparse.ArgumentParser(description="Makes wheels of the Python binding for other systems.")
    asked.add_argument("targets", nargs="+", metavar="TARGET")
    asked.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    names = list(MACHINES) if given.targets == ["all"] else given.targets
    if unknown := set(names) - set(MACHINES):
        raise SystemExit(f"which of {', '.join(MACHINES)}? Not {', '.join(sorted(unknown))}.")
    for name in names:
        if given.inside:
            make_inside(name)
        else:
            print(make(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
