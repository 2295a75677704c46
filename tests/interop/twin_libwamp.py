"""Autobahn's examples, written with libwamp."""

import asyncio
import datetime
import math

import libwamp
from twin import CA, SECRET, USER, serving, show

Error, Result = libwamp.Error, libwamp.Result


async def run(url, realm, example, side):
    function = globals()[f"{example}_{side}"]
    if example == "series" and side == "frontend":
        await function(libwamp.Connection(url, realm))
        return
    options = {}
    if (example, side) in (("tls", "backend"), ("component", "frontend")):
        tls = {"ca": CA} if example == "tls" else None
        options = {"authid": USER, "authmethods": ["wampcra"], "secret": SECRET, "tlsConfiguration": tls}
    async with libwamp.connect(url, realm, **options) as session:
        await function(session)


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

    await session.register("com.myapp.add2", add2)
    await serving()


async def overview_frontend(session):
    heard = asyncio.Event()

    def on_hello(text):
        show("Got event:", text)
        heard.set()

    await session.subscribe("com.myapp.hello", on_hello)
    result = await session.call("com.myapp.add2", 2, 3)
    await heard.wait()
    show("Got result:", result)


# ---- pubsub ----

async def basic_frontend(session):
    counter = Counter(5)

    def on_event(number):
        show("Got event:", number)
        counter.tick()

    await session.subscribe("com.myapp.topic1", on_event)
    await asyncio.gather(serving(), counter.done.wait())


async def basic_backend(session):
    for number in range(5):
        show("publish", number)
        session.publish("com.myapp.topic1", number)


tls_frontend, tls_backend = basic_frontend, basic_backend


async def complex_frontend(session):
    counter = Counter(6)

    def on_heartbeat(details):
        show("Got heartbeat", details.publication > 0)
        counter.tick()

    def on_topic2(a, b, c=None, d=None):
        show("Got event:", a, b, c, d)
        counter.tick()

    await session.subscribe("com.myapp.heartbeat", on_heartbeat, details_arg="details")
    await session.subscribe("com.myapp.topic2", on_topic2)
    await asyncio.gather(serving(), counter.done.wait())


async def complex_backend(session):
    for number in range(3):
        await session.publish_ack("com.myapp.heartbeat")
        await session.publish_ack("com.myapp.topic2", number, 23, c="Hello", d={"counter": number, "foo": [1, 2, 3]})


def subscribes(topic):
    """Marks a method as the handler of a topic."""
    def mark(function):
        function.topic = topic
        return function
    return mark


def registers(procedure):
    """Marks a method as the endpoint of a procedure."""
    def mark(function):
        function.procedure = procedure
        return function
    return mark


def marked(thing, mark):
    methods = [getattr(thing, name) for name in dir(thing)]
    return [(getattr(method, mark), method) for method in methods if hasattr(method, mark)]


class Listener:
    def __init__(self):
        self.counter = Counter(6)

    @subscribes("com.myapp.topic1")
    def on_event1(self, number):
        show("Got event on topic1:", number)
        self.counter.tick()

    @subscribes("com.myapp.topic2")
    def on_event2(self, text):
        show("Got event on topic2:", text)
        self.counter.tick()


async def decorators_frontend(session):
    listener = Listener()
    for topic, handler in marked(listener, "topic"):
        await session.subscribe(topic, handler)
    await asyncio.gather(serving(), listener.counter.done.wait())


async def decorators_backend(session):
    for number in range(3):
        await session.publish_ack("com.myapp.topic1", number)
        await session.publish_ack("com.myapp.topic2", "Hello world.")


async def options_frontend(session):
    counter = Counter(3)

    def on_event(number, details):
        show("Got event, publication ID", details.publication, "publisher", details.details.get("publisher"), number)
        counter.tick()

    await session.subscribe("com.myapp.topic1", on_event, details_arg="details")
    await asyncio.gather(serving(), counter.done.wait())


async def options_backend(session):
    for number in range(3):
        publication = await session.publish_ack("com.myapp.topic1", number)
        show("Event published with publication ID", publication)


async def unsubscribe_frontend(session):
    for _ in range(2):
        counter = Counter(5)

        def on_event(number, counter=counter):
            if counter.left > 0:
                show("Got event")
            counter.tick()

        subscription = await session.subscribe("com.myapp.topic1", on_event)
        await counter.done.wait()
        await subscription.unsubscribe()
        show("Unsubscribed")


async def unsubscribe_backend(session):
    async def publish():
        number = 0
        while True:
            await session.publish_ack("com.myapp.topic1", number)
            number += 1

    publishing = asyncio.create_task(publish())
    await serving()
    publishing.cancel()


# ---- rpc ----

async def timeservice_backend(session):
    def utcnow():
        return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    await session.register("com.timeservice.now", utcnow)
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

    await session.register("com.math.square", square)
    await session.register("com.math.slowsquare", slow_square)
    await serving()


async def slowsquare_frontend(session):
    slow = asyncio.create_task(session.call("com.math.slowsquare", 3))
    await asyncio.sleep(0)
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
        await session.register(f"com.arguments.{endpoint.__name__}", endpoint)
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
        return Result(kwargs={"c": a + b, "ci": ai + bi})

    def split_name(fullname):
        forename, surname = fullname.split()
        return Result([forename, surname])

    await session.register("com.myapp.add_complex", add_complex)
    await session.register("com.myapp.split_name", split_name)
    await serving()


async def rpc_complex_frontend(session):
    result = await session.call("com.myapp.add_complex", 2, 3, 4, 5)
    show("Result:", result.args, result.kwargs["c"], result.kwargs["ci"])
    result = await session.call("com.myapp.split_name", "Homer Simpson")
    show("Forename:", result.args[0], "Surname:", result.args[1], result.kwargs)


class Calculator:
    @registers("com.mathservice.add2")
    def add2(self, x, y):
        return x + y

    @registers("com.mathservice.mul2")
    def mul2(self, x, y):
        return x * y

    @registers("com.mathservice.div2")
    async def div2(self, x, y):
        return float(x) / float(y) if y else 0


async def rpc_decorators_backend(session):
    for procedure, endpoint in marked(Calculator(), "procedure"):
        await session.register(procedure, endpoint)
    await serving()


async def rpc_decorators_frontend(session):
    for procedure, *args in (("add2", 2, 3), ("mul2", 131, 2), ("div2", 3, 2), ("div2", 3, 0)):
        show(procedure, await session.call(f"com.mathservice.{procedure}", *args))


async def errors_backend(session):
    def sqrt(x):
        if x == 0:
            raise Exception("no foolish questions")
        return math.sqrt(x)

    def checkname(name):
        if name in ("foo", "bar"):
            raise Error("com.myapp.error.reserved")
        if name.lower() != name and name.upper() != name:
            raise Error("com.myapp.error.mixed_case", [name.lower(), name.upper()])
        if not 3 <= len(name) <= 10:
            raise Error("com.myapp.error.invalid_length", kwargs={"min": 3, "max": 10})

    def compare(a, b):
        if a < b:
            raise Error("com.myapp.error1", [b - a])

    for endpoint in (sqrt, checkname, compare):
        await session.register(f"com.myapp.{endpoint.__name__}", endpoint)
    await serving()


async def errors_frontend(session):
    for procedure, *args in (("sqrt", 2), ("sqrt", 0), ("sqrt", -2), ("checkname", "foo"), ("checkname", "a"),
                             ("checkname", "*" * 11), ("checkname", "Hello"), ("compare", 3, 17), ("compare", 17, 3)):
        try:
            show(procedure, "gives", await session.call(f"com.myapp.{procedure}", *args))
        except Error as error:
            show(procedure, "fails:", error.uri, list(error.args), error.kwargs)


async def rpc_options_backend(session):
    def square(value, details):
        caller = details.details.get("caller")
        show("square called from", caller)
        if value < 0:
            session.publish("com.myapp.square_on_nonpositive", value)
        elif value == 0:
            excluded = {"exclude": [caller]} if caller else None
            session.publish("com.myapp.square_on_nonpositive", value, wamp_options=excluded)
        return value * value

    await session.register("com.myapp.square", square, details_arg="details")
    await serving()


async def rpc_options_frontend(session):
    heard = asyncio.Event()

    def on_event(value):
        show("Someone requested to square non-positive:", value)
        heard.set()

    await session.subscribe("com.myapp.square_on_nonpositive", on_event)
    results = [await session.call("com.myapp.square", value) for value in (2, 0, -2)]
    await heard.wait()
    show("Squared:", results, "as", session.id)


async def progress_backend(session):
    async def longop(n, details):
        for number in range(n):
            details.progress(number)
        return n

    await session.register("com.myapp.longop", longop, details_arg="details")
    await serving()


async def progress_frontend(session):
    def on_progress(number):
        show("Progress:", number)

    show("Final:", await session.call("com.myapp.longop", 3, wamp_on_progress=on_progress))


# ---- session ----

series_backend = timeservice_backend


async def series_frontend(connection):
    for _ in range(3):
        session = await connection.open()
        show("Realm joined")
        await timeservice_frontend(session)
        await session.leave()
        show("Realm left")


# ---- component ----

async def component_backend(session):
    async def foo(*args, details):
        show("foo", args, details.procedure)
        return 42

    await session.register("com.example.foo", foo, details_arg="details")
    await serving()


async def component_frontend(session):
    show("joined as", session.details["authid"], session.details["authrole"])
    try:
        await session.register("com.example.foo", lambda: None)
    except Error as error:
        show("registering failed as expected:", error.uri)
    await session.register("com.example.should.work", lambda: None, {"match": "exact"})
    show("foo gives", await session.call("com.example.foo", 1))
