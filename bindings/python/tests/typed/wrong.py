"""Mistakes that mypy finds in programs that use the package, each with the code of its error."""

from pathlib import Path

import libwamp


async def main() -> None:
    libwamp.Connection("ws://127.0.0.1/", "realm1", max_retrys=3)  # refused: call-arg
    libwamp.Connection("ws://127.0.0.1/", "realm1", max_retries="3")  # refused: arg-type
    libwamp.Connection("ws://127.0.0.1/", "realm1", on_close=3)  # refused: arg-type
    libwamp.connect("ws://127.0.0.1/", "realm1", serializers=[Path("json")])  # refused: list-item
    libwamp.connect("ws://127.0.0.1/")  # refused: call-arg
    async with libwamp.connect("ws://127.0.0.1/", "realm1") as session:
        await session.register(print, "com.example.add2")  # refused: arg-type
        await session.subscribe("com.example.hello", "com.example.handler")  # refused: arg-type
        session.publish("com.example.hello", wamp_options=["acknowledge"])  # refused: arg-type
        text: str = await session.publish_ack("com.example.hello")  # refused: assignment
        print(text, session.realm_name)  # refused: attr-defined
        print(session.session_id)  # refused: attr-defined
    with libwamp.Router() as router:
        router.listen(8080)  # refused: arg-type
        router.reload("{}")  # refused: arg-type
    libwamp.Router(on_authorize=print)  # refused: arg-type
    connection = libwamp.Connection("ws://127.0.0.1/", "realm1")
    connection.run("what", print)  # refused: attr-defined
    connection.session.call("com.example.add2")  # refused: union-attr
