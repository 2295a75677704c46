"""Programs that a system has no use for, and failures whose reason is known."""

import cross

# Scenarios of what Windows does not have.
NOT_ON_WINDOWS = {
    "local_cancel": "threads are not canceled: pthread_cancel() is winpthreads' own",
    "local_copies": "a DLL is copied and loaded otherwise",
    "local_closed_fds": "programs close no descriptors that they do not know",
    "local_exhausted": "there is no limit of descriptors to set",
    "local_fork": "there is no fork()",
    "local_frozen": "processes are not stopped by signals",
    "local_last_moments": "threads have no keys with destructors of POSIX, and end otherwise",
    "local_router_end": "processes are not ended by signals",
    "local_signals": "there are no signals",
    "local_sigpipe": "there are no signals",
}

# The name of a test, a part of the target's name, and why it fails there.
KNOWN: list[tuple[str, str, str]] = []


def not_there(target: str) -> dict[str, str]:
    """The scenarios that are not for a target, and why."""
    return NOT_ON_WINDOWS if target == cross.WINDOWS else {}


def reason(target: str, test: str) -> str | None:
    """The reason why a test fails there; None if it is not known."""
    return next((why for name, part, why in KNOWN if name in test and part in target), None)
