"""The package shows what it documents: no name more, so that subclasses are free to choose theirs."""

import asyncio
import pkgutil
from pathlib import Path

import pytest
from support import LIMIT, Inbox, run, uri

import libwamp
from libwamp import core, wire

EXCEPTION = {"add_note", "args", "with_traceback"}
LOCAL = EXCEPTION | {"status", "name", "text", "detail", "uri"}
OS_ERROR = {"errno", "strerror", "filename", "filename2", "characters_written"}  # of Python's OSError

NAMES = {
    libwamp.Connection: {
        "close",
        "drain",
        "is_connected",
        "is_open",
        "is_retrying",
        "on_close",
        "on_internal_error",
        "on_open",
        "on_user_error",
        "open",
        "reconnect_now",
        "register",
        "session",
        "set_codec",
        "stats",
        "stop_retrying",
        "subscribe",
        "transport",
        "wait_closed",
    },
    libwamp.Session: {
        "call",
        "close",
        "details",
        "drain",
        "features",
        "id",
        "is_open",
        "leave",
        "log",
        "prefix",
        "publish",
        "publish_ack",
        "realm",
        "register",
        "registrations",
        "resolve",
        "subscribe",
        "subscriptions",
        "transport",
        "unregister",
        "unsubscribe",
        "wait_closed",
    },
    libwamp.Subscription: {"active", "handler", "id", "session", "topic", "unsubscribe"},
    libwamp.Registration: {"active", "concurrency", "endpoint", "id", "procedure", "session", "unregister"},
    libwamp.DurableSubscription: {"active", "handler", "id", "topic", "unsubscribe", "wait_active"},
    libwamp.DurableRegistration: {"active", "concurrency", "endpoint", "id", "procedure", "unregister", "wait_active"},
    libwamp.Event: {"details", "publication", "topic"},
    libwamp.Invocation: {"details", "has_input", "input", "is_canceled", "procedure", "progress", "wants_progress"},
    libwamp.Result: {"args", "details", "kwargs", "options"},
    libwamp.Encoded: {"args", "encoding", "kwargs"},
    libwamp.Closed: {"count", "details", "index", "message", "reason", "status", "will_retry"},
    libwamp.Transport: {"count", "index", "protocol", "type", "url"},
    libwamp.Codec: {"decode", "encode"},
    libwamp.Router: {"close", "kick", "listen", "reload", "stats", "url"},
    libwamp.Challenge: {"count", "extra", "index", "method"},
    libwamp.connect: set(),
    libwamp.WampError: EXCEPTION,
    libwamp.Error: EXCEPTION | {"details", "kwargs", "uri"},
    **dict.fromkeys((libwamp.LocalError, libwamp.OptionError, libwamp.UriError, libwamp.QueueFull), LOCAL),
    **dict.fromkeys(
        (libwamp.NotConnected, libwamp.AuthenticationError, libwamp.NotSent, libwamp.OutcomeUnknown, libwamp.TimedOut),
        LOCAL | OS_ERROR,
    ),
    libwamp.ConnectionOptions: set(dir({})),
}


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.fixture
def instances():
    """One of each that programs meet alive: by class."""
    met = {}

    async def main():
        with libwamp.Router() as router:
            connection = libwamp.Connection(router.listen(), "realm1")
            topic, procedure = uri("names"), uri("names")
            met[libwamp.DurableSubscription] = connection.subscribe(topic, print)
            met[libwamp.DurableRegistration] = connection.register(uri("durable"), print)
            session = await connection.open()

            async def endpoint(*, invocation):
                met[libwamp.Invocation] = invocation

            events = Inbox()
            met[libwamp.Registration] = await session.register(procedure, endpoint, details_arg="invocation")
            met[libwamp.Subscription] = await session.subscribe(topic, events, details_arg="event")
            await session.publish_ack(topic, wamp_options={"exclude_me": False})
            result = await session.call(procedure, wamp_details=True)
            [(_, kwargs)] = await events.received(1)
            for thing in (connection, session, result, kwargs["event"], router, connection.transport):
                met[type(thing)] = thing
            met[libwamp.connect] = libwamp.connect(router.url, "realm1")
            await connection.close()

    run(main())
    return met


def test_the_list_has_every_public_class():
    classes = {thing for name in libwamp.__all__ if isinstance(thing := getattr(libwamp, name), type)}
    assert classes == set(NAMES)


@pytest.mark.parametrize(
    "kind", [kind for kind in NAMES if kind is not libwamp.ConnectionOptions], ids=lambda kind: kind.__name__
)
def test_classes_show_what_is_documented(kind):
    instance_only = {"args", "kwargs", "details", "options", "status", "name", "text", "detail", "uri", "id", "realm"}
    shown = public(kind)
    assert shown <= NAMES[kind]
    assert NAMES[kind] - shown <= instance_only


def test_objects_show_what_is_documented(instances):
    assert len(instances) == 12
    for kind, thing in instances.items():
        assert public(thing) == NAMES[kind], kind


def test_the_package_shows_what_is_documented():
    modules = {module.name for module in pkgutil.iter_modules(libwamp.__path__)}
    assert public(libwamp) - modules == set(libwamp.__all__) - {"auth"}


def test_a_subclass_may_use_any_name_that_is_not_documented(router):
    """Each name of what is inside, with and without an underscore, is a method that fails."""

    def never(self, *args, **kwargs):
        raise AssertionError("nobody has asked for this")

    inside = {name for kind in (core.Core, wire.Wire) for name in dir(kind) if not name.startswith("__")}
    inside |= {name for thing in (object_of(core.Core), object_of(wire.Wire)) for name in thing}
    inside |= {name.lstrip("_") for name in inside} | {f"_{name}" for name in inside}
    inside |= {"_core", "_wire", "core", "wire", "run", "begin", "spawn", "where", "pointer", "number"}
    free = inside - NAMES[libwamp.Connection] - {"on_connect", "on_challenge"}  # which may be methods
    assert len(free) > 60
    kind = type("Own", (libwamp.Connection,), dict.fromkeys(free, never))

    async def main():
        closed, opened, inbox, topic = [], [], Inbox(), uri("own")
        connection = kind(router.url, "realm1", on_close=closed.append, on_open=opened.append)
        subscription = connection.subscribe(topic, inbox)
        procedure = uri("own")

        async def endpoint(value):
            return value

        registration = connection.register(procedure, endpoint)
        async with connection:
            await subscription.wait_active()
            await registration.wait_active()
            session = connection.session
            assert await session.call(procedure, 7) == 7
            await session.publish_ack(topic, 1, wamp_options={"exclude_me": False})
            assert await inbox.received(1) == [((1,), {})]
            assert opened == [session]
            assert await connection.drain() is True
        assert [end.reason for end in closed] == ["closed"]

    run(main())


def object_of(kind):
    """The names of the attributes that `__init__` gives to one."""
    code = kind.__init__.__code__
    return set(code.co_names)


def test_methods_of_a_subclass_hear_of_what_happens(router):
    told = asyncio.Queue()

    class Own(libwamp.Connection):
        def on_open(self, session):
            told.put_nowait(("open", session))

        async def on_close(self, closed):
            told.put_nowait(("close", closed.reason))

        def on_user_error(self, error, message):
            told.put_nowait(("error", str(error)))

        async def on_connect(self, details):
            told.put_nowait(("connect", details.get("retry_count", 0)))

    async def main():
        def handler():
            raise ValueError("wrong")

        async with Own(router.url, "realm1") as connection:
            assert (await told.get())[0] == "connect"
            assert await told.get() == ("open", connection.session)
            topic = uri("own")
            await connection.session.subscribe(topic, handler)
            await connection.session.publish_ack(topic, wamp_options={"exclude_me": False})
            assert await asyncio.wait_for(told.get(), LIMIT) == ("error", "wrong")
        assert await told.get() == ("close", "closed")

    run(main())


def test_a_handler_given_comes_before_a_method(router):
    class Own(libwamp.Connection):
        def on_open(self, session):
            raise AssertionError("another one was given")

    async def main():
        opened = []
        async with Own(router.url, "realm1", on_open=opened.append) as connection:
            assert opened == [connection.session]

    run(main())


def test_it_says_that_it_is_typed():
    assert (Path(libwamp.__file__).parent / "py.typed").is_file()
