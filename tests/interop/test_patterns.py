"""Pattern-based registrations and subscriptions, which the embedded router does not offer."""

import asyncio

from support import run, uri

import libwamp


def test_pattern_based_registration(crossbar):
    async def main():
        async with libwamp.connect(crossbar.url, crossbar.realm) as session:
            prefix = uri("prefix")

            def which(*, invocation):
                return invocation.procedure

            await session.register(prefix, which, {"match": "prefix"}, details_arg="invocation")
            assert await session.call(f"{prefix}.one") == f"{prefix}.one"
            assert await session.call(f"{prefix}.two.three") == f"{prefix}.two.three"

    run(main())


def test_pattern_based_subscription(crossbar):
    async def main():
        async with (
            libwamp.connect(crossbar.url, crossbar.realm) as publisher,
            libwamp.connect(crossbar.url, crossbar.realm) as subscriber,
        ):
            prefix, topics = uri("prefix"), asyncio.Queue()
            await subscriber.subscribe(
                prefix, lambda *, event: topics.put_nowait(event.topic), {"match": "prefix"}, details_arg="event"
            )
            publisher.publish(f"{prefix}.one")
            publisher.publish(f"{prefix}.two.three")
            assert await topics.get() == f"{prefix}.one"
            assert await topics.get() == f"{prefix}.two.three"

    run(main())
