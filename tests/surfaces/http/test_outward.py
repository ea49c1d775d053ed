"""Whatever is logged, the server calls nobody, and no client takes a name of a server's for a place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import Served
from tests.surfaces.http.conftest import start

import chachaml as ml
from chachaml import connection as connections
from chachaml.core.changes import ArtifactLogged, Batch, RunStarted
from chachaml.core.errors import ChachamlError
from chachaml.core.ids import new_id


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on this machine who waits to be called."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_addresses_in_what_was_logged_are_never_called(
    server: Served, http: httpx.Client, owner: httpx.Client, listener: socket.socket
) -> None:
    """Neither when it is logged nor when it is read, by whatever address of the server."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/latest/meta-data/"
    run = start(http, experiment=url, name=url, tags={"mlflow.source.name": url, "source": url})
    http.post(f"/api/w/runs/{run}/params", json={"model_uri": url, "artifact_location": url})
    http.post(f"/api/w/runs/{run}/metrics", json={url: 1})
    note = {"note": f"![picture]({url}) [link]({url}) <{url}>"}
    assert owner.post(f"/api/note/{run}", json=note).status_code == 200
    page = f"<img src='{url}'><script src='{url}'></script>".encode()
    for name, body in (("page.html", page), ("MLmodel", f"artifact_path: {url}".encode())):
        assert http.put(f"/api/w/runs/{run}/artifacts/{name}", content=body).status_code == 200
    document = http.get("/api/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        if "get" in methods and path != "/api/events":
            place = path.replace("{run_id}", run).replace("{name}", "MLmodel")
            owner.get(place, params={"ids": run, "id": run, "run_id": run})
            asked += 1
    for page in ("/", "/runs", f"/runs/{run}", f"/api/artifacts/{run}/page.html/download"):
        assert owner.get(page, follow_redirects=True).status_code == 200
    assert asked > 20
    assert not called(listener)
    with pytest.raises(httpx.HTTPError):
        httpx.get(url, timeout=0.2)
    assert called(listener)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_a_name_from_elsewhere_leads_no_download_out_of_its_folder(tmp_path: Path, name: str) -> None:
    """A server, or a store, may hold what the library would never have logged."""
    where = connections.at(tmp_path / "theirs.db")
    run, blob = new_id(), where.blobs().put_bytes(b"evil")
    changes = (RunStarted(run, 1, "x", "a", "x"), ArtifactLogged(run, 2, name, *blob, "text/plain", "bytes"))
    where.store(create=True).apply(Batch(changes, command=new_id()))
    ml.connect(tmp_path / "theirs.db")
    into = tmp_path / "deep" / "down" / "here"
    into.mkdir(parents=True)
    for read in (ml.download_artifact, ml.artifact_path):
        with pytest.raises(ChachamlError):
            read(run, name, into) if read is ml.download_artifact else read(run, name)
    with pytest.raises(ChachamlError):
        ml.download_artifact(run, name, f"{into}/")
    assert not [path for path in tmp_path.rglob("*evil*") if "blobs" not in path.parts]
