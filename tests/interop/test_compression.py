"""permessage-deflate, with Crossbar.io and with the embedded router."""

import random
from pathlib import Path

import pytest
from client import Client
from embedded import Embedded
from relay import Relay

REALM = "realm1"
LARGE = 300_000
TEXT = ("To be compressed. " * LARGE)[:LARGE]
SETTINGS = {
    "default": True,
    "fast": {"level": 1},
    "all": {"threshold": 0, "level": 9},
    "client's own": {"client_no_context_takeover": True, "client_max_window_bits": 9},
}


@pytest.fixture(scope="module")
def compressing_router(crossbar, tmp_path_factory):
    """The URL of an embedded one."""
    router = Embedded(crossbar.pki, tmp_path_factory.mktemp("deflate"), permessage_deflate=True)
    yield router.urls["ws"]
    router.close()


@pytest.fixture(params=["crossbar", "embedded"])
def url(request, crossbar, compressing_router):
    return crossbar.deflate_url if request.param == "crossbar" else compressing_router


def echo(client: Client, uri: str, *values: str) -> None:
    """Calls its own procedure."""
    client.register(uri)
    for value in values:
        call = client.call(uri, [value])
        invocation = client.next("INVOCATION")
        assert invocation.args == [value]
        client.result(invocation, value)
        assert client.next("RESULT", "ERROR", id=call).args == [value]


@pytest.mark.parametrize("serializer", ["json", "cbor.batched"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_it_takes_fewer_bytes(url, uri, tmp_path, settings, serializer):
    takes_fewer_bytes(url, uri, tmp_path, {"permessage_deflate": settings, "serializers": [serializer]})


def test_what_the_server_shall_do(compressing_router, uri, tmp_path):
    """Not with Crossbar.io: it never answers an offer that asks for what its own configuration does not say."""
    settings = {"server_no_context_takeover": True, "server_max_window_bits": 10}
    takes_fewer_bytes(compressing_router, uri, tmp_path, {"permessage_deflate": settings})


def takes_fewer_bytes(url: str, uri: str, tmp_path: Path, options: dict) -> None:
    noise = random.Random(7).randbytes(LARGE).hex()
    with Relay(url, tmp_path) as relay, Client(relay.url, REALM, **options) as client:
        assert client.open().kind == "OPEN"
        echo(client, uri, TEXT, "short", TEXT)
        # Four times each way; whether what went before may be built upon makes little difference.
        assert relay.carried < 8 * LARGE / 20
        before = relay.carried
        echo(client, f"{uri}.noise", noise)
        assert relay.carried - before > 4 * LARGE


def test_without_the_option_nothing_is_compressed(url, uri, tmp_path):
    with Relay(url, tmp_path) as relay, Client(relay.url, REALM) as client:
        assert client.open().kind == "OPEN"
        echo(client, uri, TEXT)
        assert relay.carried > 4 * LARGE


def test_a_router_without_it(crossbar, uri):
    with Client(crossbar.auth_url, REALM, permessage_deflate=True) as client:
        assert client.open().kind == "OPEN"
        echo(client, uri, TEXT)
