"""The Python binding's own tests, against Crossbar.io instead of the embedded router."""

import subprocess
import sys

import pytest
from programs import BINDING

LIMIT = 600


@pytest.mark.parametrize("module", ["test_session", "test_calls", "test_events"])
def test_module(crossbar, environment, module):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", BINDING / "tests" / f"{module}.py"]
    tests = subprocess.run(
        command, env={**environment, "WAMP_TEST_URL": crossbar.url, "WAMP_TEST_REALM": crossbar.realm},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT,
    )
    assert tests.returncode == 0, tests.stdout
