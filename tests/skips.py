"""Adds the tests that pytest skipped to the list of what was not tested: skips.py REPORT.xml LIST."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

report, skips = map(Path, sys.argv[1:])
with skips.open("a", encoding="utf-8") as lines:
    for case in ElementTree.parse(report).iter("testcase"):
        for skipped in case.iter("skipped"):
            print(f"SKIPPED: {case.get('classname')}.{case.get('name')}: {skipped.get('message')}", file=lines)
