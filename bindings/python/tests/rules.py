"""What docs/SERIALIZERS.md says becomes of a value, written anew from its table and not from the library.

`carry` is one step from an encoding into another; `shown` is what the lenses show. Values are those of `judges`.
"""

import math
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from judges import Bignum, Dict, Ext, Moment, Number, Simple, Tag, number

_BEYOND = 2**2048  # whole numbers from here on, and below its negative, are not written in digits
_ERA = 146097 * 86400  # 400 years, after which the calendar repeats
_YEAR_0 = 719528 * 86400  # from its beginning to 1970
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


class Refused(Exception):
    """The value cannot be said in the other encoding."""


@dataclass(frozen=True)
class Fraction:
    """A decimal fraction."""

    mantissa: int
    exponent: int


def carry(value: Any, origin: str, to: str, strict: bool) -> Any:
    """A value brought into another encoding: what is sent strictly, what is received or passed on not."""
    return value if origin == to else _write(_mean(value, origin), to, strict)


def shown(value: Any, encoding: str) -> Any:
    """What a lens on a received value shows."""
    return _show(_mean(value, encoding))


# What a value means, in any encoding.


def _mean(value: Any, encoding: str) -> Any:
    match value:
        case list():
            return [_mean(entry, encoding) for entry in value]
        case Dict() if encoding == "json":
            return Dict((key, _mean(entry, encoding)) for key, entry in value)  # keys are text
        case Dict():
            return Dict((_mean(key, encoding), _mean(entry, encoding)) for key, entry in value)
        case Tag():
            return _mean_tag(value)
        case Simple():
            return None
        case Bignum():
            return int(value)
        case str() if encoding == "json":
            return _binary(value) if value.startswith("\0") else value
        case int() if encoding == "json" and _is_long(value):
            return Number(str(value))
    return value


def _binary(text: str) -> str | bytes:
    try:
        data = b64decode(text[1:], validate=True)
    except ValueError:
        return text
    return data if b64encode(data).decode() == text[1:] else text


def _mean_tag(tag: Tag) -> Any:
    match tag.number, tag.value:
        case 55799, value:
            return _mean(value, "cbor")
        case 0, str(text):
            moment = _moment_of_text(text)
        case 1, seconds if type(seconds) is int and -(2**63) <= seconds < 2**63:
            moment = Moment(seconds)
        case 1, float(seconds) if -1e15 <= seconds < 1e15:
            whole = math.floor(seconds)
            nanos = math.floor((seconds - whole) * 1e9 + 0.5)
            moment = Moment(whole + nanos // 10**9, nanos % 10**9)
        case 4, [exponent, mantissa] if type(exponent) is int and type(mantissa) in (int, Bignum):
            if -(2**63) <= exponent < 2**63:
                return Fraction(int(mantissa), exponent)
            moment = None
        case _:
            moment = None
    return moment or Tag(tag.number, _mean(tag.value, "cbor"))


def _moment_of_text(text: str) -> Moment | None:
    parts = _TIME.fullmatch(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    fraction, sign, hours, minutes = parts.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if second > 59 or (fraction or "")[9:].strip("0") or int(hours or 0) > 23 or int(minutes or 0) > 59:
        return None
    try:
        begin = datetime(year % 400 + 400, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    since = begin - datetime(1970, 1, 1, tzinfo=UTC) + (offset if sign == "-" else -offset)
    seconds = since // timedelta(seconds=1) + (year // 400 - 1) * _ERA + second
    return Moment(seconds, int((fraction or "0")[:9].ljust(9, "0")))


def _text_of_moment(moment: Moment) -> str | None:
    """RFC 3339, in UTC."""
    eras, seconds = divmod(moment.seconds + _YEAR_0, _ERA)
    time = datetime(400, 1, 1) + timedelta(seconds=seconds)
    year = time.year + (eras - 1) * 400
    if not 0 <= year <= 9999:
        return None
    fraction = f".{moment.nanos:09}".rstrip("0").rstrip(".")
    return f"{year:04}-{time:%m-%dT%H:%M:%S}{fraction}Z"


def _is_long(value: int) -> bool:
    return not -_BEYOND <= value < _BEYOND


# What is written of it.


def _write(value: Any, to: str, strict: bool) -> Any:
    write = _to_json if to == "json" else _to_binary
    match value:
        case list():
            return [_write(entry, to, strict) for entry in value]
        case Dict():
            pairs = []
            for key, entry in value:
                key = _key(key, strict) if to == "json" else _write(key, to, strict)
                pairs.append((key, _write(entry, to, strict)))
            return Dict(pairs)
        case Tag():
            return _or(strict, _write(value.value, to, strict))
    return write(value, to, strict)


def _or(strict: bool, value: Any) -> Any:
    """The table's "refused; x"."""
    if strict:
        raise Refused
    return value


def _to_json(value: Any, _to: str, strict: bool) -> Any:
    match value:
        case bool():
            return value
        case int() if _is_long(value):
            return _or(strict, None)
        case Fraction() if _is_long(value.mantissa):
            return _or(strict, None)
        case Fraction():
            return number(f"{value.mantissa}e{value.exponent}")
        case float() if not math.isfinite(value):
            return _or(strict, None)
        case str() if value.startswith("\0"):
            return _or(strict, value)
        case bytes():
            return "\0" + b64encode(value).decode()
        case Moment():
            text = _text_of_moment(value)
            return _or(strict, value.seconds) if text is None else text
        case Ext():
            return _or(strict, _to_json(value.data, "json", strict))
    return value


def _key(key: Any, strict: bool) -> str:
    match key:
        case str():
            return key
        case list() | Dict():
            raise Refused
        case Tag():
            return _or(strict, _key(key.value, strict))
        case Fraction() if not _is_long(key.mantissa):
            return _or(strict, f"{key.mantissa}e{key.exponent}")
    _or(strict, None)
    match _to_json(key, "json", strict=False):
        case str(text):
            return text
        case bool(word):
            return str(word).lower()
        case float(value):
            return re.sub(r"e(-?)\+?0?", r"e\1", repr(value))
        case None:
            return "null"
        case other:
            return str(other)


def _to_binary(value: Any, to: str, strict: bool) -> Any:
    match value:
        case bool():
            return value
        case int() if to == "msgpack" and not -(2**63) <= value < 2**64:
            return _or(strict, _nearest(value))
        case Number():
            nearest = float(value.text)
            return nearest if math.isfinite(nearest) else _or(strict, nearest)
        case Fraction():  # to MsgPack, as CBOR has it
            nearest = _nearest(value)
            return nearest if math.isfinite(nearest) else _or(strict, nearest)
        case str() if re.search("[\ud800-\udfff]", value):
            return _or(strict, _whole(value))
        case Moment() if to == "cbor":
            text = _text_of_moment(value) if value.nanos else None
            if text is not None:
                return Tag(0, text)
            if value.nanos:
                return _or(strict, Tag(1, value.seconds + value.nanos / 1e9))
            return Tag(1, value.seconds)
        case Ext() if to == "cbor":
            return _or(strict, value.data)
    return value


def _nearest(value: int | Fraction) -> float:
    """The nearest double, or infinity."""
    if isinstance(value, Fraction):
        if _is_long(value.mantissa):
            return _nearest(value.mantissa)
        return float(f"{value.mantissa}e{value.exponent}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _whole(text: str) -> str:
    """Half characters, which only JSON can write, become U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


# What is shown of it.


def _show(value: Any) -> Any:
    match value:
        case list():
            return [_show(entry) for entry in value]
        case Dict():
            return Dict((_whole(_shown_key(key)), _show(entry)) for key, entry in value)
        case Tag():
            return _show(value.value)
        case bool():
            return value
        case int() if not -(2**63) <= value < 2**64:
            return _nearest(value)
        case Fraction():
            return _nearest(value)
        case Number():
            return float(value.text)
        case Ext():
            return value.data
        case str():
            return _whole(value)
        case Moment():
            return _text_of_moment(value) or value.seconds
    return value


def _shown_key(key: Any) -> str:
    """A key as a lens shows it; one that is a list or dict is its JSON text."""
    if isinstance(key, Tag):
        return _shown_key(key.value)
    if not isinstance(key, list | Dict):
        return _key(key, strict=False)
    try:
        return _text(key)
    except Refused:  # a key of it is a list or dict itself
        return ""


def _text(value: Any) -> str:
    match value:
        case list():
            return f"[{','.join(map(_text, value))}]"
        case Dict():
            pairs = (f"{_quoted(_key(key, strict=False))}:{_text(entry)}" for key, entry in value)
            return f"{{{','.join(pairs)}}}"
        case Tag():
            return _text(value.value)
        case str() | bytes() | Moment() | Ext():
            written = _to_json(value, "json", strict=False)
            return _quoted(written) if isinstance(written, str) else str(written)
    return _key(value, strict=False)


def _quoted(text: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    escaped = (short.get(char) or (f"\\u{ord(char):04x}" if char < " " else char) for char in text)
    return f'"{"".join(escaped)}"'
