"""Artifacts over HTTP: up and down, in ranges and in pieces, and never as something that a browser runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.served import Served

DATA = bytes(range(256)) * 100
DIGEST = sha256(DATA).hexdigest()


def put(http: httpx.Client, run: str, name: str, data: bytes = DATA, **given: Any) -> httpx.Response:
    return http.put(f"/api/w/runs/{run}/artifacts/{quote(name, safe='')}", content=data, **given)


def fetch(http: httpx.Client, run: str, name: str, **given: Any) -> httpx.Response:
    return http.get(f"/api/artifacts/{run}/{quote(name, safe='')}/download", **given)


@pytest.mark.parametrize(
    "name",
    [
        "model.bin",
        "plots/roc curve.png",
        "日本.txt",
        'a"b;c.txt',
        "100%.csv",
        "a#b?c.bin",
        'a"\r\nSet-Cookie: x=1\r\n\r\n',
    ],
)
def test_bytes_come_back_under_their_name(http: httpx.Client, run: str, name: str) -> None:
    made = put(http, run, name).json()
    assert (made["name"], made["size"], made["sha256"]) == (name, len(DATA), DIGEST)
    got = fetch(http, run, name)
    assert (got.status_code, got.content) == (200, DATA)
    disposition = got.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert disposition.endswith(f"filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}")
    assert "set-cookie" not in got.headers
    assert [one["name"] for one in http.get(f"/api/runs/{run}/artifacts").json()] == [name]


def test_bytes_are_found_by_their_digest_too(http: httpx.Client, run: str) -> None:
    made = put(http, run, "a.html").json()
    got = http.get(f"/api/artifacts/{made['digest']}/download", headers={"Range": "bytes=1-2"})
    assert (got.status_code, got.content) == (206, DATA[1:3])
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert http.get(f"/api/artifacts/{'c' * 64}/download").status_code == 404
    assert http.get("/api/artifacts/nothing/download").status_code == 400


def test_a_posted_body_is_an_artifact_too(http: httpx.Client, run: str) -> None:
    made = http.post(f"/api/w/runs/{run}/artifacts?name=a/b.bin", content=DATA).json()
    assert (made["sha256"], made["size"]) == (DIGEST, len(DATA))
    assert fetch(http, run, "a/b.bin").content == DATA


@pytest.mark.parametrize(
    ("body", "format", "content"),
    [
        ({"value": {"a": [1, None]}}, "json", b'{"a":[1,null]}'),
        ({"value": "hello"}, "text", b"hello"),
        ({"value": "# hi", "format": "md"}, "md", b"# hi"),
    ],
)
def test_values_come_as_json(
    http: httpx.Client, run: str, body: dict[str, Any], format: str, content: bytes
) -> None:
    made = http.post(f"/api/w/runs/{run}/artifacts", json={"name": "v", **body}).json()
    assert made["format"] == format
    assert b"".join(fetch(http, run, "v").content.split()) == b"".join(content.split())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "a", "value": 1, "format": "pickle"},
        {"name": "a", "value": 1, "format": "file"},
        {"name": "a", "value": 1, "format": ["json"]},
        {"name": "a", "value": 1, "format": "table"},
        {"name": "a", "value": {"a": 1}, "format": "md"},
        {"name": "../a", "value": 1},
        {"name": 7, "value": 1},
        {"name": "a", "value": 1, "source": "file:///etc/passwd"},
        {"name": "a", "sha256": "../../etc/passwd"},
        {"name": "a", "sha256": 7},
    ],
)
def test_bad_values_are_refused(http: httpx.Client, run: str, body: dict[str, Any]) -> None:
    answer = http.post(f"/api/w/runs/{run}/artifacts", json=body)
    assert answer.status_code == 400, answer.text
    assert http.get(f"/api/runs/{run}").json()["artifacts"] == []


def test_the_first_of_a_name_stays(http: httpx.Client, run: str) -> None:
    put(http, run, "a")
    assert put(http, run, "a").status_code == 200
    assert put(http, run, "a", b"other").status_code == 409
    assert fetch(http, run, "a").content == DATA
    assert put(http, run, "a", b"other", params={"overwrite": "true"}).status_code == 200
    assert fetch(http, run, "a").content == b"other"


def test_unknown_and_ended_runs_take_no_bytes(http: httpx.Client, run: str) -> None:
    assert put(http, "a" * 32, "a").status_code == 404
    http.post(f"/api/w/runs/{run}/end", json={})
    assert put(http, run, "a").status_code == 409


@pytest.mark.parametrize(
    ("range_", "status", "content"),
    [
        ("bytes=0-9", 206, DATA[:10]),
        ("bytes=100-", 206, DATA[100:]),
        ("bytes=-5", 206, DATA[-5:]),
        ("bytes=5-5", 206, DATA[5:6]),
        ("bytes=0-99999999", 206, DATA),
        ("bytes=99999999-", 416, b""),
        ("bytes=9-5", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=0-0,2-3", 200, DATA),
        ("lines=1-2", 200, DATA),
        ("bytes=" + "0-," * 30_000, 200, DATA),
    ],
    ids=lambda value: str(value)[:20],
)
def test_ranges(http: httpx.Client, run: str, range_: str, status: int, content: bytes) -> None:
    put(http, run, "a")
    got = fetch(http, run, "a", headers={"Range": range_})
    assert got.status_code == status or (len(range_) > 60_000 and got.status_code in (400, 431))
    if got.status_code in (200, 206):
        assert got.content == content


def test_what_is_known_is_not_sent_again(http: httpx.Client, run: str) -> None:
    put(http, run, "a")
    first = fetch(http, run, "a")
    again = fetch(http, run, "a", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = http.head(f"/api/artifacts/{run}/a/download")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.js", "text/javascript"),
        ("a.pdf", "application/pdf"),
        ("a", "text/xml; x"),
        ("MLmodel", "application/yaml"),
    ],
)
def test_nothing_that_a_browser_runs_is_told_as_what_it_is(
    http: httpx.Client, run: str, name: str, kind: str
) -> None:
    put(http, run, name, b"<script>alert(1)</script>", headers={"Content-Type": kind})
    got = fetch(http, run, name)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"


TRAVERSALS = [
    "../secret",
    "..%2fsecret",
    "%2e%2e%2fsecret",
    "..%252fsecret",
    "....//secret",
    "..\\secret",
    "..%5csecret",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "C:%5csecret",
    "a/../../secret",
    "a%00b",
    "./secret",
    "a//b",
    "file:%2f%2f%2fetc%2fpasswd",
    "%2e",
    "%2e%2e",
]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_the_folder(
    server: Served, http: httpx.Client, owner: httpx.Client, run: str, name: str
) -> None:
    secret = server.where.path.parent / "secret"
    secret.write_text("canary")
    before = {path for path in server.where.path.parent.rglob("*") if "artifacts" not in str(path)}
    places = [
        ("PUT", f"/api/w/runs/{run}/artifacts/{name}"),
        ("POST", f"/api/w/runs/{run}/artifacts?name={name}"),
        ("GET", f"/api/artifacts/{run}/{name}/download"),
        ("GET", f"/api/artifacts/{name}/{name}/download"),
        ("GET", f"/api/blobs/{name}"),
        ("PUT", f"/api/blobs/{name}"),
        ("PATCH", f"/api/blobs/{name}"),
        ("DELETE", f"/api/blobs/{name}"),
        ("GET", f"/api/runs/{name}"),
        ("GET", f"/static/{name}"),
        ("GET", f"/api/models/{name}"),
    ]
    for method, path in places:
        url = httpx.URL(server.url).copy_with(raw_path=path.encode())
        answer = owner.request(method, url, content=b"evil" if method in ("PUT", "POST", "PATCH") else None)
        assert answer.status_code < 500, (method, path)
        assert b"canary" not in answer.content
        assert b"root:" not in answer.content
    assert secret.read_text() == "canary"
    kept = {path for path in server.where.path.parent.rglob("*") if "artifacts" not in str(path)}
    assert {path for path in kept - before if not path.name.endswith(("-wal", "-shm"))} == set()


# in pieces ------------------------------------------------------------------------------------------


def piece(
    http: httpx.Client, at: int, data: bytes, whole: int = len(DATA), digest: str = DIGEST
) -> httpx.Response:
    headers = {"Upload-Offset": str(at), "Upload-Length": str(whole)}
    return http.patch(f"/api/blobs/{digest}", content=data, headers=headers)


def test_bytes_may_come_in_pieces_and_go_on_after_a_break(http: httpx.Client, run: str) -> None:
    assert http.head(f"/api/blobs/{DIGEST}").status_code == 404
    assert piece(http, 0, DATA[:10_000]).json()["complete"] is False
    told = http.head(f"/api/blobs/{DIGEST}")
    assert (told.status_code, told.headers["upload-offset"]) == (404, "10000")
    wrong = piece(http, 5, b"x")
    assert (wrong.status_code, wrong.headers["upload-offset"]) == (409, "10000")
    assert piece(http, 10_000, DATA[10_000:]).json()["complete"] is True
    assert http.head(f"/api/blobs/{DIGEST}").status_code == 200
    made = http.post(f"/api/w/runs/{run}/artifacts", json={"name": "big.bin", "sha256": DIGEST})
    assert made.json()["size"] == len(DATA)
    assert fetch(http, run, "big.bin").content == DATA


def test_pieces_that_make_something_else_are_thrown_away(http: httpx.Client) -> None:
    other = b"x" * len(DATA)
    assert piece(http, 0, other).status_code == 400
    assert "upload-offset" not in http.head(f"/api/blobs/{DIGEST}").headers
    assert piece(http, 0, DATA).json()["complete"] is True
    assert piece(http, 0, b"x" * 20, whole=10, digest="a" * 64).status_code == 400
    assert http.put(f"/api/blobs/{'b' * 64}", content=b"not it").status_code == 400


@pytest.mark.parametrize(
    "headers", [{}, {"Upload-Offset": "0"}, {"Upload-Offset": "-1", "Upload-Length": "x"}]
)
def test_pieces_say_where_they_belong(http: httpx.Client, headers: dict[str, str]) -> None:
    assert http.patch(f"/api/blobs/{DIGEST}", content=b"x", headers=headers).status_code == 400


def test_bytes_that_are_not_here_cannot_be_named(http: httpx.Client, run: str) -> None:
    answer = http.post(f"/api/w/runs/{run}/artifacts", json={"name": "a", "sha256": "c" * 64})
    assert answer.status_code == 404


def test_bytes_go_only_when_nothing_has_them_and_the_owner_says_so(
    http: httpx.Client, owner: httpx.Client, run: str
) -> None:
    put(http, run, "a")
    assert http.delete(f"/api/blobs/{DIGEST}").status_code == 401
    assert owner.delete(f"/api/blobs/{DIGEST}").json() == {"freed": 0}
    http.put(f"/api/blobs/{sha256(b'alone').hexdigest()}", content=b"alone")
    assert owner.delete(f"/api/blobs/{sha256(b'alone').hexdigest()}").json() == {"freed": 5}


def test_what_is_written_is_this_users_alone(server: Served, http: httpx.Client, run: str) -> None:
    old = os.umask(0)
    try:
        put(http, run, "a/b")
        piece(http, 0, DATA[:5], digest="d" * 64)
    finally:
        os.umask(old)
    for path in server.where.artifacts.rglob("*"):
        mode = path.lstat().st_mode & 0o777
        assert mode & 0o077 == 0, f"{path} {mode:o}"


def test_artifacts_logged_here_can_be_loaded_in_python(
    server: Served, http: httpx.Client, run: str, folder: Path
) -> None:
    import chachaml as ml

    http.post(f"/api/w/runs/{run}/artifacts", json={"name": "conf", "value": {"a": 1}})
    put(http, run, "raw.bin")
    http.post(f"/api/w/runs/{run}/end", json={})
    ml.connect(server.where.path)
    assert ml.load_artifact(run, "conf") == {"a": 1}
    assert ml.load_artifact(run, "raw.bin") == DATA


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_bytes_are_refused_once_there_is_no_more_room_for_them(
    server: Served, http: httpx.Client, run: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a length nobody knows before how many come; and others may come at the same time."""
    arrived = server.where.blobs().root

    def body() -> Iterator[bytes]:
        yield DATA
        until = time.monotonic() + 20
        while not any(each.stat().st_size for each in arrived.rglob(".*-*")):
            assert time.monotonic() < until, "nothing arrives"
        monkeypatch.setattr("chachaml.surfaces.http.artifacts_api._ROOM", 1 << 62)
        yield from [DATA] * 10

    where = f"/api/w/runs/{run}/artifacts/a" if method == "PUT" else f"/api/blobs/{DIGEST}"
    pieces = {"Upload-Offset": "0", "Upload-Length": str(11 * len(DATA))} if method == "PATCH" else {}
    refused = http.request(method, where, content=body(), headers=pieces)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "no_room")
    assert http.get(f"/api/runs/{run}").json()["artifacts"] == []
