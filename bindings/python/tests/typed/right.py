"""A program that uses most of the package. `tools/lints.py` holds mypy to accept it; it is not run."""

import asyncio
from pathlib import Path
from typing import Any

import libwamp
from libwamp import ConnectionOptions

OPTIONS: ConnectionOptions = {"max_retries": -1, "initial_retry_delay": 0.5, "tlsConfiguration": {"ca": "ca.pem"}}


class Service(libwamp.Connection):
    """A subclass with methods of its own."""

    def on_close(self, closed: libwamp.Closed) -> None:
        print(closed.reason, closed.will_retry)

    def run(self) -> int:
        return 1


def add2(a: int, b: int) -> int:
    return a + b


async def count(to: int, *, invocation: libwamp.Invocation) -> libwamp.Result:
    async for piece in invocation.input():
        invocation.progress(piece)
    return libwamp.Result([to], {"last": True})


def on_hello(text: str, *, event: libwamp.Event) -> None:
    print(text, event.publication, event.topic)


def may_join(details: dict[str, Any]) -> libwamp.Challenge | dict[str, Any]:
    return {"authrole": "user"} if "signature" in details else libwamp.Challenge("ticket")


async def may_do(details: dict[str, Any]) -> bool:
    return bool(details["action"] == "call")


async def main() -> None:
    with libwamp.Router(on_authenticate=may_join, on_authorize=may_do) as asking:
        place: str = asking.listen(None)
        asking.reload({"realms": [place]})
    with libwamp.Router({"realms": ["realm1"]}) as router:
        url: str = router.listen()
        async with libwamp.connect(url, "realm1", authid="me", privkey=Path("key"), ticket=None) as session:
            registration: libwamp.Registration = await session.register("com.example.add2", add2)
            await session.register("com.example.count", count, details_arg="invocation", concurrency=3)
            subscription = await session.subscribe("com.example.hello", on_hello, details_arg="event")
            value: Any = await session.call("com.example.add2", 2, 3, wamp_timeout=5)
            session.publish("com.example.hello", value, wamp_options={"exclude_me": False})
            number: int = await session.publish_ack("com.example.hello")
            ended: bool = await subscription.unsubscribe()
            await registration.unregister()
            print(number, ended, session.id, session.details["roles"])
        connection = Service(url, "realm1", on_open=lambda session: print(session.realm), **OPTIONS)
        durable: libwamp.DurableSubscription = connection.subscribe("com.example.hello", print)
        async for _ in connection:
            try:
                await durable.wait_active()
                await connection.drain(timeout=1.0)
            except libwamp.NotConnected as error:
                print(error.status, error.uri)


asyncio.run(main())
