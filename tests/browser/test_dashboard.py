"""The live page of examples-c/dashboard.c in a browser: it plots what the program publishes, and calls back into C."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
NODE_MODULES = Path(os.environ.get("WAMP_NODE_MODULES") or TARGET / "node_modules").resolve()
PROGRAMS = Path(os.environ.get("PROGRAMS") or TARGET / "debug").resolve()
EXAMPLES = Path(os.environ.get("WAMP_EXAMPLES_BIN") or TARGET / "c" / "examples").resolve()
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
LIMIT = 120


class Program:
    """A program that runs, and what it says."""

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        self.news = threading.Condition()
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.news:
                self.said += line
                self.news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        with self.news:
            found = self.news.wait_for(lambda: re.search(pattern, self.said), LIMIT)
        assert found, f"no {pattern!r} in:\n{self.said}"
        return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[str]:
    """The URL at which a browser is told what to do."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None or shutil.which("node") is None:
        pytest.skip("there is no Chromium, or no Node.js: the live page was not tested")
    program = Program(path, "--headless", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={tmp_path}",
                      "--window-size=900,700", "--disable-gpu", "about:blank")
    yield program.wait_for(r"DevTools listening on (ws://\S+)")[1]
    program.end()


def test_the_page_plots_and_calls_back(browser: str, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    shutil.copy(ROOT / "examples-c" / "dashboard.html", pages / "index.html")
    shutil.copy(NODE_MODULES / "autobahn-browser" / "autobahn.min.js", pages)
    router = Program(PROGRAMS / "wampd", "--port", "0", "--static", pages)
    url = router.wait_for(r"  (ws://\S+)\n")[1]
    page = router.wait_for(r"  (http://\S+)\n")[1]
    dashboard = Program(EXAMPLES / "dashboard", url)
    dashboard.wait_for(r"the load is told at")
    shot = TARGET / "dashboard.png"
    shot.unlink(missing_ok=True)
    driven = subprocess.run(
        ["node", str(ROOT / "tests" / "browser" / "drive.js"), browser, page, str(shot)],
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=LIMIT, check=False,
    )
    assert driven.returncode == 0, f"{driven.stdout}\n{dashboard.said}\n{router.said}"
    # The page has called into C.
    dashboard.wait_for(r"a page wants the load every 100 ms")
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert dashboard.end() == 0
    assert router.end() == 0
