"""The encodings before independent judges: Python's json, msgpack and cbor2.

Random values are encoded by these, sent over wires of each encoding and received in each form, and must come out as
the table of docs/SERIALIZERS.md has it (`rules`), read again by the judges (`judges`) and by the library's lenses.
What the judges call malformed must be refused. The embedded router stands between: events go one way, calls there and
back.

`WAMP_JUDGE_EXAMPLES=500` looks for more, with other values each time.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

pytest.importorskip("hypothesis")
pytest.importorskip("msgpack")
pytest.importorskip("cbor2")

import values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from judges import ENCODINGS, Dict, Malformed, Undecided, has_twins, read, write
from rules import Refused, carry, shown
from support import LIMIT, core_of

import libwamp
from libwamp.ffi import ffi, from_c, lib
from libwamp.payload import encoded

PREFIX = "com.example.judge."
FORMS = ("json", "wire")  # of received payloads
MORE = int(os.environ.get("WAMP_JUDGE_EXAMPLES", "0"))


def examples(count: int) -> settings:
    """So many random examples, the same each time; or those that are asked for."""
    return settings(
        max_examples=MORE or count,
        derandomize=not MORE,
        database=None,
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,  # to make one smaller takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class Case(NamedTuple):
    """A payload as a judge has encoded it, or as somebody has damaged it."""

    encoding: str
    args: bytes
    kwargs: bytes | None = None

    def read(self) -> Any:
        """What the judge finds in it: args, and kwargs."""
        args = read(self.encoding, self.args)
        if not isinstance(args, list):
            raise Malformed("no list")
        return args, None if self.kwargs is None else read(self.encoding, self.kwargs)


def case(encoding: str, value: Any, **options: Any) -> Case:
    """A value as the one argument, and a dict as keyword arguments, too."""
    kwargs = write(encoding, value, **options) if isinstance(value, Dict) and value else None
    return Case(encoding, write(encoding, [value], **options), kwargs)


class Heard(NamedTuple):
    """What has come of a payload."""

    payload: libwamp.Encoded
    args: Any  # as the lenses show them
    kwargs: Any


class Listener(libwamp.Connection):
    """Keeps what comes, by topic, and echoes what it is called with."""

    heard: dict[str, Heard | None]  # None: told as a failure

    async def listen_to(self, prefix: str) -> None:
        self.heard, self.more, self.failure = {}, asyncio.Event(), None
        wire = core_of(self).wire  # what comes is looked at where it comes out of the library
        wire.coding.arguments = lambda event, first=None: ([encoded(event.payload)], {})
        session = await self.open()
        wire._receivers |= {lib.WAMP_EVENT: self.keep_event, lib.WAMP_USER_ERROR: self.keep_failure}
        await session.subscribe(prefix, print, {"match": "prefix"})

    def keep_event(self, event: Any) -> None:
        view = ffi.addressof(event)
        args, kwargs = seen(lib.wamp_event_args(view)), seen(lib.wamp_event_kwargs(view))
        self.keep(event, Heard(encoded(event.payload), args, kwargs))

    def keep_failure(self, event: Any) -> None:
        assert event.status == lib.WAMP_ERR_PAYLOAD
        self.keep(event, None)

    def keep(self, event: Any, heard: Heard | None) -> None:
        self.heard[from_c(event.uri, event.uri_size)] = heard
        self.more.set()

    def on_user_error(self, error: BaseException, message: str) -> None:
        self.failure = error
        self.more.set()


def seen(lens: Any) -> Any:
    """A value as the lenses show it."""
    size = ffi.new("size_t *")
    match lib.wamp_value_type(lens):
        case lib.WAMP_TYPE_BOOL:
            return bool(lib.wamp_value_bool(lens))
        case lib.WAMP_TYPE_INT:
            return lib.wamp_value_int(lens)
        case lib.WAMP_TYPE_UINT:
            return lib.wamp_value_uint(lens)
        case lib.WAMP_TYPE_DOUBLE:
            return lib.wamp_value_double(lens)
        case lib.WAMP_TYPE_STRING:
            return ffi.unpack(lib.wamp_value_string(lens, size), size[0]).decode()
        case lib.WAMP_TYPE_BINARY:
            data = lib.wamp_value_binary(lens, size)
            return bytes(ffi.buffer(data, size[0]))
        case lib.WAMP_TYPE_LIST:
            return [seen(lib.wamp_value_at(lens, index)) for index in range(lib.wamp_value_size(lens))]
        case lib.WAMP_TYPE_DICT:
            entries = []
            for index in range(lib.wamp_value_size(lens)):
                key = ffi.unpack(lib.wamp_value_key(lens, index, size), size[0]).decode()
                entries.append((key, seen(lib.wamp_value_at(lens, index))))
            return Dict(entries)
        case kind:
            return None if kind == lib.WAMP_TYPE_NULL else ...


class Matrix:
    """Senders with a wire of each encoding, and listeners with each wire and form of received payloads."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._router = libwamp.Router()
        self._numbers = itertools.count()
        self.senders: dict[str, libwamp.Connection] = {}
        self.listeners: dict[tuple[str, str], Listener] = {}
        self.run(self._open(self._router.listen()))

    def run(self, work: Any) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(LIMIT):
                return await work

        return self._runner.run(limited())

    def close(self) -> None:
        async def close() -> None:
            for connection in (*self.senders.values(), *self.listeners.values()):
                await connection.close()

        self.run(close())
        self._runner.close()
        self._router.close()

    async def _open(self, url: str) -> None:
        for wire in ENCODINGS:
            self.senders[wire] = libwamp.Connection(url, "realm1", serializers=[wire], payload_encoding="wire")
            await self.senders[wire].open()
            for form in FORMS:
                listener = Listener(url, "realm1", serializers=[wire], payload_encoding=form)
                await listener.listen_to(PREFIX)
                await listener.session.register(f"{PREFIX}{wire}.{form}", lambda payload: payload)
                self.listeners[wire, form] = listener

    async def judge(self, cases: list[Case]) -> None:
        """Publishes all of them on each wire, and looks at what comes of them."""
        published = []
        for listener in self.listeners.values():
            listener.heard.clear()  # of calls that failed, and of tests
        for given in cases:
            value = readable(given)
            if value is ...:
                continue
            for wire, sender in self.senders.items():
                topic = f"{PREFIX}{next(self._numbers)}"
                on_wire = expected(lambda v=value, w=wire: step(v, given.encoding, w, strict=True))
                try:
                    sender.session.publish(topic, libwamp.Encoded(*given))
                except libwamp.LocalError as error:
                    assert error.name == "WAMP_ERR_PAYLOAD"
                    assert on_wire is None, (given, wire, error)
                else:
                    assert on_wire is not None, (given, wire, value)
                    published.append((given, wire, topic, on_wire))
        await self.wait_for_all()
        for given, wire, topic, on_wire in published:
            for (own_wire, form), listener in self.listeners.items():
                way = (given.encoding, wire, own_wire, "json" if form == "json" else own_wire)
                self._compare(given, way, on_wire, listener.heard.pop(topic, ...))
        assert not any(listener.heard for listener in self.listeners.values())

    async def wait_for_all(self) -> None:
        ends = [f"{PREFIX}{next(self._numbers)}" for _ in self.senders]
        for end, sender in zip(ends, self.senders.values(), strict=True):
            sender.session.publish(end)
        for listener in self.listeners.values():
            for end in ends:
                while end not in listener.heard:
                    listener.more.clear()
                    await listener.more.wait()
                    if listener.failure is not None:
                        raise listener.failure
                del listener.heard[end]

    def _compare(self, given: Case, way: tuple[str, ...], on_wire: Any, heard: Any) -> None:
        about = (given, way, heard)
        passed_on = expected(lambda: step(on_wire, way[1], way[2], strict=False))
        if passed_on is None:
            assert heard is ..., about  # left out
            return
        value = expected(lambda: step(passed_on, way[2], way[3], strict=False))
        if value is None:
            assert heard is None, about  # a failure
            return
        assert isinstance(heard, Heard), about
        encoding, *parts = heard.payload.encoding, heard.payload.args, heard.payload.kwargs
        assert encoding == way[3], about
        for part, original, wanted, lens in zip(parts, given[1:], value, heard[1:], strict=True):
            if part is None:
                assert not wanted, about
                continue
            same(part, encoding, wanted, about)
            if len(set(way)) == 1:
                assert part == original.strip(b" \t\r\n" if encoding == "json" else b""), about
            elif encoding != "json" and not re.search("nan|inf", repr(wanted)):
                # In the shortest form, but for what the judge writes in half precision.
                assert part == write(encoding, wanted), about
            assert repr(lens) == repr(expected(lambda v=wanted: shown(v, encoding)) or ...), about

    async def echo(self, cases: list[Case]) -> None:
        """Has all of them echoed on each way, and looks at the answers."""
        cases = [given for given in cases if readable(given) is not ...]
        for wire, sender in self.senders.items():
            for (own_wire, form), _ in self.listeners.items():
                procedure = f"{PREFIX}{own_wire}.{form}"
                calls = [sender.session.call(procedure, libwamp.Encoded(*given)) for given in cases]
                answers = await asyncio.gather(*calls, return_exceptions=True)
                for given, answer in zip(cases, answers, strict=True):
                    form_of = "json" if form == "json" else own_wire
                    way = (given.encoding, wire, own_wire, form_of, own_wire, wire)
                    self._compare_answer(given, way, answer)

    def _compare_answer(self, given: Case, way: tuple[str, ...], answer: Any) -> None:
        about = (given, way, answer)
        value = readable(given)
        for index, strict in enumerate((True, False, False, True, False)):
            value = expected(lambda v=value, i=index, s=strict: step(v, way[i], way[i + 1], s))
            if value is None and index == 0:
                assert isinstance(answer, libwamp.LocalError), about
                assert answer.name == "WAMP_ERR_PAYLOAD", about
                return
            if value is None:
                assert isinstance(answer, libwamp.Error), about
                wanted = "runtime_error" if strict else "invalid_argument"
                assert answer.uri == f"wamp.error.{wanted}", about
                return
        assert isinstance(answer, libwamp.Encoded), about
        for part, wanted in zip((answer.args, answer.kwargs), value, strict=True):
            if part is None:
                assert not wanted, about
            else:
                same(part, answer.encoding, wanted, about)


def readable(given: Case) -> Any:
    """What the judge finds in it; None for what is malformed, ... where it cannot tell."""
    try:
        return given.read()
    except Malformed:
        return None
    except Undecided:
        return ...


def step(value: Any, origin: str, to: str, strict: bool) -> Any:
    """Args and kwargs brought into another encoding."""
    if value is None:
        raise Refused  # what is malformed
    args, kwargs = value
    return carry(args, origin, to, strict), None if kwargs is None else carry(kwargs, origin, to, strict)


def expected(work: Any) -> Any:
    """What the rules give; None for what they refuse."""
    try:
        return work()
    except Refused:
        return None


def same(part: bytes, encoding: str, wanted: Any, about: Any) -> None:
    """The judge reads what was wanted."""
    if encoding == "cbor" and has_twins(wanted):
        return  # cbor2 does not tell them apart; their bytes are compared
    assert repr(read(encoding, part)) == repr(wanted), about


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    matrix = Matrix()
    yield matrix
    matrix.close()


@examples(30)
@given(st.lists(values.COMMON, min_size=1, max_size=6))
def test_what_all_encodings_can_say(matrix, batch):
    for value, encoding in itertools.product(batch, ENCODINGS):
        assert repr(read(encoding, write(encoding, value))) == repr(values.in_encoding(value, encoding))
    cases = [case(encoding, value) for value in batch for encoding in ENCODINGS]
    matrix.run(matrix.judge(cases))
    matrix.run(matrix.echo(cases))


def test_edges(matrix):
    for encoding, value in values.EDGES:
        cases = [case(encoding, value)]
        matrix.run(matrix.judge(cases))
        matrix.run(matrix.echo(cases))


@examples(400)
@given(st.lists(values.RICH.map(lambda given: case(given[0], given[1], **given[2])), min_size=1, max_size=10))
def test_what_one_encoding_can_say(matrix, cases):
    matrix.run(matrix.judge(cases))
    matrix.run(matrix.echo(cases))


# What is encoded, where it is damaged, and the byte that stands there then; without one all ends there.
_DAMAGED = values.RICH.flatmap(
    lambda given: st.tuples(st.just(given), st.integers(0, 400), st.none() | st.integers(0, 255))
)


@examples(400)
@given(st.lists(_DAMAGED, min_size=1, max_size=10))
def test_what_is_damaged(matrix, batch):
    cases = []
    for (encoding, value, options), at, byte in batch:
        whole = write(encoding, [value], **options)
        at %= len(whole)
        cases.append(Case(encoding, whole[:at] + (b"" if byte is None else bytes([byte]) + whole[at + 1 :])))
    matrix.run(matrix.judge(cases))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_levels(matrix, encoding):
    def nested(levels):
        value = []
        for _ in range(levels - 1):
            value = [value]
        return Case(encoding, write(encoding, value))

    matrix.run(matrix.judge([nested(2), nested(127), nested(128)]))
    for sender in matrix.senders.values():
        for levels in (129, 200):
            with pytest.raises(libwamp.LocalError) as caught:
                sender.session.publish(f"{PREFIX}deep", libwamp.Encoded(*nested(levels)))
            assert caught.value.name == "WAMP_ERR_PAYLOAD"


def test_a_key_twice(matrix):
    """What cbor2 would lose is compared with what json and msgpack read."""
    twice = Dict([("a", 1), ("b", Dict([("a", 2), ("a", 3)])), ("a", 4)])
    cases = [case(encoding, twice) for encoding in ("json", "msgpack")]
    for given in cases:
        assert repr(given.read()) == repr(([twice], twice))
    cbor = Case("cbor", write("cbor", [twice]), write("cbor", twice))
    for given, sender in itertools.product([*cases, cbor], matrix.senders.values()):
        sender.session.publish(f"{PREFIX}twice", libwamp.Encoded(*given))
        matrix.run(matrix.wait_for_all())
        for way, listener in matrix.listeners.items():
            payload, args, kwargs = listener.heard.pop(f"{PREFIX}twice")
            about = (given, way, payload)
            if payload.encoding == "cbor":
                assert (payload.args, payload.kwargs) == cbor[1:], about
            else:
                assert repr(Case(payload.encoding, payload.args, payload.kwargs).read()) == repr(([twice], twice)), (
                    about
                )
            assert repr((args, kwargs)) == repr(([twice], twice)), about
