"""Where things are: the source tree, cargo's target directory, and what is built in it for the tests."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = (ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve()
RELEASE = TARGET / "release"
PYTHON = TARGET / "venv" / "bin" / "python"
SHAKE = TARGET / "c" / "shake.so"

LOGS = TARGET / "test-logs"  # what each part said, and the stacks of what hung
SKIPS = TARGET / "test-skips.txt"  # what could not be tested on this machine
FLAKY = TARGET / "test-flaky.txt"  # tests that failed once and then passed twice


def environment() -> dict[str, str]:
    """The environment of all parts: the built things, which the tests take instead of building their own."""
    return {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET),
        "PYTHONUNBUFFERED": "1",
        "PROGRAMS": str(TARGET / "debug"),
        "WAMP_LIB_DIR": str(RELEASE),
        "WAMP_TEST_PYTHON": str(PYTHON),
        "LIBWAMP_PATH": str(RELEASE / "libwamp.so"),
        "WAMP_C_BIN": str(TARGET / "c" / "scenarios"),
        "WAMP_EXAMPLES_BIN": str(TARGET / "c" / "examples"),
        "WAMP_NODE_MODULES": str(TARGET / "node_modules"),
    }
