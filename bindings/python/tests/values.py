"""Random values, of the kinds that encodings treat differently: strategies for hypothesis."""

import ipaddress
import uuid
from base64 import b64encode
from datetime import UTC, timedelta, timezone
from typing import Any

import cbor2
from hypothesis import strategies as st
from judges import Dict, Ext, Moment, Raw, Simple, Tag, has_twins

_EDGES = [sign * 2**bits + more for bits in (5, 7, 8, 15, 16, 31, 32, 53, 63) for sign in (1, -1) for more in (-1, 0, 1)]

INTS = (
    st.integers(-300, 300)
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([edge for edge in _EDGES if edge >= -(2**63)] + [2**64 - 1])
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-100, 100).map(float)
BYTES = st.binary(max_size=40) | st.sampled_from([bytes(size) for size in (255, 256)])
TEXT = (
    st.text(max_size=20)
    | st.sampled_from(["\0", "\0\0", "\0AA==", "\0AB==", "\0AAEC", "\0 AAEC", "\0?", "a\0b", "\U0001f44b\U0001f3fd"])
    | st.binary(max_size=6).map(lambda data: "\0" + b64encode(data).decode())
    | st.sampled_from(["x" * size for size in (23, 24, 31, 32, 255, 256)])
)
PLAIN_TEXT = TEXT.map(lambda text: text.lstrip("\0"))
_SIMPLE = st.none() | st.booleans() | INTS | FLOATS


def _tree(leaf: Any, key: Any, unique: bool = False) -> Any:
    def containers(entry: Any) -> Any:
        lists = st.lists(entry, max_size=5) | st.lists(_SIMPLE, min_size=14, max_size=17)
        return lists | st.lists(st.tuples(key, entry), max_size=5).map(Dict)

    tree = st.recursive(leaf, containers, max_leaves=12)
    return tree.filter(lambda value: not has_twins(value)) if unique else tree


COMMON = _tree(_SIMPLE | PLAIN_TEXT | BYTES, TEXT, unique=True)


def in_encoding(value: Any, encoding: str) -> Any:
    """The same value with what JSON writes for bytes."""
    if encoding != "json":
        return value
    match value:
        case bytes():
            return "\0" + b64encode(value).decode()
        case list():
            return [in_encoding(entry, encoding) for entry in value]
        case Dict():
            return Dict((key, in_encoding(entry, encoding)) for key, entry in value)
    return value


# What only one encoding can say, with options of its judge.

_HALVES = st.text(st.characters(categories=["Cs"]) | st.characters(codec="ascii"), max_size=6)
_HUGE = st.integers(-(2**80), 2**80) | st.sampled_from([10**615, 10**616 - 1, 10**616, -(10**616), 2**2048 - 1, 2**2048])
_ODD_FLOATS = st.sampled_from([float("nan"), float("inf"), float("-inf")]) | st.floats(width=16) | st.floats(width=32)
_SECONDS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.integers(-62167219200 - 5, 253402300800 + 5)
    | st.integers(0, 2**34 + 5)
    | st.sampled_from([0, -1, 2**32 - 1, 2**32, 2**34 - 1, 2**34, 253402300799, 253402300800, -62167219200, -62167219201])
)
_NANOS = st.just(0) | st.integers(0, 10**9 - 1) | st.sampled_from([1, 500_000_000, 10**9 - 1])
_MOMENTS = st.builds(Moment, _SECONDS, _NANOS)

_JSON = _tree(_SIMPLE | TEXT | _HUGE | _HALVES | st.sampled_from([float("nan"), float("inf")]), TEXT | _HALVES)
_JSON_OPTIONS = st.fixed_dictionaries({
    "ensure_ascii": st.just(True), "indent": st.none() | st.just(1), "separators": st.none() | st.just((",", ":")),
})

_EXTS = st.builds(Ext, st.integers(0, 127), st.binary(max_size=20)) | st.builds(
    Ext, st.just(5), st.sampled_from([bytes(size) for size in (255, 256)])
)
_MSGPACK_KEYS = TEXT | _SIMPLE | BYTES | _MOMENTS | _EXTS | st.just([1]) | st.just(Dict([("a", 1)]))
_MSGPACK = _tree(_SIMPLE | TEXT | BYTES | _ODD_FLOATS | _MOMENTS | _EXTS, TEXT | _MSGPACK_KEYS)
_MSGPACK_OPTIONS = st.just({})

_TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]))
_TIME_TEXTS = st.from_regex(
    r"[0-9]{3}[0-9]-(0[0-9]|1[0-3])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,12})?"
    r"([Zz]|[+-][0-2][0-9]:[0-6][0-9])?", fullmatch=True,
)
_TAGGED = (
    st.builds(Tag, st.just(0), _TIME_TEXTS | TEXT)
    | st.builds(Tag, st.just(1), _SECONDS | FLOATS | _ODD_FLOATS | _HUGE | TEXT)
    | st.builds(Tag, st.sampled_from([2, 3]), st.binary(max_size=12) | INTS)
    | st.builds(Tag, st.just(4), st.tuples(st.integers(-400, 400), INTS | _HUGE).map(list))
    | st.builds(Tag, st.just(4), st.lists(INTS, max_size=3) | TEXT)
    | st.builds(Tag, st.sampled_from([5, 21, 28, 32, 55799, 55800, 2**32, 2**64 - 1]), _SIMPLE | TEXT | st.lists(INTS))
)
_RAW = st.sampled_from([
    "f90001", "f93e00", "f97e00", "fc00", "fa7fc00000", "fb7ff8000000000001", "f98000",  # floats
    "1800", "190001", "1a00000001", "1b0000000000000001", "3b0000000000000000", "780161", "d90001613f",  # too long
    "7fff", "7f6161626262ff", "5fff", "5f41004102ff", "c25f4101ff", "9fff", "bfff", "9f01ff", "bf616101ff",  # chunks
    "c49f2105ff", "c4822105", "c482c2410105", "c48221c24105", "c1d9d9f705", "d9d9f7c105",  # tags
    "a2616101616102", "a16161a20102010a",  # the same key twice
]).map(lambda digits: Raw(bytes.fromhex(digits)))
_NATIVE = (
    _TIMES
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.fractions()
    | st.just(uuid.UUID(int=5))
    | st.just(ipaddress.ip_address("127.0.0.1"))
    | st.just(cbor2.undefined)
    | st.frozensets(INTS, max_size=3)
)
_SIMPLES = st.builds(Simple, st.integers(0, 19) | st.just(23) | st.integers(32, 255))
_CBOR_KEYS = TEXT | _SIMPLE | BYTES | _SIMPLES | _TAGGED | st.just([1]) | st.just(Dict([("a", 1)]))
_CBOR = _tree(
    _SIMPLE | TEXT | BYTES | _ODD_FLOATS | _HUGE | _SIMPLES | _TAGGED | _RAW | _NATIVE, TEXT | _CBOR_KEYS, unique=True,
)
_CBOR_OPTIONS = st.fixed_dictionaries({
    "canonical": st.booleans(), "indefinite_containers": st.booleans(), "datetime_as_timestamp": st.booleans(),
})

# Encoding, value, options of the judge.
RICH = (
    st.tuples(st.just("json"), _JSON, _JSON_OPTIONS)
    | st.tuples(st.just("msgpack"), _MSGPACK, _MSGPACK_OPTIONS)
    | st.tuples(st.just("cbor"), _CBOR, _CBOR_OPTIONS)
)

# Each of these is tried for itself: among others it would often be refused for what stands beside it.
EDGES = [
    *[("json", value) for value in (
        2**64, -(2**63) - 1, 10**400, 2**2048 - 1, 2**2048, -(2**2048), -(2**2048) - 1, Dict([("\0AA==", "\0AB==")]), "\ud800",
    )],
    *[("msgpack", Moment(seconds, nanos)) for nanos in (0, 1, 10**9 - 1) for seconds in (
        0, -1, 2**32, 2**34, -62167219200, -62167219201, 253402300799, 253402300800, -(2**63), 2**63 - 1,
    )],
    *[("msgpack", value) for value in (float("nan"), float("-inf"), -0.0, "\0AA==", b"", Ext(0, b""), Ext(127, b"\0"))],
    *[("msgpack", Dict([(key, 1)])) for key in (
        None, True, -1, 2**64 - 1, 1e16, 1.0, float("nan"), b"\0", Moment(0, 1), Moment(2**62), Ext(1, b"a"), [], Dict(),
    )],
    *[("cbor", Tag(0, text)) for text in (
        "2000-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2013-02-30T00:00:00Z", "2013-04-31T00:00:00Z",
        "2016-12-31T23:59:60Z", "2016-12-31T23:59:61Z", "2013-01-01T24:00:00Z", "2013-01-01T00:00:00+24:00",
        "2013-01-01T00:00:00-00:60", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59.9-00:01",
        "2013-01-01t00:00:00.1234567899z", "2013-01-01T00:00:00.Z", "2013-01-01T00:00:00", "",
    )],
    *[("cbor", Tag(1, value)) for value in (
        0.5, -0.5, 0.9999999999, 1e15, float("nan"), 2**63 - 1, 2**63, -(2**63) - 1, None, "0",
    )],
    *[("cbor", Tag(4, parts)) for parts in (
        [0, 0], [0, 5], [-2, 27315], [400, 1], [-400, 1], [2**63, 1], [0, 2**2048], [1], [1, 2, 3], [1, 1.5],
    )],
    *[("cbor", value) for value in (
        Tag(2, b""), Tag(3, b""), Tag(2, b"\0" * 300), 2**2048, -(2**2048), -(2**2048) - 1, Tag(55799, Tag(55799, [1])),
        Tag(2**64 - 1, "a"), Simple(0), Simple(23), Simple(255), Dict([(Simple(0), 1), (Tag(4, [0, 5]), 2), (Tag(9, 3), 3)]),
    )],
]
