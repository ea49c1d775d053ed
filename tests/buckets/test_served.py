"""Artifacts in a bucket behind a server: through it, or past it, as its owner says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import pytest

import chachaml as ml
from chachaml import connection as connections
from chachaml.core.errors import StoreUnavailable
from tests.buckets.front import Front
from tests.buckets.test_bucket import LARGE, objects
from tests.served import SESSION, served
from tests.surfaces.mlflow_api.client import Mlflow
from tests.surfaces.mlflow_api.test_uploads import Sender


@contextmanager
def serving(folder: Path, bucket: str, *, direct: bool = False) -> Iterator[str]:
    """Serve a store whose artifacts are in the bucket, and connect to it; gives its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHACHAML_ARTIFACTS", bucket)
        patch.setenv("CHACHAML_ARTIFACTS_DIRECT", "on" if direct else "off")
        with served(folder / "served.db") as server:
            ml.connect(server.url, token=SESSION)
            yield server.url
            connections.close_all()


def logged() -> ml.Run:
    with ml.start_run() as run:
        ml.log_artifact("large", LARGE)
        ml.log_text("note", "small")
    ml.flush()
    return run


def forget() -> None:
    """Leave nothing of what this machine has of the server's artifacts."""
    kept = list((connections.connection().artifacts / "blobs").glob("??/*"))
    assert kept
    for path in kept:
        path.unlink()


ASKING = {"Authorization": f"Bearer {SESSION}"}


@pytest.mark.parametrize("direct", [False, True], ids=["through it", "directly"])
def test_a_server_keeps_artifacts_in_a_bucket(folder: Path, bucket: str, direct: bool) -> None:
    with serving(folder, bucket, direct=direct) as server:
        run = logged()
        kinds = ("blobs", "large", "pieces", "incoming")
        assert [len(objects(bucket, kind)) for kind in kinds] == [1, 1, 2, 0]
        forget()
        assert ml.load_artifact(run, "large") == LARGE
        given = httpx.get(
            f"{server}/api/artifacts/{run.id}/large/download", headers={"Range": "bytes=5-9"}, timeout=60
        )
        assert (given.status_code, given.content) == (206, LARGE[5:10])
        assert given.headers["content-disposition"].startswith("attachment")
        digest = {one.name: one.digest for one in ml.list_artifacts(run)}["note"]
        address = httpx.get(f"{server}/api/blobs/{digest}/address")
        assert address.status_code == (200 if direct else 409)
        if direct:
            told = httpx.get(address.json()["address"])
            assert told.content == b"small"
            assert told.headers["content-disposition"] == "attachment"


def test_the_bytes_go_past_a_server_that_allows_it(folder: Path, bucket: str, front: Front) -> None:
    """Pieces of what is sent, and of what is fetched."""
    with serving(folder, bucket, direct=True):
        run = logged()
        assert signed(front) == ["PUT"] * 3  # eight megabytes each
        front.asked.clear()
        forget()
        broken: list[str] = []
        front.cut = lambda method, path: SIGNED in path and not broken and not broken.append(path)  # type: ignore[func-returns-value]
        assert ml.load_artifact(run, "large") == LARGE
        assert signed(front) == ["GET"] * 3  # one of the two broke


SIGNED = "X-Amz-Signature"


def signed(front: Front) -> list[str]:
    """Return the methods of what came by addresses that the server gave away."""
    return [method for method, path in front.asked if SIGNED in path]


def test_where_a_bucket_cannot_be_reached_bytes_go_through_the_server(folder: Path, bucket: str) -> None:
    """As when its address is one of the server's own network."""
    with serving(folder, bucket, direct=True):
        direct = connections.connection().blobs()._direct  # type: ignore[attr-defined]
        direct._client = httpx.Client(transport=_NoWay())
        run = logged()
        forget()
        assert ml.load_artifact(run, "large") == LARGE
        assert not direct._is_on


class _NoWay(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way there", request=request)


def test_bytes_put_directly_are_checked(folder: Path, bucket: str) -> None:
    """Whoever was given an address may put anything there, and none of it becomes an artifact's bytes."""
    digest = "ab" * 32
    with serving(folder, bucket, direct=True) as server:
        asked = {**ASKING, "Upload-Offset": "0", "Upload-Length": "4"}
        place = f"{server}/api/blobs/{digest}"
        address = httpx.post(f"{place}/address", headers=asked, timeout=60).json()["address"]
        urlopen(Request(address, data=b"evil", method="PUT")).close()
        joined = httpx.patch(place, headers={**asked, "Upload-Offset": "4"}, timeout=60)
        assert joined.status_code == 400
        assert [objects(bucket, kind) for kind in ("blobs", "large", "pieces", "incoming")] == [
            [],
            [],
            [],
            [],
        ]


def test_a_file_that_came_in_parts_is_kept_in_the_bucket(folder: Path, bucket: str) -> None:
    with serving(folder, bucket) as server, httpx.Client(base_url=server, headers=ASKING) as http:
        mlflow = Mlflow(http)
        sender = Sender(mlflow, mlflow.run())
        sender.send(b"first ", b"second")
        assert len(objects(bucket, "blobs")) == 1
        assert sender.read("w.bin") == b"first second"


@pytest.mark.filterwarnings("ignore:chachaml")
def test_clients_are_told_what_the_bucket_does_not_take(folder: Path, bucket: str, front: Front) -> None:
    with serving(folder, bucket):
        front.refuse = lambda method, path: (403, "AccessDenied")
        with ml.start_run():
            ml.log_text("note", "small")
        with pytest.raises(StoreUnavailable, match="may not do that"):
            ml.flush()
        front.refuse = lambda method, path: None
        ml.flush()
