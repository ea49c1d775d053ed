"""Artifacts, logged models and the registry by MLflow's protocol."""

from __future__ import annotations

import http.client
import json
import zipfile
from contextlib import closing

import pytest
from tests.served import Served
from tests.surfaces.mlflow_api.client import Mlflow

import chachaml as ml
from chachaml.connection import using

INVALID, UNKNOWN, TAKEN = (
    (400, "INVALID_PARAMETER_VALUE"),
    (404, "RESOURCE_DOES_NOT_EXIST"),
    (400, "RESOURCE_ALREADY_EXISTS"),
)
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def put(mlflow: Mlflow, run: str, name: str, data: bytes) -> None:
    answer = mlflow.http.put(f"{PROXY}/0/{run}/artifacts/{name}", content=data)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.fixture
def run(mlflow: Mlflow) -> str:
    """A run with a model of two files."""
    made = mlflow.run(run_name="trained")
    put(mlflow, made, "model/MLmodel", b"flavors: {}")
    put(mlflow, made, "model/data/weights.bin", b"\0\1\2")
    return made


# artifacts ----------------------------------------------------------------------------------------


def test_artifacts_go_up_and_down(mlflow: Mlflow, run: str, server: Served) -> None:
    put(mlflow, run, "notes ü.txt", b"hello")
    put(mlflow, run, "notes ü.txt", b"hello again")
    mlflow.post("runs/update", run_id=run, status="FINISHED")
    put(mlflow, run, "late.txt", b"")
    root = f"0/{run}/artifacts"
    answer = mlflow.http.get(f"{PROXY}/{root}/notes ü.txt")
    assert (answer.content, answer.headers["x-content-type-options"]) == (b"hello again", "nosniff")
    assert answer.headers["content-disposition"].startswith("attachment")
    listed = mlflow.http.get(PROXY, params={"path": root}).json()["files"]
    assert listed == [
        {"path": "late.txt", "is_dir": False, "file_size": 0},
        {"path": "model", "is_dir": True},
        {"path": "notes ü.txt", "is_dir": False, "file_size": 11},
    ]
    inside = mlflow.http.get(PROXY, params={"path": f"{root}/model"}).json()["files"]
    assert [one["path"] for one in inside] == ["MLmodel", "data"]
    assert mlflow.http.get(PROXY, params={"path": f"{root}/none"}).json() == {"files": []}
    of_run = mlflow.get("artifacts/list", run_id=run, path="model")
    assert [one["path"] for one in of_run["files"]] == ["model/MLmodel", "model/data"]
    assert of_run["root_uri"] == f"mlflow-artifacts:/{root}"
    assert mlflow.http.get("/get-artifact", params={"run_uuid": run, "path": "late.txt"}).content == b""
    assert mlflow.http.get(f"{PROXY}/{root}/none").json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    with using(server.where):
        assert {one.name for one in ml.run(run).artifacts} >= {"model/MLmodel", "late.txt"}


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "%252e%252e%252fsecret",
        "a/../../secret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "C:/secret",
        "a//b",
        "a/./b",
        "..\\secret",
        "a%00b",
    ],
)
def test_no_path_leads_out_of_a_run(mlflow: Mlflow, run: str, path: str) -> None:
    for address in (f"/0/{run}/artifacts/{path}", f"/{path}", f"/0/{path}"):
        for method in ("GET", "PUT"):
            line = http.client.HTTPConnection(mlflow.http.base_url.host, mlflow.http.base_url.port)
            line.request(method, PROXY + address, b"x" if method == "PUT" else None)  # as it is
            with closing(line), line.getresponse() as answer:
                assert answer.status in (400, 404), (method, address)
                assert "error_code" in json.loads(answer.read())
    asked = {"run_id": run, "path": path.replace("%2e", ".").replace("%2f", "/").replace("%00", "\0")}
    assert mlflow.ask("GET", "artifacts/list", **asked).status_code in (200, 400)
    assert [one["path"] for one in mlflow.get("artifacts/list", run_id=run)["files"]] == ["model"]


def test_deletions_are_refused_in_words_that_clients_know(mlflow: Mlflow, run: str) -> None:
    gone = mlflow.http.delete(f"{PROXY}/0/{run}/artifacts/model/MLmodel")
    assert (gone.status_code, gone.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


# logged models ------------------------------------------------------------------------------------


def logged(mlflow: Mlflow, run: str, **given: object) -> str:
    made = mlflow.post(
        "logged-models", **{"experiment_id": "0", "name": "net", "source_run_id": run, **given}
    )
    found: str = made["model"]["info"]["model_id"]
    return found


def test_a_logged_model_is_among_the_artifacts_of_its_run(mlflow: Mlflow) -> None:
    run = mlflow.run()
    params, tags = [{"key": "p", "value": "1"}], [{"key": "t", "value": "x"}]
    model = logged(mlflow, run, params=params, tags=tags, model_type="agent")
    root = f"0/models/{model}/artifacts"
    assert mlflow.http.put(f"{PROXY}/{root}/data/w.bin", content=b"w").status_code == 200
    mlflow.did("PATCH", f"logged-models/{model}", status="LOGGED_MODEL_READY")
    mlflow.did("PATCH", f"logged-models/{model}/tags", tags=[{"key": "u", "value": "y"}])
    mlflow.did("DELETE", f"logged-models/{model}/tags/t")
    mlflow.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}])
    metric = {"key": "acc", "value": 0.5, "timestamp": 1, "step": 1, "model_id": model}
    mlflow.post("runs/log-batch", run_id=run, metrics=[metric])
    found = mlflow.get(f"logged-models/{model}")["model"]
    info, data = found["info"], found["data"]
    assert (info["status"], info["source_run_id"], info["model_type"]) == ("LOGGED_MODEL_READY", run, "agent")
    assert info["artifact_uri"] == f"mlflow-artifacts:/{root}"
    assert (info["tags"], data["params"]) == ([{"key": "u", "value": "y"}], params)
    assert [(one["key"], one["value"], one["run_id"]) for one in data["metrics"]] == [("acc", 0.5, run)]
    assert mlflow.look(run)["outputs"]["model_outputs"] == [{"model_id": model, "step": 3}]
    assert [one["path"] for one in mlflow.get("artifacts/list", run_id=run)["files"]] == ["net"]
    inside = mlflow.get(f"logged-models/{model}/artifacts/directories", artifact_directory_path="data")[
        "files"
    ]
    assert inside == [{"path": "data/w.bin", "is_dir": False, "file_size": 1}]
    assert mlflow.http.get(f"{PROXY}/0/{run}/artifacts/net/data/w.bin").content == b"w"
    assert mlflow.http.get(f"{PROXY}/{root}/data/w.bin").content == b"w"


def test_models_of_one_name_do_not_share_files(mlflow: Mlflow, run: str) -> None:
    one, two = logged(mlflow, run), logged(mlflow, run)
    three = logged(mlflow, run, name="model")
    for model in (one, two, three):
        mlflow.http.put(f"{PROXY}/0/models/{model}/artifacts/id", content=model.encode())
    for model in (one, two, three):
        assert mlflow.http.get(f"{PROXY}/0/models/{model}/artifacts/id").content == model.encode()
    assert mlflow.http.get(PROXY, params={"path": f"0/models/{three}/artifacts"}).json()["files"] == [
        {"path": "id", "is_dir": False, "file_size": 34}
    ]


def test_a_model_without_a_run_has_one_of_its_own(mlflow: Mlflow) -> None:
    model = logged(mlflow, "")
    assert mlflow.http.put(f"{PROXY}/0/models/{model}/artifacts/x", content=b"x").status_code == 200
    mlflow.did("PATCH", f"logged-models/{model}", status="LOGGED_MODEL_READY")
    assert mlflow.search("attributes.status = 'FINISHED'") == ["net"]


def test_logged_models_are_searched_and_forgotten(mlflow: Mlflow) -> None:
    run = mlflow.run()
    one, two = (
        logged(mlflow, run, name="a"),
        logged(mlflow, run, name="b", params=[{"key": "p", "value": "1"}]),
    )

    def names(**given: object) -> list[str]:
        found = mlflow.post("logged-models/search", **{"experiment_ids": ["0"], **given})
        return [model["info"]["name"] for model in found.get("models", ())]

    assert names() == ["b", "a"]
    assert names(filter="params.p = '1'") == names(filter="name = 'b'") == ["b"]
    assert names(order_by=[{"field_name": "name", "ascending": True}]) == ["a", "b"]
    assert names(filter=f"source_run_id = '{run}'", max_results=1) == ["b"]
    mlflow.did("DELETE", f"logged-models/{one}")
    assert names() == ["b"]
    assert mlflow.refused("GET", f"logged-models/{one}")[:2] == UNKNOWN
    assert mlflow.refused("PATCH", f"logged-models/{two}", status="X")[:2] == INVALID
    assert mlflow.refused("POST", "logged-models", experiment_id="0", name="a/b")[:2] == INVALID


# the registry -------------------------------------------------------------------------------------


def test_registered_models_are_made_described_and_found(mlflow: Mlflow, owner: Mlflow) -> None:
    for name in ("b", "a"):
        made = mlflow.post("registered-models/create", name=name, tags=[{"key": "k", "value": name}])
        assert made["registered_model"]["name"] == name
    assert mlflow.refused("POST", "registered-models/create", name="a")[:2] == TAKEN
    for wrong in ("", "x/y", "x:y", None):
        assert mlflow.refused("POST", "registered-models/create", name=wrong)[:2] == INVALID
    mlflow.did("PATCH", "registered-models/update", name="a", description="about")
    mlflow.post("registered-models/set-tag", name="a", key="new", value="1")
    mlflow.did("DELETE", "registered-models/delete-tag", name="a", key="k")
    found = mlflow.get("registered-models/get", name="a")["registered_model"]
    assert (found["description"], found["tags"]) == ("about", [{"key": "new", "value": "1"}])

    def names(**given: object) -> list[str]:
        rows = mlflow.get("registered-models/search", **given).get("registered_models", ())
        return [row["name"] for row in rows]

    assert names() == ["a", "b"]
    by_post = mlflow.post("registered-models/search", max_results="100", order_by=["name DESC"])
    assert [row["name"] for row in by_post["registered_models"]] == ["b", "a"]
    assert names(filter="name LIKE 'b%'") == names(filter="tags.k = 'b'") == ["b"]
    assert names(filter="tags.`mlflow.prompt.is_prompt` != 'true'", order_by="name DESC") == ["b", "a"]
    assert mlflow.refused("DELETE", "registered-models/delete", name="a")[:2] == (401, "UNAUTHENTICATED")
    owner.did("DELETE", "registered-models/delete", name="a")
    assert names() == ["b"]
    assert mlflow.refused("GET", "registered-models/get", name="a")[:2] == UNKNOWN


def test_a_model_is_renamed_with_all_that_is_its(owner: Mlflow, run: str, server: Served) -> None:
    owner.post("registered-models/create", name="net", description="about", tags=[{"key": "k", "value": "v"}])
    owner.post("model-versions/create", name="net", source=f"runs:/{run}/model", run_id=run)
    owner.post("registered-models/alias", name="net", alias="best", version="1")
    before = owner.get("registered-models/get", name="net")["registered_model"]
    owner.post("registered-models/create", name="taken")
    for new, code in (("taken", TAKEN), ("net", TAKEN), ("", INVALID), ("a/b", INVALID)):
        assert owner.refused("POST", "registered-models/rename", name="net", new_name=new)[:2] == code
    assert owner.refused("POST", "registered-models/rename", name="none", new_name="x")[:2] == UNKNOWN
    after = owner.post("registered-models/rename", name="net", new_name="nets")["registered_model"]
    kept = ("description", "tags", "aliases", "creation_timestamp")
    assert after["name"] == "nets"
    assert [after[key] for key in kept] == [before[key] for key in kept]
    assert [one["version"] for one in after["latest_versions"]] == ["1"]
    assert owner.refused("GET", "registered-models/get", name="net")[:2] == UNKNOWN
    found = owner.get("registered-models/alias", name="nets", alias="best")["model_version"]
    assert (found["name"], found["run_id"]) == ("nets", run)
    told = [(move.what, move.before, move.after) for move in server.service.store.moves("nets")]
    assert told[0] == ("renamed", "net", "nets")
    assert {"registered", "alias", "tag"} <= {what for what, *_ in told}


def test_versions_keep_the_files_that_they_were_made_of(mlflow: Mlflow, run: str, server: Served) -> None:
    mlflow.post("registered-models/create", name="net")
    sources = (f"runs:/{run}/model", f"mlflow-artifacts:/0/{run}/artifacts/model")
    sources += (f"{server.url}{PROXY}/0/{run}/artifacts/model",)
    for number, source in enumerate(sources, 1):
        put(mlflow, run, "model/data/weights.bin", bytes([number]))
        made = mlflow.post("model-versions/create", name="net", source=source, run_id=run)["model_version"]
        assert (made["version"], made["status"], made["current_stage"]) == (str(number), "READY", "None")
        uri = mlflow.get("model-versions/get-download-uri", name="net", version=number)["artifact_uri"]
        assert uri == f"mlflow-artifacts:/0/{run}/artifacts/model"
    with using(server.where):
        kept = [ml.registry.version("net", number) for number in (1, 2, 3)]
        packed = [zipfile.ZipFile(server.where.blobs().path(one.digest)) for one in kept]
    assert [sorted(one.namelist()) for one in packed] == [["MLmodel", "data/weights.bin"]] * 3
    assert [one.read("data/weights.bin") for one in packed] == [b"\1", b"\2", b"\3"]
    for one in packed:
        one.close()


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "file:///etc",
        "s3://bucket/model",
        "http://169.254.169.254/latest",
        "runs:/x/model",
        "runs:/{run}/../../etc",
        "runs:/{run}/%2e%2e/x",
        "mlflow-artifacts:/0/{run}/artifacts/../../x",
        "mlflow-artifacts:/etc",
        "models:/none/1",
        "http://[::1",
    ],
)
def test_no_source_leads_elsewhere(mlflow: Mlflow, run: str, source: str) -> None:
    mlflow.post("registered-models/create", name="net")
    for tags in ([], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]):
        given = {"name": "net", "source": source.format(run=run), "tags": tags}
        assert mlflow.refused("POST", "model-versions/create", **given)[:2] in (INVALID, UNKNOWN)
    assert mlflow.get("model-versions/search", filter="name='net'") == {"model_versions": []}


def test_versions_have_stages_aliases_and_tags(mlflow: Mlflow, owner: Mlflow, run: str) -> None:
    mlflow.post("registered-models/create", name="net")
    tags = [{"key": "a", "value": "b"}]
    for _ in range(3):
        mlflow.post("model-versions/create", name="net", source=f"runs:/{run}/model", run_id=run, tags=tags)

    def stages() -> dict[str, str]:
        rows = mlflow.get("model-versions/search", filter="name='net'", order_by="version_number ASC")
        return {row["version"]: row["current_stage"] for row in rows["model_versions"]}

    def move(version: str, stage: str, archive: bool = False) -> None:
        given = {"name": "net", "version": version, "stage": stage, "archive_existing_versions": archive}
        mlflow.post("model-versions/transition-stage", **given)

    move("1", "staging")
    move("2", "Staging", archive=True)
    move("3", "PRODUCTION")
    assert stages() == {"1": "Archived", "2": "Staging", "3": "Production"}
    latest = mlflow.post("registered-models/get-latest-versions", name="net", stages=["Production"])
    assert [row["version"] for row in latest["model_versions"]] == ["3"]
    bad = {"name": "net", "version": "1", "stage": "Nowhere", "archive_existing_versions": False}
    assert mlflow.refused("POST", "model-versions/transition-stage", **bad)[:2] == INVALID

    mlflow.post("registered-models/alias", name="net", alias="champion", version="2")
    asked = {"name": "net", "alias": "champion"}
    assert mlflow.get("registered-models/alias", **asked)["model_version"]["version"] == "2"
    for wrong in ("latest", "v3", "a b", "", "3"):
        given = {"name": "net", "alias": wrong, "version": "1"}
        assert mlflow.refused("POST", "registered-models/alias", **given)[:2] == INVALID
    mlflow.did("DELETE", "registered-models/alias", **asked)
    assert mlflow.refused("GET", "registered-models/alias", **asked)[:2] == INVALID

    mlflow.post("model-versions/set-tag", name="net", version="1", key="c", value="d")
    mlflow.did("DELETE", "model-versions/delete-tag", name="net", version="1", key="a")
    mlflow.did("PATCH", "model-versions/update", name="net", version="1", description="first")
    found = mlflow.get("model-versions/get", name="net", version="1")["model_version"]
    assert (found["tags"], found["description"], found["run_id"]) == (
        [{"key": "c", "value": "d"}],
        "first",
        run,
    )
    owner.did("DELETE", "model-versions/delete", name="net", version="3")
    assert mlflow.refused("GET", "model-versions/get", name="net", version="3")[:2] == UNKNOWN
    again = mlflow.post("model-versions/create", name="net", source="models:/net/1", run_id=run)
    assert again["model_version"]["version"] == "4"  # numbers are never given twice


def test_a_logged_model_becomes_a_version(mlflow: Mlflow) -> None:
    run = mlflow.run()
    model = logged(mlflow, run)
    mlflow.http.put(f"{PROXY}/0/models/{model}/artifacts/MLmodel", content=b"m")
    mlflow.post("registered-models/create", name="net")
    given = {"name": "net", "source": f"models:/{model}", "run_id": run, "model_id": model}
    found = mlflow.post("model-versions/create", **given)["model_version"]
    assert (found["source"], found["model_id"], found["run_id"]) == (f"models:/{model}", model, run)
    uri = mlflow.get("model-versions/get-download-uri", name="net", version="1")["artifact_uri"]
    path = uri.removeprefix("mlflow-artifacts:/")
    assert mlflow.http.get(f"{PROXY}/{path}/MLmodel").content == b"m"
