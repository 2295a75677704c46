"""Looks at what is linked into the library and the programs: licences that users can live with, and no package twice. And
the library has nothing of what only programs need.

    python3 packaging/dependencies.py          says what is wrong, and fails
    python3 packaging/dependencies.py --list   shows the packages with their licences
"""

import re
import sys
from collections import defaultdict

from notices import linked

# Those that a program under any licence may link.
LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause",
    "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib",
}

# Packages that are there in two versions all the same, and why.
TWICE = {
    "getrandom": "ring has the older one",
}


# Those for the command line, which are never to be in the library.
PROGRAMS_ONLY = {"anstream", "clap", "clap_builder", "clap_complete", "clap_mangen", "mime_guess", "signal-hook-registry"}


def is_good(licence: str) -> bool:
    """Whether a licence expression leaves a way with good licences alone (SPDX, and its old form with slashes)."""
    for way in re.split(r" OR |/", licence.replace("(", " ").replace(")", " ")):
        if all(part.strip() in LICENCES for part in way.split(" AND ")):
            return True
    return False


def main() -> int:
    library = linked("libwamp")
    names = {package["name"] for package in library}
    packages = [package for package in linked("libwamp-tools") if package["name"] != "libwamp"]
    versions: dict[str, set[str]] = defaultdict(set)
    faults = [f"{name} is linked into the library: it is for programs" for name in sorted(names & PROGRAMS_ONLY)]
    faults += [f"{name} is not linked into the programs" for name in sorted(names - {one["name"] for one in packages})]
    for package in packages:
        versions[package["name"]].add(package["version"])
        licence = package["license"] or ""
        if "--list" in sys.argv:
            print(f"{package['name']} {package['version']}: {licence}")
        if not is_good(licence):
            faults.append(f"{package['name']} {package['version']}: its licence is '{licence}'")
    for name, found in sorted(versions.items()):
        if len(found) > 1 and name not in TWICE:
            faults.append(f"{name} is linked twice: {', '.join(sorted(found))}")
    faults += [f"{name} is not linked twice any more: take it out of the list" for name in TWICE if len(versions[name]) < 2]
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
