"""Artifacts to look at: documents in a frame without an origin, and all of a run's in one file."""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest
from tests.served import Served
from tests.surfaces.http.test_artifacts import put

FRAMED = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}


def view(http: httpx.Client, run: str, name: str, **given: object) -> httpx.Response:
    return http.get(f"/api/artifacts/{run}/{name}/view", headers=FRAMED, params=given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "kind"), [("a.html", "text/html"), ("b/c.svg", "image/svg+xml")])
def test_a_document_in_a_frame_has_no_origin_and_no_network(
    http: httpx.Client, run: str, name: str, kind: str
) -> None:
    put(http, run, name, b"<p>hello", headers={"Content-Type": kind})
    got = view(http, run, name)
    assert (got.status_code, got.content) == (200, b"<p>hello")
    assert got.headers["content-type"].startswith(kind)
    policy = {part.split()[0]: part.split()[1:] for part in got.headers["content-security-policy"].split(";")}
    assert (policy["sandbox"], policy["default-src"]) == ([], ["'none'"])
    assert not policy.keys() & {"script-src", "connect-src", "frame-src"}
    assert policy["frame-ancestors"] == ["'self'"]
    assert got.headers["x-content-type-options"] == "nosniff"
    scripts = view(http, run, name, scripts="1").headers["content-security-policy"]
    assert scripts.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in scripts and "connect-src" not in scripts


def test_a_document_is_never_a_page_of_its_own(http: httpx.Client, run: str) -> None:
    put(http, run, "a.html", b"<p>hello", headers={"Content-Type": "text/html"})
    put(http, run, "a.js", b"alert(1)", headers={"Content-Type": "text/javascript"})
    for dest in ("document", "script", "object", "embed", ""):
        headers = {**FRAMED, "Sec-Fetch-Dest": dest} if dest else {}
        assert http.get(f"/api/artifacts/{run}/a.html/view", headers=headers).status_code in (403, 406)
    assert view(http, run, "a.js").status_code == 415
    assert view(http, run, "other.html").status_code == 404


def test_all_artifacts_come_in_one_file(http: httpx.Client, run: str, server: Served) -> None:
    kept = {"a.txt": b"a", "b/c d.bin": bytes(3_000_000), "日本/ü.md": b"# x"}
    for name, data in kept.items():
        put(http, run, name, data)
    got = http.get(f"/api/runs/{run}/artifacts.zip")
    assert got.headers["content-disposition"].startswith(f'attachment; filename="one-{run[-8:]}.zip"')
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == kept
    digest = put(http, run, "gone", b"gone").json()["digest"]
    server.where.blobs().delete(digest)
    assert http.get(f"/api/runs/{run}/artifacts.zip").status_code == 404


def test_a_run_without_artifacts_says_so(http: httpx.Client, run: str) -> None:
    got = http.get(f"/api/runs/{run}/artifacts.zip")
    assert (got.status_code, got.json()["error"]["code"]) == (404, "not_found")


def test_markdown_comes_back_clean_and_as_a_tree(http: httpx.Client) -> None:
    text = "**b** <b onclick=x> [a](javascript:x) ![p](https://evil.example/p.png)\n\n$a_1 < b_2$"
    got = http.post("/api/markdown", json={"text": text}).json()
    assert "<strong>b</strong>" in got["html"] and "<b" not in got["html"] and "<img" not in got["html"]
    assert "javascript:x" not in str([one for one in got["tree"] if isinstance(one, list) and one[0] == "a"])
    assert got["tree"][0][2][0] == ["strong", {}, ["b"]]
    assert ["code", {"class": "math"}, ["a_1 < b_2"]] in got["tree"][2][2]
    assert http.post("/api/markdown", json={"text": 1}).status_code == 400
