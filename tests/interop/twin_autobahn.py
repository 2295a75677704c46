"""Autobahn's examples, as Autobahn|Python has them."""

import asyncio
import datetime
import math
import ssl

from autobahn import wamp
from autobahn.asyncio.component import Component
from autobahn.asyncio.wamp import ApplicationSession
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import (
    CallOptions, CallResult, ComponentConfig, PublishOptions, RegisterOptions, SubscribeOptions,
)
from autobahn.websocket.util import parse_url
from twin import CA, SECRET, USER, serving, show


async def run(url, realm, example, side):
    name = f"{example}_{side}"
    if example == "component":
        await COMPONENTS[side](url, realm)
        return
    function, ended = globals()[name], asyncio.get_running_loop().create_future()

    class Session(ApplicationSession):
        count = 0

        def onConnect(self):
            if example == "tls" and side == "backend":
                self.join(realm, ["wampcra"], USER)
            else:
                self.join(realm)

        def onChallenge(self, challenge):
            return auth.compute_wcs(SECRET.encode(), challenge.extra["challenge"].encode()).decode()

        async def onJoin(self, details):
            if name == "series_frontend":
                show("Realm joined")
            try:
                await function(self)
            except BaseException as error:
                ended.set_exception(error)
                raise
            self.leave()

        def onLeave(self, details):
            if name == "series_frontend":
                show("Realm left")
                self.count += 1
                if self.count < 3:
                    self.join(realm)
                    return
            self.disconnect()

        def onDisconnect(self):
            if not ended.done():
                ended.set_result(None)

    factory = WampWebSocketClientFactory(lambda: Session(ComponentConfig(realm)), url=url)
    secure, host, port, *_ = parse_url(url)
    context = ssl.create_default_context(cafile=CA) if secure else None
    await asyncio.get_running_loop().create_connection(factory, host, port, ssl=context)
    await ended


class Counter:
    """Ends when so many have come."""

    def __init__(self, count):
        self.left = count
        self.done = asyncio.Event()

    def tick(self):
        self.left -= 1
        if self.left == 0:
            self.done.set()


# ---- overview ----

async def overview_backend(session):
    def add2(x, y):
        session.publish("com.myapp.hello", "Hello, world!")
        return x + y

    await session.register(add2, "com.myapp.add2")
    await serving()


async def overview_frontend(session):
    heard = asyncio.Event()

    def on_hello(text):
        show("Got event:", text)
        heard.set()

    await session.subscribe(on_hello, "com.myapp.hello")
    result = await session.call("com.myapp.add2", 2, 3)
    await heard.wait()
    show("Got result:", result)


# ---- pubsub ----

async def basic_frontend(session):
    counter = Counter(5)

    def on_event(number):
        show("Got event:", number)
        counter.tick()

    await session.subscribe(on_event, "com.myapp.topic1")
    await asyncio.gather(serving(), counter.done.wait())


async def basic_backend(session):
    for number in range(5):
        show("publish", number)
        session.publish("com.myapp.topic1", number)


tls_frontend, tls_backend = basic_frontend, basic_backend

ACKNOWLEDGED = PublishOptions(acknowledge=True)


async def complex_frontend(session):
    counter = Counter(6)

    def on_heartbeat(details=None):
        show("Got heartbeat", details.publication > 0)
        counter.tick()

    def on_topic2(a, b, c=None, d=None):
        show("Got event:", a, b, c, d)
        counter.tick()

    await session.subscribe(on_heartbeat, "com.myapp.heartbeat", options=SubscribeOptions(details_arg="details"))
    await session.subscribe(on_topic2, "com.myapp.topic2")
    await asyncio.gather(serving(), counter.done.wait())


async def complex_backend(session):
    for number in range(3):
        await session.publish("com.myapp.heartbeat", options=ACKNOWLEDGED)
        await session.publish("com.myapp.topic2", number, 23, c="Hello", d={"counter": number, "foo": [1, 2, 3]},
                              options=ACKNOWLEDGED)


class Listener:
    def __init__(self):
        self.counter = Counter(6)

    @wamp.subscribe("com.myapp.topic1")
    def on_event1(self, number):
        show("Got event on topic1:", number)
        self.counter.tick()

    @wamp.subscribe("com.myapp.topic2")
    def on_event2(self, text):
        show("Got event on topic2:", text)
        self.counter.tick()


async def decorators_frontend(session):
    listener = Listener()
    await session.subscribe(listener)
    await asyncio.gather(serving(), listener.counter.done.wait())


async def decorators_backend(session):
    for number in range(3):
        await session.publish("com.myapp.topic1", number, options=ACKNOWLEDGED)
        await session.publish("com.myapp.topic2", "Hello world.", options=ACKNOWLEDGED)


async def options_frontend(session):
    counter = Counter(3)

    def on_event(number, details=None):
        show("Got event, publication ID", details.publication, "publisher", details.publisher, number)
        counter.tick()

    await session.subscribe(on_event, "com.myapp.topic1", options=SubscribeOptions(details_arg="details"))
    await asyncio.gather(serving(), counter.done.wait())


async def options_backend(session):
    for number in range(3):
        publication = await session.publish("com.myapp.topic1", number, options=ACKNOWLEDGED)
        show("Event published with publication ID", publication.id)


async def unsubscribe_frontend(session):
    for _ in range(2):
        counter = Counter(5)

        def on_event(number, counter=counter):
            if counter.left > 0:
                show("Got event")
            counter.tick()

        subscription = await session.subscribe(on_event, "com.myapp.topic1")
        await counter.done.wait()
        await subscription.unsubscribe()
        show("Unsubscribed")


async def unsubscribe_backend(session):
    async def publish():
        number = 0
        while True:
            await session.publish("com.myapp.topic1", number, options=ACKNOWLEDGED)
            number += 1

    publishing = asyncio.create_task(publish())
    await serving()
    publishing.cancel()


# ---- rpc ----

async def timeservice_backend(session):
    def utcnow():
        return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    await session.register(utcnow, "com.timeservice.now")
    await serving()


async def timeservice_frontend(session):
    now = await session.call("com.timeservice.now")
    show("Current time:", bool(datetime.datetime.strptime(now, "%Y-%m-%dT%H:%M:%SZ")))


async def slowsquare_backend(session):
    quick = asyncio.Event()

    def square(x):
        quick.set()
        return x * x

    async def slow_square(x):
        await quick.wait()
        return x * x

    await session.register(square, "com.math.square")
    await session.register(slow_square, "com.math.slowsquare")
    await serving()


async def slowsquare_frontend(session):
    slow = session.call("com.math.slowsquare", 3)
    show("Quick Square:", await session.call("com.math.square", 3))
    show("Slow Square:", await slow)


async def arguments_backend(session):
    async def ping():
        return

    def add2(a, b):
        return a + b

    def stars(nick="somebody", stars=0):
        return f"{nick} starred {stars}x"

    def orders(product, limit=5):
        return [f"Product {number}" for number in range(50)][:limit]

    def arglen(*args, **kwargs):
        return [len(args), len(kwargs)]

    for endpoint in (ping, add2, stars, orders, arglen):
        await session.register(endpoint, f"com.arguments.{endpoint.__name__}")
    await serving()


async def arguments_frontend(session):
    show("Pinged!", await session.call("com.arguments.ping"))
    show("Add2:", await session.call("com.arguments.add2", 2, 3))
    for named in ({}, {"nick": "Homer"}, {"stars": 5}, {"nick": "Homer", "stars": 5}):
        show("Starred:", await session.call("com.arguments.stars", **named))
    show("Orders:", await session.call("com.arguments.orders", "coffee"))
    show("Orders:", await session.call("com.arguments.orders", "coffee", limit=10))
    for args, named in (((), {}), ((1, 2, 3), {}), ((), {"a": 1, "b": 2}), ((1, 2, 3), {"a": 1, "b": 2, "c": 3})):
        show("Arglen:", await session.call("com.arguments.arglen", *args, **named))


async def rpc_complex_backend(session):
    def add_complex(a, ai, b, bi):
        return CallResult(c=a + b, ci=ai + bi)

    def split_name(fullname):
        forename, surname = fullname.split()
        return CallResult(forename, surname)

    await session.register(add_complex, "com.myapp.add_complex")
    await session.register(split_name, "com.myapp.split_name")
    await serving()


async def rpc_complex_frontend(session):
    result = await session.call("com.myapp.add_complex", 2, 3, 4, 5)
    show("Result:", list(result.results), result.kwresults["c"], result.kwresults["ci"])
    result = await session.call("com.myapp.split_name", "Homer Simpson")
    show("Forename:", result.results[0], "Surname:", result.results[1], result.kwresults or {})


class Calculator:
    @wamp.register("com.mathservice.add2")
    def add2(self, x, y):
        return x + y

    @wamp.register("com.mathservice.mul2")
    def mul2(self, x, y):
        return x * y

    @wamp.register("com.mathservice.div2")
    async def div2(self, x, y):
        return float(x) / float(y) if y else 0


async def rpc_decorators_backend(session):
    await session.register(Calculator())
    await serving()


async def rpc_decorators_frontend(session):
    for procedure, *args in (("add2", 2, 3), ("mul2", 131, 2), ("div2", 3, 2), ("div2", 3, 0)):
        show(procedure, await session.call(f"com.mathservice.{procedure}", *args))


@wamp.error("com.myapp.error1")
class AppError1(Exception):
    """An exception that stands for a URI."""


async def errors_backend(session):
    def sqrt(x):
        if x == 0:
            raise Exception("no foolish questions")
        return math.sqrt(x)

    def checkname(name):
        if name in ("foo", "bar"):
            raise ApplicationError("com.myapp.error.reserved")
        if name.lower() != name and name.upper() != name:
            raise ApplicationError("com.myapp.error.mixed_case", name.lower(), name.upper())
        if not 3 <= len(name) <= 10:
            raise ApplicationError("com.myapp.error.invalid_length", min=3, max=10)

    def compare(a, b):
        if a < b:
            raise AppError1(b - a)

    session.define(AppError1)
    for endpoint in (sqrt, checkname, compare):
        await session.register(endpoint, f"com.myapp.{endpoint.__name__}")
    await serving()


async def errors_frontend(session):
    for procedure, *args in (("sqrt", 2), ("sqrt", 0), ("sqrt", -2), ("checkname", "foo"), ("checkname", "a"),
                             ("checkname", "*" * 11), ("checkname", "Hello"), ("compare", 3, 17), ("compare", 17, 3)):
        try:
            show(procedure, "gives", await session.call(f"com.myapp.{procedure}", *args))
        except ApplicationError as error:
            show(procedure, "fails:", error.error, list(error.args), error.kwargs or {})


async def rpc_options_backend(session):
    def square(value, details=None):
        show("square called from", details.caller)
        if value < 0:
            session.publish("com.myapp.square_on_nonpositive", value)
        elif value == 0:
            session.publish("com.myapp.square_on_nonpositive", value,
                            options=PublishOptions(exclude=[details.caller] if details.caller else None))
        return value * value

    await session.register(square, "com.myapp.square", RegisterOptions(details_arg="details"))
    await serving()


async def rpc_options_frontend(session):
    heard = asyncio.Event()

    def on_event(value):
        show("Someone requested to square non-positive:", value)
        heard.set()

    await session.subscribe(on_event, "com.myapp.square_on_nonpositive")
    results = [await session.call("com.myapp.square", value) for value in (2, 0, -2)]
    await heard.wait()
    show("Squared:", results, "as", session._session_id)


async def progress_backend(session):
    async def longop(n, details=None):
        for number in range(n):
            details.progress(number)
        return n

    await session.register(longop, "com.myapp.longop", RegisterOptions(details_arg="details"))
    await serving()


async def progress_frontend(session):
    def on_progress(number):
        show("Progress:", number)

    show("Final:", await session.call("com.myapp.longop", 3, options=CallOptions(on_progress=on_progress)))


# ---- session ----

series_backend, series_frontend = timeservice_backend, timeservice_frontend


# ---- component ----

async def component_backend(url, realm):
    component = Component(transports=url, realm=realm)

    @component.register("com.example.foo", options=RegisterOptions(details_arg="details"))
    async def foo(*args, details):
        show("foo", args, details.procedure)
        return 42

    @component.on_ready
    async def ready(session):
        await serving()
        session.leave()

    await component.start()


async def component_frontend(url, realm):
    async def main(_loop, session):
        show("joined as", session.authid, session.authrole)
        try:
            await session.register(lambda: None, "com.example.foo")
        except ApplicationError as error:
            show("registering failed as expected:", error.error)
        await session.register(lambda: None, "com.example.should.work", options=RegisterOptions(match="exact"))
        show("foo gives", await session.call("com.example.foo", 1))

    authentication = {"wampcra": {"authid": USER, "secret": SECRET}}
    await Component(transports=url, realm=realm, main=main, authentication=authentication).start()


COMPONENTS = {"backend": component_backend, "frontend": component_frontend}
