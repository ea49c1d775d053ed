"""A team's database: many clients of one server, and finding among many runs, in Postgres."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from math import nan
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks import searching, serving
from benchmarks.environments import _install, python_of
from benchmarks.processes import Bench, Result, WorkFailed, environment
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.worker import barrier

__all__ = ["clients", "find", "find_peer", "make", "measure"]

CLIENTS, WORKERS, SECONDS, BATCH = 64, 4, 5.0, 5_000
PEER_RUNS = 200
SEARCHES = {
    "a metric and a param": "metrics.metric-3 > 3.99 and params.lr <= 0.0001",
    "a param, 1 in 3": "params.optimizer = 'adam'",
    "a param, one run": "params.seed = 777",
    "an experiment and a metric": "experiment = 'experiment-3' and metrics.metric-0 > 0.99",
}


def measure(bench: Bench) -> Section:
    """Measure writing through one server beside MLflow on the same database, then reading."""
    from tests.postgres import unused_server

    n = bench.n(100_000, 200)
    section = Section(
        "Postgres",
        "One Postgres with its defaults (each commit is on disk before it counts), one server process, "
        f"and {CLIENTS} clients in {WORKERS} processes, all on this machine. Each client keeps one "
        f"connection and has a run of its own, for {SECONDS:g} seconds: first one point a request, then "
        f"{CLIENTS // 8} of them {BATCH:,} points a request (MLflow takes 1,000). Below: {n:,} runs of "
        "10 params and 10 metrics, found straight in the database.",
    )
    rows, rates = [], {}
    with unused_server() as database:
        for tool in ("chachaml", "mlflow"):
            if tool in bench.pythons:
                with bench.reporting(tool, "Postgres"), bench.folder() as folder:
                    rates[tool] = _writing(bench, folder, tool, database)
                    rows.append([tool, *map(engineering, rates[tool].values())])
        head = [
            "server",
            "single writes/s",
            "p50, ms",
            "p99, ms",
            "points/s in batches",
            "p99 of batches, ms",
        ]
        section.tables.append(Table(head, rows))
        section.targets += _targets(rates)
        _reading(bench, section, database, n)
    return section


def _targets(rates: dict[str, dict[str, float]]) -> list[Target]:
    ours = rates.get("chachaml", {})
    targets = [
        Target("Postgres, points a second through one server", ours.get("batch", nan), 200_000, "", True),
        Target(f"Postgres, {CLIENTS} clients, p99", ours.get("p99", nan), 300, "ms"),
    ]
    if peer := rates.get("mlflow"):
        over = ours.get("single", nan) / peer["single"]
        targets.append(Target("Postgres, single writes over MLflow", over, 1, "x", True))
        over = ours.get("batch", nan) / peer["batch"]
        targets.append(Target("Postgres, points a second in batches over MLflow", over, 1, "x", True))
    return targets


def _writing(bench: Bench, folder: Path, tool: str, database: Any) -> dict[str, float]:
    with _server(folder, tool, database) as port:
        single = _race(bench, folder, tool, port, CLIENTS, 1)
        batch = _race(bench, folder, tool, port, CLIENTS // 8, BATCH if tool == "chachaml" else 1_000)
    return {
        "single": single["rate"],
        "p50": single["p50"],
        "p99": single["p99"],
        "batch": batch["points"],
        "batch_p99": batch["p99"],
    }


def _race(bench: Bench, folder: Path, tool: str, port: int, count: int, size: int) -> dict[str, float]:
    seconds = SECONDS if not bench.quick else 0.5
    given = {"kind": tool, "port": port, "size": size, "seconds": seconds, "count": count // WORKERS}
    mine = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
    with ExitStack() as running:
        workers = [
            running.enter_context(mine.begin(folder, "postgres.clients", **given)) for _ in range(WORKERS)
        ]
        for worker in workers:
            worker.line()
        for worker in workers:
            worker.go()
        spent = sorted(each for worker in workers for each in worker.line()["spent"])
    if not spent:
        raise WorkFailed("no request succeeded")
    rate = len(spent) / seconds
    return {
        "rate": rate,
        "points": rate * size,
        "p50": spent[len(spent) // 2] * 1e3,
        "p99": spent[int(len(spent) * 0.99)] * 1e3,
    }


def clients(folder: Path, tool: str, kind: str, port: int, size: int, seconds: float, count: int) -> Result:
    """Write to a server, each client one request after the other; return how long each took."""
    lines = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(count)]
    runs = [serving._begin_run(line, kind, index) for index, line in enumerate(lines)]
    spent: list[float] = []
    barrier()
    end = perf_counter() + seconds

    def write(line: HTTPConnection, run: str) -> None:
        requests = serving._requests(kind, run, size)
        while (begin := perf_counter()) < end:
            path, body, headers = next(requests)
            line.request("POST", path, body, headers)
            answer = line.getresponse()
            answer.read()
            if answer.status == 200:
                spent.append(perf_counter() - begin)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(lines, runs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"spent": spent}


@contextmanager
def _server(folder: Path, tool: str, database: Any) -> Iterator[int]:
    """Run a server of a tool with its own database; give its port."""
    from tests.faults.wires import free_port

    database.execute(f"CREATE DATABASE {tool}_bench")
    url = database.url(tool).replace("/postgres?", f"/{tool}_bench?")
    port = free_port()
    if tool == "chachaml":
        command = [sys.executable, "-m", "chachaml", "ui", url, str(port), "--no-browser"]
        path = "/api/runs"
    else:
        python = python_of(tool)
        _install(python, "psycopg[binary]")
        where = ["--backend-store-uri", url.partition("?")[0], "--artifacts-destination", "artifacts"]
        here = ["--host", "127.0.0.1", "--port", str(port)]
        command = [str(python), "-m", "mlflow", "server", *where, *here]
        path = "/health"
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True
    )
    try:
        serving._first_answer(port, path, process, folder)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        log.close()


# reading ------------------------------------------------------------------------------------------


def _reading(bench: Bench, section: Section, database: Any, n: int) -> None:
    url = database.url("many")
    mine = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
    with bench.reporting("chachaml", "Postgres, many runs"), bench.folder() as folder:
        seconds = mine.work(folder, "postgres.make", url=url, n=n)["seconds"]
        database.execute("VACUUM ANALYZE")  # which Postgres does by itself within a minute
        found = mine.work(folder, "postgres.find", url=url)["searches"]
        rows = [[what, engineering(first), engineering(warm)] for what, first, warm in found]
        note = f"They were logged at {engineering(n / seconds)} runs a second, by one process."
        section.tables.append(Table([f"among {n:,} runs, ms", "first call", "p50 of 20"], rows, note))
        section.targets += [Target(f"Postgres, {what}, p50", warm, 50, "ms") for what, _, warm in found]
        section.tables += _beside(bench, database, {what: warm for what, _, warm in found}, n)


def _beside(bench: Bench, database: Any, ours: dict[str, float], n: int) -> list[Table]:
    """Return how MLflow, straight in the same database as well, finds what is asked for most."""
    if "mlflow" not in bench.peers:
        return []
    rows, count = [], bench.n(PEER_RUNS, 5)
    with bench.reporting("mlflow", "Postgres, searching"), bench.folder() as folder:
        database.execute("CREATE DATABASE mlflow_many")
        url = database.url("many").partition("?")[0].replace("/postgres", "/mlflow_many")
        _install(python_of("mlflow"), "psycopg[binary]")
        found = bench.work(folder, "postgres.find_peer", "mlflow", url=url, n=count)["searches"]
        for what, _, warm in found:
            rows.append([what, engineering(ours[what]), engineering(warm), engineering(warm / ours[what])])
    head = [
        f"p50, ms: chachaml among {n:,} runs, MLflow among {count:,}",
        "chachaml",
        "mlflow",
        "over chachaml",
    ]
    return [Table(head, rows, "MLflow makes runs slowly, so that its database holds far fewer.")]


def make(folder: Path, tool: str, url: str, n: int) -> Result:
    """Make `n` runs of random settings and results."""
    import chachaml as ml

    ml.connect(url)
    begin = perf_counter()
    searching.fill(n)
    ml.flush()
    return {"seconds": perf_counter() - begin}


def find(folder: Path, tool: str, url: str) -> Result:
    """Time lists, searches and best runs: the first call, then the median of twenty."""
    import chachaml as ml

    ml.connect(url)
    asked: dict[str, Callable[[], Any]] = {
        "newest 100": lambda: ml.runs(limit=100),
        "100 of an experiment": lambda: ml.runs(experiment="experiment-7", limit=100),
        "best run of all": lambda: ml.best_run(metric="metric-3"),
        "best run of an experiment": lambda: ml.best_run(experiment="experiment-7", metric="metric-3"),
        **{what: lambda text=text: ml.runs(text, limit=100) for what, text in SEARCHES.items()},  # type: ignore[misc]
    }
    return {"searches": [(what, *searching._first_and_warm(ask, 20)) for what, ask in asked.items()]}


def find_peer(folder: Path, tool: str, url: str, n: int) -> Result:
    """Make `n` runs with MLflow, straight in a database, and time finding among them."""
    from benchmarks.tools import load

    adapter: Any = load(tool, folder)
    adapter.mlflow.set_tracking_uri(url)
    adapter.mlflow.set_experiment("bench")
    random = Random(1)
    for number in range(n):
        adapter.start(f"run-{number}", searching._params(random, number))
        adapter.mlflow.log_metrics({f"metric-{key}": random.random() + key for key in range(10)}, step=0)
        adapter.finish()
    search = adapter.mlflow.search_runs
    both = "metrics.`metric-3` > 3.5 and params.optimizer = 'adam'"
    asked: dict[str, Callable[[], Any]] = {
        "newest 100": lambda: search(max_results=100),
        "best run of all": lambda: search(order_by=["metrics.`metric-3` DESC"], max_results=1),
        "a metric and a param": lambda: search(filter_string=both, max_results=100),
    }
    return {"searches": [(what, *searching._first_and_warm(ask, 5)) for what, ask in asked.items()]}
