"""The stacks of all threads of a process that does not go on: python3 stacks.py PID, or `stacks(pid)`.

gdb tells them where it is installed; else the kernel tells at least what each thread waits in.
"""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

GDB_LIMIT = 120  # seconds; it reads much debug information


def stacks(pid: int) -> str:
    """What each thread of a process is doing, for people."""
    return f"===== {describe(pid)} =====\n{by_gdb(pid) or by_kernel(pid)}\n"


def describe(pid: int) -> str:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"process {pid}: {command.strip()}"
    return f"process {pid}, which has ended"


def by_gdb(pid: int) -> str | None:
    if not shutil.which("gdb"):
        return None
    commands = ["set pagination off", "set debuginfod enabled off", "thread apply all backtrace 50"]
    options = [option for command in commands for option in ("-ex", command)]
    try:
        told = subprocess.run(
            ["gdb", "-q", "-batch", "-nx", *options, "-p", str(pid)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=GDB_LIMIT, check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told if "Thread " in told or "#0 " in told else None


def by_kernel(pid: int) -> str:
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        told = []
        for name in ("comm", "wchan", "syscall", "stack"):
            with suppress(OSError):
                told.append(f"{name}: {(task / name).read_text(errors='replace').strip()}")
        lines.append(f"thread {task.name}: {'; '.join(told)}")
    return "\n".join(lines)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(stacks(int(argument)))
