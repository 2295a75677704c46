"""What is measured: roles, rows of the tables, and plans, which are lists of rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Figure:
    """One number of a role."""

    key: str  # in the line of JSON that a client prints
    title: str
    unit: str


CPU = Figure("cpu", "processor time per message", "µs")
HALF = Figure("p50", "half of the calls take at most", "µs")
OPENING = Figure("cpu", "processor time per connection", "µs")
OPENED = Figure("p50", "half of the connections are open after", "µs")
RESIDENT = Figure("resident", "memory of the process", "KiB")
EACH = Figure("each", "memory per further connection", "KiB")


@dataclass(frozen=True)
class Role:
    """What a client is made to do."""

    title: str
    program: str  # the role that the client program is given
    in_flight: int = 1
    before: str = ""  # the role of a floor that has to be there before the client
    after: str = ""  # and of one that works as soon as the client is ready
    is_slow: bool = False  # with the slow router
    figures: tuple[Figure, ...] = (CPU,)
    scale_of: str = ""  # what a row's scale counts


ROLES = {
    "sequential": Role("Calls, one after the other", "call", 1, "invocation", figures=(HALF, CPU)),
    "call": Role("Calls, 100 in flight", "call", 100, "invocation"),
    "call-1000": Role("Calls, 1,000 in flight", "call", 1000, "invocation"),
    "invocation": Role("Answering invocations", "invocation", after="call"),
    "publish": Role("Publishing without acknowledgement", "publish", before="invocation"),
    "publish-slow": Role(
        "Publishing without acknowledgement, to a slow router",
        "publish",
        before="invocation",
        is_slow=True,
    ),
    "event": Role("Receiving events", "event", after="publish"),
    "connect": Role("Connecting and joining", "connect", figures=(OPENING, OPENED)),
    "memory": Role("Idle connections", "memory", figures=(RESIDENT, EACH), scale_of="connections"),
    "subscriptions": Role(
        "Receiving events of many subscriptions", "event", after="publish", scale_of="subscriptions"
    ),
    "registrations": Role(
        "Answering many procedures", "invocation", after="call", scale_of="registrations"
    ),
    "pending": Role(
        "Calls beside many unanswered ones", "pending", 100, "invocation", scale_of="pending calls"
    ),
    "connections": Role(
        "Calls on many connections", "connections", 100, "invocation", scale_of="connections"
    ),
    "threads": Role(
        "Calls from many threads on one session", "threads", 1, "invocation", scale_of="threads"
    ),
}

PLAIN_ROLES = tuple(ROLES)[:8]
SCALE_ROLES = tuple(ROLES)[9:]
SERIALIZERS = ("json", "msgpack", "cbor")
SIZES = (16, 256, 4096, 65536)
FEW = (
    100  # from so many connections on, a client that takes long for each is left out of a thin plan
)


@dataclass(frozen=True)
class Row:
    """A row of the tables: what each of some clients does."""

    role: str
    transport: str = "ws"
    serializer: str = "json"
    size: int = 16
    scale: int = 1
    is_thin: bool = False  # with the most important clients only

    @property
    def wire(self) -> str:
        """The serializer itself, without what may go with it."""
        return self.serializer.partition(".")[0]

    @property
    def in_flight(self) -> int:
        return self.scale if self.role == "threads" else ROLES[self.role].in_flight

    @property
    def name(self) -> str:
        scale = f"/{self.scale}" if ROLES[self.role].scale_of else ""
        return f"{self.role}/{self.transport}/{self.serializer}/{self.size}{scale}"


def has_size(role: str) -> bool:
    return role not in ("connect", "memory")


def bench() -> Iterator[Row]:
    """JSON on WebSocket as a whole, and a look at everything else."""
    for role in PLAIN_ROLES:
        yield Row(role)
        if has_size(role) and role != "call-1000":
            yield Row(role, size=4096)
    for scale in (1, 100, 10000):
        yield Row("memory", scale=scale, is_thin=scale > FEW)
    for role, size in product(("call", "event"), (256, 65536)):
        yield Row(role, size=size, is_thin=True)
    others = [("ws", "msgpack"), ("ws", "cbor"), ("rs", "json"), ("rs", "msgpack"), ("rs", "cbor")]
    for (transport, serializer), role, size in product(
        others, ("call", "publish", "event"), (16, 4096)
    ):
        yield Row(role, transport, serializer, size, is_thin=True)


def scale() -> Iterator[Row]:
    """How the cost of a message grows with what else there is."""
    for role in SCALE_ROLES:
        steps = {"connections": (1, 100, 10000), "threads": (1, 4, 64)}.get(role, (1, 1000, 10000))
        for step in steps:
            yield Row(role, scale=step)


def full() -> Iterator[Row]:
    """Everything with everything."""
    for role, transport, serializer in product(PLAIN_ROLES, ("ws", "rs"), SERIALIZERS):
        for size in SIZES if has_size(role) else (16,):
            yield Row(role, transport, serializer, size)
    for transport, connections in product(("ws", "rs"), (1, 100, 10000)):
        yield Row("memory", transport, scale=connections)
    yield from scale()


def smoke() -> Iterator[Row]:
    """Each role once on both wires, to see whether it works at all."""
    for role, (transport, serializer) in product(ROLES, (("ws", "json"), ("rs", "cbor"))):
        yield Row(
            role,
            transport,
            serializer,
            scale=4 if ROLES[role].scale_of else 1,
            is_thin=transport == "rs",
        )


PLANS = {"bench": bench, "scale": scale, "full": full, "smoke": smoke}


def matrix(
    roles: Iterable[str],
    transports: Iterable[str],
    serializers: Iterable[str],
    sizes: Iterable[int],
    scales: Iterable[int],
) -> Iterator[Row]:
    """The rows that somebody has asked for."""
    for role, transport, serializer, size in product(roles, transports, serializers, sizes):
        for step in scales if ROLES[role].scale_of else (1,):
            yield Row(role, transport, serializer, size, step)
