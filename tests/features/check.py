"""The library with parts left out: no warning, no package that only they need; and the smallest client does what it can.

    python3 tests/features/check.py few     lints without any part
    python3 tests/features/check.py all     without any, with each alone, and with each left out

The smallest client is built without optimization, so that it also looks whether its statuses are those of wamp.h. The
router that it talks to is that of the whole library (WAMP_LIB_DIR), started by the same program.
"""

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = (ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve()
WHOLE = Path(os.environ.get("WAMP_LIB_DIR") or TARGET / "release")
# Beside what the other tests have, which this would replace.
BUILD = TARGET / "features"
SMALLEST = BUILD / "debug"
PROGRAM = BUILD / "small"
STRICT = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-pedantic", "-Werror"]

PARTS: list[str] = tomllib.loads((ROOT / "Cargo.toml").read_text())["features"]["default"]

# The packages that a part needs, and nothing else does; of the last row, two parts.
NEEDS = {
    ("argon2",): {"argon2", "blake2"},
    ("cookies",): {"cookie", "time"},
    ("deflate",): {"flate2", "zlib-rs"},
    ("tls",): {"ring", "rustls", "rustls-native-certs", "rustls-webpki", "tokio-rustls", "x509-cert"},
    ("longpoll", "router"): {"http-body-util", "httpdate", "hyper", "hyper-util"},
}


def with_parts(parts: list[str]) -> list[str]:
    return ["--package", "libwamp", "--no-default-features", "--features", ",".join(parts)]


def without(*left_out: str) -> list[str]:
    return [part for part in PARTS if part not in left_out]


def run(command: list[str | Path], **options) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options).stdout


def lint(parts: list[str]) -> None:
    print(f"lints with {', '.join(parts) or 'no part'}", flush=True)
    run(["cargo", "clippy", "--quiet", "--lib", *with_parts(parts), "--target-dir", BUILD, "--", "-D", "warnings"])


def packages(parts: list[str]) -> set[str]:
    tree = run(["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}",
                *with_parts(parts)])
    return {line.split()[0] for line in tree.splitlines() if line}


def check_packages() -> None:
    """What a part needs is there with it, and gone without it."""
    whole = packages(PARTS)
    for parts, needs in NEEDS.items():
        assert needs <= whole, f"{needs - whole} are not linked any more"
        left = needs & packages(without(*parts))
        assert not left, f"without {parts} these are linked still: {left}"


def build_smallest() -> None:
    run(["cargo", "rustc", "--quiet", "--lib", "--crate-type", "cdylib", *with_parts([]), "--target-dir", BUILD])
    run([os.environ.get("CC", "cc"), *STRICT, "-Iinclude", "tests/features/small.c", "-L", SMALLEST, "-lwamp", "-lpthread",
         "-o", PROGRAM])
    for line in run(["readelf", "--dynamic", PROGRAM]).splitlines():
        # The name by which programs ask for the library, which Cargo does not make.
        if "libwamp.so." in line:
            link = SMALLEST / line.split("[")[1].rstrip("]")
            link.unlink(missing_ok=True)
            link.symlink_to("libwamp.so")


def small(library: Path, *arguments: str) -> str:
    return run([PROGRAM, *arguments], env=dict(os.environ, LD_LIBRARY_PATH=str(library))).strip()


def check_smallest() -> None:
    """Calls and hears by WebSocket and RawSocket; refuses the rest in words that tell what is missing."""
    assert small(SMALLEST, "parts") == "[]"
    assert small(WHOLE, "parts") == "[" + ",".join(f'"{part}"' for part in PARTS) + "]"
    assert small(SMALLEST, "refusals") == "all refused"
    router = subprocess.Popen([PROGRAM, "router"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=dict(os.environ, LD_LIBRARY_PATH=str(WHOLE)))
    try:
        urls = [router.stdout.readline().strip() for _ in range(2)]
        assert [url.split("://")[0] for url in urls] == ["ws", "rs"], urls
        for url in urls:
            said = small(SMALLEST, "call", url, str(time.monotonic_ns()))
            assert said.startswith("heard 42, counted 1, "), said
            print(f"{url}: {said}", flush=True)
    finally:
        router.communicate("", timeout=60)
    assert router.returncode == 0, "the router did not end well"


def main() -> int:
    chosen = {"few": [[]],
              "all": [[], *([part] for part in PARTS), *(without(part) for part in PARTS)]}
    if sys.argv[1:] not in (["few"], ["all"]):
        print(__doc__, file=sys.stderr)
        return 2
    check_packages()
    build_smallest()
    check_smallest()
    for parts in chosen[sys.argv[1]]:
        lint(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
