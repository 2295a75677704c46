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

QEMU_MEMORY = "qemu does not limit the memory of a program (RLIMIT_AS), so that it does not run out of it"
QEMU_SIGNALS = "qemu has no room for the last four real-time signals, so that no mask holds SIGRTMAX"
CHECKS = "it was built with a standard library with checks of its own, which ends the process for a descriptor that is gone"
RESET = "a reset is told before what came ahead of it, so that the last words of a peer may be lost"

# The name of a test, a part of the target's name, and why it fails there.
KNOWN = [
    ("local_exhausted", "aarch64", QEMU_MEMORY),
    ("local_exhausted", "armv7", QEMU_MEMORY),
    ("local_exhausted", "riscv64", QEMU_MEMORY),
    ("a_mask_is_worn_and_given_back", "aarch64", QEMU_SIGNALS),
    ("a_mask_is_worn_and_given_back", "armv7", QEMU_SIGNALS),
    ("a_mask_is_worn_and_given_back", "riscv64", QEMU_SIGNALS),
    ("local_closed_fds", "x86_64-unknown-linux-musl", CHECKS),
    ("who_has_not_joined_is_not_let_say_much", "windows", RESET),
    ("last_words_are_read_after_a_reset", "windows", RESET),
    ("test_a_certificate_says_who_it_is", "windows", "it makes certificates by the command openssl, which is not there"),
    ("test_the_example_answers_before_it_ends", "windows", "processes are not ended by signals"),
    ("test_a_lost_router_ends_everything", "windows", "processes are not ended by signals"),
    ("test_publish_refuses_when_the_queue_is_full", "windows", "processes are not stopped by signals"),
    ("test_after_a_fork_it_is_said", "windows", "there is no fork()"),
    ("test_classes_show_what_is_documented", "windows", "what OSError is the base of has the attribute winerror there"),
    ("what_the_peer_takes_is_known", "windows", "Windows does not tell how much of what was written is unsent"),
    ("a_pong_does_not_fall_into_a_message", "windows", "Windows takes a large write as a whole, so that nothing of it waits"),
]


def not_there(target: str) -> dict[str, str]:
    """The scenarios that are not for a target, and why."""
    return NOT_ON_WINDOWS if target == cross.WINDOWS else {}


def reason(target: str, test: str) -> str | None:
    """The reason why a test fails there; None if it is not known."""
    return next((why for name, part, why in KNOWN if name in test and part in target), None)
