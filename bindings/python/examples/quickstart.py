"""The four verbs in one program: register, call, subscribe, publish.

python quickstart.py                              with a router of its own
python quickstart.py ws://127.0.0.1:8080/ws realm1
"""

import asyncio
import sys

import libwamp


async def run(url: str, realm: str) -> None:
    async with libwamp.connect(url, realm) as session:
        print(f"joined {session.realm} as session {session.id}")

        def add2(a: int, b: int) -> int:
            return a + b

        async def divide(a: float, b: float) -> float:
            if b == 0:
                raise libwamp.Error("com.myapp.error.division_by_zero", [a])
            return a / b

        await session.register("com.myapp.add2", add2)
        await session.register("com.myapp.divide", divide)
        print("2 + 3 =", await session.call("com.myapp.add2", 2, 3))
        try:
            await session.call("com.myapp.divide", 1, 0)
        except libwamp.Error as error:
            print("1 / 0 :", error.uri)

        heard = asyncio.Event()

        def on_hello(greeting: str, *, number: int) -> None:
            print(f"event : {greeting} {number}")
            heard.set()

        await session.subscribe("com.myapp.hello", on_hello)
        # A publisher does not get its own event unless it asks for it.
        session.publish("com.myapp.hello", "Hello, world!", number=1, wamp_options={"exclude_me": False})
        await heard.wait()


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "realm1"))
        return
    with libwamp.Router() as router:
        router.listen("ws://127.0.0.1:0/ws")
        asyncio.run(run(router.url, "realm1"))


if __name__ == "__main__":
    main()
