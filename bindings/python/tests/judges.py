"""The encodings as Python's own libraries write and read them: the judges of the library's codecs.

`write` and `read` are json, msgpack and cbor2. What these would turn into objects of Python, or lose, is kept: a dict
is a `Dict` of pairs, what a tag stands for is left to `rules`. Two values are the same where their `repr` is.
"""

import io
import json
import math
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cbor2
import msgpack

ENCODINGS = ("json", "msgpack", "cbor")


class Malformed(Exception):
    """The judge refuses the bytes."""


class Undecided(Exception):
    """The judge cannot tell: it refuses or changes what the encoding allows."""


class Dict(tuple):
    """Keys and values, as pairs in their order."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: {value!r}" for key, value in self) + "}"


@dataclass(frozen=True)
class Moment:
    """MsgPack: a timestamp. In CBOR that is a tag."""

    seconds: int
    nanos: int = 0


@dataclass(frozen=True)
class Ext:
    """MsgPack: a value of another extension type."""

    kind: int
    data: bytes


@dataclass(frozen=True)
class Tag:
    """CBOR: a value with a tag."""

    number: int
    value: Any


class Bignum(int):
    """CBOR: a whole number with one of the tags 2 and 3, which need not be large."""


@dataclass(frozen=True)
class Simple:
    """CBOR: a simple value; `undefined` is 23."""

    number: int


@dataclass(frozen=True)
class Raw:
    """CBOR: to be written as it is."""

    data: bytes


@dataclass(frozen=True)
class Number:
    """JSON: a number with fraction or exponent that no double is."""

    text: str


def number(text: str) -> float | Number:
    """A number with fraction or exponent, such as JSON has it."""
    nearest = float(text)
    sign, digits, exponent = _significant(text)
    # The shortest text of a double need not be Python's: of two that are equally near, that takes the even one.
    is_finite = math.isfinite(nearest) and (nearest != 0 or digits == "0")
    if is_finite and len(digits) <= len(_significant(repr(nearest))[1]):
        return nearest
    return Number(f"{sign}{digits}e{exponent}")


def _significant(text: str) -> tuple[str, str, int]:
    """Sign, digits without zeros at their ends, exponent."""
    sign, digits, exponent = Decimal(text).as_tuple()
    mantissa = "".join(map(str, digits))
    stripped = mantissa.rstrip("0") or "0"
    exponent = exponent + len(mantissa) - len(stripped) if stripped != "0" else 0
    return "-" * sign, stripped, exponent


# Writing.


class _Pairs(dict):
    """What json and msgpack take for a dict, also with the same key twice."""

    def __init__(self, pairs: Any) -> None:
        super().__init__(enumerate(pairs))
        self._pairs = list(pairs)

    def items(self) -> Any:
        return self._pairs


def write(encoding: str, value: Any, **options: Any) -> bytes:
    """A value as the judge writes it; `options` are the judge's own."""
    if encoding == "json":
        return json.dumps(_dicts(value), default=_binary, **options).encode()
    if encoding == "msgpack":
        return msgpack.packb(_dicts(value), default=_ext, **options)
    return cbor2.dumps(value, encoders=_ENCODERS, **options)


def _dicts(value: Any) -> Any:
    if isinstance(value, Dict):
        return _Pairs([(_dicts(key), _dicts(entry)) for key, entry in value])
    return [_dicts(entry) for entry in value] if isinstance(value, list) else value


def _binary(value: bytes) -> str:
    return "\0" + b64encode(value).decode()


def _ext(value: Moment | Ext) -> Any:
    if isinstance(value, Moment):
        return msgpack.Timestamp(value.seconds, value.nanos)
    return msgpack.ExtType(value.kind, value.data)


def _write_dict(encoder: Any, value: Dict) -> None:
    encoder.encode_length(5, None if encoder.indefinite_containers else len(value))
    for pair in value:
        for part in pair:
            encoder.encode(part)
    if encoder.indefinite_containers:
        encoder.encode_break()


def _write_tag(encoder: Any, value: Tag) -> None:
    encoder.encode_length(6, value.number)
    encoder.encode(value.value)


_ENCODERS = {
    Dict: _write_dict,
    Tag: _write_tag,
    Simple: lambda encoder, value: encoder.encode(_SIMPLES.get(value.number) or cbor2.CBORSimpleValue(value.number)),
    Raw: lambda encoder, value: encoder.write(value.data),
}
_SIMPLES = {23: cbor2.undefined}


# Reading.


def read(encoding: str, data: bytes) -> Any:
    """The value that the judge finds in the bytes."""
    return {"json": _read_json, "msgpack": _read_msgpack, "cbor": _read_cbor}[encoding](data)


def _read_json(data: bytes) -> Any:
    def refuse(word: str) -> None:
        raise Malformed(word)  # NaN and Infinity, which are not JSON

    try:
        return json.loads(data.decode(), object_pairs_hook=Dict, parse_float=number, parse_constant=refuse)
    except ValueError as error:
        raise Malformed(str(error)) from error


def _read_msgpack(data: bytes) -> Any:
    try:
        value = msgpack.unpackb(data, strict_map_key=False, object_pairs_hook=Dict, ext_hook=Ext)
    except (ValueError, msgpack.UnpackException) as error:
        if any(word in str(error) for word in ("Timestamp", "nanoseconds")):
            raise Undecided(str(error)) from error  # type -1 with other contents: an extension like others
        raise Malformed(str(error)) from error
    return _plain(value)


def _read_cbor(data: bytes) -> Any:
    stream = io.BytesIO(data)
    options = {"tag_hook": _tag, "max_depth": 1000, "allow_duplicate_keys": False}
    try:
        value = cbor2.CBORDecoder(stream, semantic_decoders=_AnyTag(), **options).decode()
    except cbor2.CBORDecodeError as error:
        if "Duplicate map key" in str(error):
            raise Undecided(str(error)) from error  # it keeps one of them
        raise Malformed(str(error)) from error
    if stream.tell() != len(data):
        raise Malformed("something follows the value")
    return _plain(value)


class _AnyTag(dict):
    """Takes the place of all that cbor2 makes of tags."""

    def __missing__(self, tag: int) -> Any:
        return lambda value, immutable: _tagged(tag, value)


def _tag(tag: cbor2.CBORTag, immutable: bool) -> Any:
    return _tagged(tag.tag, tag.value)


def _tagged(tag: int, value: Any) -> Any:
    if tag in (2, 3) and isinstance(value, bytes):
        magnitude = int.from_bytes(value)
        return Bignum(magnitude if tag == 2 else -1 - magnitude)
    return Tag(tag, value)


def _plain(value: Any) -> Any:
    match value:
        case Dict():
            return Dict((_plain(key), _plain(entry)) for key, entry in value)
        case dict() | cbor2.frozendict():
            return Dict((_plain(key), _plain(entry)) for key, entry in value.items())
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case Tag():
            return Tag(value.number, _plain(value.value))
        case msgpack.Timestamp():
            return Moment(value.seconds, value.nanoseconds)
        case cbor2.CBORSimpleValue():
            return Simple(value.value)
    return Simple(23) if value is cbor2.undefined else value


def has_twins(value: Any) -> bool:
    """Whether a dict has two keys that are the same to Python, so that cbor2 cannot tell them apart."""
    match value:
        case Dict():
            keys = Counter(_hashable(key) for key, _ in value)
            return len(keys) < len(value) or any(has_twins(part) for pair in value for part in pair)
        case list():
            return any(map(has_twins, value))
        case Tag():
            return has_twins(value.value)
    return False


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, Dict)):
        return tuple(map(_hashable, value))
    return (value.number, _hashable(value.value)) if isinstance(value, Tag) else value
