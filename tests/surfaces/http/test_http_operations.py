"""The operations over HTTP: each has a place, and says there what it says everywhere."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.served import SESSION, served
from tests.surfaces.http.conftest import start
from tests.surfaces.test_cli import run as run_process
from tests.surfaces.test_operations import CASES, TRAINING, as_json, with_ids, without_times

import chachaml as ml
from chachaml.ops import OPERATIONS
from chachaml.ops.operation import with_texts
from chachaml.store.wire import READS
from chachaml.surfaces.http.everything import all_routes, description
from chachaml.surfaces.http.operating import PLACES

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "reference" / "openapi.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run_process([sys.executable, "-c", TRAINING], folder)
    return folder


def asked(place: Any, arguments: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return how an operation's arguments are given over HTTP."""
    rest = dict(arguments)
    path = re.sub(r"\{(\w+)(:path)?\}", lambda found: quote(str(rest.pop(found[1])), safe=""), place.path)
    names = {own: name for name, own in place.names.items()}
    rest = {names.get(name, name): value for name, value in rest.items()}
    if place.method in ("POST", "PUT"):
        return place.method, path, {"json": rest}
    texts = {
        name: ",".join(value)
        if isinstance(value, list)
        else "null"
        if value is None
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in rest.items()
    }
    return place.method, path, {"params": texts}


@pytest.mark.parametrize(
    ("name", "arguments"), [c[:2] for c in CASES], ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)]
)
def test_http_and_operations_say_the_same(
    name: str, arguments: dict[str, Any], made: Path, tmp_path: Path
) -> None:
    for own in ("own", "theirs"):
        shutil.copytree(made, tmp_path / own)
    ml.connect(tmp_path / "own" / "chachaml.db")
    ids = {
        "RUN": ml.runs(experiment="iris")[0].id,
        "OLD": ml.runs(archived=True)[0].id,
        "PIPE": ml.pipeline.list()[0].id,
    }
    given = with_ids(ids, arguments)
    said = as_json(OPERATIONS[name].run(given))
    place = next(place for place in PLACES if place.operation == name)
    with served(tmp_path / "theirs" / "chachaml.db", keep=False) as server:
        method, path, more = asked(place, given)
        headers = {"Authorization": f"Bearer {SESSION}"}
        answer = httpx.request(method, server.url + path, headers=headers, timeout=30, **more)
    assert answer.status_code == 200, answer.text
    theirs = answer.json()
    assert without_times(theirs) == without_times(said)
    schema = with_texts(OPERATIONS[name].output_schema())
    Draft202012Validator(schema).validate(theirs)


def test_every_operation_has_one_place() -> None:
    assert sorted(place.operation for place in PLACES) == sorted(OPERATIONS)


def test_destructive_operations_need_the_owner(http: httpx.Client) -> None:
    needs = {(route.method, route.path): route.needs for route in all_routes().all}
    for place in PLACES:
        effect = OPERATIONS[place.operation].effect
        need = needs[place.method, place.path]
        assert (
            need == "manage" or need == {"read": "read", "write": "write", "destructive": "destroy"}[effect]
        )


def test_the_description_is_the_one_in_the_repository() -> None:
    import json

    text = json.dumps(description(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert text == DOCUMENT.read_text(), "python -m tests.surfaces.http.test_http_operations writes it anew"


def test_every_route_of_the_api_is_described_but_for_the_store() -> None:
    """What remote stores speak is the protocol's, and no page or script needs it."""
    undescribed = {route.path for route in all_routes().all if route.about is None}
    others = {path for path in undescribed if path.startswith("/api/") and "/store" not in path}
    assert others == {"/api/login-link", "/api/docs", "/api/openapi.json"}


SHOWN = {
    "get_run": "/api/runs/{run_id}",
    "find_runs": "/api/runs",
    "columns": "/api/rows",
    "values": "/api/values",
    "views": "/api/views",
    "facets": "/api/facets",
    "keys": "/api/keys",
    "experiments": "/api/experiments",
    "history": "/api/history",
    "packages": "/api/runs/{run_id}/packages",
    "console": "/api/runs/{run_id}/console",
    "read_series": "/api/series",
    "models": "/api/models",
    "versions": "/api/models/{model_name}",
    "moves": "/api/models/{model_name}/history",
    "steps": "/api/pipelines/{pipeline_id}",
    "alerts": "/api/alerts",
    "events": "/api/alert-history",
    "access": "/api/accounts",
    "audit": "/api/audit",
    "retention": "/api/retention",
    "usage": "/api/usage",
    "changes_since": "/api/events",
}
INSIDE = {
    "applied_to", "bare_runs", "count_runs", "contents", "step_by_key", "due_events", "digests",
    "digests_in_use", "blobs_of", "newest_change", "info", "check",
    "read_points", "read_packed", "read_outlines", "whole_runs", "records",
}  # fmt: skip


def test_whatever_a_page_can_show_has_an_answer_in_json() -> None:
    """All that is read of a store for people is at an address; whatever is added has to say where."""
    assert set(READS) == SHOWN.keys() | INSIDE
    there = {route.path for route in all_routes().all if route.method == "GET" and route.about}
    assert set(SHOWN.values()) <= there


# pages of runs ------------------------------------------------------------------------------------


def test_runs_come_page_by_page(http: httpx.Client) -> None:
    runs = [start(http, name=f"run {number:02}") for number in range(25)]
    found: list[str] = []
    after = ""
    while True:
        page = http.get("/api/runs", params={"limit": 10, "order_by": "name desc", "after": after}).json()
        found += [run["id"] for run in page["runs"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == runs[::-1]
    assert http.get("/api/runs", params={"after": "x"}).status_code == 400


def test_searches_go_on_behind_a_page(http: httpx.Client) -> None:
    ids = [start(http, name=f"run-{number}") for number in range(5)]
    for number, run in enumerate(ids):
        http.post(f"/api/w/runs/{run}/metrics", json={"acc": number})
    asked = {"metric_key": "acc", "op": ">", "metric_value": "0", "sort_by_metric": "acc", "limit": "3"}
    first = http.get("/api/search", params=asked).json()
    second = http.get("/api/search", params={**asked, "after": first["next"]}).json()
    assert [run["id"] for run in (*first["runs"], *second["runs"])] == ids[:0:-1]
    assert second["next"] is None


def test_an_empty_field_of_a_form_means_any(http: httpx.Client, run: str) -> None:
    for form in (
        "/api/runs?experiment=&status=&name=&filter=&limit=",
        "/api/search?experiment=&metric_key=&op=&metric_value=",
        "/api/best?metric=acc&experiment=&direction=",
    ):
        http.post(f"/api/w/runs/{run}/metrics", json={"acc": 1})
        answer = http.get(form)
        assert answer.status_code == 200, answer.text
        assert run in answer.text
    assert http.get("/api/best?metric=").status_code == 400


def test_columns_are_chosen(http: httpx.Client, run: str) -> None:
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1, "acc": 2})
    http.post(f"/api/w/runs/{run}/params", json={"lr": 0.1})
    asked = {"columns": "name,metrics.loss,metrics.none,params"}
    (row,) = http.get("/api/runs", params=asked).json()["runs"]
    assert row == {"id": run, "name": "one", "metrics": {"loss": 1}, "params": {"lr": 0.1}}
    assert http.get("/api/runs", params={"columns": "colour"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=x", "status=lost", "filter=metrics.", "order_by=;drop", "colour=red",
        "limit=1&limit=2", "archived=maybe", "filter=%ff", "after=%00",
    ],
)  # fmt: skip
def test_bad_questions_are_told(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/api/runs?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_comparing_takes_two(http: httpx.Client, run: str) -> None:
    assert http.get(f"/api/compare?ids={run}").status_code == 400
    assert http.get("/api/compare").status_code == 400
    assert http.get(f"/api/compare?ids={run},{'a' * 32}").status_code == 404


# files --------------------------------------------------------------------------------------------


def test_runs_are_exported(http: httpx.Client, run: str) -> None:
    http.post(f"/api/w/runs/{run}/params", json={"formula": "=cmd|'/c calc'!A0", "lr": -1.5})
    text = http.get("/api/export")
    assert text.headers["content-disposition"] == 'attachment; filename="runs.csv"'
    names, row = [line.split(",") for line in text.text.splitlines()]
    cells = dict(zip(names, row, strict=True))
    assert cells["formula"].startswith("'=")
    assert cells["lr"] == "-1.5"
    assert http.get("/api/export?experiment=").text == text.text
    assert http.get("/api/export?experiment=other").text.splitlines()[1:] == []
    assert http.get("/api/export?format=jsonl").json()["id"] == run
    assert http.get("/api/export?format=parquet").content[:4] == b"PAR1"
    for bad in ("format=exe", "limit=0", "limit=x", "path=/etc/passwd", "filter=("):
        assert http.get(f"/api/export?{bad}").status_code == 400, bad


def test_points_come_as_arrow(http: httpx.Client, run: str) -> None:
    import pyarrow as pa

    http.post(f"/api/w/runs/{run}/metrics", json={"loss": "NaN", "step": 3})
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": 0.5, "step": 4})
    got = http.get(f"/api/series.arrow?ids={run}&metric=loss")
    table = pa.ipc.open_stream(got.content).read_all()
    assert table.column_names == ["run", "step", "time", "value"]
    assert table["step"].to_pylist() == [3, 4]
    assert table["value"].to_pylist()[1] == 0.5
    assert http.get(f"/api/series.arrow?ids={run}&metric=none").status_code == 404


if __name__ == "__main__":
    import json

    DOCUMENT.write_text(json.dumps(description(), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
