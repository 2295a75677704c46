"""Looks at a wheel for another system: what is in it, and whether its tags tell the truth."""

import base64
import csv
import hashlib
import io
import re
import struct
import zipfile
from pathlib import Path

import cross
import wheels

BINDING = Path(__file__).resolve().parents[2] / "bindings" / "python"
# The numbers of machines: in ELF, and in PE.
ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40, "riscv64": 243}
PE_AMD64 = 0x8664


def check(name: str, wheel: Path) -> list[dict]:
    """The outcomes of all checks."""
    results = []
    for what in (check_tags, check_record, check_content, check_machines, check_symbols, check_glibc):
        told = ""
        try:
            with zipfile.ZipFile(wheel) as archive:
                what(name, wheel, archive)
        except AssertionError as error:
            told = f"{wheel.name}: {error}"
        results.append({"name": f"wheel: {what.__name__.removeprefix('check_')}", "passed": not told, "told": told})
    return results


def check_tags(name: str, wheel: Path, archive: zipfile.ZipFile) -> None:
    """The name says the same as the metadata, and what the system is."""
    info = one(archive, "WHEEL").decode()
    [tag] = re.findall(r"^Tag: (.*)$", info, re.MULTILINE)
    assert wheel.name == f"libwamp-{cross.version()}-{tag}.whl", f"the tag in it is {tag}"
    assert "Root-Is-Purelib: false" in info, "it goes to where pure Python is"
    platform = {"windows": "win", "musl": r"musllinux_1_2"}
    begin = next((begin for part, begin in platform.items() if part in name), r"manylinux_2_\d+")
    assert re.fullmatch(rf"cp311-abi3-{begin}_{wheels.MACHINES[name]}", tag), tag


def check_record(_name: str, _wheel: Path, archive: zipfile.ZipFile) -> None:
    """RECORD lists each file with its hash and size, but for itself."""
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(one(archive, "RECORD").decode())) if row}
    assert set(rows) == set(archive.namelist()), f"differ: {set(rows) ^ set(archive.namelist())}"
    for file, (digest, size) in rows.items():
        if file.endswith("/RECORD"):
            continue
        content = archive.read(file)
        found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={found}", str(len(content))), f"{file} is another"


def check_content(name: str, _wheel: Path, archive: zipfile.ZipFile) -> None:
    """All modules, the two libraries, and the licences; no more."""
    files = {file.removeprefix("libwamp/") for file in archive.namelist() if file.startswith("libwamp/")}
    modules = {file.name for file in (BINDING / "libwamp").glob("*.py*") if file.is_file()}
    assert files == {*modules, *libraries(name), "py.typed", "THIRD-PARTY.md"}, f"has {sorted(files)}"
    licences = [file for file in archive.namelist() if "/licenses/" in file]
    assert len(licences) == 2, f"has {licences}"
    metadata = one(archive, "METADATA").decode()
    for line in ("License-Expression: MIT OR Apache-2.0", "Requires-Python: >=3.11", "Requires-Dist: cffi"):
        assert line in metadata, f"METADATA lacks {line}"


def check_machines(name: str, _wheel: Path, archive: zipfile.ZipFile) -> None:
    """Both libraries are for the machine that the tag names."""
    for file in libraries(name):
        content = archive.read(f"libwamp/{file}")
        if name == cross.WINDOWS:
            [header] = struct.unpack_from("<I", content, 0x3C)
            found, wanted = struct.unpack_from("<4sH", content, header), (b"PE\0\0", PE_AMD64)
        else:
            found = struct.unpack_from("<4s14xH", content)
            wanted = b"\x7fELF", ELF_MACHINES[wheels.MACHINES[name]]
        assert found == wanted, f"{file} is for {found[1]:#x}"


def check_symbols(name: str, _wheel: Path, archive: zipfile.ZipFile) -> None:
    """The module takes nothing from Python but what all versions from the oldest one on have."""
    module = archive.read(f"libwamp/{libraries(name)[0]}")
    # Names of symbols stand between zeros, in ELF and in PE; those that are not taken from Python do not begin like it.
    taken = {word.decode() for word in re.findall(rb"(?<=\0)_?Py[A-Z_]\w+(?=\0)", module)}
    assert "PyErr_SetString" in taken or len(taken) > 5, "names nothing of Python's"
    foreign = taken - set(wheels.stable_abi()) - {"PyInit__wamp"}
    assert not foreign, f"takes {sorted(foreign)}"


def check_glibc(name: str, wheel: Path, archive: zipfile.ZipFile) -> None:
    """The libraries ask for the glibc that the tag names, and no newer one; without one in the tag, for none."""
    asked = [
        int(version)
        for file in libraries(name)
        for version in re.findall(rb"\0GLIBC_2\.(\d+)", archive.read(f"libwamp/{file}"))
    ]
    named = re.search(r"manylinux_2_(\d+)_", wheel.name)
    assert max(asked, default=None) == (int(named[1]) if named else None), f"asks for glibc 2.{max(asked, default=0)}"


def libraries(name: str) -> tuple[str, str]:
    """The extension module, and the library."""
    return ("_wamp.pyd", "wamp.dll") if name == cross.WINDOWS else ("_wamp.abi3.so", f"libwamp.so.{cross.abi()}")


def one(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the metadata."""
    [file] = [file for file in archive.namelist() if file.endswith(f".dist-info/{name}")]
    return archive.read(file)
