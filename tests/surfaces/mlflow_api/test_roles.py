"""Roles hold for MLflow's clients as for all others: nobody sees or changes more than they may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import Served, served
from tests.surfaces.mlflow_api.client import Mlflow

from chachaml.core.access import digest_of, new_token
from chachaml.core.changes import AccountSet, Batch, TokenIssued
from chachaml.core.ids import new_id

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def client(server: Served, name: str, role: str = "", **grants: str) -> Mlflow:
    """Return the client of a new account."""
    secret = new_token()
    changes = (
        AccountSet(1, "root", name, "user", role, grants),  # type: ignore[arg-type]
        TokenIssued(1, "root", new_id(), name, digest_of(secret), 2**60),
    )
    server.service.store.apply(Batch(changes, command=new_id()))
    server.service.directory.forget()
    return Mlflow(httpx.Client(base_url=server.url, timeout=30, auth=("anybody", secret)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        yield server


def test_a_member_of_one_experiment_knows_nothing_of_the_others(server: Served) -> None:
    with client(server, "ada", "admin").http as root, client(server, "bob", mine="writer").http as other:
        ada, bob = Mlflow(root), Mlflow(other)
        secret = ada.experiment("canary", tags=[{"key": "canary", "value": "canary"}])
        run = ada.run(secret, run_name="canary")
        ada.post("runs/log-batch", run_id=run, metrics=[{"key": "canary", "value": 1, "timestamp": 1}])
        ada.http.put(f"{PROXY}/{secret}/{run}/artifacts/canary.txt", content=b"canary")
        given = {"experiment_id": secret, "name": "canary", "source_run_id": run}
        model = ada.post("logged-models", **given)["model"]["info"]["model_id"]
        ada.post("registered-models/create", name="canary-net")
        ada.post("model-versions/create", name="canary-net", source=f"runs:/{run}/canary.txt", run_id=run)
        mine = ada.experiment("mine")
        for method, call, asked in (
            ("GET", "experiments/get", {"experiment_id": secret}),
            ("GET", "experiments/get-by-name", {"experiment_name": "canary"}),
            ("GET", "runs/get", {"run_id": run}),
            ("GET", "metrics/get-history", {"run_id": run, "metric_key": "canary"}),
            ("GET", "artifacts/list", {"run_id": run}),
            ("GET", f"logged-models/{model}", {}),
            ("GET", "registered-models/get", {"name": "canary-net"}),
            ("GET", "model-versions/get", {"name": "canary-net", "version": 1}),
            ("POST", "runs/create", {"experiment_id": secret}),
            ("POST", "runs/set-tag", {"run_id": run, "key": "t", "value": "x"}),
            ("POST", "runs/log-inputs", {"run_id": run}),
            ("POST", "runs/delete", {"run_id": run}),
            ("POST", "experiments/delete", {"experiment_id": secret}),
        ):
            assert bob.refused(method, call, **asked)[:2] == (404, "RESOURCE_DOES_NOT_EXIST"), call
        for method, call, asked in (
            ("POST", "experiments/search", {"max_results": 100}),
            ("POST", "runs/search", {"experiment_ids": [secret, mine, "0"]}),
            ("POST", "logged-models/search", {"experiment_ids": [secret]}),
            ("GET", "registered-models/search", {}),
            ("POST", "registered-models/search", {}),
            ("GET", "model-versions/search", {}),
        ):
            answer = bob.ask(method, call, **asked)
            assert (answer.status_code, "canary" in answer.text) == (200, False), call
        for path in (f"{secret}/{run}/artifacts/canary.txt", f"{mine}/{run}/artifacts/canary.txt"):
            assert bob.http.get(f"{PROXY}/{path}").status_code == 404
            assert bob.http.put(f"{PROXY}/{path}", content=b"x").status_code == 404
        own = bob.run(mine, run_name="own")
        bob.post("runs/log-parameter", run_id=own, key="p", value="1")
        assert (bob.look(own)["user_id"], bob.search("", mine)) == ("bob", ["own"])


def test_a_reader_reads(server: Served) -> None:
    with client(server, "ada", "admin").http as root, client(server, "eve", "reader").http as other:
        ada, eve = Mlflow(root), Mlflow(other)
        run = ada.run(ada.experiment("iris"), run_name="one")
        assert eve.look(run)["run_name"] == "one"
        for call, asked in (
            ("runs/set-tag", {"run_id": run, "key": "t", "value": "x"}),
            ("experiments/create", {"name": "new"}),
            ("runs/update", {"run_id": run, "status": "FINISHED"}),
        ):
            assert eve.refused("POST", call, **asked)[:2] == (403, "PERMISSION_DENIED")
