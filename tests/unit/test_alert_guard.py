"""Whom alerts may tell: no address that only this machine can reach, however it is written."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from chachaml.alerting import guard
from chachaml.alerting.delivery import send
from chachaml.core.errors import BadValue
from chachaml.core.model import EventRow

PRIVATE = """
127.0.0.1 127.1.2.3 0.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.1 192.168.1.1 169.254.169.254
169.254.170.2 100.64.0.1 100.127.255.255 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 ::1 :: ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8
2002:7f00:1:: 2002:a00:1:: 2002:808:808:: 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808
64:ff9b:1::1 fd00:ec2::254 fc00::1 fe80::1 fe80::1%eth0 ff02::1 2001:db8::1
2001:0:4136:e378:8000:63bf:3fff:fdd2 100::1 2001:2::1 2001:10::1 fec0::1 3fff::1
""".split()

PUBLIC = "8.8.8.8 1.1.1.1 52.84.1.1 2606:4700:4700::1111 2a00:1450:4001:80b::200e".split()

ODD_URLS = """
http://hooks.slack.com/x ftp://hooks.slack.com/x file:///etc/passwd gopher://127.0.0.1/ //hooks.slack.com/x
https://127.0.0.1/ https://127.1/ https://2130706433/ https://0x7f000001/ https://0x7f.0.0.1/ https://017700000001/
https://0177.0.0.1/ https://127.0.0.1./ https://[::1]/ https://[::ffff:127.0.0.1]/ https://[2002:7f00:1::]/
https://[64:ff9b::7f00:1]/ https://localhost/ https://LOCALHOST/ https://localhost./ https://foo.localhost/
https://metadata.google.internal/ https://printer.local/ https://intranet/ https://user@hooks.slack.com/
https://hooks.slack.com@127.0.0.1/ https://a:b@hooks.slack.com/ https://hooks.slack.com:8443/
https://hooks.slack.com:80/ https://10.0.0.1/ https://169.254.169.254/latest/meta-data/ https://100.64.0.1/
https://0/ https://0.0.0.0/ https://[::]/ https://[fd00:ec2::254]/ https:/// https://[::1 https://127.0.0.1:99999/
""".split()
ODD_URLS += ["https://\uff11\uff12\uff17.0.0.1/", "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_the_worlds_are_known(address: str) -> None:
    assert not guard.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert guard.is_public(address)


class Listener:
    """Counts who connects, on a port of this machine."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Any:
    made = Listener()
    yield made
    made.close()


def event() -> EventRow:
    return EventRow(1, "a" * 32, "a", "b" * 32, 0, "t", "x", "info", None, False, "auto", "")


@pytest.mark.parametrize("url", ODD_URLS)
def test_no_spelling_reaches_this_machine(
    url: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is said to connect is sent to the listener instead, which must hear of nobody."""
    genuine = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda *_args, **_more: genuine(("127.0.0.1", listener.port), 5)
    )
    with pytest.raises(BadValue):
        guard.check_url(url)
    answer = send(event(), url)
    assert (answer.ok, listener.count) == (False, 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "64:ff9b::7f00:1"])
def test_a_public_name_that_leads_inside_is_not_called(
    address: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    with pytest.raises(BadValue, match="leads to an address that is not public"):
        guard.vetted("https://hooks.slack.com/x")
    answer = send(event(), "https://hooks.slack.com/x")
    assert (answer.ok, answer.final, listener.count) == (False, True, 0)


def test_a_name_is_resolved_once_and_that_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means something else the next moment leads nowhere new."""
    asked: list[str] = []
    called: list[Any] = []

    def resolve(host: str, *_args: Any, **_more: Any) -> list[Any]:
        asked.append(host)
        address = "8.8.8.8" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    def connect(address: Any, *_args: Any, **_more: Any) -> Any:
        called.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    answer = send(event(), "https://hooks.slack.com/x")
    assert (asked, called, answer.ok, answer.final) == (["hooks.slack.com"], [("8.8.8.8", 443)], False, False)


def test_what_this_user_allows_may_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_ALERT_HOSTS", "127.0.0.1:8000, chat.internal")
    assert guard.check_url("http://127.0.0.1:8000/x") == (False, "127.0.0.1", 8000, "/x")
    assert guard.check_url("https://chat.internal/a?b=c") == (True, "chat.internal", 443, "/a?b=c")
    with pytest.raises(BadValue):
        guard.check_url("http://127.0.0.1:8001/x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.slack.com/services/T000/B000/secretx9Z3", "https://hooks.slack.com/…x9Z3"),
        ("https://example.com:443/", "https://example.com:443/"),
        ("tgram://token/chat", "tgram://…chat"),
        ("https://example.com/?token=abcdef", "https://example.com/…cdef"),
    ],
)
def test_urls_are_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert guard.masked(url) == shown
