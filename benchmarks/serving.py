"""The server beside others: clients that write one thing at a time, or a thousand, and pages of much data."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import nan
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.processes import Bench, Result, WorkFailed, environment
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.worker import barrier

__all__ = ["client", "measure", "prepare", "read", "running_server"]

CLIENTS, SECONDS = 8, 5.0
BATCH = 1_000
TOOLS = ("chachaml", "FastTrackML", "mlflow", "trackio")
_TOKEN = "write-token-of-the-benchmark"
_TRACKIO = (
    "import sys, uvicorn; from trackio.server import build_starlette_app_only as build; "
    "uvicorn.run(build()[0], port=int(sys.argv[1]), log_level='error')"
)


def measure(bench: Bench) -> Section:
    """Measure writing beside other servers, then reading from a large store."""
    section = Section(
        "The server",
        f"{CLIENTS} client processes on loopback, each with one connection that it keeps and a run of its "
        f"own, for {SECONDS:g} seconds; then the same with {BATCH:,} points a request. The clients are the "
        "same plain ones for all servers and send what each server's own protocol asks for; server and "
        "clients share the machine. What counts is answered with success. Idle memory is that of the server "
        "with all its processes.",
    )
    rows, rates = [], {}
    for tool in (tool for tool in TOOLS if tool in bench.pythons | bench.servers):
        with bench.reporting(tool, "serving"), bench.folder() as folder:
            found = _writing(bench, folder, tool)
            rates[tool] = found
            rows.append([tool, *map(engineering, found.values())])
    head = [
        "server", "s to first answer", "idle, MB", "single writes/s", "p50, ms", "p99, ms",
        "points/s in batches", "p99, ms",
    ]  # fmt: skip
    section.tables.append(Table(head, rows))
    section.targets += _targets(rates)
    _reading(bench, section)
    return section


def _targets(rates: dict[str, dict[str, float]]) -> list[Target]:
    ours = rates.get("chachaml", {})
    others = [found for tool, found in rates.items() if tool != "chachaml"]
    targets = [
        Target("server, start to first answer", ours.get("start", nan), 0.5, "s"),
        Target("server, idle memory", ours.get("memory", nan), 80, "MB"),
        Target("server, single writes a second", ours.get("single", nan), 1_800, "", True),
        Target("server, single writes, p99", ours.get("single_p99", nan), 50, "ms"),
        Target("server, points a second in batches", ours.get("batch", nan), 500_000, "", True),
        Target("server, batches, p99", ours.get("batch_p99", nan), 50, "ms"),
    ]
    if others:
        best = max(found["single"] for found in others)
        targets.append(
            Target("server, single writes over the best peer", ours.get("single", nan) / best, 1, "x", True)
        )
    return targets


# writing ------------------------------------------------------------------------------------------


def _writing(bench: Bench, folder: Path, tool: str) -> dict[str, float]:
    with running_server(bench, folder, tool) as (port, started, pid):
        idle = _memory(pid)
        single = _race(bench, folder, tool, port, 1)
        batch = _race(bench, folder, tool, port, BATCH)
    return {
        "start": started,
        "memory": idle,
        "single": single["rate"],
        "single_p50": single["p50"],
        "single_p99": single["p99"],
        "batch": batch["rate"] * BATCH,
        "batch_p99": batch["p99"],
    }


def _race(bench: Bench, folder: Path, tool: str, port: int, size: int) -> dict[str, float]:
    seconds = SECONDS if not bench.quick else 0.5
    with ExitStack() as running:
        workers = [
            running.enter_context(
                bench.begin(
                    folder, "serving.client", kind=tool, port=port, size=size, seconds=seconds, index=index
                )
            )
            for index in range(CLIENTS)
        ]
        for worker in workers:
            worker.line()
        for worker in workers:
            worker.go()
        answers = [worker.line() for worker in workers]
    spent = sorted(each for answer in answers for each in answer["spent"])
    if not spent:
        raise WorkFailed("no request succeeded")
    return {
        "rate": len(spent) / seconds,
        "p50": spent[len(spent) // 2] * 1e3,
        "p99": spent[int(len(spent) * 0.99)] * 1e3,
    }


def client(folder: Path, tool: str, kind: str, port: int, size: int, seconds: float, index: int) -> Result:
    """Write to a server, one request after the other, for some seconds; return how long each took."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    run = _begin_run(line, kind, index)
    requests = _requests(kind, run, size)
    barrier()
    spent = []
    end = perf_counter() + seconds
    while (begin := perf_counter()) < end:
        path, body, headers = next(requests)
        line.request("POST", path, body, headers)
        answer = line.getresponse()
        answer.read()
        if answer.status == 200:
            spent.append(perf_counter() - begin)
    return {"spent": spent}


_JSON = {"Content-Type": "application/json"}


def _ask(line: http.client.HTTPConnection, path: str, body: Any) -> Any:
    line.request("POST", path, json.dumps(body), _JSON)
    answer = line.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise WorkFailed(f"{answer.status}: {text[:200]!r}")
    return json.loads(text)


def _begin_run(line: http.client.HTTPConnection, kind: str, index: int) -> str:
    if kind == "chachaml":
        return str(_ask(line, "/api/w/runs", {"experiment": "bench"})["id"])
    if kind == "trackio":
        return f"run {index}"
    made = _ask(
        line, "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1e3)}
    )
    return str(made["run"]["info"]["run_id"])


def _requests(kind: str, run: str, size: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield requests of one point, or of many points of one metric."""
    step = 0
    while True:
        steps = range(step, step + size)
        step += size
        if kind == "chachaml" and size == 1:
            yield f"/api/w/runs/{run}/metrics", json.dumps({"loss": 0.5, "step": steps[0]}), _JSON
        elif kind == "chachaml":
            series = {"run": run, "key": "loss", "values": [0.5] * size, "steps": list(steps)}
            yield "/api/w/metrics", json.dumps({"series": [series]}), _JSON
        elif kind == "trackio":
            logs = [{"project": "bench", "run": run, "metrics": {"loss": 0.5}, "step": one} for one in steps]
            body = json.dumps({"logs": logs, "hf_token": None})
            yield "/api/bulk_log", body, {**_JSON, "X-Trackio-Write-Token": _TOKEN}
        else:
            now = int(time.time() * 1e3)
            points = [{"key": "loss", "value": 0.5, "timestamp": now, "step": one} for one in steps]
            if size == 1:
                yield "/api/2.0/mlflow/runs/log-metric", json.dumps({"run_id": run, **points[0]}), _JSON
            else:
                yield "/api/2.0/mlflow/runs/log-batch", json.dumps({"run_id": run, "metrics": points}), _JSON


# servers ------------------------------------------------------------------------------------------


@contextmanager
def running_server(bench: Bench, folder: Path, tool: str) -> Iterator[tuple[int, float, int]]:
    """Run a server in a folder; give its port, the seconds to its first answer, and its process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command, path = _command(bench, tool, port)
    # Not the source's folder on the path: a server is started as it is installed.
    given = {**environment(folder), "TRACKIO_WRITE_TOKEN": _TOKEN, "TRACKIO_DIR": str(folder / "trackio")}
    if tool != "chachaml" or not bench.quick:
        given.pop("PYTHONPATH")
    log = (folder / "log").open("w")
    begin = perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=given, stdout=log, stderr=log, start_new_session=True)
    try:
        yield port, _first_answer(port, path, process, folder) - begin, process.pid
    finally:
        with suppress(ProcessLookupError):  # it died by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _command(bench: Bench, tool: str, port: int) -> tuple[list[str], str]:
    python = str((bench.pythons | bench.servers)[tool])
    if tool == "chachaml":
        return [python, "-m", "chachaml", "ui", "chachaml.db", str(port), "--no-browser"], "/api/runs"
    if tool == "FastTrackML":
        binary = str(Path(python).with_name("fml"))
        return [
            binary,
            "server",
            "--listen-address",
            f"127.0.0.1:{port}",
            "--database-uri",
            "sqlite://fml.db",
        ], "/"
    if tool == "trackio":
        return [python, "-c", _TRACKIO, str(port)], "/"
    where = ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts"]
    return [python, "-m", "mlflow", "server", *where, "--host", "127.0.0.1", "--port", str(port)], "/health"


def _first_answer(port: int, path: str, process: subprocess.Popen[bytes], folder: Path) -> float:
    deadline = perf_counter() + 120
    while perf_counter() < deadline:
        if process.poll() is not None:
            raise WorkFailed((folder / "log").read_text()[-200:])
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            line.request("GET", path)
            if line.getresponse().status < 500:
                return perf_counter()
        except OSError:
            time.sleep(0.005)
        finally:
            line.close()
    raise WorkFailed("no answer within two minutes")


def _memory(pid: int) -> float:
    """Return the MB of a process and those that it started, what they share counted once (PSS)."""
    time.sleep(1)
    mine = {pid}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == pid:  # the process group
                mine.add(int(stat.parent.name))
        except (OSError, ValueError):
            continue
    total = 0
    for one in mine:
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


# reading ------------------------------------------------------------------------------------------


def _reading(bench: Bench, section: Section) -> None:
    """Measure pages from many runs, and a curve of many points."""
    runs, points = bench.n(100_000, 200), bench.n(1_000_000, 2_000)
    found: dict[str, list[float]] = {}
    with bench.reporting("chachaml", "serving pages"), bench.folder() as folder:
        run = bench.work(folder, "serving.prepare", runs=runs, points=points)["run"]
        with running_server(bench, folder, "chachaml") as (port, _, _):
            found = bench.work(folder, "serving.read", port=port, run=run)
    rows = [[what, *map(engineering, figures)] for what, figures in found.items()]
    section.tables.append(Table([f"reading from {runs:,} runs, ms", "p50", "p95"], rows))
    section.targets += [
        Target(f"server, {what}, p95", figures[1], 30, "ms") for what, figures in found.items()
    ]


def prepare(folder: Path, tool: str, runs: int, points: int) -> Result:
    """Make many runs, one of them with many points; return its id."""
    import chachaml as ml
    from benchmarks.many_runs import make

    make(folder, tool, runs)
    ml.connect(folder / "chachaml.db")
    with ml.start_run(experiment="long") as run:
        for step in range(points):
            run.log_metric("loss", step % 1000 / 7, step)
    ml.flush()
    return {"run": run.id}


def read(folder: Path, tool: str, port: int, run: str) -> dict[str, list[float]]:
    """Time pages of runs, and a curve as a page would draw it."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asked = {
        "page of 100 runs": "/api/runs?limit=100",
        "page by a metric": "/api/runs?limit=100&order_by=metrics.metric-3%20desc",
        "page of chosen columns": "/api/runs?limit=100&columns=name,status,started,metrics.metric-3",
        "1,000 points of the long series": f"/api/series?ids={run}&metric=loss&max_points=1000",
    }
    found = {}
    for what, path in asked.items():
        spent = []
        for _ in range(60):
            begin = perf_counter()
            line.request("GET", path)
            answer = line.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise WorkFailed(f"{path}: {text[:200]!r}")
            spent.append((perf_counter() - begin) * 1e3)
        spent.sort()
        found[what] = [spent[len(spent) // 2], spent[int(len(spent) * 0.95)]]
    return found
