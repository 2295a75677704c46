"""The extension module libwamp._wamp, for cffi: what the library's header declares, compiled against it.

`setup.py` says where the library itself comes from.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
CRATE = HERE / "crate" if (HERE / "crate").is_dir() else HERE.parents[1]  # an sdist brings it along
HEADER = CRATE / "include" / "wamp.h"

# What the header has not as an integer, and what the library calls in Python.
MORE = """
static char *const WAMP_VERSION;
extern "Python" void wamp_python_log(int level, const char *line, void *user_data);
extern "Python" void wamp_python_log_free(void *user_data);
"""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_CONTINUED = re.compile(r"\\\n")
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")
_INTEGER_MACRO = re.compile(r"(\w+)\s+\(*(?:\w+\)\s*)?(-?(?:0[xX][0-9a-fA-F]+|\d+))[uUlL]*\s*\)*\s*")
_DECORATION = re.compile(r"\bWAMP_API\b|__attribute__\s*\(\(.*?\)\)|\b_Static_assert\s*\(.*?\)\s*;", re.DOTALL)


def declarations(header: str) -> str:
    """The declarations of a C header, in the form that cffi takes: no preprocessor lines but integer macros."""
    text = _CONTINUED.sub(" ", _COMMENT.sub(" ", header))
    return _DECORATION.sub(" ", "\n".join(_preprocessed(text)))


def _preprocessed(text: str) -> Iterator[str]:
    """Takes the branches that a C compiler would take if no macro but the header's own were defined."""
    taken: list[bool] = []
    for line in text.splitlines():
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            if all(taken):
                yield line
            continue
        word, rest = match.groups()
        if word == "if":
            taken.append(rest.lstrip("( ").startswith("!defined"))
        elif word in ("ifdef", "ifndef"):
            taken.append(word == "ifndef")
        elif word == "else":
            taken[-1] = not taken[-1]
        elif word == "endif":
            taken.pop()
        elif word == "define" and all(taken):
            macro = _INTEGER_MACRO.fullmatch(rest)
            if macro is not None:
                yield f"#define {macro[1]} {int(macro[2], 0)}"


def builder() -> FFI:
    """Makes what cffi compiles."""
    made = FFI()
    made.cdef(declarations(HEADER.read_text(encoding="utf-8")) + MORE)
    # The library lies beside the module.
    made.set_source(
        "libwamp._wamp",
        "#include <wamp.h>",
        include_dirs=[str(HEADER.parent)],
        extra_link_args=[f"-Wl,-rpath,{'@loader_path' if sys.platform == 'darwin' else '$ORIGIN'}"],
    )
    return made
