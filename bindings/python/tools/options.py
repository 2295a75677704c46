"""Makes libwamp/options.py out of docs/OPTIONS.md, which the library makes of its own table of options.

python tools/options.py
"""

import re
import textwrap
from pathlib import Path

BINDING = Path(__file__).resolve().parents[1]
MODULE = BINDING / "libwamp" / "options.py"
TABLE = BINDING.parents[1] / "docs" / "OPTIONS.md"

NOT_BY_NAME = ("url", "realm", "dispatch")  # url and realm come first, and asyncio decides on dispatch

TYPES = {
    "string": "str | os.PathLike[str]",
    "string (64 hex digits)": "str",
    "string, or false": "str | Literal[False]",
    "bool": "bool",
    "bool or object": "bool | Mapping[str, Any]",
    "integer": "int",
    "integer (bytes)": "int",
    "number": "float",
    "number (seconds)": "float",
    "list of strings": "Sequence[str]",
    "list of objects": "Sequence[Mapping[str, Any]]",
    "object": "Mapping[str, Any]",
    "object of strings": "Mapping[str, str]",
}

HEAD = '''\
"""The options of a connection, as keyword arguments. Made of docs/OPTIONS.md by tools/options.py; do not edit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class ConnectionOptions(TypedDict, total=False):
    """The keyword arguments of `connect` and `Connection`; None stands for "not given"."""
'''


def module(table: str) -> str:
    """The module for a table of options."""
    fields = []
    for name, kind, default, meaning in rows(table):
        if name in NOT_BY_NAME:
            continue
        comment = textwrap.wrap(f"{meaning} Default: {default}.", 94, break_long_words=False, break_on_hyphens=False)
        fields.append("\n".join([f"    {name}: {TYPES[kind]} | None", *(f"    # {line}" for line in comment)]))
    return HEAD + "\n" + "\n".join(fields) + "\n"


def rows(table: str) -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each option."""
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (?:yes)? ?\| (.*) \|$", table, re.M)
    return [(name, kind, default, meaning.replace("\\|", "|")) for name, kind, default, meaning in found]


if __name__ == "__main__":
    MODULE.write_text(module(TABLE.read_text(encoding="utf-8")), encoding="utf-8")
