"""The parts that need no router: the header's declarations, payloads, exceptions."""

import copy
import json
import pickle
import runpy

import pytest
from programs import BINDING
from samples import SAMPLES

import libwamp
from libwamp.errors import local_error
from libwamp.ffi import ffi, lib
from libwamp.payload import Result, dumps, loads, loads_all, payload, pieces_maker, received, unwrap

declarations = runpy.run_path(str(BINDING / "build_wamp.py"))["declarations"]

HEADER = r"""
#ifndef WAMP_H
#define WAMP_H
#include <stdint.h> // a comment
#if defined(__cplusplus)
extern "C" {
#else
int in_c(void);
#endif // __cplusplus
#define WAMP_ONE 1
#define WAMP_HEX (uint32_t)0x10u /* a comment
  of two lines */
#define WAMP_NEGATIVE \
    (-3)
#define WAMP_VERSION "1.2.3"
#define WAMP_ARGS(text) \
    (&(const wamp_payload_t){ text })
WAMP_API
int plain(const char *text);
#ifdef __cplusplus
}
#endif
#endif /* WAMP_H */
"""


def test_declarations_are_what_a_c_compiler_would_see():
    assert declarations(HEADER).split() == [
        "int",
        "in_c(void);",
        "#define",
        "WAMP_ONE",
        "1",
        "#define",
        "WAMP_HEX",
        "16",
        "#define",
        "WAMP_NEGATIVE",
        "-3",
        "int",
        "plain(const",
        "char",
        "*text);",
    ]


def test_the_header_is_the_librarys():
    assert lib.WAMP_OK == 0
    assert lib.WAMP_ERR_AGAIN < 0
    assert ffi.sizeof("wamp_event_t") % 8 == 0
    assert ffi.string(lib.WAMP_VERSION).decode() == libwamp.version()


@pytest.mark.parametrize("value", SAMPLES.values(), ids=SAMPLES.keys())
def test_payloads_keep_values(value):
    parts = payload([value], {"k": value})
    assert received(given(parts)) == ([value], {"k": value})


def test_an_empty_payload_carries_nothing():
    parts = payload()
    pointer = given(parts)
    assert pointer.args == ffi.NULL
    assert pointer.kwargs == ffi.NULL
    assert received(pointer) == ([], {})


def given(parts):
    """A `wamp_payload_t *` of what is given to the library; the parts must live as long."""
    encoding, args, args_size, kwargs, kwargs_size = parts
    held = [part if part == ffi.NULL else ffi.from_buffer(part) for part in (args, kwargs)]
    return ffi.new("wamp_payload_t *", [held[0], args_size, held[1], kwargs_size, encoding, 0])


def test_bytes_in_json():
    assert dumps(b"\x10\x03") == '"\\u0000EAM="'
    assert dumps([bytearray(b"\x10"), memoryview(b"\x03")]) == '["\\u0000EA==","\\u0000Aw=="]'
    assert loads(b'["\\u0000EAM=", "a\\u0000b", "\\u0000 not base64"]') == [b"\x10\x03", "a\0b", "\0 not base64"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {b"k": 1}], ids=repr)
def test_what_json_does_not_know(value):
    with pytest.raises((TypeError, ValueError)):
        payload([value])


TEXTS = [
    b' \n[1, "\\u00e9", {"a": 1, "a": 2}] ',
    b"\xef\xbb\xbf[1]",
    b'"\\ud800"',
    b'"\xed\xa0\x80"',
    b"[123456789012345678901234567890, -0.0, 1e400, NaN]",
    b"1 2",
    b"[1",
    b"",
    b'"\xff"',
    b'["\n"]',
    b"1\0",
]


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_texts_are_read_as_the_standard_library_reads_them(text):
    assert outcome(loads, text) == outcome(json.loads, text)


def outcome(function, argument):
    try:
        return repr(function(argument))
    except ValueError as error:
        return type(error), str(error)


def test_texts_are_read_together_or_each_alone():
    assert loads_all(b"[[[1],{}],0]", 2) == [[[1], {}], 0]
    for text in (b"[[[1],{}],0] ", b"[[[1],{}]]", b"[[[1 2],{}],0]", b'[[["\\u0000EAM="],{}],0]', b"[" * 99_999, b""):
        assert loads_all(text, 2) is None


def test_texts_where_python_has_no_encoder_in_c(monkeypatch):
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert "".join(pieces_maker()([b"\3", "é"], 0)) == '["\\u0000Aw==","é"]'


def test_what_holds_itself_is_refused_and_then_forgotten():
    ring = [1]
    ring.append(ring)
    for _ in range(2):
        with pytest.raises(ValueError, match="Circular"):
            payload(ring)
    ring.pop()
    parts = payload(ring)
    assert received(given(parts)) == ([1], {})


def test_unwrap():
    assert unwrap([], {}) is None
    assert unwrap([1], {}) == 1
    assert unwrap([1, 2], {}) == Result([1, 2])
    assert unwrap([1], {"a": 1}) == Result([1], {"a": 1})
    assert repr(Result([1], {"a": 2})) == "Result([1], {'a': 2})"


def test_an_error_can_be_copied():
    error = libwamp.Error("com.example.error", [1, "zwei"], {"a": 3})
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (other.uri, other.args, other.kwargs) == ("com.example.error", (1, "zwei"), {"a": 3})
    assert str(error) == "com.example.error: 1, zwei, a=3"
    assert str(libwamp.Error("com.example.error")) == "com.example.error"


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("WAMP_ERR_AGAIN", (libwamp.QueueFull, BufferError)),
        ("WAMP_ERR_CLOSED", (libwamp.NotConnected, ConnectionError)),
        ("WAMP_ERR_NOT_SENT", (libwamp.NotSent, libwamp.NotConnected)),
        ("WAMP_ERR_OUTCOME_UNKNOWN", (libwamp.OutcomeUnknown, libwamp.NotConnected)),
        ("WAMP_ERR_TIMEOUT", (libwamp.TimedOut, TimeoutError)),
        ("WAMP_ERR_URI", (libwamp.LocalError,)),
    ],
)
def test_local_errors(status, kinds):
    error = local_error(getattr(lib, status), "what was wrong", "com.example.word")
    assert isinstance(error, (libwamp.WampError, *kinds))
    assert all(isinstance(error, kind) for kind in kinds)
    assert error.name == status
    assert error.text
    assert all(word in str(error) for word in (status, "what was wrong", "com.example.word"))
