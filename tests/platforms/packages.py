"""Tries a package as its users do: by pkg-config and by CMake, shared and static; and looks at what lies beside the library."""

import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import cross

ROOT = Path(__file__).resolve().parents[2]
SAYS = "2 + 3 = 5"
PROJECT = """\
cmake_minimum_required(VERSION 3.16)
project(tried C)
find_package(wamp CONFIG REQUIRED)
find_package(Threads REQUIRED)
foreach(kind shared static)
  add_executable(cmake_${kind} quickstart.c)
  target_link_libraries(cmake_${kind} wamp::${kind} Threads::Threads ${MORE})
endforeach()
"""


# ---- programs ----

def write_script(name: str, package: str, folder: str) -> str:
    """The commands that build the same program in all ways. One that does not build is missed later."""
    target = cross.TARGETS[name]
    windows = name == cross.WINDOWS
    source = f"{cross.SOURCE}/examples-c/quickstart.c"
    ask = f"PKG_CONFIG_LIBDIR={package}/lib/pkgconfig pkg-config"
    gcc = " ".join([target.gcc, "-D_POSIX_C_SOURCE=200809L", *target.cflags])
    more = "-lpthread" if windows else f"-Wl,-rpath,{package}/lib"
    # A program for musl can be static as a whole.
    whole = "-static" if name.endswith("musl") else ""
    static = f"{gcc} {'-DWAMP_STATIC' if windows else ''} {source} $({ask} --cflags wamp) {package}/lib/libwamp.a"
    private = f"$({ask} --static --libs-only-l wamp | sed 's/-lwamp//')"
    cmake = (
        f"cmake -S . -B made -DCMAKE_C_COMPILER={target.gcc} -DCMAKE_SYSTEM_NAME={'Windows' if windows else 'Linux'}"
        f" -DCMAKE_C_FLAGS='-D_POSIX_C_SOURCE=200809L {' '.join(target.cflags)}' -Dwamp_DIR={package}/lib/cmake/wamp"
        f" -DMORE={cross.find_object(name)}"
    )
    lines = [
        f"rm -rf {folder}; mkdir -p {folder}; cp {source} {folder}; cd {folder}",
        f"{gcc} {source} -o pkg_shared $({ask} --cflags --libs wamp) {more} -lpthread",
        f"{static} {private} {whole} {cross.find_object(name)} -lpthread -o pkg_static",
        f"cat > CMakeLists.txt <<'END'\n{PROJECT}END",
        f"{cmake} > cmake.txt && cmake --build made >> cmake.txt && cp made/cmake_* .",
    ]
    if windows:
        lines += [
            f"{gcc} {source} -I{package}/include {package}/lib/wamp.lib -lpthread -o def_shared",
            # MinGW's threads, which the programs ask for, and the library does not.
            f"cp {package}/bin/wamp.dll /usr/x86_64-w64-mingw32/lib/libwinpthread-1.dll .",
        ]
    return "\n".join(lines)


def jobs(name: str, folder: str) -> list[dict]:
    """The programs, for run.py."""
    windows = name == cross.WINDOWS
    made = ["pkg_shared", "pkg_static", "cmake_shared", "cmake_static", *(["def_shared"] if windows else [])]
    ending = ".exe" if windows else ""
    return [
        {"name": f"package: {program}", "command": [*cross.TARGETS[name].runner, f"{folder}/{program}{ending}"], "says": SAYS}
        for program in made
    ]


# ---- files ----

def check(name: str) -> list[dict]:
    """The outcomes of looking at the files."""
    folder = cross.CROSS / f"libwamp-{cross.version()}-{name}"
    results = []
    for what in (check_archive, check_debug, check_documents, check_definitions):
        told = ""
        try:
            what(name, folder)
        except AssertionError as error:
            told = str(error)
        results.append({"name": f"package: {what.__name__.removeprefix('check_')}", "passed": not told, "told": told})
    return results


def check_archive(name: str, folder: Path) -> None:
    """The archive holds what the folder does."""
    if name == cross.WINDOWS:
        with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip")) as archive:
            packed = {file.rstrip("/") for file in archive.namelist()}
    else:
        with tarfile.open(folder.with_name(f"{folder.name}.tar.gz")) as archive:
            packed = set(archive.getnames()) - {folder.name}
    files = {str(file.relative_to(folder.parent)) for file in folder.rglob("*")}
    assert packed == files, f"differ: {sorted(packed ^ files)}"


def check_debug(name: str, folder: Path) -> None:
    """The library names the file with its debug information, which is the one beside it."""
    library = folder / ("bin/wamp.dll" if name == cross.WINDOWS else f"lib/libwamp.so.{cross.version()}")
    debug = library.with_name(f"{library.name}.debug")
    begin = f"{debug.name}\0".encode()
    link = begin + b"\0" * (-len(begin) % 4) + struct.pack("<I", zlib.crc32(debug.read_bytes()))
    assert link in library.read_bytes(), f"{library.name} names no {debug.name} of this content"
    assert debug.stat().st_size > 1 << 20, f"{debug.name} has {debug.stat().st_size} bytes"


def check_documents(name: str, folder: Path) -> None:
    """Header, licences and notices are there."""
    documents = folder / "share" / "doc" / "libwamp"
    missing = [
        file
        for file in ("README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md")
        if not (documents / file).is_file()
    ]
    assert not missing, f"lacks {missing}"
    assert (folder / "include" / "wamp.h").read_bytes() == (ROOT / "include" / "wamp.h").read_bytes(), "another header"
    notices = (documents / "THIRD-PARTY.md").read_text(encoding="utf-8")
    linked = ["rustls ", "standard library", *(["winpthreads"] if name == cross.WINDOWS else [])]
    if name == cross.WINDOWS or name.endswith("-musl"):
        linked.append("GCC-exception")
    unnamed = [part for part in linked if part not in notices]
    assert not unnamed, f"the notices name no {', '.join(unnamed)}"


def check_definitions(name: str, folder: Path) -> None:
    """Each function of the header is in the library, and on Windows in the list that MSVC makes its own of."""
    library = folder / ("bin/wamp.dll" if name == cross.WINDOWS else f"lib/libwamp.so.{cross.version()}")
    names = cross.definitions(library).split()[3:]
    content = library.read_bytes()
    missing = [symbol for symbol in names if f"\0{symbol}\0".encode() not in content]
    assert len(names) > 100 and not missing, f"{library.name} lacks {missing}"
    if name == cross.WINDOWS:
        listed = (folder / "lib" / "wamp.def").read_text(encoding="ascii").split()
        assert set(names) <= set(listed), f"wamp.def lacks {set(names) - set(listed)}"
