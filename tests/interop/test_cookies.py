"""Authentication by cookie: what Crossbar.io sets at the first login lets the connection's next sessions in."""

import users
from client import Client

METHODS = {"authmethods": ["cookie", "ticket"], "authid": "ticket"}


def log_in(client: Client) -> None:
    challenge = client.open()
    assert challenge.kind == "CHALLENGE", challenge
    event = client.answer(challenge, users.PASSWORD)
    assert event.kind == "OPEN", event


def test_the_cookie_takes_the_place_of_the_login(crossbar):
    with Client(crossbar.cookie_url, crossbar.realm, **METHODS) as client:
        client.ask_for_challenges()
        log_in(client)
        assert client.welcome("authprovider") == "static"
        client.close()
        assert client.open().kind == "OPEN"
        assert (client.welcome("authid"), client.welcome("authprovider")) == ("ticket", "cookie")


def test_cookies_are_not_kept_where_none_are_wanted(crossbar):
    with Client(crossbar.cookie_url, crossbar.realm, cookies=False, **METHODS) as client:
        client.ask_for_challenges()
        log_in(client)
        client.close()
        log_in(client)


def test_connections_do_not_share_them(crossbar):
    for _ in range(2):
        with Client(crossbar.cookie_url, crossbar.realm, **METHODS) as client:
            client.ask_for_challenges()
            log_in(client)
