"""MLflow's protocol: the same requests to chachaml's server and to MLflow's own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from math import nan
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

from benchmarks.processes import Bench, Result, WorkFailed
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.serving import running_server

__all__ = ["measure", "speak"]

TOOLS = ("chachaml", "mlflow")
TIMES = 15
_PATH = "/api/2.0/mlflow/"
_WHAT = {
    "start": "a run of 10 metrics and 5 params, ms",
    "batch": "log-batch of 1,000 points, ms",
    "one": "log-metric, ms",
    "search": "a search with a filter and an order, 100 runs, ms",
    "page": "a search that answers all runs, ms",
    "history": "the history of a metric, all points, ms",
}


def measure(bench: Bench) -> Section:
    """Measure both servers, one after the other."""
    runs, points = bench.n(500, 20), bench.n(50_000, 2_000)
    section = Section(
        "MLflow's protocol",
        f"One client on loopback that keeps its connection sends the same to both servers: {runs:,} runs, "
        f"{points:,} points of one metric by log-batch, searches, and the history by pages of 25,000. "
        f"Medians; of searches and the history, of {TIMES}. MLflow's server keeps all in SQLite.",
    )
    found: dict[str, dict[str, float]] = {}
    for tool in (tool for tool in TOOLS if tool in bench.pythons):
        with (
            bench.reporting(tool, "MLflow's protocol"),
            bench.folder() as folder,
            running_server(bench, folder, tool) as (port, _, _),
        ):
            asked = {"port": port, "runs": runs, "points": points}
            found[tool] = bench.work(folder, "mlflow_api.speak", **asked)["spent"]
    rows = [[what, *(engineering(some[key]) for some in found.values())] for key, what in _WHAT.items()]
    section.tables.append(Table(["", *found], rows))
    if len(found) == len(TOOLS):
        section.targets += [
            Target(f"mlflow server's time over ours, {what.removesuffix(', ms')}", ratio, 10, "x", True)
            for key, what in _WHAT.items()
            for ratio in [found["mlflow"][key] / (found["chachaml"][key] or nan)]
        ]
    return section


def speak(folder: Path, tool: str, port: int, runs: int, points: int) -> Result:
    """Return the median milliseconds of each request."""
    line = _Line(port)
    experiment = line.post("experiments/create", name="bench")["experiment_id"]
    spent = {"start": _median([line.timed(lambda no=no: _run(line, experiment, no)) for no in range(runs)])}
    run = _start(line, experiment)
    batches = [_batch(run, step) for step in range(0, points, 1_000)]
    spent["batch"] = _median(
        [line.timed(lambda one=one: line.post("runs/log-batch", **one)) for one in batches]
    )
    single = {"run_id": run, "key": "single", "value": 0.5, "timestamp": 1_700_000_000_000}
    each = [{**single, "step": step} for step in range(10 * TIMES)]
    spent["one"] = _median([line.timed(lambda one=one: line.post("runs/log-metric", **one)) for one in each])
    asked: dict[str, Any] = {"experiment_ids": [experiment], "max_results": 100}
    asked |= {"filter": "metrics.m3 < 500 AND params.p1 = '1'", "order_by": ["metrics.m1 DESC"]}
    page = {"experiment_ids": [experiment], "max_results": 1_000}
    for what, act in (
        ("search", lambda: line.post("runs/search", **asked)["runs"]),
        ("page", lambda: line.post("runs/search", **page)["runs"]),
        ("history", lambda: _history(line, run, points)),
    ):
        spent[what] = _median([line.timed(act) for _ in range(TIMES)])
    return {"spent": spent}


class _Line:
    """A connection to a server."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        self._line.request(method, _PATH + path, body, {"Content-Type": "application/json"})
        answer = self._line.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise WorkFailed(f"{path}: {answer.status}: {text[:200]!r}")
        return json.loads(text)

    def post(self, path: str, **given: Any) -> Any:
        return self._ask("POST", path, json.dumps(given))

    def get(self, path: str, **given: Any) -> Any:
        return self._ask("GET", f"{path}?{urlencode(given)}")

    def timed(self, act: Callable[[], Any]) -> float:
        begin = perf_counter()
        act()
        return (perf_counter() - begin) * 1e3


def _median(spent: list[float]) -> float:
    return sorted(spent)[len(spent) // 2]


def _start(line: _Line, experiment: str) -> str:
    made = line.post("runs/create", experiment_id=experiment, start_time=1_700_000_000_000, run_name="one")
    return str(made["run"]["info"]["run_id"])


def _run(line: _Line, experiment: str, no: int) -> None:
    run = _start(line, experiment)
    metrics = [{"key": f"m{key}", "value": no + key, "timestamp": 1, "step": 0} for key in range(10)]
    params = [{"key": f"p{key}", "value": str((no + key) % 4)} for key in range(5)]
    line.post("runs/log-batch", run_id=run, metrics=metrics, params=params)
    line.post("runs/update", run_id=run, status="FINISHED", end_time=1_700_000_001_000)


def _batch(run: str, start: int) -> dict[str, Any]:
    steps = range(start, start + 1_000)
    points = [{"key": "loss", "value": 1 / (step + 1), "timestamp": step, "step": step} for step in steps]
    return {"run_id": run, "metrics": points}


def _history(line: _Line, run: str, points: int) -> None:
    got, token = 0, ""
    while True:
        more = {"page_token": token} if token else {}
        found = line.get("metrics/get-history", run_id=run, metric_key="loss", max_results=25_000, **more)
        got += len(found["metrics"])
        token = found.get("next_page_token", "")
        if not token:
            break
    if got != points:
        raise WorkFailed(f"{got} points of {points}")
