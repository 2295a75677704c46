"""The example runs by itself, with a router of its own."""

import os
import subprocess
import sys
from pathlib import Path

BINDING = Path(__file__).parents[1]


def test_quickstart():
    path = os.pathsep.join(filter(None, [str(BINDING), os.environ.get("PYTHONPATH")]))
    program = subprocess.run(
        [sys.executable, BINDING / "examples" / "quickstart.py"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert program.returncode == 0, program.stderr
    assert "2 + 3 = 5" in program.stdout
    assert "com.myapp.error.division_by_zero" in program.stdout
    assert "Hello, world! 1" in program.stdout
