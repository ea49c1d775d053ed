"""Logging over HTTP: what a client of any language sends, and what it is told."""

from __future__ import annotations

import json
import math
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.served import Served
from tests.surfaces.http.conftest import start

from chachaml.store.zstd import compress

README = Path(__file__).parents[3] / "docs" / "guide" / "http.md"


def error(answer: httpx.Response) -> tuple[int, str]:
    told = answer.json()["error"]
    assert told.keys() == {"code", "message", "hint"}
    assert told["message"]
    return answer.status_code, told["code"]


def get(http: httpx.Client, path: str) -> Any:
    answer = http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_from_start_to_end(http: httpx.Client) -> None:
    made = http.post(
        "/api/w/runs",
        json={
            "experiment": "iris",
            "name": "from-go",
            "tags": {"k": "v"},
            "created_by": "ada",
            "params": {"a": 1},
        },
    ).json()
    assert (made["name"], made["status"], made["tags"], made["created_by"]) == (
        "from-go",
        "running",
        {"k": "v"},
        "ada",
    )
    run = made["id"]
    assert http.post(f"/api/w/runs/{run}/params", json={"lr": 0.01, "net": {"depth": 3}}).json() == {
        "ok": True
    }
    assert http.post(f"/api/w/runs/{run}/metrics", json={"loss": 0.5, "acc": 0.9, "step": 7}).json() == {
        "ok": True
    }
    http.post(
        f"/api/w/runs/{run}/metrics",
        json={"metrics": {"loss": 0.4}, "step": 8, "time": "2026-01-02T03:04:05Z"},
    )
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": 0.3})
    ended = http.post(f"/api/w/runs/{run}/end", json={"status": "completed"}).json()
    assert (ended["status"], ended["params"]) == ("completed", {"a": 1, "lr": 0.01, "net.depth": 3})
    assert 0 <= ended["duration"] < 60
    series = get(http, f"/api/series?ids={run}&metric=loss")[0]
    assert (series["steps"], series["values"]) == ([7, 8, 9], [0.5, 0.4, 0.3])
    assert series["times"][1] == 1767323045000000
    assert get(http, f"/api/runs/{run}") == ended


def test_nothing_has_to_be_said(http: httpx.Client) -> None:
    made = http.post("/api/w/runs").json()
    assert made["experiment"] == "default"
    assert len(made["name"].split("-")) == 3
    assert http.post(f"/api/w/runs/{made['id']}/end").json()["status"] == "completed"


def test_a_failed_run_says_why(http: httpx.Client, run: str) -> None:
    ended = http.post(f"/api/w/runs/{run}/end", json={"error": "out of memory"}).json()
    assert (ended["status"], ended["error"]["message"]) == ("failed", "out of memory")


def test_children_know_their_parent(http: httpx.Client, run: str) -> None:
    child = start(http, parent_run_id=run)
    assert [one["id"] for one in get(http, f"/api/runs?parent={run}")["runs"]] == [child]
    assert error(http.post("/api/w/runs", json={"parent_run_id": "a" * 32})) == (404, "not_found")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_json_lacks_is_spelled_out(http: httpx.Client, run: str, value: str) -> None:
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": value})
    assert get(http, f"/api/runs/{run}")["metrics"] == {"loss": value}
    assert get(http, f"/api/series?ids={run}&metric=loss")[0]["values"] == [value]
    raw = http.post(
        f"/api/w/runs/{run}/metrics", content=b'{"loss": NaN}', headers={"Content-Type": "application/json"}
    )
    assert error(raw) == (400, "bad_value")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("params", {"lr": 2}, 409, "param_conflict"),
        ("metrics", {"loss": "low"}, 400, "bad_value"),
        ("metrics", {"loss": None}, 400, "bad_value"),
        ("metrics", {"loss": [1]}, 400, "bad_value"),
        ("metrics", {"loss": 10**400}, 400, "bad_value"),
        ("metrics", {"loss": 1, "step": 1.5}, 400, "bad_value"),
        ("metrics", {"loss": 1, "step": 2**63}, 400, "bad_value"),
        ("metrics", {"loss": 1, "time": "yesterday"}, 400, "bad_value"),
        ("metrics", {"metrics": {"loss": 1}, "stepp": 1}, 400, "bad_value"),
        ("metrics", {"": 1}, 400, "bad_value"),
        ("metrics", {"k" * 1001: 1}, 400, "bad_value"),
        ("metrics", {"a\0b": 1}, 400, "bad_value"),
        ("metrics", [], 400, "bad_value"),
        ("metrics", "loss", 400, "bad_value"),
        ("params", [1], 400, "bad_value"),
        ("params", {"": 1}, 400, "bad_value"),
        ("end", {"status": "victorious"}, 400, "bad_value"),
        ("end", {"stat": "completed"}, 400, "bad_value"),
        ("end", {"status": "running"}, 400, "bad_value"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    http: httpx.Client, run: str, path: str, body: object, status: int, code: str
) -> None:
    http.post(f"/api/w/runs/{run}/params", json={"lr": 1})
    before = get(http, f"/api/runs/{run}")
    assert error(http.post(f"/api/w/runs/{run}/{path}", json=body)) == (status, code)
    assert get(http, f"/api/runs/{run}") == before


def test_params_are_logged_all_or_none(http: httpx.Client, run: str) -> None:
    http.post(f"/api/w/runs/{run}/params", json={"lr": 1})
    assert error(http.post(f"/api/w/runs/{run}/params", json={"depth": 3, "lr": 2})) == (
        409,
        "param_conflict",
    )
    assert http.post(f"/api/w/runs/{run}/params", json={"lr": 1.0, "depth": 4}).status_code == 200
    assert get(http, f"/api/runs/{run}")["params"] == {"lr": 1, "depth": 4}


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[[" * 100_000, b'{"loss": 1}}', b"\xff", b'"\\ud800"', b'{"a\\ud800": 1}']
)
def test_what_is_no_json_is_told(http: httpx.Client, run: str, body: bytes) -> None:
    answer = http.post(
        f"/api/w/runs/{run}/metrics", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == (200 if body == b"" else 400), answer.text


@pytest.mark.parametrize("path", ["metrics", "params", "end"])
def test_unknown_and_ended_runs_take_nothing(http: httpx.Client, run: str, path: str) -> None:
    body = {} if path == "end" else {"loss": 1}
    assert error(http.post(f"/api/w/runs/{'a' * 32}/{path}", json=body)) == (404, "not_found")
    assert error(http.post(f"/api/w/runs/{run[:8]}/{path}", json=body)) == (404, "not_found")
    http.post(f"/api/w/runs/{run}/end", json={})
    before = get(http, f"/api/runs/{run}")
    assert error(http.post(f"/api/w/runs/{run}/{path}", json=body)) == (409, "run_has_ended")
    assert get(http, f"/api/runs/{run}") == before


def test_a_run_of_a_process_is_ended_by_it_alone(server: Served, http: httpx.Client, folder: Path) -> None:
    import chachaml as ml

    ml.connect(server.where.path)
    with ml.start_run(experiment="iris") as live:
        ml.flush()
        assert http.post(f"/api/w/runs/{live.id}/metrics", json={"from_afar": 1}).status_code == 200
        assert error(http.post(f"/api/w/runs/{live.id}/end", json={})) == (409, "run_is_live")


# many at once -------------------------------------------------------------------------------------


def test_columns_of_many_runs(http: httpx.Client) -> None:
    one, other = start(http), start(http)
    series = [
        {"run": one, "key": "loss", "values": [3, 2.5, "NaN"], "steps": [0, 10, 20], "times": [1, 2, 3]},
        {"run": one, "key": "acc", "values": [0.1, 0.2]},
        {"run": other, "key": "loss", "values": [1]},
    ]
    assert http.post("/api/w/metrics", json={"series": series}).json() == {"ok": True, "points": 6}
    found = get(http, f"/api/series?ids={one}&metric=loss")[0]
    assert (found["steps"], found["times"], found["values"]) == ([0, 10, 20], [1, 2, 3], [3, 2.5, "NaN"])
    assert get(http, f"/api/series?ids={one},{other}&metric=loss")[1]["values"] == [1]
    assert get(http, f"/api/series?ids={one}&metric=acc")[0]["steps"] == [0, 1]


def test_columns_in_msgpack_are_bytes_or_numbers(http: httpx.Client, run: str) -> None:
    packed = struct.pack("<3d", 1.5, math.nan, -0.0)
    body = {
        "series": [
            {"run": run, "key": "a", "values": packed, "steps": struct.pack("<3q", 1, 2, 3)},
            {"run": run, "key": "b", "values": [math.inf, 1]},
        ]
    }
    headers = {"Content-Type": "application/msgpack", "Content-Encoding": "zstd"}
    sent = http.post("/api/w/metrics", content=compress(msgspec.msgpack.encode(body)), headers=headers)
    assert sent.json() == {"ok": True, "points": 5}
    assert get(http, f"/api/series?ids={run}&metric=a")[0]["values"] == [1.5, "NaN", -0.0]
    assert get(http, f"/api/series?ids={run}&metric=b")[0]["values"] == ["Infinity", 1]


@pytest.mark.parametrize(
    "columns",
    [
        {"values": [1, 2], "steps": [1]},
        {"values": [1], "times": [1, 2]},
        {"values": "AAAA"},
        {"values": [1], "steps": ["x"]},
        {"values": [None]},
        {"values": [1], "key": ""},
        {"values": [1], "run": "short"},
        {"values": [1], "more": 1},
    ],
)
def test_columns_that_do_not_fit_are_refused(http: httpx.Client, run: str, columns: dict[str, Any]) -> None:
    fine = {"run": run, "key": "fine", "values": [1]}
    sent = http.post("/api/w/metrics", json={"series": [fine, {"run": run, "key": "a", **columns}]})
    assert error(sent) == (400, "bad_value")
    assert get(http, f"/api/runs/{run}")["metrics"] == {}


def test_lines_of_rows_and_columns(http: httpx.Client, run: str) -> None:
    rows = [{"loss": 0.5, "step": 1}, {"metrics": {"loss": 0.4}, "step": 2}]
    headers = {"Content-Type": "application/x-ndjson"}
    body = "\n".join(map(json.dumps, rows)) + "\n\n"
    assert http.post(f"/api/w/runs/{run}/metrics", content=body, headers=headers).status_code == 200
    lines = [{"run": run, "loss": 0.3}, {"run": run, "key": "loss", "values": [0.2, 0.1]}]
    sent = http.post("/api/w/metrics", content="\n".join(map(json.dumps, lines)), headers=headers)
    assert sent.json() == {"ok": True, "points": 3}
    assert get(http, f"/api/series?ids={run}&metric=loss")[0]["steps"] == [1, 2, 3, 4, 5]
    broken = http.post(
        "/api/w/metrics", content='{"run": "' + run + '", "loss": 1}\n{"loss"', headers=headers
    )
    assert error(broken) == (400, "bad_value")
    assert "line 2" in broken.json()["error"]["message"]
    assert len(get(http, f"/api/series?ids={run}&metric=loss")[0]["values"]) == 5


def test_many_clients_write_to_one_run_and_nothing_is_lost(
    http: httpx.Client, run: str, server: Served
) -> None:
    def log(client: int) -> None:
        with httpx.Client(base_url=server.url, timeout=60) as mine:
            for number in range(40):
                sent = mine.post(
                    f"/api/w/runs/{run}/metrics",
                    json={"shared": client * 100 + number, f"own{client}": number},
                )
                assert sent.status_code == 200, sent.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
    shared = get(http, f"/api/series?ids={run}&metric=shared")[0]
    assert shared["steps"] == list(range(320))
    assert sorted(shared["values"]) == [c * 100 + n for c in range(8) for n in range(40)]
    for client in range(8):
        assert get(http, f"/api/series?ids={run}&metric=own{client}")[0]["values"] == list(range(40))


# the same again -----------------------------------------------------------------------------------


def test_a_request_with_a_key_is_done_once(http: httpx.Client, run: str) -> None:
    same = {"Idempotency-Key": "try-1"}
    answers = [http.post("/api/w/runs", json={"name": "once"}, headers=same) for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert len(get(http, "/api/runs?name=once")["runs"]) == 1
    for _ in range(3):
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1}, headers=same)
    assert get(http, f"/api/series?ids={run}&metric=loss")[0]["values"] == [1]
    other = http.post("/api/w/runs", json={"name": "other"}, headers=same)
    assert error(other) == (409, "conflict")


def test_a_request_with_a_key_is_done_once_even_if_the_server_forgot_it(
    http: httpx.Client, run: str, server: Served
) -> None:
    """As after a restart between the transaction and the answer."""
    from tests.served import _listening

    same = {"Idempotency-Key": "try-2"}
    first = http.post("/api/w/runs", json={"name": "once"}, headers=same).json()
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1}, headers=same)
    http.put(f"/api/w/runs/{run}/artifacts/conf", content=b"{}")
    body = {"name": "net", "run_id": run, "artifact": "conf"}
    version = http.post("/api/w/models", json=body, headers=same).json()
    _listening()[0]._answers.clear()
    assert http.post("/api/w/runs", json={"name": "once"}, headers=same).json()["id"] == first["id"]
    http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1}, headers=same)
    assert get(http, f"/api/series?ids={run}&metric=loss")[0]["values"] == [1]
    assert http.post("/api/w/models", json=body, headers=same).json()["version"] == version["version"] == 1
    assert len(get(http, "/api/models/net")["versions"]) == 1


def test_a_key_never_stands_for_other_bytes_than_those_that_were_sent(http: httpx.Client, run: str) -> None:
    same = {"Idempotency-Key": "try-3"}
    where = f"/api/w/runs/{run}/artifacts"
    for name, content in [("a", b"one"), ("b", b"one"), ("b", b"one"), ("a", b"two"), ("a", b"one")]:
        sent = http.put(f"{where}/{name}?overwrite=true", content=content, headers=same)
        assert sent.status_code == 200
    for value in (1, 2):
        assert http.post(where, json={"name": f"v{value}", "value": value}, headers=same).status_code == 200
    assert error(http.put(f"{where}/b", content=b"other", headers=same)) == (409, "artifact_exists")
    kept = {one["name"] for one in get(http, f"/api/runs/{run}/artifacts")}
    assert kept == {"a", "b", "v1", "v2"}
    assert http.get(f"/api/artifacts/{run}/a/download").content == b"two"  # the first try's, late, was done


def test_answers_are_remembered_only_where_that_is_of_use_and_small(http: httpx.Client, run: str) -> None:
    from tests.served import _listening

    remembered = _listening()[0]._answers
    same = {"Idempotency-Key": "try-4"}
    http.post("/api/sql", json={"sql": "SELECT id FROM runs"}, headers=same)
    assert not remembered
    large = {"name": "large", "params": {f"p{n}": "x" * 1000 for n in range(100)}}
    ids = {http.post("/api/w/runs", json=large, headers=same).json()["id"] for _ in range(2)}
    assert len(ids) == 1
    assert [one.response for one in remembered.values()] == [None]
    assert error(http.post("/api/w/runs", json={}, headers=same)) == (409, "conflict")


def test_tries_at_the_same_moment_are_one(server: Served, http: httpx.Client) -> None:
    def attempt(_: int) -> str:
        answer = httpx.post(
            f"{server.url}/api/w/runs", json={"name": "twin"}, headers={"Idempotency-Key": "x"}, timeout=30
        )
        assert answer.status_code == 200
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(attempt, range(16)))) == 1
    assert len(get(http, "/api/runs?name=twin")["runs"]) == 1


def test_a_key_is_short(http: httpx.Client) -> None:
    assert error(http.post("/api/w/runs", headers={"Idempotency-Key": "x" * 201})) == (400, "bad_value")


# what is not there --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/w/runs", 405),
        ("POST", "/api/runs", 405),
        ("PUT", "/api/runs", 405),
        ("OPTIONS", "/api/runs", 405),
        ("TRACE", "/api/runs", 405),
        ("GET", "/api/runs/%ff", 400),
        ("GET", "/api/runs/..", 404),
        ("GET", "/static/../pages.py", 404),
        ("GET", "/static/%2e%2e%2fpages.py", 404),
    ],
)
def test_addresses_that_are_none(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, httpx.URL(str(http.base_url)).copy_with(raw_path=path.encode()))
    assert answer.status_code == status
    assert error(answer)[0] == status
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_only_the_types_that_are_known_are_read(http: httpx.Client, run: str, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = http.post(f"/api/w/runs/{run}/metrics", content=b'{"loss": 1}', headers=headers)
    assert error(answer) == (415, "unsupported_type")


def test_the_recipe_of_the_guide_works_with_curl(server: Served, tmp_path: Path) -> None:
    blocks = README.read_text().split("```bash\n")[1:]
    recipe = next(block.split("```")[0] for block in blocks if "RUN_ID=" in block)
    script = recipe.replace("http://localhost:8080", server.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (run,) = httpx.get(f"{server.url}/api/runs").json()["runs"]
    assert (run["experiment"], run["status"], run["params"]) == (
        "iris",
        "completed",
        {"lr": 0.01, "epochs": 100},
    )
    assert run["metrics"] == {"accuracy": 0.94}
