"""Mistakes are told where they are made, to those who made them."""

import asyncio
import functools
import logging
import math
import operator
import pickle

import pytest
from programs import output_of
from support import run, uri

import libwamp


@pytest.mark.parametrize(
    "options", [{"max_retires": 3}, {"max_retries": "three"}, {"url": "127.0.0.1:1"}, {"realm": "a b"}], ids=str
)
def test_options(options):
    given = {"url": "ws://127.0.0.1:1/", "realm": "realm1", **options}
    with pytest.raises(libwamp.OptionError) as caught:
        libwamp.Connection(given.pop("url"), given.pop("realm"), **given)
    assert isinstance(caught.value, ValueError)
    assert next(iter(options)) in str(caught.value)
    assert "OptionError" in repr(caught.value)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied)) == (libwamp.OptionError, str(caught.value))


def test_wrong_configurations_of_a_router():
    with pytest.raises(libwamp.OptionError):
        libwamp.Router({"relams": []})


def test_authentication():
    async def main():
        with libwamp.Router({"auth": {"ticket": {"joe": {"ticket": "secret"}}}}) as router:
            with pytest.raises(libwamp.AuthenticationError) as caught:
                await libwamp.connect(router.listen(), "realm1", authid="joe", ticket="wrong")
            assert isinstance(caught.value, libwamp.NotConnected)

    run(main())


def test_none_is_not_given_and_a_path_is_a_path(router, tmp_path):
    async def main():
        options = {
            "authid": None,
            "ticket": None,
            "max_retries": None,
            "headers": None,
            "proxy": None,
            "tlsConfiguration": {"ca": None, "server_name": None},
        }
        async with libwamp.connect(router.url, "realm1", **options) as session:
            assert session.is_open

    run(main())
    absent = tmp_path / "absent.pem"
    for options in ({"tlsConfiguration": {"ca": absent}}, {"privkey": absent}):
        with pytest.raises(libwamp.OptionError) as caught:
            libwamp.Connection("wss://127.0.0.1:1/", "realm1", **options)
        assert next(iter(options)) in str(caught.value)
    with pytest.raises(libwamp.OptionError) as caught:
        libwamp.Router({"tls": {"cert": absent, "key": absent}})
    assert str(absent) in str(caught.value)
    with pytest.raises(TypeError):
        libwamp.Connection("ws://127.0.0.1:1/", "realm1", headers={"a": b"1"})


def test_on_connect_may_give_none_and_paths(router):
    async def main():
        changes = {"ticket": None, "tlsConfiguration": {"ca": None}, "url": router.url}
        async with libwamp.connect("ws://127.0.0.1:1/", "realm1", on_connect=lambda details: changes) as session:
            assert session.is_open

    run(main())


def request(session, name):
    """One of a session's or connection's functions, and the arguments that suit it."""
    handler = [print] if name in ("subscribe", "register") else []
    return getattr(session, name), ["com.example.uri", *handler]


async def outcome(function, *args, **kwargs):
    answer = function(*args, **kwargs)
    return await answer if asyncio.iscoroutine(answer) else answer


@pytest.mark.parametrize("name", ["call", "publish", "publish_ack", "subscribe", "register"])
def test_uris(router, name):
    async def main():
        async with libwamp.Connection(router.url, "realm1") as connection:
            owners = [connection.session] + ([connection] if name in ("subscribe", "register") else [])
            for owner in owners:
                function, [_, *rest] = request(owner, name)
                for wrong in ("com example", ""):
                    with pytest.raises(libwamp.UriError) as caught:
                        await outcome(function, wrong, *rest)
                    assert isinstance(caught.value, ValueError)
                for wrong in (print, None, 7, b"com.example"):
                    with pytest.raises(TypeError, match="comes first"):
                        await outcome(function, wrong, *(["com.example.uri"] if rest else []))

    run(main())


@pytest.mark.parametrize("name", ["call", "publish", "publish_ack"])
def test_keywords_and_options_of_requests(router, name):
    async def main():
        async with libwamp.connect(router.url, "realm1") as session:
            function, args = request(session, name)
            with pytest.raises(TypeError, match="did you mean wamp_options"):
                await outcome(function, *args, wamp_optoins={"timeout": 1})
            with pytest.raises(TypeError, match="wamp_x"):
                await outcome(function, *args, wamp_x=1)
            for wrong in ("options", [1], 7):
                with pytest.raises(TypeError):
                    await outcome(function, *args, wamp_options=wrong)
            with pytest.raises(ValueError, match="JSON"):
                await outcome(function, *args, wamp_options={"x": math.nan})
            if name == "call":  # the library knows the types of what it acts on
                with pytest.raises(libwamp.OptionError):
                    await outcome(function, *args, wamp_options={"receive_progress": "yes"})

    run(main())


@pytest.mark.parametrize(
    ("keyword", "value", "kind"),
    [
        ("wamp_cancel_mode", "kil", ValueError),
        ("wamp_cancel_mode", None, ValueError),
        ("wamp_timeout", -1, ValueError),
        ("wamp_timeout", math.nan, ValueError),
        ("wamp_timeout", math.inf, ValueError),
        ("wamp_timeout", "1", TypeError),
        ("wamp_timeout", True, TypeError),
        ("wamp_on_progress", 7, TypeError),
        ("wamp_input", 7, TypeError),
    ],
    ids=str,
)
def test_keywords_of_calls(router, keyword, value, kind):
    async def main():
        async with libwamp.connect(router.url, "realm1") as session:
            calls = []
            await session.register("com.example.uri", lambda: calls.append(1))
            with pytest.raises(kind, match=keyword):
                await session.call("com.example.uri", **{keyword: value})
            assert calls == []

    run(main())


def test_handlers(router):
    async def main():
        async with libwamp.Connection(router.url, "realm1") as connection:
            for owner in (connection, connection.session):
                for function in (owner.subscribe, owner.register):
                    for wrong in (None, 42, "print", print()):
                        with pytest.raises(TypeError, match="function"):
                            await outcome(function, "com.example.uri", wrong)
                    for wrong in (7, "no name", ""):
                        with pytest.raises(TypeError, match="details_arg"):
                            await outcome(function, "com.example.uri", print, details_arg=wrong)
                    with pytest.raises(TypeError):
                        await outcome(function, "com.example.uri", print, "details")
            for hook in ("on_restored", "on_suspended", "on_error"):
                with pytest.raises(TypeError, match=hook):
                    connection.subscribe("com.example.uri", print, **{hook: 7})
            assert connection.session.subscriptions == connection.session.registrations == []
        for hook in ("on_open", "on_close", "on_challenge", "on_connect", "on_user_error", "on_internal_error"):
            with pytest.raises(TypeError, match=hook):
                libwamp.Connection(router.url, "realm1", **{hook: "print"})

    run(main())


class Adder:
    def __call__(self, a, b):
        return a + b


@functools.wraps(Adder().__call__)
def decorated(*args, **kwargs):
    return Adder()(*args, **kwargs)


async def add_later(a, b):
    return a + b


@functools.wraps(add_later)
async def decorated_later(*args, **kwargs):
    return await add_later(*args, **kwargs)


def giving_one(function):
    """A decorator that gives an argument of its own, so that callers have one less."""

    @functools.wraps(function)
    async def wrapper(a):
        return function(a, 1)

    return wrapper


@giving_one
def add_nothing(a, one):
    return a + one + None


@pytest.mark.parametrize(
    "endpoint",
    [
        lambda a, b: a + b,
        add_later,
        Adder(),
        functools.partial(lambda a, b, c: a + b, c=0),
        operator.add,
        decorated,
        decorated_later,
    ],
    ids=["function", "coroutine", "object", "partial", "C", "decorated", "decorated coroutine"],
)
@pytest.mark.parametrize("args", [[1], [1, 2, 3]], ids=str)
def test_wrong_arguments_are_the_callers_fault(router, endpoint, args, caplog):
    async def main():
        told = []
        callee = libwamp.connect(router.url, "realm1", on_user_error=lambda *error: told.append(error))
        async with callee as session:
            procedure = uri("add")
            await session.register(procedure, endpoint)
            assert await session.call(procedure, 1, 2) == 3
            with pytest.raises(libwamp.Error) as caught:
                await session.call(procedure, *args)
            assert caught.value.uri == "wamp.error.invalid_argument"
            assert told == []
            [record] = [record for record in caplog.records if record.name == "libwamp"]
            assert procedure in record.getMessage()
            assert record.exc_info is None

    with caplog.at_level(logging.WARNING, "libwamp"):
        run(main())


@pytest.mark.parametrize(
    "endpoint",
    [lambda a: a + None, lambda a: Adder()(a), add_nothing],
    ids=["operator", "inner call", "decorated"],
)
def test_a_type_error_inside_an_endpoint_is_its_own(router, endpoint):
    async def main():
        told = []
        callee = libwamp.connect(router.url, "realm1", on_user_error=lambda error, _: told.append(type(error)))
        async with callee as session:
            await session.register("com.example.own", endpoint)
            with pytest.raises(libwamp.Error) as caught:
                await session.call("com.example.own", 1)
            assert caught.value.uri == "wamp.error.runtime_error"
            assert told == [TypeError]

    run(main())


def test_what_things_look_like(router):
    async def main():
        shown = []

        async def endpoint(*, invocation):
            shown.append(repr(invocation))

        connecting = libwamp.connect(router.url, "realm1")
        assert "realm1" in repr(connecting)
        connection = libwamp.Connection(router.url, "realm1")
        assert "not open" in repr(connection)
        durable = connection.subscribe(
            "com.example.topic", lambda event: shown.append(repr(event)), details_arg="event"
        )
        assert "com.example.topic" in repr(durable)
        session = await connection.open()
        await durable.wait_active()
        assert repr(connection).endswith("open>")
        subscription = await session.subscribe("com.example.topic", print)
        registration = await session.register("com.example.procedure", endpoint, details_arg="invocation")
        await session.publish_ack("com.example.topic", wamp_options={"exclude_me": False})
        await session.call("com.example.procedure")
        assert "com.example.topic" in repr(subscription)
        assert "com.example.procedure" in repr(registration)
        assert any("com.example.topic" in text for text in shown)
        assert any("com.example.procedure" in text for text in shown)
        await connection.close()
        assert "ended" in repr(subscription)
        assert "ended" in repr(registration)
        assert "not active" in repr(durable)
        assert router.url in repr(router)

    run(main())


def test_after_a_fork_it_is_said():
    told = output_of("""
    import asyncio, os, libwamp

    def attempt(what, function):
        try:
            function()
        except libwamp.LocalError as error:
            print(what, error.status == libwamp.ffi.lib.WAMP_ERR_FORKED, isinstance(error, ValueError), flush=True)

    with libwamp.Router() as router:
        router.listen()

        async def main():
            async with libwamp.connect(router.url, "realm1") as session:
                child = os.fork()
                if child == 0:
                    attempt("connection", lambda: libwamp.Connection("ws://127.0.0.1:1/", "realm1"))
                    attempt("router", libwamp.Router)
                    attempt("publish", lambda: session.publish("com.example.topic"))
                    attempt("stats", lambda: router.stats)
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                assert os.waitstatus_to_exitcode(status) == 0

        asyncio.run(main())
    """)
    assert told.splitlines() == [f"{what} True False" for what in ("connection", "router", "publish", "stats")]


def test_a_path_may_be_of_an_own_type():
    class Own:
        def __fspath__(self):
            return "/absent/own.pem"

    with pytest.raises(libwamp.OptionError, match="/absent/own.pem"):
        libwamp.Connection("wss://127.0.0.1:1/", "realm1", tlsConfiguration={"ca": Own()})
