"""A WAMP client that a test drives through its standard input, by libwamp or by autobahn-python.

    peer.py URL REALM libwamp
    peer.py URL REALM autobahn SERIALIZER [AUTHID TICKET]

Each line in either direction is a pickled object in base64, so that values arrive exactly as they are: in, a method's
name, its arguments and its keyword arguments; out, True and what it returned, or False and why it failed. It ends
where its input ends.
"""

import asyncio
import pickle
import sys
import traceback
from base64 import b64decode, b64encode
from collections import defaultdict

LINE_LIMIT = 64 << 20


class Peer:
    """What a test can ask for. Two libraries fill in the rest."""

    def __init__(self):
        self.received = defaultdict(list)
        self.more = asyncio.Event()

    # Filled in: join(url, realm), leave(), call, register, subscribe, publish and what follows. AutobahnPeer can more.

    def result(self, args, kwargs):
        raise NotImplementedError

    def error(self, uri, args, kwargs):
        raise NotImplementedError

    async def serve(self, procedure, behaviour):
        """Registers a procedure: `echo` its arguments, `add` two numbers, `fail` with an error, or `count`."""

        def noted(function):
            def endpoint(*args, **kwargs):
                self.note(procedure, args, kwargs)
                return function(*args, **kwargs)

            return endpoint

        def fail(uri, *args, **kwargs):
            raise self.error(uri, args, kwargs)

        endpoints = {
            "echo": lambda *args, **kwargs: self.result(args, kwargs),
            "add": lambda a, b: a + b,
            "fail": fail,
        }
        if behaviour == "count":
            await self.register_counter(procedure)
        else:
            await self.register(procedure, noted(endpoints[behaviour]))

    async def listen(self, topic, **options):
        """Subscribes to a topic."""
        await self.subscribe(topic, lambda *args, **kwargs: self.note(topic, args, kwargs), options)

    async def seen(self, uri, count):
        """Waits for so many events or calls, and gives their arguments."""
        while len(self.received[uri]) < count:
            self.more.clear()
            await self.more.wait()
        return self.received[uri]

    def note(self, uri, args, kwargs):
        self.received[uri].append((list(args), kwargs))
        self.more.set()


class LibwampPeer(Peer):
    async def join(self, url, realm):
        import libwamp

        self.libwamp = libwamp
        self.session = await libwamp.connect(url, realm)

    async def leave(self):
        await self.session.leave()

    def result(self, args, kwargs):
        return self.libwamp.Result(args, kwargs)

    def error(self, uri, args, kwargs):
        return self.libwamp.Error(uri, args, kwargs)

    async def call(self, procedure, *args, **kwargs):
        try:
            value = await self.session.call(procedure, *args, **kwargs)
        except self.libwamp.Error as error:
            return error.uri, list(error.args), error.kwargs
        if isinstance(value, self.libwamp.Result):
            return None, value.args, value.kwargs
        return None, [value], {}

    async def call_counter(self, procedure, count):
        progress = []
        return progress, await self.session.call(procedure, count, wamp_on_progress=progress.append)

    async def register(self, procedure, endpoint):
        await self.session.register(procedure, endpoint)

    async def register_counter(self, procedure):
        async def count(to, *, invocation):
            for number in range(to):
                invocation.progress(number)
            return to

        await self.session.register(procedure, count, details_arg="invocation")

    async def subscribe(self, topic, handler, options):
        await self.session.subscribe(topic, handler, options)

    async def publish(self, topic, *args, **kwargs):
        await self.session.publish_ack(topic, *args, **kwargs)

    async def publish_numbers(self, topic, count):
        for number in range(count):
            while True:
                try:
                    self.session.publish(topic, number)
                    break
                except self.libwamp.QueueFull:
                    await self.session.drain()


class AutobahnPeer(Peer):
    def __init__(self, serializer, authid=None, ticket=None):
        super().__init__()
        self.serializer = serializer
        self.authid, self.ticket = authid, ticket
        self.registrations = {}
        self.pending = None  # a call that start_call() has made

    async def join(self, url, realm):
        from autobahn.asyncio.wamp import ApplicationSession
        from autobahn.asyncio.websocket import WampWebSocketClientFactory
        from autobahn.wamp import types
        from autobahn.wamp.exception import ApplicationError
        from autobahn.wamp.serializer import create_transport_serializer
        from autobahn.websocket.util import parse_url

        self.types, self.application_error = types, ApplicationError
        joined = asyncio.get_running_loop().create_future()
        self.left = asyncio.get_running_loop().create_future()

        class Session(ApplicationSession):
            def onConnect(session):
                session.join(realm, authmethods=["ticket"] if self.authid else None, authid=self.authid)

            def onChallenge(session, challenge):
                return self.ticket

            def onJoin(session, details):
                joined.set_result(session)

            def onDisconnect(session):
                if not joined.done():
                    joined.set_exception(ConnectionError("disconnected before the session was joined"))
                self.left.set_result(None)

        factory = WampWebSocketClientFactory(
            lambda: Session(types.ComponentConfig(realm)),
            url=url,
            serializers=[create_transport_serializer(self.serializer)],
        )
        _, host, port, *_ = parse_url(url)
        await asyncio.get_running_loop().create_connection(factory, host, port)
        self.session = await joined

    async def leave(self):
        self.session.leave()
        await self.left

    def result(self, args, kwargs):
        return self.types.CallResult(*args, **kwargs)

    def error(self, uri, args, kwargs):
        return self.application_error(uri, *args, **kwargs)

    async def call(self, procedure, *args, **kwargs):
        try:
            value = await self.session.call(procedure, *args, **kwargs)
        except self.application_error as error:
            return error.error, list(error.args), error.kwargs or {}
        if isinstance(value, self.types.CallResult):
            return None, list(value.results), value.kwresults or {}
        return None, [value], {}

    async def call_counter(self, procedure, count):
        progress = []
        options = self.types.CallOptions(on_progress=progress.append)
        return progress, await self.session.call(procedure, count, options=options)

    async def register(self, procedure, endpoint):
        await self.session.register(endpoint, procedure)

    async def serve(self, procedure, behaviour, options=None):
        """As every peer; or `hang` until it is canceled, or `tell` what the invocation says of itself."""
        if options is None and behaviour not in ("hang", "tell"):
            await super().serve(procedure, behaviour)
            return

        async def hang(*_, details):
            self.note(procedure, (), {})
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.note(procedure, ("canceled",), {})
                raise

        def tell(*_, details):
            self.note(procedure, (), {})
            return {"procedure": details.procedure, "caller": details.caller, "progress": details.progress is not None}

        def echo(*args, details):
            self.note(procedure, args, {})
            return self.result(args, {})

        endpoints = {"hang": hang, "tell": tell, "echo": echo}
        options = self.types.RegisterOptions(details_arg="details", **(options or {}))
        self.registrations[procedure] = await self.session.register(endpoints[behaviour], procedure, options)

    async def unserve(self, procedure):
        await self.registrations[procedure].unregister()

    async def session_id(self):
        return self.session._session_id

    async def listen_in_detail(self, topic, **options):
        """Notes what each event says of itself; gives the router's id of the subscription."""

        def handler(*_, details):
            self.received[topic].append({
                "publication": details.publication,
                "publisher": details.publisher,
                "topic": details.topic,
                "retained": bool(details.retained),
            })
            self.more.set()

        options = self.types.SubscribeOptions(details_arg="details", **options)
        return (await self.session.subscribe(handler, topic, options)).id

    async def publish_with(self, topic, options, *args):
        """Publishes with options; gives the publication's id."""
        options = self.types.PublishOptions(acknowledge=True, **options)
        return (await self.session.publish(topic, *args, options=options)).id

    async def tries(self, verb, uri, **options):
        """The error of a request that subscribes, registers or publishes; None without one."""
        types = self.types
        requests = {
            "subscribe": lambda: self.subscribe(uri, lambda *args, **kwargs: self.note(uri, args, kwargs), options),
            "register": lambda: self.session.register(
                lambda *args, **kwargs: self.result(args, kwargs), uri, types.RegisterOptions(**options)
            ),
            "publish": lambda: self.session.publish(
                uri, "from autobahn", options=types.PublishOptions(acknowledge=True, **options)
            ),
        }
        try:
            await requests[verb]()
        except self.application_error as error:
            return error.error
        return None

    async def start_call(self, procedure, *args, **kwargs):
        self.pending = self.session.call(procedure, *args, **kwargs)

    async def cancel_call(self, mode):
        """Cancels the call; this library knows no modes."""
        self.pending.cancel()

    async def register_counter(self, procedure):
        def count(to, details):
            for number in range(to):
                details.progress(number)
            return to

        await self.session.register(count, procedure, self.types.RegisterOptions(details_arg="details"))

    async def subscribe(self, topic, handler, options):
        await self.session.subscribe(handler, topic, self.types.SubscribeOptions(**options))

    async def publish(self, topic, *args, **kwargs):
        options = self.types.PublishOptions(acknowledge=True)
        await self.session.publish(topic, *args, **kwargs, options=options)

    async def publish_numbers(self, topic, count):
        for number in range(count):
            self.session.publish(topic, number)


def pack(value):
    return b64encode(pickle.dumps(value)).decode()


def unpack(line):
    return pickle.loads(b64decode(line))


async def main(url, realm, library, *serializer):
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    peer = LibwampPeer() if library == "libwamp" else AutobahnPeer(*serializer)
    await peer.join(url, realm)
    print(pack((True, "joined")), flush=True)
    while line := await commands.readline():
        method, args, kwargs = unpack(line)
        try:
            answer = True, await getattr(peer, method)(*args, **kwargs)
        except Exception:
            answer = False, traceback.format_exc()
        print(pack(answer), flush=True)
    await peer.leave()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
