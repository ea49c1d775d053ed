"""What keeps other web pages, rebound names and impatient clients out: asked of every route."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.served import SESSION, Served, served
from tests.surfaces.http.conftest import start

from chachaml.surfaces.http.everything import all_routes
from chachaml.surfaces.http.routing import Route, Routes

PLACES = sorted({(route.method, re.sub(r"\{\w+(:path)?\}", "x", route.path)) for route in all_routes().all})

FOREIGN_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.evil.example",
    "localhost",
    "127.0.0.1:1",
    "127.0.0.1:{port}.evil.example",
    "evil.example:{port}",
    "user@127.0.0.1:{port}",
    "127.0.0.1:{port}/x?",
    "127.0.0.1:{port}#",
    "0.0.0.0:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "",
]

ADDRESSES = ("127.0.0.1:1", "0.0.0.0:{port}", "[::ffff:127.0.0.1]:{port}")
"""Those that are no names: machines ask a team's server by them how it is, and nothing else."""

PROBES = ("/healthz", "/readyz", "/metrics")

FOREIGN_PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:8888"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


def raw(server: Served, text: str, wait: float = 10) -> bytes:
    """Return what the server answers to bytes."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as line:
        line.sendall(text.encode())
        return line.recv(65536)


@pytest.fixture(params=["local", "team"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "either.db", team=request.param == "team", keep=False) as server:
        yield server


def test_every_route_says_what_it_needs() -> None:
    async def nothing(_: object) -> None: ...

    with pytest.raises(ValueError, match="does not say what it needs"):
        Routes([Route("GET", "/new", "", nothing)])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the same"):
        Routes([Route("GET", f"/{{{name}}}", "read", nothing) for name in "ab"])  # type: ignore[arg-type]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_no_route_answers_to_another_name(either: Served, host: str) -> None:
    port = either.url.rpartition(":")[2]
    with httpx.Client(base_url=either.url) as client:
        for method, path in [*PLACES, ("GET", "/nothing"), ("OPTIONS", "/api/runs")]:
            answer = client.request(method, path, headers={"Host": host.format(port=port)})
            probed = either.service.options.team and host in ADDRESSES and path in PROBES
            assert (answer.status_code in (400, 421)) is not probed, (method, path)
            assert "iris" not in answer.text


@pytest.mark.parametrize("page", FOREIGN_PAGES, ids=str)
def test_no_route_answers_to_a_page_of_another_server(either: Served, page: dict[str, str]) -> None:
    with httpx.Client(base_url=either.url, headers={**page, "Authorization": f"Bearer {SESSION}"}) as client:
        for method, path in [*PLACES, ("GET", "/nothing"), ("HEAD", "/api/runs"), ("OPTIONS", "/api/runs")]:
            answer = client.request(method, path)
            assert answer.status_code == 403, (method, path)
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_link_from_elsewhere_opens_a_page_and_no_data(http: httpx.Client) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert http.get("/runs", headers=link).status_code == 200
    assert http.get("/api/runs", headers=link).status_code == 403
    assert http.post("/login", headers=link).status_code == 403


def test_our_own_page_may_ask(server: Served, http: httpx.Client) -> None:
    own = {
        "Origin": server.url,
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
    }
    assert http.get("/api/runs", headers=own).status_code == 200
    assert http.post("/api/w/runs", json={}, headers=own).status_code == 200
    assert http.get("/api/runs", headers={**own, "Sec-Fetch-Dest": "script"}).status_code == 403
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert http.get("/api/runs", headers=typed).status_code == 200
    assert http.post("/api/w/runs", json={}, headers=typed).status_code == 403


def test_every_answer_has_the_headers_of_security(http: httpx.Client, run: str) -> None:
    http.put(f"/api/w/runs/{run}/artifacts/a.html", content=b"<script>alert(1)</script>")
    for method, path in [*PLACES, ("GET", f"/api/artifacts/{run}/a.html/download"), ("GET", "/nothing")]:
        if path == "/api/events":
            continue
        answer = http.request(method, path)
        about = f"{method} {path}"
        assert answer.status_code < 500, about
        assert answer.headers["x-content-type-options"] == "nosniff", about
        assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin"), about
        assert answer.headers["x-frame-options"] == "DENY", about
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", about
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, about
        assert "unsafe" not in policy, about
        assert "sandbox" in policy or "frame-ancestors 'none'" in policy, about
        assert "server" not in answer.headers, about


def test_names_are_asked_for_exactly_once(server: Served) -> None:
    port = server.url.rpartition(":")[2]
    twice = f"GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n"
    assert raw(server, twice).split(b"\r\n")[0].split()[1] in (b"400", b"421")
    assert raw(server, "GET /api/runs HTTP/1.0\r\n\r\n").split(b"\r\n")[0].split()[1] in (b"400", b"421")


@pytest.mark.parametrize("text", ["BREW /pot HTTP/1.1\r\n\r\n", "\0\1\2\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_is_told_so(server: Served, text: str) -> None:
    head, _, body = raw(server, text).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"x-content-type-options: nosniff" in head.lower()
    assert b'"code":"bad_request"' in body


def test_what_a_proxy_might_say_changes_nothing(http: httpx.Client, server: Served) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": "host=evil.example;proto=https",
        "X-Forwarded-User": "admin",
        "X-Remote-User": "admin",
        "X-Http-Method-Override": "DELETE",
    }
    assert http.get("/api/me", headers=forged).json()["role"] == "writer"
    assert http.post("/api/delete", json={}, headers=forged).status_code == 401
    there = httpx.get(f"{server.url}/api/runs", headers={**forged, "Host": "evil.example"})
    assert there.status_code == 421


@pytest.mark.parametrize(
    "query",
    [
        "/api/runs?limit=10001",
        "/api/runs?limit=99999999999999999999",
        "/api/series?metric=a&max_points=1000000&ids=x",
    ],
)
def test_no_answer_is_without_bounds(http: httpx.Client, query: str) -> None:
    assert http.get(query).status_code == 400
    assert http.get("/api/compare?ids=" + ",".join(["a" * 32] * 1001)).status_code == 400


def test_names_of_fields_that_would_be_addresses_are_taken_nowhere(http: httpx.Client) -> None:
    """No client names a path, a file or an address for the server to open."""
    allowed = {"webhook_url", "path"}  # alerts go to addresses, by the guard of theirs
    document = http.get("/api/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            body = (
                about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            )
            names = {*body.get("properties", {}), *(one["name"] for one in about.get("parameters", ()))}
            for name in names - allowed:
                assert not re.search(r"uri|url|path|file|location|source|host", name), (method, path, name)


def test_a_page_of_an_earlier_start_goes_on_reading(server: Served, http: httpx.Client) -> None:
    """Its cookie is good for nothing, but reading asks for none."""
    old = {"Cookie": f"{server.service.options.cookie}=chm_of-yesterday", "Origin": server.url}
    assert http.get("/api/runs", headers=old).status_code == 200
    assert http.get("/api/me", headers=old).json()["role"] == "writer"
    assert http.post("/api/delete", json={}, headers=old).status_code == 401


def test_there_are_no_sockets(server: Served) -> None:
    port = server.url.rpartition(":")[2]
    answer = raw(
        server,
        f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://evil\r\n\r\n",
    )
    assert b" 101 " not in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("length", ["99999999999", "33554433", "18446744073709551616"])
def test_too_large_a_body_is_refused_before_it_comes(server: Served, length: str) -> None:
    port = server.url.rpartition(":")[2]
    asked = f"POST /api/w/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    answer = raw(server, f"{asked}Content-Length: {length}\r\n\r\n")
    assert answer.split(b"\r\n")[0].split()[1] in (b"413", b"400")


def test_a_body_without_end_is_cut_off(http: httpx.Client, run: str) -> None:
    """Its length is not said, so that it is refused when it has become too large."""

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * (1 << 20)

    headers = {"Content-Type": "application/json"}
    with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):  # closed while it is sent
        answer = http.post(f"/api/w/runs/{run}/metrics", content=endless(), headers=headers)
        assert answer.status_code == 413
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 6\r\nContent-Length: 60\r\n",
        "Content-Length: +6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ],
)
def test_no_second_request_hides_in_a_body(server: Served, lengths: str) -> None:
    """Where a length is said twice, or oddly, nothing that follows is taken for a request."""
    host = server.url.removeprefix("http://")
    about = f"Host: {host}\r\nContent-Type: application/json\r\n"
    hidden = f"POST /api/w/runs HTTP/1.1\r\n{about}Content-Length: 2\r\n\r\n{{}}"
    asked = f"POST /nothing HTTP/1.1\r\n{about}{lengths}"
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=30) as line, line.makefile("rb") as answers:
        line.sendall(f"{asked}\r\n0\r\n\r\n{hidden}".encode())
        assert answers.read().count(b"HTTP/1.1 ") == 1  # to the end: the server hangs up
    assert httpx.get(f"{server.url}/api/runs").json()["runs"] == []


def test_a_packed_body_may_not_swell(http: httpx.Client, run: str) -> None:
    import gzip

    from chachaml.store.zstd import compress

    bomb = b" " * (40 << 20)
    for encoding, pack in (("gzip", gzip.compress), ("zstd", compress)):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        assert http.post(f"/api/w/runs/{run}/metrics", content=pack(bomb), headers=headers).status_code == 413
        fine = http.post(f"/api/w/runs/{run}/metrics", content=pack(b'{"loss": 1}'), headers=headers)
        assert fine.status_code == 200
        torn = http.post(f"/api/w/runs/{run}/metrics", content=pack(b'{"loss": 1}')[:-3], headers=headers)
        assert torn.status_code in (400, 413)


def test_who_says_nothing_is_cut_off_and_others_are_served(
    server: Served, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chachaml.surfaces.http.serving._HEADERS_WITHIN", 3.0)
    host, port = server.url.removeprefix("http://").split(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(200)]
    for line in lines:
        line.sendall(b"GET / HTTP/1.1\r\nHo")
    began = time.monotonic()
    assert http.get("/healthz").status_code == 200
    assert time.monotonic() - began < 3
    for line in lines:
        line.settimeout(10)
        assert line.recv(100) == b""
        line.close()


def test_a_body_that_stalls_is_cut_off(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chachaml.surfaces.http.requests._SILENCE", 0.5)
    port = server.url.rpartition(":")[2]
    asked = f"POST /api/w/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    assert raw(server, asked + "Content-Length: 10\r\n\r\n{").split(b"\r\n")[0].split()[1] == b"408"


def test_texts_of_users_come_back_as_data(http: httpx.Client) -> None:
    hostile = "<script>alert(1)</script>\r\nSet-Cookie: a=b"
    run = start(http, name=hostile, experiment=hostile, tags={hostile: hostile})
    answer = http.get(f"/api/runs/{run}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["name"] == hostile
    missing = http.get("/api/runs", params={"filter": hostile})
    assert (missing.status_code, missing.headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Much: " + b"a" * (8 << 20),
        b"GET /healthz HTTP/1.1\r\nHost: {host}\r\n" + b"X-Many: 1\r\n" * 800_000,
        b"GET /healthz?" + b"a" * (8 << 20),
        b"POST /api/w/runs HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: " + b"a" * (8 << 20),
    ],
    ids=["one header", "many headers", "address", "trailer"],
)
def test_a_head_without_end_is_cut_off(server: Served, head: bytes) -> None:
    host = server.url.removeprefix("http://")
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=10) as line:
        told = b""
        for at in range(0, len(head), 65_536):
            line.sendall(head[at : at + 65_536].replace(b"{host}", host.encode()))
            readable, _, _ = select.select([line], [], [], 0.02)
            if readable:
                told = line.recv(65_536)
                break
        assert at < 1 << 20
    assert told.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"too_large"' in told


def test_who_comes_when_too_many_are_there_is_told_as_of_all_that_is_wrong(
    server: Served, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chachaml.surfaces.http.serving._Patience.most", 0)
    refused = http.get("/healthz")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many")
    assert refused.headers["x-content-type-options"] == "nosniff"
    monkeypatch.undo()
    assert http.get("/healthz").status_code == 200


def test_those_who_send_slowly_keep_nobody_from_reading(server: Served, http: httpx.Client, run: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(60)]
    for number, line in enumerate(lines):
        asked = f"PUT /api/w/runs/{run}/artifacts/{number} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        line.sendall(f"{asked}Content-Length: 1000000\r\n\r\n".encode() + b"x" * 70_000)
    arrived = server.where.blobs().root
    until = time.monotonic() + 20
    while len(list(arrived.rglob(".new-*"))) < 40:
        assert time.monotonic() < until, "the bytes do not arrive"
    assert http.get("/api/runs", timeout=5).status_code == 200
    for line in lines:
        line.close()
