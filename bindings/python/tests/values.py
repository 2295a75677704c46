"""Random values that all encodings can say: strategies for hypothesis."""

from base64 import b64encode
from typing import Any

from hypothesis import strategies as st
from judges import Dict, has_twins

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
