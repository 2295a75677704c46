"""The programs and the library on small and odd systems: without IPv6, with file systems that cannot be written to, with
64 MB of memory, and with sockets that the system closes. Linux, as root, with iproute2: each is tried in namespaces of
its own. What cannot be had here is skipped, and told.

python3 tests/systems [NAME...], where a name is as in test_memory or test_memory.Memory."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import machine  # noqa: E402, F401
from places import SKIPS  # noqa: E402


def main() -> int:
    loader = unittest.TestLoader()
    names = sys.argv[1:]
    tests = loader.loadTestsFromNames(names) if names else loader.discover(str(Path(__file__).parent))
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    with SKIPS.open("a", encoding="utf-8") as skips:
        skips.writelines(f"SKIPPED: {test}: {why}\n" for test, why in result.skipped)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
