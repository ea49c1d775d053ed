"""Experiments and runs by MLflow's protocol: as its own clients expect them, and kept as all others are."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import httpx
import pytest
from tests.served import SESSION, Served, served
from tests.surfaces.mlflow_api.client import Mlflow

import chachaml as ml
from chachaml.connection import using

INVALID, UNKNOWN, TAKEN = (
    (400, "INVALID_PARAMETER_VALUE"),
    (404, "RESOURCE_DOES_NOT_EXIST"),
    (400, "RESOURCE_ALREADY_EXISTS"),
)


# experiments --------------------------------------------------------------------------------------


def test_a_fresh_server_has_one_experiment(mlflow: Mlflow) -> None:
    (found,) = mlflow.get("experiments/search", max_results=10)["experiments"]
    assert (found["experiment_id"], found["name"], found["lifecycle_stage"]) == ("0", "Default", "active")
    assert mlflow.get("experiments/get", experiment_id="0")["experiment"]["name"] == "Default"
    assert mlflow.get("experiments/get-by-name", experiment_name="Default")["experiment"] == found


def test_experiments_are_made_found_renamed_and_deleted(mlflow: Mlflow) -> None:
    number = mlflow.experiment("iris", tags=[{"key": "a", "value": "b"}])
    assert number.isdecimal()
    run = mlflow.run(number)
    assert mlflow.refused("POST", "experiments/create", name="iris")[:2] == TAKEN
    mlflow.post("experiments/set-experiment-tag", experiment_id=number, key="c", value="")
    mlflow.post("experiments/delete-experiment-tag", experiment_id=number, key="a")
    mlflow.post("experiments/update", experiment_id=number, new_name="flowers")
    found = mlflow.get("experiments/get", experiment_id=number)["experiment"]
    assert (found["name"], found["tags"]) == ("flowers", [{"key": "c", "value": ""}])
    assert mlflow.look(run)["experiment_id"] == number
    assert mlflow.refused("GET", "experiments/get-by-name", experiment_name="iris")[:2] == UNKNOWN
    again = mlflow.experiment("iris")
    assert again != number
    assert (
        mlflow.get("experiments/get-by-name", experiment_name="iris")["experiment"]["experiment_id"] == again
    )

    mlflow.post("experiments/delete", experiment_id=number)
    assert mlflow.look(run)["lifecycle_stage"] == "deleted"
    assert mlflow.refused("POST", "runs/create", experiment_id=number)[:2] == INVALID
    assert mlflow.refused("POST", "experiments/create", name="flowers")[:2] == TAKEN
    shown = mlflow.post("experiments/search", max_results=10, view_type="DELETED_ONLY")["experiments"]
    assert [one["name"] for one in shown] == ["flowers"]
    mlflow.post("experiments/restore", experiment_id=number)
    assert mlflow.look(run)["lifecycle_stage"] == "active"


def test_searches_of_experiments_have_filters_orders_and_pages(mlflow: Mlflow) -> None:
    for name in ("b1", "a1", "b2"):
        mlflow.experiment(name, tags=[{"key": "kind", "value": name[0]}])

    def names(**given: object) -> list[str]:
        found = mlflow.post("experiments/search", **{"max_results": 10, **given})
        return [one["name"] for one in found.get("experiments", ())]

    assert names() == ["b2", "a1", "b1", "Default"]
    assert names(filter="name LIKE 'b%'", order_by=["name ASC"]) == ["b1", "b2"]
    assert names(filter="tags.kind = 'a'") == names(filter="name ILIKE 'A_'") == ["a1"]
    first = mlflow.post("experiments/search", max_results=3, order_by=["name"])
    assert [one["name"] for one in first["experiments"]] == ["Default", "a1", "b1"]
    second = mlflow.post(
        "experiments/search", max_results=3, order_by=["name"], page_token=first["next_page_token"]
    )
    assert [one["name"] for one in second["experiments"]] == ["b2"]
    assert "next_page_token" not in second
    assert mlflow.refused("POST", "experiments/search", max_results=0)[:2] == INVALID
    assert mlflow.refused("POST", "experiments/search", max_results=3, page_token="x")[:2] == INVALID


@pytest.mark.parametrize("location", ["s3://bucket/x", "/etc", "file:///etc", "../x", "http://elsewhere/x"])
def test_no_place_of_a_client_is_taken_for_artifacts(mlflow: Mlflow, location: str) -> None:
    assert mlflow.refused("POST", "experiments/create", name="x", artifact_location=location)[:2] == INVALID
    assert mlflow.refused("GET", "experiments/get-by-name", experiment_name="x")[:2] == UNKNOWN


# runs ---------------------------------------------------------------------------------------------


def test_a_run_is_shown_as_it_was_logged(mlflow: Mlflow) -> None:
    tags = {"mlflow.user": "ada", "mlflow.note.content": "a note", "mlflow.source.git.commit": "abc", "t": ""}
    run = mlflow.run(run_name="one", tags=[{"key": key, "value": value} for key, value in tags.items()])
    mlflow.post("runs/log-parameter", run_id=run, key="lr", value="0.10")
    mlflow.post("runs/log-metric", run_id=run, key="loss", value=0.5, timestamp=5, step=2)
    mlflow.post("runs/log-metric", run_id=run, key="loss", value="NaN", timestamp=4, step=1)
    mlflow.post("runs/log-metric", run_id=run, key="up", value="Infinity", timestamp="6")
    numbers_of_r = {"value": "0.5", "timestamp": "1.7e+12", "step": "1e+05"}
    mlflow.post("runs/log-metric", run_id=run, key="far", **numbers_of_r)
    mlflow.post("runs/set-tag", run_id=run, key="t", value="new")
    mlflow.post("runs/update", run_id=run, status="FINISHED", end_time=1_700_000_001_000)
    found = mlflow.look(run)
    assert (found["run_uuid"], found["run_name"], found["user_id"]) == (run, "one", "ada")
    assert (found["status"], found["start_time"]) == ("FINISHED", 1_700_000_000_000)
    assert (found["end_time"], found["lifecycle_stage"]) == (1_700_000_001_000, "active")
    assert found["artifact_uri"] == f"mlflow-artifacts:/0/{run}/artifacts"
    assert found["params"]["lr"]["value"] == "0.10"
    assert found["metrics"]["loss"] == {"key": "loss", "value": 0.5, "timestamp": 5, "step": 2}
    assert found["metrics"]["up"]["value"] == "Infinity"
    far = {"key": "far", "value": 0.5, "timestamp": 1_700_000_000_000, "step": 100_000}
    assert found["metrics"]["far"] == far
    kept = {**tags, "t": "new", "mlflow.runName": "one"}
    assert {key: one["value"] for key, one in found["tags"].items()} == kept
    history = mlflow.get("metrics/get-history", run_id=run, metric_key="loss")["metrics"]
    assert [(one["step"], one["value"]) for one in history] == [(1, "NaN"), (2, 0.5)]


def test_what_mlflow_logs_is_a_run_like_any_other(mlflow: Mlflow, server: Served) -> None:
    parent = mlflow.run(mlflow.experiment("iris"), run_name="parent")
    tags = [{"key": "mlflow.parentRunId", "value": parent}, {"key": "mlflow.note.content", "value": "N"}]
    run = mlflow.run(
        mlflow.get("experiments/get-by-name", experiment_name="iris")["experiment"]["experiment_id"],
        run_name="child",
        tags=tags,
    )
    params = [
        {"key": "lr", "value": "0.1"},
        {"key": "deep", "value": "True"},
        {"key": "opt", "value": "adam"},
    ]
    mlflow.post(
        "runs/log-batch", run_id=run, params=params, metrics=[{"key": "acc", "value": 1, "timestamp": 1}]
    )
    mlflow.post("runs/update", run_id=run, status="KILLED")
    with using(server.where):
        found = ml.run(run)
        assert (found.experiment, found.name, found.status, found.parent) == (
            "iris",
            "child",
            "interrupted",
            parent,
        )
        assert found.params == {"lr": 0.1, "deep": True, "opt": "adam"}
        assert (found.metrics["acc"], found.tags["note"]) == (1.0, "N")
        assert [one.id for one in ml.runs("params.lr < 0.2 and metrics.acc = 1")] == [run]


def test_what_chachaml_logs_is_read_by_mlflow(mlflow: Mlflow, server: Served) -> None:
    with using(server.where):
        with ml.start_run("native", name="mine") as run:
            ml.log_params({"lr": 0.5, "layers": [1, 2], "deep": False})
            ml.log_metric("loss", 0.25, step=3)
            ml.log_artifact("a/b.txt", "hello")
            ml.set_note("what it is")
        ml.flush()
        (one,) = mlflow.get("experiments/search", max_results=10, filter="name = 'native'")["experiments"]
        found = mlflow.look(run.id)
        assert (found["experiment_id"], found["run_name"]) == (one["experiment_id"], "mine")
        values = {key: one["value"] for key, one in found["params"].items()}
        assert values == {"lr": "0.5", "layers": "[1,2]", "deep": "False"}
        assert found["metrics"]["loss"]["value"] == 0.25
        assert found["tags"]["mlflow.note.content"]["value"] == "what it is"
        assert mlflow.search("params.lr = '0.5'", one["experiment_id"]) == ["mine"]
        listed = mlflow.get("artifacts/list", run_id=run.id, path="a")
        assert [file["path"] for file in listed["files"]] == ["a/b.txt"]


def test_statuses_and_names_change_until_they_suit(mlflow: Mlflow) -> None:
    run = mlflow.run()
    assert mlflow.look(run)["run_name"]
    for status in ("FAILED", "RUNNING", "KILLED", "FINISHED", "SCHEDULED"):
        assert mlflow.post("runs/update", run_id=run, status=status)["run_info"]["status"] == status
    assert mlflow.post("runs/update", run_id=run, run_name="new")["run_info"]["run_name"] == "new"
    mlflow.post("runs/set-tag", run_id=run, key="mlflow.runName", value="newer")
    assert mlflow.look(run)["run_name"] == "newer"
    assert mlflow.refused("POST", "runs/update", run_id=run, status="BAD")[:2] == INVALID
    given = {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}
    assert mlflow.refused("POST", "runs/create", experiment_id="0", **given)[:2] == INVALID


def test_a_run_that_is_scheduled_waits_until_it_is_claimed(mlflow: Mlflow, server: Served) -> None:
    for status in ("RUNNING", "FINISHED", "SCHEDULED"):
        run = mlflow.run(run_name=status.lower())
        mlflow.post("runs/update", run_id=run, status=status)
    asked = mlflow.search
    assert mlflow.look(run)["status"] == "SCHEDULED"
    assert "mlflow.status" not in mlflow.look(run)["tags"]
    assert asked("attributes.status = 'SCHEDULED'") == ["scheduled"]
    assert asked("attributes.status = 'RUNNING'") == ["running"]
    assert set(asked("attributes.status != 'SCHEDULED'")) == {"running", "finished"}
    assert set(asked("attributes.status != 'FINISHED'")) == {"running", "scheduled"}
    with using(server.where):
        (here,) = ml.runs(status="running", name="scheduled")
    assert here.tags == {"mlflow.status": "SCHEDULED"}
    mlflow.post("runs/update", run_id=run, status="RUNNING")
    assert mlflow.look(run)["status"] == "RUNNING"
    assert set(asked("attributes.status = 'RUNNING'")) == {"running", "scheduled"}
    assert asked("attributes.status = 'SCHEDULED'") == []


def test_deleted_runs_are_kept_and_refuse_what_is_logged(mlflow: Mlflow) -> None:
    run = mlflow.run(run_name="gone")
    mlflow.post("runs/delete", run_id=run)
    assert mlflow.look(run)["lifecycle_stage"] == "deleted"
    for call, given in (
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("runs/log-parameter", {"key": "p", "value": "1"}),
        ("runs/set-tag", {"key": "t", "value": "1"}),
        ("runs/update", {"status": "FINISHED"}),
        ("runs/delete", {}),
    ):
        status, code, message = mlflow.refused("POST", call, run_id=run, **given)
        assert (status, code) == INVALID
        assert "must be in the 'active' state" in message
    assert mlflow.search() == []
    assert mlflow.search(run_view_type="DELETED_ONLY") == mlflow.search(run_view_type="ALL") == ["gone"]
    assert mlflow.search("attributes.status = 'KILLED'", run_view_type="ALL") == ["gone"]
    mlflow.post("runs/restore", run_id=run)
    assert mlflow.search() == ["gone"]
    assert mlflow.refused("POST", "runs/restore", run_id=run)[:2] == INVALID


def test_params_stay_as_they_were_logged(mlflow: Mlflow) -> None:
    run = mlflow.run()
    mlflow.post("runs/log-parameter", run_id=run, key="lr", value="0.1")
    mlflow.post("runs/log-parameter", run_id=run, key="lr", value="0.1")
    status, code, message = mlflow.refused("POST", "runs/log-parameter", run_id=run, key="lr", value="1")
    assert (status, code) == INVALID
    assert "Changing param values is not allowed" in message
    params = [{"key": "new", "value": "1"}, {"key": "lr", "value": "2"}]
    assert mlflow.refused("POST", "runs/log-batch", run_id=run, params=params)[:2] == INVALID
    twice = [{"key": "two", "value": "1"}, {"key": "two", "value": "2"}]
    assert mlflow.refused("POST", "runs/log-batch", run_id=run, params=twice)[:2] == INVALID
    mlflow.post("runs/log-batch", run_id=run, params=[{"key": "empty", "value": ""}, {"key": "e2"}])
    shown = {key: one["value"] for key, one in mlflow.look(run)["params"].items()}
    assert shown == {"lr": "0.1", "empty": "", "e2": ""}


def test_batches_have_limits_and_are_written_once(mlflow: Mlflow) -> None:
    run = mlflow.run()
    metrics = [{"key": "m", "value": no / 2, "timestamp": 1000 + no, "step": no} for no in range(1000)]
    for _ in range(2):  # a client whose answer was lost sends it again
        mlflow.post("runs/log-batch", run_id=run, metrics=metrics)
    history = mlflow.get("metrics/get-history", run_id=run, metric_key="m")["metrics"]
    assert [one["value"] for one in history] == [no / 2 for no in range(1000)]
    for kind, most in (("metrics", 1000), ("params", 100), ("tags", 100)):
        given = {kind: [{"key": f"k{no}", "value": "1", "timestamp": 1} for no in range(most + 1)]}
        status, code, message = mlflow.refused("POST", "runs/log-batch", run_id=run, **given)
        assert (status, code) == INVALID
        assert f"at most {most} {kind}" in message


@pytest.mark.parametrize("key", ["", "a\tb", "../x", "/x", "a//b", ".", "x" * 251, "a'b", 5, None])
def test_keys_are_refused_as_mlflow_refuses_them(mlflow: Mlflow, key: object) -> None:
    run = mlflow.run()
    for call in ("runs/log-metric", "runs/log-parameter", "runs/set-tag"):
        value = 1 if call == "runs/log-metric" else "1"
        given = {"run_id": run, "key": key, "value": value, "timestamp": 1}
        assert mlflow.refused("POST", call, **given)[:2] == INVALID
    assert not mlflow.look(run)["params"]


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ({"key": "m", "value": "x", "timestamp": 1}, "metrics[0].value"),
        ({"key": "m", "value": True, "timestamp": 1}, "metrics[0].value"),
        ({"key": "m", "value": "1.2.3", "timestamp": 1}, "metrics[0].value"),
        ({"key": "m", "value": [1], "timestamp": 1}, "metrics[0].value"),
        ({"key": "m", "value": 1, "timestamp": 2**62}, "metrics[0].timestamp"),
        ({"key": "m", "value": 1, "timestamp": 1, "step": 2**63}, "metrics[0].step"),
        ({"key": "m", "timestamp": 1}, "metrics[0].value"),
        ({"key": "m", "value": 1}, "metrics[0].timestamp"),
        ({"key": "m", "value": 1, "timestamp": "soon"}, "metrics[0].timestamp"),
        ({"key": "m", "value": 1, "timestamp": 1, "step": 1.5}, "metrics[0].step"),
        ({"key": "m", "value": 1, "timestamp": 1, "step": "1.5e+00"}, "metrics[0].step"),
        ({"key": "m", "value": 1, "timestamp": 1, "step": "1e+19"}, "metrics[0].step"),
        ({"value": 1, "timestamp": 1}, "metrics[0].key"),
        ("m", "metrics[0]"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(mlflow: Mlflow, metric: object, named: str) -> None:
    status, code, message = mlflow.refused("POST", "runs/log-batch", run_id=mlflow.run(), metrics=[metric])
    assert (status, code) == INVALID
    assert f"'{named}'" in message


def test_long_values_are_cut_off(mlflow: Mlflow) -> None:
    run = mlflow.run()
    mlflow.post("runs/log-parameter", run_id=run, key="p", value="x" * 7000)
    mlflow.post("runs/set-tag", run_id=run, key="t", value="x" * 9000)
    found = mlflow.look(run)
    assert (len(found["params"]["p"]["value"]), len(found["tags"]["t"]["value"])) == (6000, 8000)


def test_tags_are_deleted_once(mlflow: Mlflow) -> None:
    run = mlflow.run(tags=[{"key": "t", "value": "1"}, {"key": "mlflow.note.content", "value": "N"}])
    for key in ("t", "mlflow.note.content"):
        mlflow.post("runs/delete-tag", run_id=run, key=key)
        assert mlflow.refused("POST", "runs/delete-tag", run_id=run, key=key)[:2] == UNKNOWN
    assert mlflow.look(run)["tags"].keys() == {"mlflow.runName", "mlflow.user"}


def test_unknown_runs_and_experiments_are_not_found(mlflow: Mlflow) -> None:
    for run in ("0" * 32, "x", "../x"):
        assert mlflow.refused("GET", "runs/get", run_id=run)[:2] == UNKNOWN
        assert mlflow.refused("POST", "runs/set-tag", run_id=run, key="t", value="")[:2] == UNKNOWN
    for call in ("experiments/get", "artifacts/list", "runs/get"):
        assert mlflow.refused("GET", call)[:2] == INVALID
    assert mlflow.refused("GET", "experiments/get", experiment_id="7")[:2] == UNKNOWN
    assert mlflow.refused("POST", "runs/create", experiment_id="7")[:2] == UNKNOWN
    assert mlflow.search("", "7") == []


def test_history_comes_by_pages_and_of_many_runs(mlflow: Mlflow) -> None:
    one, two = mlflow.run(), mlflow.run()
    for run in (one, two):
        metrics = [{"key": "m", "value": no, "timestamp": no, "step": no} for no in range(10)]
        mlflow.post("runs/log-batch", run_id=run, metrics=metrics)
    pages, token = [], ""
    while True:
        asked = {
            "run_id": one,
            "metric_key": "m",
            "max_results": 4,
            **({"page_token": token} if token else {}),
        }
        found = mlflow.get("metrics/get-history", **asked)
        pages.append([row["step"] for row in found["metrics"]])
        if not (token := found.get("next_page_token", "")):
            break
    assert pages == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert mlflow.get("metrics/get-history", run_id=one, metric_key="none") == {}
    drawn = mlflow.get(
        "metrics/get-history-bulk-interval", run_ids=[one, two], metric_key="m", max_results=10
    )
    assert [row["run_id"] for row in drawn["metrics"]] == [one] * 10 + [two] * 10
    both = mlflow.get("metrics/get-history-bulk", run_id=[one, two], metric_key="m", max_results=12)[
        "metrics"
    ]
    assert [row["run_id"] for row in both] == [one] * 10 + [two] * 2


def test_data_sets_are_inputs_of_runs(mlflow: Mlflow, server: Served) -> None:
    run = mlflow.run()
    about = {"name": "iris", "digest": "d1", "source_type": "http", "source": '{"url": "https://x"}'}
    about |= {"schema": '{"mlflow_colspec": [{"name": "a"}, {"name": "b"}]}', "profile": '{"num_rows": 7}'}
    given = {"dataset": about, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    for _ in range(2):
        mlflow.post("runs/log-inputs", run_id=run, datasets=[given])
    assert mlflow.look(run)["inputs"]["dataset_inputs"] == [given]
    assert mlflow.search("dataset.digest = 'd1' AND dataset.context = 'training'") == [
        mlflow.look(run)["run_name"]
    ]
    with using(server.where):
        (kept,) = ml.run(run).datasets
        assert (kept.name, kept.role, kept.rows, kept.columns, kept.digest) == (
            "iris",
            "training",
            7,
            2,
            "d1",
        )
    missing = mlflow.refused("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "x"}}])
    assert missing[:2] == INVALID
    assert "datasets[0].dataset.digest" in missing[2]


# searching ----------------------------------------------------------------------------------------


def test_a_parent_and_a_user_that_are_set_later_are_found(mlflow: Mlflow) -> None:
    parent = mlflow.run(run_name="parent")
    mlflow.run(run_name="born", tags=[{"key": "mlflow.parentRunId", "value": parent}])
    set_later = [{"key": "mlflow.parentRunId", "value": parent}, {"key": "mlflow.user", "value": "ada"}]
    mlflow.post("runs/log-batch", run_id=mlflow.run(run_name="later"), tags=set_later)
    assert set(mlflow.search(f"tags.mlflow.parentRunId = '{parent}'")) == {"born", "later"}
    assert mlflow.search("tags.mlflow.parentRunId IS NULL") == ["parent"]
    assert mlflow.search("tags.mlflow.user = 'ada'") == ["later"]
    assert set(mlflow.search("tags.mlflow.user != 'ada'")) == {"parent", "born"}


def test_a_run_is_the_child_of_a_parent_that_is_named_later(mlflow: Mlflow) -> None:
    above, parent, run = (mlflow.run(run_name=name) for name in ("above", "parent", "run"))

    def name_parent(run: str, parent: str) -> None:
        mlflow.post("runs/set-tag", run_id=run, key="mlflow.parentRunId", value=parent)

    def children(of: str) -> list[str]:
        found = mlflow.http.get("/api/runs", params={"parent": of}).json()["runs"]
        return [one["name"] for one in found]

    name_parent(run, parent)
    name_parent(parent, above)
    assert (children(parent), children(above)) == (["run"], ["parent"])
    name_parent(above, run)  # which is below it
    name_parent(above, above)
    name_parent(parent, "0" * 32)
    assert (children(run), children(parent), children(above)) == ([], ["run"], ["parent"])
    mlflow.post("runs/delete-tag", run_id=run, key="mlflow.parentRunId")
    assert children(parent) == []
    assert "mlflow.parentRunId" not in mlflow.look(run)["tags"]
    told = mlflow.http.get("/api/history", params={"run_id": run}).json()
    assert [(one["before"], one["after"]) for one in told] == [(parent, None), (None, parent)]


def test_the_oldest_addresses_of_r_are_the_same_calls(mlflow: Mlflow) -> None:
    run = mlflow.run(run_name="old")
    answer = mlflow.http.get("/api/2.0/preview/mlflow/runs/get", params={"run_id": run})
    assert answer.json() == mlflow.get("runs/get", run_id=run)
    made = mlflow.http.post("/api/2.0/preview/mlflow/runs/create", json={"experiment_id": "0"})
    assert made.json()["run"]["info"]["status"] == "RUNNING"
    lost = mlflow.http.get("/api/2.0/preview/mlflow/runs/nothing")
    assert (lost.status_code, lost.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.fixture
def some(mlflow: Mlflow) -> Mlflow:
    """Three runs, one, two and three, the first of which is the oldest."""
    rows = (
        ("one", "0.1", 1.0, "FINISHED"),
        ("two", "0.2", math.inf, "FAILED"),
        ("three", "adam", math.nan, "RUNNING"),
    )
    for no, (name, param, value, status) in enumerate(rows):
        tags = [{"key": "team", "value": name[0]}, {"key": "a b", "value": "x"}]
        run = mlflow.run(run_name=name, start_time=1_700_000_000_000 + no, tags=tags)
        number = value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity"
        metrics = [{"key": "m", "value": number, "timestamp": 1}]
        metrics += [{"key": "only/one", "value": 5, "timestamp": 1}] if name == "one" else []
        mlflow.post("runs/log-batch", run_id=run, metrics=metrics, params=[{"key": "p", "value": param}])
        mlflow.post("runs/update", run_id=run, status=status)
    return mlflow


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ("", "three two one"),
        ("metrics.m >= 1", "two one"),
        ("metric.m != 1", "three two"),
        ("metrics.`only/one` = 5", "one"),
        ('metrics."only/one" <= 5.0', "one"),
        ("metrics.only/one > 5e0", ""),
        ("params.p = '0.1'", "one"),
        ("parameters.p != '0.1' and tags.team = 't'", "three two"),
        ("params.p LIKE '0.%' AND metrics.m < 2", "one"),
        ("params.p ilike 'ADAM'", "three"),
        ("params.none != 'x'", ""),
        ("params.none IS NULL", "three two one"),
        ("tags.team IS NOT NULL and tags.`a b` = 'x'", "three two one"),
        ("attributes.status = 'FINISHED'", "one"),
        ("status = 'FAILED'", "two"),
        ('attr.status != "RUNNING"', "two one"),
        ("run.run_name = 'two'", "two"),
        ("start_time > 1700000000000", "three two"),
        ("start_time = 1700000000001", "two"),
        ("start_time != 1700000000001", "three one"),
        ("start_time <= 1700000000001", "two one"),
        ("tags.mlflow.runName LIKE 't%'", "three two"),
        ("attributes.run_id IN ('x')", ""),
        ("attributes.run_id NOT IN ('x')", "three two one"),
    ],
)
def test_runs_are_found_by_mlflows_filters(some: Mlflow, filter: str, names: str) -> None:
    assert some.search(filter) == names.split()


@pytest.mark.parametrize(
    "filter",
    [
        "metrics.m = 'x'",
        "params.p = 1",
        "params.p > '1'",
        "metrics.m LIKE '1'",
        "metrics.m = 1 OR metrics.m = 2",
        "(metrics.m = 1)",
        "m.x.y = 1",
        "attributes.colour = 'x'",
        "metrics.m",
        "metrics.m =",
        "metrics.m = 1 metrics.m = 2",
        "tags.t = x",
        "tags.t = 'x",
        "run_id IN ()",
        "; DROP TABLE runs",
    ],
)
def test_filters_that_make_no_sense_are_refused(some: Mlflow, filter: str) -> None:
    asked = {"experiment_ids": ["0"], "filter": filter}
    assert some.refused("POST", "runs/search", **asked)[:2] == INVALID


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (["metrics.m"], "one two three"),
        (["metrics.m DESC"], "two one three"),
        (["metrics.`only/one` DESC"], "one three two"),
        (["params.p ASC"], "one two three"),
        (["tags.team desc", "start_time ASC"], "two three one"),
        (["attributes.run_name"], "one three two"),
        (["start_time ASC"], "one two three"),
    ],
)
def test_runs_come_in_mlflows_orders(some: Mlflow, order: list[str], names: str) -> None:
    assert some.search(order_by=order) == names.split()


def test_searches_come_by_pages(some: Mlflow) -> None:
    asked = {"experiment_ids": ["0"], "max_results": 2}
    first = some.post("runs/search", **asked)
    assert [run["info"]["run_name"] for run in first["runs"]] == ["three", "two"]
    second = some.post("runs/search", **asked, page_token=first["next_page_token"])
    assert [run["info"]["run_name"] for run in second["runs"]] == ["one"]
    assert "next_page_token" not in second
    for wrong in (
        {"page_token": "broken"},
        {"max_results": 0},
        {"max_results": 50_001},
        {"run_view_type": "X"},
    ):
        assert some.refused("POST", "runs/search", **{**asked, **wrong})[:2] == INVALID
    assert some.post("runs/search", experiment_ids=[]) == {}


# the server ---------------------------------------------------------------------------------------


def test_newer_clients_find_what_they_probe(mlflow: Mlflow) -> None:
    assert mlflow.http.get("/health").text == "OK"
    major, minor, _ = mlflow.http.get("/version").text.split(".")
    assert (int(major), int(minor)) < (3, 4)  # later ones send traces to an address that is not here
    assert mlflow.http.get("/api/3.0/mlflow/server-info").json()["workspaces_enabled"] is False


def test_all_prefixes_lead_to_the_same(mlflow: Mlflow) -> None:
    for prefix in ("/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"):
        assert mlflow.http.get(f"{prefix}/mlflow/experiments/get?experiment_id=0").status_code == 200
    assert mlflow.http.get("/api/2.1/mlflow/experiments/get?experiment_id=0").status_code == 404


def test_what_is_not_here_says_so_and_is_not_asked_for_again(mlflow: Mlflow) -> None:
    for method, call in (
        ("POST", "traces"),
        ("GET", "traces/x/info"),
        ("POST", "webhooks"),
        ("GET", "scorers/list"),
    ):
        assert mlflow.refused(method, call)[:2] == (501, "NOT_IMPLEMENTED")
    assert mlflow.refused("POST", "runs/fly")[:2] == (404, "ENDPOINT_NOT_FOUND")


def test_bodies_are_json_or_nothing(mlflow: Mlflow) -> None:
    address = "/api/2.0/mlflow/experiments/create"
    for content, kind in (("{", "application/json"), ("[1]", "application/json"), ("name=x", "text/plain")):
        answer = mlflow.http.post(address, content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error_code"]) == INVALID
    sent = {
        "content": b'{"name": "x", "new": 1}',
        "headers": {"Content-Type": "application/json; charset=utf-8"},
    }
    assert mlflow.http.post(address, **sent).status_code == 200  # type: ignore[arg-type]


def test_clients_show_tokens_as_mlflow_has_them(tmp_path: Path) -> None:
    with served(tmp_path / "closed.db", require_token=True) as server:
        url = f"{server.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
        answer = httpx.get(url)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        assert httpx.get(url, headers={"Authorization": f"Bearer {SESSION}"}).status_code == 200
        assert httpx.get(url, auth=("anybody", SESSION)).status_code == 200
        assert httpx.get(url, auth=("anybody", "wrong")).status_code == 401
        broken = "Basic " + base64.b64encode(b"\xff\xfe").decode()
        assert httpx.get(url, headers={"Authorization": broken}).status_code == 401


def test_other_pages_may_not_ask(mlflow: Mlflow) -> None:
    answer = mlflow.http.post(
        "/api/2.0/mlflow/experiments/create", json={"name": "x"}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403
    assert mlflow.refused("GET", "experiments/get-by-name", experiment_name="x")[:2] == UNKNOWN
