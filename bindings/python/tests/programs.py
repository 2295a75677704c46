"""Programs that a test runs as processes of their own, since they could hang, or end the interpreter."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from support import LIMIT

BINDING = Path(__file__).parents[1]


def run_program(text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, which must come within the limit of all tests."""
    path = os.pathsep.join(filter(None, [str(BINDING), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


def output_of(text: str, *arguments: str, **environment: str) -> str:
    """What a program prints that has to end well."""
    program = run_program(text, *arguments, **environment)
    assert program.returncode == 0, program.stderr
    assert "Exception ignored" not in program.stderr, program.stderr
    return program.stdout
