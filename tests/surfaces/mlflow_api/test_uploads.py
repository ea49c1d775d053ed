"""Files in parts, as MLflow's clients send them with MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import Served, served
from tests.surfaces.mlflow_api.client import Mlflow
from tests.surfaces.mlflow_api.test_roles import client

from chachaml.artifacts import parts

PROXY = "/api/2.0/mlflow-artifacts"
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")

FALL_BACK = "Multipart upload is not supported for the current artifact repository"
"""How the message begins on which clients send a file in one stream."""


class Sender:
    """Sends a file in parts, as the Python client does."""

    def __init__(self, mlflow: Mlflow, run: str, folder: str = "") -> None:
        self.http, self.root = mlflow.http, f"0/{run}/artifacts"
        self.at = f"{self.root}/{folder}" if folder else self.root

    def ask(self, step: str, **given: Any) -> httpx.Response:
        return self.http.post(f"{PROXY}/mpu/{step}/{self.at}", json={"path": "/home/me/w.bin", **given})

    def begin(self, count: int) -> dict[str, Any]:
        answer = self.ask("create", num_parts=count)
        assert answer.status_code == 200, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    def put(self, credential: dict[str, Any], data: bytes) -> dict[str, Any]:
        """Send a part with nothing but what came with its address."""
        answer = httpx.put(credential["url"], content=data, headers=credential.get("headers"))
        assert answer.status_code == 200, answer.text
        number = credential["part_number"]
        return {"part_number": number, "etag": answer.headers["ETag"], "url": credential["url"]}

    def send(self, *pieces: bytes) -> None:
        begun = self.begin(len(pieces))
        pairs = [*zip(begun["credentials"], pieces, strict=True)]
        sent = [self.put(credential, piece) for credential, piece in reversed(pairs)]
        answer = self.ask("complete", upload_id=begun["upload_id"], parts=sent)
        assert (answer.status_code, answer.json()) == (200, {})

    def read(self, name: str) -> bytes:
        return self.http.get(f"{PROXY}/artifacts/{self.root}/{name}").content


def leftovers(server: Served) -> list[str]:
    folder = server.service.where.blobs().root / "blobs"
    return sorted(path.name for path in folder.glob(".*"))


def test_parts_become_one_artifact(server: Served, mlflow: Mlflow) -> None:
    run = mlflow.run()
    pieces = [os.urandom(300_000), os.urandom(300_000), b"end"]
    sender = Sender(mlflow, run, "model/data")
    sender.send(*pieces)
    assert sender.read("model/data/w.bin") == b"".join(pieces)
    (kept,) = server.service.store.get_run(run).artifacts
    assert (kept.name, kept.size) == ("model/data/w.bin", 600_003)
    sender.send(b"again")
    assert sender.read("model/data/w.bin") == b"again"
    Sender(mlflow, run).send()
    assert sender.read("w.bin") == b""
    assert leftovers(server) == []


def test_a_part_may_be_sent_again_and_the_one_that_is_named_counts(mlflow: Mlflow) -> None:
    sender = Sender(mlflow, mlflow.run())
    begun = sender.begin(2)
    first, second = begun["credentials"]
    broken = sender.put(first, b"bro")
    sent = [sender.put(first, b"whole "), sender.put(second, b"file")]
    for wrong in ([sent[0]], [sent[0], sent[0]], [sent[1], {**sent[1], "part_number": 1}], []):
        answer = sender.ask("complete", upload_id=begun["upload_id"], parts=wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert broken["etag"] != sent[0]["etag"]
    assert sender.ask("complete", upload_id=begun["upload_id"], parts=sent).status_code == 200
    assert sender.read("w.bin") == b"whole file"
    assert sender.ask("complete", upload_id=begun["upload_id"], parts=sent).status_code == 404


def test_what_is_aborted_leaves_nothing(server: Served, mlflow: Mlflow) -> None:
    sender = Sender(mlflow, mlflow.run())
    begun = sender.begin(1)
    sender.put(begun["credentials"][0], b"x")
    assert len(leftovers(server)) == 2
    assert sender.ask("abort", upload_id=begun["upload_id"]).status_code == 200
    assert leftovers(server) == []
    assert httpx.put(begun["credentials"][0]["url"], content=b"x").status_code == 404
    assert sender.ask("abort", upload_id="../../chachaml.db").status_code == 404


def test_what_makes_no_sense_is_refused(mlflow: Mlflow) -> None:
    run = mlflow.run()
    sender = Sender(mlflow, run)
    for odd in ({"num_parts": 10_001}, {"num_parts": -1}, {"path": ""}, {"path": "/home/.."}, {"path": 7}):
        answer = sender.ask("create", **odd)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), odd
    begun = sender.begin(1)
    for number in ("0", "2", "one", "1" * 5000):
        url = begun["credentials"][0]["url"].removesuffix("1") + number
        assert httpx.put(url, content=b"x").status_code == 400
    for place in ("deep/er", "0", "..%2f0"):  # as clients before 2.10 name it
        answer = mlflow.http.post(f"{PROXY}/mpu/create/{place}", json={"path": "w.bin", "num_parts": 1})
        assert (answer.status_code, answer.json()["message"].startswith(FALL_BACK)) == (501, True)
    assert Sender(mlflow, "0" * 32).ask("create", num_parts=1).status_code == 404
    mlflow.post("runs/delete", run_id=run)
    assert sender.ask("create", num_parts=1).status_code == 400


def test_abandoned_uploads_go_and_no_more_than_so_many_are_open(
    server: Served, mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_OPEN", 2)
    sender = Sender(mlflow, mlflow.run())
    begun = [sender.begin(1) for _ in range(2)]
    sender.put(begun[0]["credentials"][0], b"x")
    told = sender.ask("create", num_parts=1)
    assert (told.status_code, told.json()["message"].startswith(FALL_BACK)) == (501, True)
    folder, old = server.service.where.blobs().root / "blobs", time.time() - 90_000
    os.utime(folder / f".part-{begun[0]['upload_id']}", (old, old))
    sender.send(b"y")
    assert leftovers(server) == [f".part-{begun[1]['upload_id']}"]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        yield server


def test_parts_are_taken_from_whoever_began(team: Served) -> None:
    with client(team, "ada", "admin").http as root, client(team, "bob", Default="writer").http as other:
        ada, bob = Mlflow(root), Mlflow(other)
        run = ada.run()
        begun = Sender(ada, run).begin(1)
        (part,) = begun["credentials"]
        assert httpx.put(part["url"], content=b"x").status_code == 401
        assert bob.http.put(part["url"], content=b"x").status_code == 404
        given = {"upload_id": begun["upload_id"], "parts": [{"part_number": 1, "etag": "0" * 64}]}
        assert Sender(bob, run).ask("complete", **given).status_code == 404
        assert Sender(bob, run).ask("abort", **given).status_code == 404
        Sender(ada, run).put(part, b"x")
        Sender(bob, run).send(b"of bob's")
        assert Sender(ada, run).read("w.bin") == b"of bob's"
