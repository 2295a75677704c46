"""What is never excused by passing the next time: traces of a crash, a panic, a leak or a hang in what a test said."""

import re

TRACES = {
    "a crash": re.compile(
        r"\bsignal: \d+, SIG(SEGV|ABRT|BUS|ILL|FPE|TRAP|SYS)|\bsignal: \d+ \(SIG(SEGV|ABRT|BUS|ILL|FPE|TRAP|SYS)"
        r"|\bstatus -(4|5|6|7|8|11|31)\b|Segmentation fault|Fatal Python error|core dumped",
    ),
    "a panic of the library": re.compile(r"panicked at (src|fuzz/src)/|a bug in libwamp|WAMP_ERR_INTERNAL"),
    "a report of a sanitizer": re.compile(r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error: "),
    "a report of valgrind": re.compile(r"^==\d+== |VALGRIND: ", re.MULTILINE),
    "a leak": re.compile(r"\bLEAK: "),
    "a hang": re.compile(r"\bHUNG: "),
}


def fault(output: str) -> str | None:
    """What a failure shows that no second run excuses."""
    return next((name for name, trace in TRACES.items() if trace.search(output)), None)
