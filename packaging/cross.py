"""Builds the library for other systems, in a clean root of Debian that it makes itself.

    python3 packaging/cross.py TARGET...      builds and packs it (all targets: all)
    python3 packaging/cross.py --shell        a shell in the root
    python3 packaging/cross.py --list         the targets

Leaves everything in target/cross (CROSS_DIR): `root` with the compilers, which is made once and kept; `build`, Cargo's
own; and a package for each target, as a folder and as an archive. PROFILE=dev builds without optimization.

Needs root's rights, debootstrap, and a Debian machine whose apt knows where Debian is.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CROSS = Path(os.environ.get("CROSS_DIR", ROOT / "target" / "cross")).resolve()
DEBIAN = CROSS / "root"
PROFILE = os.environ.get("PROFILE", "release")
# The standard library without checks of its own, as it is everywhere: some of them end the process.
WITHOUT_CHECKS = "--config profile.dev.package.std.debug-assertions=false"
# With what tests need, so that what PROFILE=dev builds serves them, too.
STD = "std,panic_unwind,test" if PROFILE == "dev" else "std,panic_unwind"
# The places of the tree and of the results in the root.
SOURCE, PLACE = "/libwamp", "/cross"
BUILD = f"{PLACE}/build"

# The first suite of Debian whose Rust is new enough.
SUITE = "sid"
PACKAGES = (
    "ca-certificates", "cargo", "gcc", "libc6-dev", "make", "python3", "rust-src", "rustc",
    # What makes wheels of the Python binding: packaging/wheels.py.
    "python3-cffi", "python3-setuptools", "python3-wheel",
    # What tries the packages: tests/platforms/packages.py.
    "cmake", "pkgconf",
)
ARCHITECTURES = ("arm64", "armhf", "riscv64")
WINDOWS = "x86_64-pc-windows-gnu"


@dataclass(frozen=True)
class Target:
    """A system that the library is built for."""

    gcc: str
    binutils: str  # the prefix of their names
    packages: tuple[str, ...]
    says: str
    runner: tuple[str, ...] = ()
    flags: str = ""  # of rustc
    cflags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)  # of what runs there


def glibc(prefix: str, cross: str, qemu: str, says: str) -> Target:
    """A Linux with Debian's own cross compiler, whose programs qemu runs."""
    packages = (f"gcc-{prefix}", f"libc6-dev-{cross}-cross", "qemu-user")
    runner = (qemu, "-L", f"/usr/{prefix}")
    return Target(f"{prefix}-gcc", f"{prefix}-", packages, says, runner)


def musl(prefix: str, debian: str, packages: tuple[str, ...], runner: tuple[str, ...], says: str) -> Target:
    """A Linux with musl. The shared library has libgcc's unwinder in it, which otherwise drags glibc in."""
    flags = f"-C target-feature=-crt-static -C link-self-contained=no -L native={PLACE}/gcc-eh/{prefix}"
    more = ("musl-tools", f"musl-dev:{debian}", *packages)
    return Target(f"{prefix}-musl-gcc", f"{prefix}-gnu-", more, says, runner, flags)


TARGETS = {
    WINDOWS: Target(
        "x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-", ("gcc-mingw-w64-x86-64-posix", "wine", "wine64"),
        "Windows 10 and later, x86-64", ("wine",), "-C target-feature=+crt-static", ("-static-libgcc",),
        {"WINEDEBUG": "-all", "WINEPREFIX": "/tmp/wine"},
    ),
    "aarch64-unknown-linux-gnu": glibc("aarch64-linux-gnu", "arm64", "qemu-aarch64", "Linux on 64-bit ARM, glibc"),
    "armv7-unknown-linux-gnueabihf": glibc(
        "arm-linux-gnueabihf", "armhf", "qemu-arm", "Linux on 32-bit ARM (ARMv7, hard float), glibc"
    ),
    "riscv64gc-unknown-linux-gnu": glibc("riscv64-linux-gnu", "riscv64", "qemu-riscv64", "Linux on RISC-V, glibc"),
    "x86_64-unknown-linux-musl": musl("x86_64-linux", "amd64", (), (), "Linux on x86-64, musl (Alpine)"),
    "aarch64-unknown-linux-musl": musl(
        "aarch64-linux", "arm64", ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"), ("qemu-aarch64",),
        "Linux on 64-bit ARM, musl (Alpine)",
    ),
}


def version() -> str:
    """The version of the library, which Cargo.toml holds."""
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def abi() -> str:
    """The part of the version that programs are linked with: while the major version is 0, the minor one too."""
    major, minor, _ = version().split(".", 2)
    return f"0.{minor}" if major == "0" else major


# ---- the root ----

def mirror() -> str:
    """The place that this machine's apt has Debian from."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian"]
    places = subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    if not places:
        raise SystemExit("apt knows no place that has Debian: run apt-get update, on a Debian machine")
    return places[0]


SETTINGS = """\
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
Dpkg::Options { "--force-unsafe-io"; };
"""


def make_root() -> None:
    """Makes the root, unless it is there and has all that is wanted."""
    packages = sorted({*PACKAGES, *(package for target in TARGETS.values() for package in target.packages)})
    wanted = hashlib.sha256(repr((SUITE, packages, ARCHITECTURES, SETTINGS)).encode()).hexdigest()
    stamp = DEBIAN / "etc" / "libwamp-cross"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if os.geteuid() != 0:
        raise SystemExit("a root of Debian is made by root alone, as in a container")
    if not (DEBIAN / "usr" / "bin" / "dpkg").exists():
        tell(f"makes a root of Debian {SUITE} in {DEBIAN}")
        DEBIAN.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", "--variant=minbase", SUITE, str(DEBIAN), mirror()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (DEBIAN / "etc" / "apt" / "apt.conf.d" / "90cross").write_text(SETTINGS, encoding="utf-8")
    (DEBIAN / "etc" / "apt" / "sources.list").write_text(
        "".join(f"{kind} {mirror()} {SUITE} main\n" for kind in ("deb", "deb-src")), encoding="ascii"
    )
    steps = [f"dpkg --add-architecture {architecture}" for architecture in ARCHITECTURES]
    steps += ["apt-get -qq update", f"apt-get -qq install -y {' '.join(packages)} > /dev/null"]
    in_root("set -e\n" + "\n".join(steps), {"DEBIAN_FRONTEND": "noninteractive"})
    stamp.write_text(wanted, encoding="utf-8")


# Everything that is started there ends with the command, and nothing stays mounted. Wine has its server's socket in /tmp,
# and two of them must not meet.
ENTER = f"""
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
mkdir -p "$1{SOURCE}" "$1{PLACE}"
mount --bind "$2" "$1{SOURCE}"
mount --bind "$3" "$1{PLACE}"
exec chroot "$1" sh -c "$4"
"""


def in_root(script: str, variables: Mapping[str, str] | None = None, check: bool = True, **how: object) -> int:
    """Runs a script of the shell in the root; gives its exit status."""
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    if authorities.exists() and (DEBIAN / "etc" / "ssl" / "certs").is_dir():
        # Those of this machine: a proxy on the way to the registries may have one of its own.
        shutil.copy(authorities, DEBIAN / "etc" / "ssl" / "certs")
    shutil.copy("/etc/resolv.conf", DEBIAN / "etc" / "resolv.conf")
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "CARGO_TARGET_DIR": BUILD,
        **{name: os.environ[name] for name in ("CARGO_BUILD_JOBS", "TERM") if name in os.environ},
        **(variables or {}),
    }
    command = [
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh",
        str(DEBIAN), str(ROOT), str(CROSS), f"cd {SOURCE}\n{script}",
    ]
    done = subprocess.run(command, env=environment, **how)
    if check and done.returncode != 0:
        raise SystemExit(f"failed in the root, with status {done.returncode}:\n{script}")
    return done.returncode


# ---- the library ----

def cargo(name: str) -> dict[str, str]:
    """The environment in which Cargo builds for a target."""
    target = TARGETS[name]
    upper = name.upper().replace("-", "_")
    flags = f"{target.flags} --remap-path-prefix=/root/.cargo=/cargo --remap-path-prefix={SOURCE}=/libwamp"
    made = {
        f"CARGO_TARGET_{upper}_LINKER": target.gcc,
        f"CARGO_TARGET_{upper}_RUSTFLAGS": flags.strip(),
        f"CC_{name.replace('-', '_')}": target.gcc,
        f"AR_{name.replace('-', '_')}": f"{target.binutils}ar",
        "CFLAGS": "-O2 -g -ffile-prefix-map=/root/.cargo=/cargo",
        # Debian has the standard library as source for all targets, and made for some.
        "RUSTC_BOOTSTRAP": "1",
    }
    if target.runner:
        made[f"CARGO_TARGET_{upper}_RUNNER"] = " ".join(target.runner)
    return made | dict(target.variables)


def prepare(name: str) -> None:
    """Makes the root, and what the linker of musl's libraries takes for libgcc_s."""
    make_root()
    made = find_object(name)
    if not made:
        return
    in_root(
        f"set -e; mkdir -p {Path(made).parent}; cd {Path(made).parent}\n"
        f"{TARGETS[name].gcc} -O2 -fPIC -fvisibility=hidden -c {SOURCE}/packaging/musl/find_object.c -o {made}\n"
        f"echo 'INPUT(-lgcc_eh -lgcc {made})' > libgcc_s.so"
    )


def find_object(name: str) -> str:
    """The object with what Debian's unwinder, which is made for glibc, lacks beside musl; empty for other targets."""
    found = re.search(r"native=(\S+)", TARGETS[name].flags)
    return f"{found[1]}/find_object.o" if found else ""


def build(name: str) -> Path:
    """Builds the library for a target; gives the folder that it is in."""
    prepare(name)
    tell(f"builds {name}")
    in_root(
        f"exec cargo rustc --quiet --package libwamp --locked {WITHOUT_CHECKS} --profile {PROFILE} --lib --crate-type cdylib,staticlib"
        f" --target {name} -Zbuild-std={STD}",
        cargo(name),
    )
    return CROSS / "build" / name / ("debug" if PROFILE == "dev" else PROFILE)


# ---- the package ----

def pack(name: str) -> Path:
    """Makes a folder and an archive of what was built; gives the folder."""
    made = build(name)
    folder = CROSS / f"libwamp-{version()}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    for place in ("include", "lib/pkgconfig", "lib/cmake/wamp", "share/doc/libwamp/examples"):
        (folder / place).mkdir(parents=True)
    shutil.copy(ROOT / "include" / "wamp.h", folder / "include")
    for document in ("README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"):
        shutil.copy(ROOT / document, folder / "share" / "doc" / "libwamp")
    notices = f"{PLACE}/{folder.name}/share/doc/libwamp/THIRD-PARTY.md"
    in_root(f"exec python3 packaging/notices.py {name} > {notices}", {"PYTHONDONTWRITEBYTECODE": "1"})
    for example in (ROOT / "examples-c").glob("*.c"):
        shutil.copy(example, folder / "share" / "doc" / "libwamp" / "examples")
    shutil.copy(made / "libwamp.a", folder / "lib")
    if name == WINDOWS:
        shared = pack_dll(name, made, folder)
    else:
        shared = pack_so(name, made, folder)
    in_package = f"{PLACE}/{folder.name}"
    tools = TARGETS[name].binutils
    in_root(
        f"set -e; {tools}objcopy --only-keep-debug {in_package}/{shared} {in_package}/{shared}.debug\n"
        f"{tools}strip --strip-unneeded {in_package}/{shared}; {tools}strip --strip-debug {in_package}/lib/libwamp.a\n"
        f"cd {in_package}/{Path(shared).parent}\n"
        f"{tools}objcopy --add-gnu-debuglink={Path(shared).name}.debug {Path(shared).name}"
    )
    fill_templates(name, folder)
    archive(folder)
    return folder


def pack_so(name: str, made: Path, folder: Path) -> str:
    """The shared library of a Linux, and its links."""
    full = f"libwamp.so.{version()}"
    shutil.copy(made / "libwamp.so", folder / "lib" / full)
    for link in (f"libwamp.so.{abi()}", "libwamp.so"):
        (folder / "lib" / link).symlink_to(full)
    return f"lib/{full}"


def pack_dll(name: str, made: Path, folder: Path) -> str:
    """The DLL, the library to link it by, and the list of its functions, of which MSVC makes such a library."""
    (folder / "bin").mkdir()
    shutil.copy(made / "wamp.dll", folder / "bin")
    shutil.copy(made / "libwamp.dll.a", folder / "lib")
    (folder / "lib" / "wamp.def").write_text(definitions(folder / "bin" / "wamp.dll"), encoding="ascii")
    place, tools = f"{PLACE}/{folder.name}/lib", TARGETS[name].binutils
    in_root(f"exec {tools}dlltool --input-def {place}/wamp.def --dllname wamp.dll --output-lib {place}/wamp.lib")
    return "bin/wamp.dll"


def definitions(library: Path) -> str:
    """The module definition of a DLL: its functions are those of the lists that programs rely on."""
    lists = (ROOT / "tests" / "abi" / abi() / "symbols.txt").read_text(encoding="utf-8").split()
    added = (ROOT / "tests" / "abi" / "added.txt").read_text(encoding="utf-8")
    lists += re.findall(r"^\S+ symbols (\w+)$", added, re.MULTILINE)
    return "\n".join([f"LIBRARY {library.name}", "EXPORTS", *(f"    {name}" for name in sorted(lists)), ""])


# The libraries of the system that a program needs beside the static one.
LIBS_PRIVATE = {WINDOWS: "-lws2_32 -lntdll -luserenv -lcrypt32 -lsecur32 -lncrypt -lbcrypt -ladvapi32 -lkernel32"}


def fill_templates(name: str, folder: Path) -> None:
    """The files for pkg-config and CMake."""
    major, minor, _ = version().split(".", 2)
    words = {
        "PREFIX": "${pcfiledir}/../..", "LIBDIR": "${prefix}/lib", "INCLUDEDIR": "${prefix}/include",
        "VERSION": version(), "MAJOR": major, "MINOR": minor, "ABI": abi(), "INCLUDE_FROM_LIB": "../include",
        "LIBS_PRIVATE": LIBS_PRIVATE.get(name, "-lpthread -lm -ldl"),
    }
    config = "wamp-config-windows.cmake.in" if name == WINDOWS else "wamp-config.cmake.in"
    places = {
        "wamp.pc.in": "lib/pkgconfig/wamp.pc", config: "lib/cmake/wamp/wamp-config.cmake",
        "wamp-config-version.cmake.in": "lib/cmake/wamp/wamp-config-version.cmake",
    }
    for template, place in places.items():
        text = (ROOT / "packaging" / template).read_text(encoding="utf-8")
        filled = re.sub(r"@(\w+)@", lambda word: words[word[1]], text)
        (folder / place).write_text(filled, encoding="utf-8")


def archive(folder: Path) -> Path:
    """A zip for Windows, a tarball for the others."""
    if folder.name.endswith(WINDOWS):
        made = folder.with_name(f"{folder.name}.zip")
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(folder.rglob("*")):
                packed.write(file, file.relative_to(folder.parent))
        return made
    made = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(made, "w:gz") as packed:
        packed.add(folder, folder.name)
    return made


def tell(what: str) -> None:
    print(f"cross: {what}", file=sys.stderr, flush=True)


def main() -> int:
    asked = argparse.ArgumentParser(description="Builds the library for other systems.")
    asked.add_argument("targets", nargs="*", metavar="TARGET")
    asked.add_argument("--list", action="store_true")
    asked.add_argument("--shell", action="store_true")
    given = asked.parse_args()
    if given.list:
        print("\n".join(f"{name:32} {target.says}" for name, target in TARGETS.items()))
        return 0
    if given.shell:
        make_root()
        return in_root("exec sh", check=False)
    names = list(TARGETS) if given.targets == ["all"] else given.targets
    if not names or (unknown := set(names) - set(TARGETS)):
        raise SystemExit(f"which of {', '.join(TARGETS)}?" + (f" Not {', '.join(sorted(unknown))}." if names else ""))
    for name in names:
        tell(f"is done: {pack(name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
