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

# Names that the header has not as integers, that the library calls in Python, and that are below.
MORE = """
static char *const WAMP_VERSION;
extern "Python" void wamp_python_log(int level, const char *line, void *user_data);
extern "Python" void wamp_python_log_free(void *user_data);
extern "Python" void wamp_python_wake(void *user_data);
extern "Python" void wamp_python_wake_free(void *user_data);
"""

# Requests whose payload is given in parts. To make a `wamp_payload_t` in Python takes several objects for each
# message, and longer than all that the library does.
_PAYLOAD = "uint32_t encoding, const char *args, size_t args_size, const char *kwargs, size_t kwargs_size"
_REQUESTS = {
    "int wamp_python_publish(wamp_session_t *session, const char *topic, PAYLOAD, const char *options)": (
        "wamp_session_publish(session, topic, &payload, options)"
    ),
    "int64_t wamp_python_publish_ack(wamp_session_t *session, const char *topic, PAYLOAD, const char *options)": (
        "wamp_session_publish_ack(session, topic, &payload, options, NULL, NULL, NULL)"
    ),
    "int64_t wamp_python_call(wamp_session_t *session, const char *procedure, PAYLOAD, const char *options)": (
        "wamp_session_call(session, procedure, &payload, options, NULL, NULL, NULL)"
    ),
    "int wamp_python_call_more(wamp_session_t *session, int64_t call, PAYLOAD, const char *options)": (
        "wamp_session_call_more(session, call, &payload, options)"
    ),
    "int wamp_python_yield(wamp_invocation_t *invocation, PAYLOAD, const char *options)": (
        "wamp_invocation_yield_with(invocation, &payload, options)"
    ),
    "int wamp_python_progress(wamp_invocation_t *invocation, PAYLOAD)": (
        "wamp_invocation_progress(invocation, &payload)"
    ),
    "int wamp_python_error(wamp_invocation_t *invocation, const char *uri, PAYLOAD)": (
        "wamp_invocation_error(invocation, uri, &payload)"
    ),
}

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_CONTINUED = re.compile(r"\\\n")
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")
_INTEGER_MACRO = re.compile(r"(\w+)\s+\(*(?:\w+\)\s*)?(-?(?:0[xX][0-9a-fA-F]+|\d+))[uUlL]*\s*\)*\s*")
_DECORATION = re.compile(r"\bWAMP_API\b|__attribute__\s*\(\(.*?\)\)|\b_Static_assert\s*\(.*?\)\s*;", re.DOTALL)


# Polls, and gathers the payloads as one JSON text, which is read at once: a list with [args, kwargs] for each event,
# or 0 where that is too long, or of another encoding.
_POLL = """int wamp_python_poll(
    wamp_connection_t *connection, wamp_event_t *events, int max, char *text, size_t room, size_t *size)"""
_POLLING = """
static char *wamp_python_add(char *to, const char *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}

static char *wamp_python_add_payload(char *to, const char *end, const wamp_payload_t *payload)
{
    size_t room = (size_t)(end - to), around = sizeof "[[],{}]";
    if (!payload->args && !payload->kwargs && around <= room)
        return wamp_python_add(to, "[[],{}]", around - 1);
    if (payload->encoding != WAMP_JSON || room < around || payload->args_size > room - around
        || payload->kwargs_size > room - around - payload->args_size)
        return wamp_python_add(to, "0", 1);
    *to++ = '[';
    to = payload->args ? wamp_python_add(to, payload->args, payload->args_size) : wamp_python_add(to, "[]", 2);
    *to++ = ',';
    to = payload->kwargs ? wamp_python_add(to, payload->kwargs, payload->kwargs_size) : wamp_python_add(to, "{}", 2);
    *to++ = ']';
    return to;
}

static POLL
{
    char *to = text;
    const char *end = text + room - 2 * (size_t)max - 2; /* "0," for each, and the brackets */
    int count = wamp_connection_poll(connection, events, sizeof *events, max, 0);
    *to++ = '[';
    for (int number = 0; number < count; number++) {
        if (number)
            *to++ = ',';
        to = wamp_python_add_payload(to, end > to ? end : to, &events[number].payload);
    }
    *to++ = ']';
    *size = (size_t)(to - text);
    return count;
}
""".replace("POLL", _POLL)


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


def requests() -> tuple[str, str]:
    """The declarations and the definitions of what is in C beside the library."""
    heads = {head.replace("PAYLOAD", _PAYLOAD): call for head, call in _REQUESTS.items()}
    filled = "wamp_payload_t payload = {args, args_size, kwargs, kwargs_size, encoding, 0};"
    bodies = [f"static {head} {{ {filled} return {call}; }}" for head, call in heads.items()]
    return "\n".join(f"{head};" for head in (*heads, _POLL)), "\n".join((*bodies, _POLLING))


def builder() -> FFI:
    """Makes what cffi compiles."""
    made = FFI()
    declared, defined = requests()
    made.cdef(declarations(HEADER.read_text(encoding="utf-8")) + MORE + declared)
    # The library lies beside the module.
    made.set_source(
        "libwamp._wamp",
        f"#include <string.h>\n#include <wamp.h>\n{defined}\n",
        include_dirs=[str(HEADER.parent)],
        extra_link_args=[f"-Wl,-rpath,{'@loader_path' if sys.platform == 'darwin' else '$ORIGIN'}"],
    )
    return made
