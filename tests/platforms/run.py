"""Runs programs one after another, where they can run: in the root that packaging/cross.py makes.

    python3 run.py JOBS RESULTS

JOBS is a list in JSON: `name`, `command`, and the line that it `says`. Where there is a `router`, that is started before,
and its URL takes the place of the usual one in the `source`, which the command `compile` then makes the program of, from
its standard input. RESULTS gets a list, too: `name`, `passed`, and what a failure has to say.
"""

import json
import subprocess
import sys
from pathlib import Path

# Room for a machine ten times slower, with an emulated processor on top.
LIMIT = 600
USUAL_URL = "ws://127.0.0.1:8080/ws"


def run(job: dict) -> dict:
    """The outcome of one program."""
    router = None
    try:
        if job.get("router"):
            router = subprocess.Popen(job["router"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            source = job["source"].replace(USUAL_URL, router.stdout.readline().strip())
            subprocess.run(job["compile"], input=source, text=True, check=True)
        done = subprocess.run(job["command"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        return outcome(job, False, f"no end within {LIMIT} s", error.stdout, error.stderr)
    except OSError as error:  # it was not built
        return outcome(job, False, str(error))
    finally:
        ended = end(router)
    text = done.stdout.decode("utf-8", "replace")
    says = job["says"] in [line.rstrip() for line in text.splitlines()]
    passed = done.returncode == 0 and says and ended
    told = f"status {done.returncode}" if ended else "the router did not end well"
    return outcome(job, passed, told, done.stdout, done.stderr)


def end(router: subprocess.Popen | None) -> bool:
    """Ends a router by the end of its input; true if it ends well."""
    if router is None:
        return True
    router.stdin.close()
    try:
        return router.wait(LIMIT) == 0
    except subprocess.TimeoutExpired:
        router.kill()
        return False


def outcome(job: dict, passed: bool, told: str, *outputs: bytes | None) -> dict:
    """A result, with the last words of a program that has failed."""
    said = "\n".join((output or b"").decode("utf-8", "replace")[-1500:] for output in outputs)
    return {"name": job["name"], "passed": passed} | ({} if passed else {"told": f"{told}\n{said}".strip()})


def main(jobs: str, results: str) -> None:
    """Runs all, and says at once how each has ended."""
    outcomes = []
    for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
        outcomes.append(run(job))
        print("passed" if outcomes[-1]["passed"] else "FAILED", job["name"], flush=True)
        Path(results).write_text(json.dumps(outcomes, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
